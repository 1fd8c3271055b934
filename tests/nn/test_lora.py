"""Low-rank adapters: no change at the start, merged equals adapted, and only they learn."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sibao.core.errors import BadInput
from sibao.models.base import Keys
from sibao.models.folder import family_of
from sibao.nn.decoder import Decoder
from sibao.nn.lora import LoRALinear, LoraSpec, adapted, add_lora, merge_lora, wrap
from sibao.nn.quantized import quantize_layers

IDS = torch.arange(20)[None]


@pytest.fixture
def model() -> Decoder:
    model = Decoder(family_of("qwen3").read(Keys(family_of("qwen3").TINY | {"initializer_range": 0.3})))
    model.initialize(0)
    return model.eval()


def spread(model: Decoder) -> None:
    """Adapters that change something."""
    torch.manual_seed(0)
    for layer in adapted(model).values():
        nn.init.normal_(layer.lora_B, std=0.3)


def test_a_new_adapter_changes_nothing(model: Decoder) -> None:
    before = model(IDS)
    names = add_lora(model, ["q_proj", "down_proj"], 4, 8)
    assert names == [f"layers.{i}.{n}" for i in (0, 1) for n in ("self_attn.q_proj", "mlp.down_proj")]
    assert torch.equal(model(IDS), before)


def test_the_change_is_the_formula() -> None:
    torch.manual_seed(0)
    base = nn.Linear(6, 5)
    layer = LoRALinear(base, LoraSpec(2, 6))
    nn.init.normal_(layer.lora_B)
    x = torch.randn(3, 6)
    want = x @ base.weight.T + base.bias + 6 / 2 * (x @ layer.lora_A.T @ layer.lora_B.T)
    assert torch.allclose(layer(x), want, atol=1e-6)
    assert not torch.allclose(layer(x), base(x), atol=1e-2)


def test_merged_is_adapted(model: Decoder) -> None:
    plain = model(IDS)
    names = set(model.state_dict())
    add_lora(model, ["q_proj", "v_proj", "up_proj"], 4, 8)
    spread(model)
    changed = model(IDS)
    merge_lora(model)
    assert set(model.state_dict()) == names and not adapted(model)
    assert torch.allclose(model(IDS), changed, atol=1e-4)
    assert not torch.allclose(plain, changed, atol=1e-2)


def test_only_the_adapter_learns(model: Decoder) -> None:
    add_lora(model, ["q_proj"], 4, 8)
    learning = [n for n, p in model.named_parameters() if p.requires_grad]
    assert learning == [f"layers.{i}.self_attn.q_proj.lora_{m}" for i in (0, 1) for m in "AB"]
    model(IDS).sum().backward()
    assert {n for n, p in model.named_parameters() if p.grad is not None} == set(learning)


def test_dropout_is_for_training_only() -> None:
    layer = LoRALinear(nn.Linear(64, 64), LoraSpec(4, 8, dropout=0.5))
    nn.init.normal_(layer.lora_B)
    x = torch.ones(1, 64)
    layer.train()
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


@pytest.mark.parametrize("targets", [["q_projection"], ["q_proj", "q_projection"], ["lm_head", "q_projection"]])
def test_an_unknown_layer_is_named(model: Decoder, targets: list[str]) -> None:
    with pytest.raises(BadInput, match=r"no layer named .*q_projection to adapt") as caught:
        add_lora(model, targets, 4, 8)
    assert caught.value.hint == "layers: down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj"
    assert not adapted(model) and all(p.requires_grad for p in model.parameters())


def test_dora_at_the_start_changes_nothing_and_then_is_the_formula() -> None:
    """Equation 5: the direction of W + s·B·A, with a length of its own for each output."""
    torch.manual_seed(0)
    base = nn.Linear(6, 5)
    layer, x = LoRALinear(base, LoraSpec(2, 6, dora=True)), torch.randn(3, 6)
    assert torch.allclose(layer(x), base(x), atol=1e-6)
    assert layer.magnitude is not None
    nn.init.normal_(layer.lora_B)
    nn.init.uniform_(layer.magnitude, 0.5, 2.0)
    whole = base.weight + 3 * layer.lora_B @ layer.lora_A
    want = x @ (layer.magnitude / whole.norm(dim=1)).mul(whole.T).detach() + base.bias
    assert torch.allclose(layer(x), want, atol=1e-5)
    layer.eval()
    with torch.no_grad():
        assert torch.allclose(layer(x), want, atol=1e-5)
        layer.magnitude.mul_(2)
        assert torch.allclose(layer(x) - base.bias, 2 * (want - base.bias), atol=1e-5), "an old length was kept"
    assert torch.allclose(layer.merged()(x) - base.bias, 2 * (want - base.bias), atol=1e-5)


def test_dora_learns_lengths_and_counts_the_norm_as_a_constant() -> None:
    torch.manual_seed(0)
    layer, x = LoRALinear(nn.Linear(6, 5), LoraSpec(2, 6, dora=True)), torch.randn(3, 6)
    nn.init.normal_(layer.lora_B)
    layer(x).sum().backward()
    assert layer.magnitude is not None and layer.magnitude.grad is not None and layer.lora_B.grad is not None
    norm = (layer.base.weight + 3 * layer.lora_B @ layer.lora_A).norm(dim=1).detach()
    want = torch.autograd.grad(
        ((layer.magnitude.detach() / norm) * (x @ (3 * layer.lora_B @ layer.lora_A).T)).sum(), layer.lora_B
    )[0]
    assert torch.allclose(layer.lora_B.grad, want, atol=1e-5)


def test_rslora_divides_by_the_root_of_the_rank() -> None:
    assert LoraSpec(16, 32).scale == 2 and LoraSpec(16, 32, rslora=True).scale == 8


def test_a_quantised_base_learns_and_merges(model: Decoder) -> None:
    quantize_layers(model)
    add_lora(model, ["q_proj", "v_proj"], 4, 8)
    spread(model)
    changed = model(IDS)
    changed.sum().backward()
    assert all(layer.lora_A.grad is not None for layer in adapted(model).values())
    merge_lora(model)
    assert torch.allclose(model(IDS), changed, atol=1e-4)


def test_layers_of_one_group_share_their_first_matrix(model: Decoder) -> None:
    group = [f"layers.0.self_attn.{p}_proj" for p in "qkv"]
    wrap(model, [group], LoraSpec(4, 8))
    layers = adapted(model)
    assert len({id(layers[name].lora_A) for name in group}) == 1
    assert sum("lora_A" in name for name, _ in model.named_parameters()) == 1
