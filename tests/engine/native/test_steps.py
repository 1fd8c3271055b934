"""Whole steps of the kernels against the networks of ``nn``, for every decoder family, and against themselves."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.peers import IDS, SHAPES, own_logits, peer, read_shape, some_ids
from tests.engine.native.steps import logits_of

from sibao.engine.build import build
from sibao.engine.native.library import missing
from sibao.engine.request import Request
from sibao.engine.scheduler import STEP_TOKENS
from sibao.models.folder import load_model
from sibao.nn.config import DecoderConfig
from sibao.nn.decoder import Decoder

pytestmark = pytest.mark.skipif(bool(missing()), reason="no compiler")
DENSE = [(shape, name) for shape, name in zip(SHAPES, IDS, strict=True) if read_shape(shape[0]).experts is None]
ROWS = some_ids(3, 40).tolist()
MIXED = [ROWS[0], ROWS[1][:7], ROWS[2][:33], ROWS[0][:1]]


@pytest.mark.parametrize("shape", [s for s, _ in DENSE], ids=[n for _, n in DENSE])
def test_a_family_is_computed_as_its_network_does(shape: tuple[str, int]) -> None:
    folder = peer(*shape)[1]
    model = load_model(folder, torch.float32)
    wanted = own_logits(model, torch.tensor(ROWS))
    got = torch.stack(logits_of(build(model, precision="fp32", kernels=True).runner, ROWS))
    assert (got - wanted).abs().max() <= 1e-4

    spread = wanted.std()
    half = torch.stack(logits_of(build(load_model(folder, torch.bfloat16), kernels=True).runner, ROWS))
    theirs = own_logits(load_model(folder, torch.bfloat16), torch.tensor(ROWS))
    apart, usual = ((one - wanted).abs().mean() / spread for one in (half, theirs))
    assert apart <= max(2 * usual, 0.01)

    for precision in ("int8", "int4"):
        plain = torch.stack(logits_of(build(model, precision=precision, kernels=False).runner, ROWS))
        kernels = torch.stack(logits_of(build(model, precision=precision, kernels=True).runner, ROWS))
        # rounding differs in the last bits; now and then that tips one code, which is seen but small
        far = (kernels - plain).abs() / spread
        assert far.median() <= 1e-5 and far.mean() <= 5e-3
        assert (kernels - wanted).abs().mean() / spread <= 0.5, "it is quantised, but the same model"


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8", "int4"])
@pytest.mark.parametrize("shape", [("gemma2", 2), ("qwen3", 1)], ids=str)
@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(4)), piece=st.integers(1, 41), count=st.integers(1, 4), threads=st.integers(1, 2))
def test_a_row_is_the_same_to_the_bit_in_any_company(
    precision: str, shape: tuple[str, int], order: list[int], piece: int, count: int, threads: int
) -> None:
    model = load_model(peer(*shape)[1], torch.float32 if precision == "fp32" else torch.bfloat16)
    runner = build(model, precision=precision, kernels=True, threads=threads).runner
    alone = [logits_of(runner, [MIXED[i]])[0] for i in order[:count]]
    together = logits_of(runner, [MIXED[i] for i in order[:count]], piece)
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one, other)


def test_a_prompt_that_takes_several_steps_alone() -> None:
    decoder = Decoder(DecoderConfig(89, 40, 2, 4, 2, 10, 72, 3 * STEP_TOKENS, initializer_range=0.3)).eval()
    decoder.initialize(3)
    prompt = [i * 7 % 80 for i in range(2 * STEP_TOKENS + 60)]
    made = build(decoder, precision="fp32", kernels=True, threads=1)
    told = list(made.submit(Request("long", prompt, max_tokens=1)))
    with torch.inference_mode():
        best = int(decoder.logits(decoder(torch.tensor([prompt])))[0, -1].argmax())
    assert [(event.token_ids, event.error) for event in told] == [((best,), "")]
