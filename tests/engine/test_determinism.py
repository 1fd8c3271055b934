"""``deterministic=True``: what a request is given is the same to the bit alone, in any company, and after a restart.

Log-probabilities are compared as well as tokens: in a tiny model two tokens are rarely so close that rounding decides.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.native.steps import logits_of, tables

from sibao.core.types import Sampling
from sibao.engine.build import build
from sibao.engine.engine import Engine
from sibao.engine.native.library import missing
from sibao.engine.request import Request
from sibao.engine.runner import BLOCK, Step
from sibao.engine.torch_runner import TorchRunner
from sibao.nn.config import DecoderConfig, Experts
from sibao.nn.decoder import Decoder

WORDS, CONTEXT = 89, 150  # no whole number of blocks
LLAMA = DecoderConfig(WORDS, 40, 2, 4, 2, 10, 72, CONTEXT, initializer_range=0.3)
CONFIGS = {
    "llama": LLAMA,
    "gpt2": replace(
        LLAMA, norm="layer", activation="gelu_tanh", gated_mlp=False, positions="learned", num_key_value_heads=4,
        qkv_bias=True, out_bias=True, mlp_bias=True,
    ),
    "gemma2": replace(
        LLAMA, norm="rms_offset", output_norms=True, sliding_window=9, windowed_layers=(True, False),
        attention_softcap=20.0, logit_softcap=15.0, scaled_embeddings=True, query_pre_attn_scalar=12.0,
    ),
    "mixture": replace(LLAMA, experts=Experts(4, 2, 24, (0, 1))),
}  # fmt: skip
WAYS = [
    ("llama", "fp32", False), ("llama", "bf16", False), ("llama", "int8", False), ("gpt2", "fp32", False),
    ("gemma2", "fp32", False), ("gemma2", "bf16", False), ("mixture", "fp32", False),
    ("llama", "fp32", True), ("gpt2", "int8", True), ("gemma2", "bf16", True),
]  # fmt: skip
FIRST = torch.randint(0, WORDS, (2 * BLOCK + 5,), generator=torch.Generator().manual_seed(5)).tolist()
"""What several prompts begin with."""
Told = tuple[list[int], list[Any], str | None]


def network(family: str, precision: str = "fp32", seed: int = 3) -> Decoder:
    """The same weights each time."""
    made = Decoder(CONFIGS[family])
    made.initialize(seed)
    return made.bfloat16() if precision == "bf16" else made


def engine(family: str, precision: str, kernels: bool, blocks: int = 7) -> Engine:
    """A new engine on a new network, whose cache has room for little more than one long request."""
    made = network(family, precision)
    size = TorchRunner.block_bytes(made.config, 4 if precision == "fp32" else 2)
    return build(
        made,
        precision=precision,
        kernels=kernels,
        deterministic=True,
        max_batch=3,
        cache_bytes=blocks * size,
        threads=1,
    )


@dataclass(frozen=True)
class Asked:
    """One request of a mix: when it comes, and what it is."""

    after: int
    shared: int
    own: tuple[int, ...]
    new: int
    priority: int
    temperature: float
    seed: int

    def request(self, name: str) -> Request:
        sampling = Sampling(temperature=self.temperature, top_p=0.95, seed=self.seed, logprobs=2)
        ids = [*FIRST[: self.shared], *self.own]
        return Request(name, ids, sampling, max_tokens=self.new, priority=self.priority)


ASKED = st.builds(
    Asked,
    after=st.integers(0, 8),
    shared=st.sampled_from([0, 0, 31, BLOCK, 2 * BLOCK + 5]),
    own=st.lists(st.integers(0, WORDS - 1), min_size=1, max_size=40).map(tuple),
    new=st.integers(1, 30),
    priority=st.integers(0, 2),
    temperature=st.sampled_from([0.0, 0.0, 1.0]),
    seed=st.integers(0, 99),
)
MIXES = st.lists(ASKED, min_size=3, max_size=6)


def told(made: Engine, mix: list[Asked]) -> dict[str, Told]:
    """All that is said of each request, each added when its time has come."""
    found: dict[str, Told] = {str(i): ([], [], None) for i in range(len(mix))}
    step = 0
    while step <= max(asked.after for asked in mix) or made.busy:
        for i, asked in enumerate(mix):
            if asked.after == step:
                made.add(asked.request(str(i)))
        for event in made.step():
            ids, scores, _ = found[event.id]
            found[event.id] = [*ids, *event.token_ids], [*scores, *event.logprobs], event.finish_reason
        step += 1
    return found


@cache
def patient(family: str, precision: str, kernels: bool) -> Engine:
    """An engine with room that serves one request after another."""
    return engine(family, precision, kernels, blocks=64)


@pytest.fixture(scope="module", autouse=True)
def no_engine_outlives_the_tests() -> Iterator[None]:
    yield
    patient.cache_clear()


@pytest.mark.parametrize(("family", "precision", "kernels"), WAYS)
@settings(max_examples=3, deadline=None)
@given(mix=MIXES)
def test_alone_in_company_and_after_a_restart(family: str, precision: str, kernels: bool, mix: list[Asked]) -> None:
    if kernels and missing():
        pytest.skip(missing())
    mixed = told(engine(family, precision, kernels), mix)
    for i, asked in enumerate(mix):
        # this engine still remembers the blocks of earlier mixes; the first one began with nothing
        alone = told(patient(family, precision, kernels), [replace(asked, after=0)])["0"]
        assert mixed[str(i)] == alone
        assert alone[2] == "length" and len(alone[0]) == len(alone[1]) == asked.new


QUESTIONS = st.lists(
    st.tuples(
        st.sampled_from([0, 20, 31, BLOCK, 2 * BLOCK + 5]),  # tokens that questions begin with alike
        st.lists(st.integers(0, WORDS - 1), min_size=1, max_size=30),
        st.lists(st.lists(st.integers(0, WORDS - 1), min_size=1, max_size=6), min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize(("family", "precision", "kernels"), WAYS)
@settings(max_examples=3, deadline=None)
@given(asked=QUESTIONS)
def test_choices_score_the_same_together_and_alone(
    family: str, precision: str, kernels: bool, asked: list[tuple[int, list[int], list[list[int]]]]
) -> None:
    if kernels and missing():
        pytest.skip(missing())
    questions = [([*FIRST[:shared], *own], choices) for shared, own, choices in asked]
    texts = [([*question, *choice], len(question)) for question, choices in questions for choice in choices]
    together = engine(family, precision, kernels, blocks=12).score(texts)
    assert together == [engine(family, precision, kernels, blocks=12).score([text])[0] for text in texts]


def test_requests_of_such_mixes_do_give_way_and_share() -> None:
    made = engine("llama", "fp32", False)
    mix = [Asked(i, 2 * BLOCK + 5, (i, 7, i), 30, i % 3, 0.0, i) for i in range(5)]
    mixed = told(made, mix)
    assert made.gave_way > 0
    assert mixed == {str(i): told(engine("llama", "fp32", False, 64), [a])["0"] for i, a in enumerate(mix)}


SCRIPT = """
import torch
torch.set_num_threads(1)
from tests.engine.test_determinism import restarted
print(restarted())
"""


def restarted() -> str:
    """What several new engines say."""
    mix = [Asked(i, 31 * (i % 2), (5, i, 9), 12, 0, float(i == 2), i) for i in range(4)]
    return repr([told(engine(*way), mix) for way in WAYS if not way[2] and way[0] in ("llama", "gemma2")])


def test_another_process_says_the_same() -> None:
    root = Path(__file__).parents[2]
    path = [str(root / "src"), str(root)]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        here = restarted()
    finally:
        torch.set_num_threads(before)
    script = f"import sys; sys.path[:0] = {path!r}{SCRIPT}"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == here


def runner(family: str, precision: str = "fp32", *, deterministic: bool = True) -> TorchRunner:
    return TorchRunner(network(family, precision).eval(), 12, deterministic=deterministic)


@pytest.mark.parametrize("family", CONFIGS)
@torch.inference_mode()
def test_the_same_bits_however_a_text_is_cut(family: str) -> None:
    texts = [FIRST, FIRST[3:50], FIRST[:1], [7] * CONTEXT]
    made = runner(family)
    whole = logits_of(made, texts)
    for piece in (1, 7, 33):
        for one, other in zip(whole, logits_of(made, texts, piece), strict=True):
            assert torch.equal(one, other)
    plain = logits_of(runner(family, "fp32", deterministic=False), texts)
    for one, other in zip(logits_of(runner(family), texts), plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("family", ["llama", "gemma2"])
@torch.inference_mode()
def test_what_others_left_in_the_cache_is_not_seen(family: str, deterministic: bool) -> None:
    texts = [FIRST, FIRST[:40], FIRST[:3]]
    clean = logits_of(runner(family, deterministic=deterministic), texts, 7)
    made = runner(family, deterministic=deterministic)
    for store in (made._cache.keys, made._cache.values):
        store[:, : made.blocks] = torch.nan
    for one, other in zip(clean, logits_of(made, texts, 7), strict=True):
        assert torch.equal(one, other)


@torch.inference_mode()
def test_a_token_without_numbers_spoils_none_before_it() -> None:
    """Guesses stand behind what is asked for; a mask alone would let their NaN through."""
    made = runner("llama")
    made.model.embed_tokens.weight[88] = torch.nan
    made.model.lm_head.weight = torch.nn.Parameter(torch.randn(WORDS, 40, generator=torch.Generator().manual_seed(0)))
    (clean,) = logits_of(made, [[4, 5, 6, 7]])
    (spoilt,) = logits_of(made, [[4, 5, 6, 7, 88, 8]])
    assert torch.equal(clean, spoilt[:4]) and spoilt[4].isnan().all() and spoilt[5].isnan().all()
    step = Step()
    step.add([9], 4, tables([[0] * 6])[0], range(1))  # the guess was wrong: another token takes its place
    assert torch.equal(made.logits(step)[0], logits_of(runner_like(made), [[4, 5, 6, 7, 9]])[0][4])


def runner_like(other: TorchRunner) -> TorchRunner:
    """With the same weights and nothing in its cache."""
    return TorchRunner(other.model, 12, deterministic=True)


def test_a_deterministic_runner_is_exact_and_so_guesses_ahead() -> None:
    assert runner("llama").exact and not runner("llama", deterministic=False).exact
    made = engine("llama", "fp32", False)
    list(made.submit(Request("a", [3, 4, 5] * 9, max_tokens=20)))
    assert made.guesser is not None
