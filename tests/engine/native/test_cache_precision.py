"""Keys and values in float32, bfloat16 and int8: what is computed with them, and what a block holds."""

from __future__ import annotations

from array import array

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.peers import peer, some_ids
from tests.engine.native.steps import logits_of
from torch import Tensor

from sibao.core.errors import BadInput, UnknownName
from sibao.engine.build import Limits, build
from sibao.engine.engine import Engine
from sibao.engine.native.library import missing
from sibao.engine.native.runner import KV_PRECISIONS, NativeRunner
from sibao.engine.request import Request
from sibao.engine.runner import BLOCK, Step
from sibao.models.folder import load_model
from sibao.nn.decoder import Decoder

pytestmark = pytest.mark.skipif(bool(missing()), reason="no compiler")
ROWS = some_ids(3, 40).tolist()
MIXED = [ROWS[0], ROWS[1][:7], ROWS[2][:33], ROWS[0][:1]]
SHAPES = [("gemma2", 2), ("gpt2", 0), ("qwen3", 1), ("llama", 0)]


class Rounded:
    """A cache for ``Decoder.forward`` whose keys and values lose what a precision of them loses; one pass fills it."""

    def __init__(self, precision: str, length: int) -> None:
        self.precision, self.length = precision, length

    def update(self, layer: int, k: Tensor, v: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        return self._round(k), self._round(v)

    def _round(self, x: Tensor) -> Tensor:
        if self.precision == "fp32":
            return x
        if self.precision == "bf16":
            return x.bfloat16().float()
        step = x.abs().amax(dim=-1, keepdim=True) / 127
        return (x / step).round().clamp(-127, 127) * step


@pytest.mark.parametrize("kv_cache", KV_PRECISIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@torch.inference_mode()
def test_keys_and_values_lose_what_their_precision_loses(shape: tuple[str, int], kv_cache: str) -> None:
    model = load_model(peer(*shape)[1], torch.float32)
    ids, at = torch.tensor(ROWS), torch.arange(40).expand(3, 40)
    wanted = model.logits(model(ids, at, Rounded(kv_cache, 40)))
    got = torch.stack(logits_of(build(model, precision="fp32", kernels=True, kv_cache=kv_cache).runner, ROWS))
    far = (got - wanted).abs()
    # a number between two steps may go either way, for what precedes it differs in its last bits
    assert far.median() <= 1e-5 and far.max() <= (1e-4 if kv_cache == "fp32" else 0.05) * max(1, wanted.std())
    exact = model.logits(model(ids))
    assert ((got - exact).abs().max() > 1e-4) == (kv_cache != "fp32"), "it was kept in that precision"


@pytest.mark.parametrize("kv_cache", KV_PRECISIONS)
@pytest.mark.parametrize("shape", [("gemma2", 2), ("gpt2", 0)], ids=str)
@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(4)), piece=st.integers(1, 41), count=st.integers(1, 4), threads=st.integers(1, 2))
def test_a_row_is_the_same_to_the_bit_in_any_company(
    kv_cache: str, shape: tuple[str, int], order: list[int], piece: int, count: int, threads: int
) -> None:
    model = load_model(peer(*shape)[1], torch.float32)
    runner = build(model, precision="int8", kernels=True, threads=threads, kv_cache=kv_cache).runner
    alone = [logits_of(runner, [MIXED[i]])[0] for i in order[:count]]
    together = logits_of(runner, [MIXED[i] for i in order[:count]], piece)
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("kv_cache", KV_PRECISIONS)
@torch.inference_mode()
def test_a_copied_block_is_gone_on_from(kv_cache: str) -> None:
    runner = build(load_model(peer("qwen3", 1)[1], torch.float32), kernels=True, kv_cache=kv_cache).runner
    whole, (one, two) = logits_of(runner, [[*ROWS[0], 5]])[0], (array("i", [4, 9]), array("i", [4, 6]))
    first = Step()
    first.add(ROWS[0], 0, one, range(0))
    runner.hidden(first)
    both = Step(copies=[(9, 6, len(ROWS[0]) - BLOCK)])
    both.add([7], len(ROWS[0]), one, range(1))
    both.add([5], len(ROWS[0]), two, range(1))
    got = runner.logits(both)
    assert torch.equal(got[1], whole[-1]) and not torch.equal(got[0], got[1])


def model_of(family: str) -> Decoder:
    return load_model(peer(family, 0)[1], torch.float32)


def test_what_a_block_takes() -> None:
    config = model_of("llama").config
    sizes = {kv: NativeRunner.block_bytes(config, "int8", kv) for kv in (*KV_PRECISIONS, "auto")}
    numbers = config.num_hidden_layers * config.num_key_value_heads * 2 * BLOCK * (-(-config.head_dim // 16) * 16)
    steps = config.num_hidden_layers * config.num_key_value_heads * 2 * BLOCK
    assert sizes == {"fp32": 4 * numbers, "bf16": 2 * numbers, "int8": numbers + 4 * steps, "auto": 2 * numbers}
    assert NativeRunner.block_bytes(config, "fp32") == 4 * numbers


def tokens(engine: Engine, **settings: object) -> list[int]:
    request = Request("a", ROWS[0][:9], max_tokens=30, **settings)  # type: ignore[arg-type]
    return [token for event in engine.submit(request) for token in event.token_ids]


@pytest.mark.parametrize("kv_cache", ["fp32", "bf16"])
def test_pytorch_keeps_them_in_floats(kv_cache: str) -> None:
    for precision in ("fp32", "int8"):
        plain, kernels = (
            build(model_of("llama"), precision=precision, kernels=which, kv_cache=kv_cache) for which in (False, True)
        )
        assert plain.runner._cache.keys.dtype == {"fp32": torch.float32, "bf16": torch.bfloat16}[kv_cache]  # type: ignore[attr-defined]
        assert tokens(plain)[:3] == tokens(kernels)[:3]


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownName, match="no kv_cache named 'fp8'"):
        build(model_of("llama"), kv_cache="fp8")
    with pytest.raises(BadInput, match="int8 keys and values need Sibao's kernels: not asked for"):
        build(model_of("llama"), kernels=False, kv_cache="int8")
    assert Limits().kv_cache == "auto"
