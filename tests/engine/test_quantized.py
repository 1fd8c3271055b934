"""int8 and int4 on PyTorch's own operators: the same tokens as the kernels, where there is no compiler."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.peers import own_logits, peer, some_ids
from tests.tiny import tiny_folder
from torch import nn

from sibao.core.errors import BadInput
from sibao.engine.build import build
from sibao.engine.native.library import missing
from sibao.engine.quantized import quantize_network
from sibao.engine.request import Request
from sibao.models.adapter import adapt, save_adapter
from sibao.models.folder import load_model
from sibao.nn.decoder import Decoder
from sibao.nn.integer import (
    Codes,
    HeadEmbedding,
    IntegerLinear,
    pack_nibbles,
    quantize,
    round_rows,
    unpack_nibbles,
)
from sibao.nn.lora import LoraSpec, adapted, add_lora, linear_layers, merge_lora
from sibao.nn.network import Network

PROMPTS = [torch.randint(0, 97, (n,), generator=torch.Generator().manual_seed(n)).tolist() for n in (1, 6, 19, 23)]


def answers(model: Network, precision: str, kernels: bool) -> list[list[int]]:
    assert isinstance(model, Decoder)
    engine = build(model, precision=precision, kernels=kernels, max_batch=3)
    found: dict[str, list[int]] = {str(i): [] for i in range(len(PROMPTS))}
    for event in engine.submit(*(Request(str(i), ids, max_tokens=20) for i, ids in enumerate(PROMPTS))):
        found[event.id].extend(event.token_ids)
    return list(found.values())


@pytest.mark.skipif(bool(missing()), reason="no compiler")
@pytest.mark.parametrize("precision", ["int8", "int4"])
@pytest.mark.parametrize("shape", [("gemma2", 2), ("qwen2", 1), ("gpt2", 0), ("phi3", 1)], ids=str)
def test_the_same_tokens_with_and_without_kernels(shape: tuple[str, int], precision: str) -> None:
    model = load_model(peer(*shape)[1], torch.float32)
    assert answers(model, precision, kernels=True) == answers(model, precision, kernels=False)


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_experts_go_through_pytorch(precision: str) -> None:
    model = load_model(peer("qwen3_moe", 0)[1], torch.float32)
    made = quantize_network(model, precision)
    kinds = {n: type(m) for n, m in made.named_modules() if isinstance(m, nn.Linear | IntegerLinear)}
    assert {kind for name, kind in kinds.items() if name.endswith("mlp.gate")} == {nn.Linear}
    assert {kind for name, kind in kinds.items() if not name.endswith("mlp.gate")} == {IntegerLinear}
    ids = some_ids()
    wanted = own_logits(model, ids)
    apart = (own_logits(made, ids) - wanted).abs().mean() / wanted.std()
    assert 0 < apart < (0.1 if precision == "int8" else 0.5)
    assert len({tuple(tokens) for tokens in answers(model, precision, kernels=False)}) == 4


def test_the_model_itself_stays_as_it_is() -> None:
    model = load_model(peer("llama", 1)[1])
    before = {k: v.clone() for k, v in model.state_dict().items()}
    made = quantize_network(model, "int4")
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    layers = linear_layers(made)
    precisions = {name: layer.precision for name, layer in layers.items() if isinstance(layer, IntegerLinear)}
    assert precisions.pop("lm_head") == "int8" and set(precisions.values()) == {"int4"}
    assert isinstance(made.get_submodule("embed_tokens"), HeadEmbedding)
    assert made.embed_tokens(torch.tensor([3]))[0].tolist() == layers["lm_head"].dequantized()[3].tolist()  # type: ignore[operator]


def test_what_is_quantised_already_keeps_its_codes() -> None:
    model = load_model(peer("qwen3", 0)[1])
    once = quantize_network(model, "int4")
    again = quantize_network(once, "int4")
    assert again.layers[0].mlp.up_proj is once.layers[0].mlp.up_proj  # type: ignore[union-attr]


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_an_adapter_is_in_the_weights_before_they_are_rounded(precision: str) -> None:
    folder = peer("qwen2", 1)[1]
    adapted, merged = load_model(folder, torch.float32), load_model(folder, torch.float32)
    for model in (adapted, merged):
        add_lora(model, ["q_proj", "down_proj"], rank=2, alpha=8.0)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora" in name:
                    parameter.normal_(generator=generator)
    merge_lora(merged)
    ids = some_ids()
    got, wanted = (own_logits(quantize_network(model.eval(), precision), ids) for model in (adapted, merged))
    assert torch.equal(got, wanted) and (got - own_logits(load_model(folder, torch.float32), ids)).abs().max() > 0.1


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 20), k=st.integers(1, 100), seed=st.integers(0, 999))
def test_codes_are_as_near_as_their_bits_allow(n: int, k: int, seed: int) -> None:
    weight = torch.randn(n, k, generator=torch.Generator().manual_seed(seed))
    eight, four = quantize(weight, "int8"), quantize(weight, "int4")
    assert eight.codes.abs().max() == 127 and (eight.dequantized() - weight).abs().max() <= 0.5001 * eight.steps.max()
    assert four.codes.min() >= -8 and four.codes.max() <= 7
    # no worse than the plain way: the largest weight of a group becomes -8
    groups = nn.functional.pad(weight, (0, -k % 32)).view(n, -1, 32)
    top = groups.gather(-1, groups.abs().argmax(-1, keepdim=True))
    step = (top / -8).bfloat16().float()
    plain = ((groups / torch.where(step == 0, 1.0, step)).round().clamp(-8, 7) * step).view(n, -1)[:, :k]
    lost, usual = ((one.double() - weight.double()).square().sum() for one in (four.dequantized(), plain))
    assert lost <= usual * (1 + 1e-6)
    assert torch.equal(unpack_nibbles(pack_nibbles(four.codes), k), four.codes)


def test_activations_are_rounded_row_by_row() -> None:
    x = torch.tensor([[1.0, -2.0, 0.5], [0.0, -0.0, 0.0], [1e30, 0.4e30, -1e30], [2.0, 1.0, 0.05]])
    rows, steps = round_rows(x)
    assert rows.tolist() == [[64, -127, 32], [0, 0, 0], [127, 51, -127], [127, 64, 3]]
    assert steps[:, 0].tolist() == pytest.approx([2 / 127, 0, 1e30 / 127, 2 / 127])


def test_a_head_in_four_bits_is_no_embedding() -> None:
    with pytest.raises(BadInput, match="wanted int8"):
        HeadEmbedding(IntegerLinear(quantize(torch.ones(4, 32), "int4")))


def test_a_layer_in_half_precision_gives_half_precision(tmp_path: Path) -> None:
    layer = IntegerLinear(Codes(torch.ones(3, 4, dtype=torch.int8), torch.ones(3, 1), "int8"), torch.ones(3))
    assert layer(torch.ones(2, 5, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert layer(torch.ones(2, 5, 4)).tolist() == [[[5.0] * 3] * 5] * 2
    model = load_model(tiny_folder(tmp_path / "m"))
    assert answers(model, "int8", kernels=False)


@pytest.mark.skipif(bool(missing()), reason="no compiler")
@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_requests_may_name_adapters(tmp_path: Path, precision: str) -> None:
    base = peer("llama", 0)[1]
    names: list[str | None] = [None]
    for seed in (1, 2):
        model = load_model(base, torch.float32)
        adapt(model, "llama", [], LoraSpec(3, 6.0))
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for layer in adapted(model).values():
                layer.lora_B.normal_(0.0, 0.3, generator=generator)
        save_adapter(model, tmp_path / str(seed), "llama", str(base))
        names.append(str(tmp_path / str(seed)))
    requests = [Request(f"{i} {n}", PROMPTS[2], score_from=1, max_tokens=0, adapter=n) for i in (1, 2) for n in names]
    found = []
    for kernels in (True, False):
        engine = build(load_model(base, torch.float32), family="llama", precision=precision, kernels=kernels)
        events = engine.submit(*requests)
        found.append({event.id: event.scored.logprobs for event in events if event.scored is not None})
    own, plain = found
    assert own.keys() == plain.keys() and len({tuple(scores) for scores in own.values()}) == 3
    for name, scores in own.items():
        assert scores == pytest.approx(plain[name], abs=0.05)
