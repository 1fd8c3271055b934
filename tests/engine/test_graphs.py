"""Recorded steps: the bookkeeping of a GPU's path, with a recorder that runs on any device.

``Recording`` keeps the operators of a step with the very tensors that they were called on, as a CUDA graph does: what a
step takes from anywhere but its inputs, the cache and the weights stays as it was when it was recorded.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import pytest
import torch
from tests.engine.test_determinism import CONFIGS, CONTEXT, FIRST, network
from torch.fx.experimental.proxy_tensor import make_fx

from sibao.core.types import Sampling
from sibao.engine import graphs
from sibao.engine.engine import Engine
from sibao.engine.graphs import Capture, DecodeGraphs, Work, eager, rows_bucket, why_eager, width_bucket
from sibao.engine.paged import PagedCache
from sibao.engine.request import Request
from sibao.engine.runner import BLOCK, Step
from sibao.engine.torch_runner import TorchRunner

WHOLE = -(-CONTEXT // BLOCK)


class Recording:
    """See above. ``count``: how many steps it recorded."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, work: Work) -> Work:
        self.count += 1
        made = make_fx(work)()
        result = made().clone()

        def again() -> torch.Tensor:
            return result.copy_(made())  # a graph writes its result to the same place each time

        return again


def runner(family: str = "llama", capture: Capture | None = None, blocks: int = 40) -> TorchRunner:
    return TorchRunner(network(family).eval(), blocks, capture=capture)


def answers(made: TorchRunner) -> dict[str, tuple[list[int], list[float]]]:
    """Requests that come at different times, so that batches grow and shrink."""
    engine = Engine(made, max_batch=6)
    found: dict[str, tuple[list[int], list[float]]] = {}
    step = 0
    while step < 14 or engine.busy:
        if step < 14 and step % 2 == 0:
            drawn = Sampling(temperature=float(step % 4 == 0), seed=step, logprobs=0)
            engine.add(Request(str(step), [*FIRST[: 9 * step], step], drawn, max_tokens=5 + 2 * step))
        for event in engine.step():
            ids, scores = found.setdefault(event.id, ([], []))
            ids += event.token_ids
            scores += [score.logprob for score in event.logprobs]
        step += 1
    return found


@pytest.mark.parametrize(
    "family", ["llama", pytest.param("gpt2", marks=pytest.mark.slow), pytest.param("gemma2", marks=pytest.mark.slow)]
)
def test_recorded_steps_say_what_others_say(family: str) -> None:
    recording = Recording()
    made = runner(family, recording)
    recorded, plain = answers(made), answers(runner(family))
    assert {name: ids for name, (ids, _) in recorded.items()} == {name: ids for name, (ids, _) in plain.items()}
    for name, (_, scores) in recorded.items():
        assert scores == pytest.approx(plain[name][1], abs=1e-4)
    shapes = made._graphs.shapes if made._graphs else []
    assert recording.count == len(shapes) == len(set(shapes)) and 4 <= len(shapes) <= 16
    assert {rows for rows, _ in shapes} <= {1, 2, 4, 8} and {width for _, width in shapes} <= {1, 2, 3, 4, WHOLE}


def test_sizes_are_few_and_large_enough() -> None:
    assert [rows_bucket(n) for n in (1, 2, 3, 4, 5, 8, 9, 100)] == [1, 2, 4, 4, 8, 8, 16, 128]
    assert [width_bucket(n, 100) for n in (1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 80, 97)] == [
        1, 2, 3, 4, 6, 6, 8, 12, 12, 16, 96, 100,
    ]  # fmt: skip
    for n in range(1, 300):
        assert n <= width_bucket(n, 300) <= n * 3 / 2


def read(made: DecodeGraphs, rows: Sequence[tuple[int, int, Sequence[int]]]) -> torch.Tensor:
    with torch.inference_mode():
        return made.read(rows).clone()


def test_rows_that_fill_up_write_to_the_scratch_block_only() -> None:
    model = network("llama").eval()
    cache = PagedCache(model.config, 12, BLOCK, torch.float32, "cpu")
    made = DecodeGraphs(model, cache, eager)
    for store in (cache.keys, cache.values):
        store[:, :12] = torch.randn(store[:, :12].shape, generator=torch.Generator().manual_seed(0))
    before = cache.keys.clone(), cache.values.clone()
    rows = [(5, 40, array("i", [3, 7])), (6, 0, array("i", [0])), (7, 70, array("i", [1, 2, 9, 4]))]
    read(made, rows)
    assert made.shapes == [(4, 3)]
    for store, old in zip((cache.keys, cache.values), before, strict=True):
        changed = {(int(b), int(s)) for b, s in (store != old).any(-1).any(2).any(0).nonzero()}
        assert changed == {(7, 8), (0, 0), (9, 6), (cache.scratch, 0)}
        assert not store[:, cache.empty].any()


def test_what_stood_in_the_inputs_before_is_gone() -> None:
    """A large step, then a small one of the same shape: rows and blocks of the first must not be written again."""
    made = runner(capture=Recording())
    graphs_ = made._graphs
    assert graphs_ is not None
    read(graphs_, [(t, 40, array("i", [2 * t, 2 * t + 1])) for t in range(4)])
    before = made._cache.keys.clone()
    read(graphs_, [(9, 33, array("i", [20, 21])), (8, 2, array("i", [22])), (8, 2, array("i", [23]))])
    assert graphs_.shapes == [(4, 2)]
    changed = (made._cache.keys != before).flatten(2).any(-1).any(0).nonzero().flatten().tolist()
    assert set(changed) <= {21, 22, 23, made._cache.scratch}


def test_the_least_recently_used_shape_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "MOST_GRAPHS", 2)
    recording = Recording()
    made = runner(capture=recording)._graphs
    assert made is not None
    one, two, four = ([(3, 0, array("i", [b])) for b in range(count)] for count in (1, 2, 4))
    first = read(made, one)
    for rows in (two, one, four):
        read(made, rows)
    assert made.shapes == [(1, 1), (4, 1)] and recording.count == 3
    assert torch.equal(read(made, one), first) and recording.count == 3


def test_what_cannot_be_recorded_runs_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(work: Work) -> Work:
        raise RuntimeError("operation not permitted when stream is capturing")

    assert answers(runner(capture=refuse)) == answers(runner(capture=eager))
    assert "are not recorded: operation not permitted" in caplog.text


def test_experts_are_not_recorded() -> None:
    assert "on the host" in why_eager(network("mixture"))
    assert [why_eager(network(family)) for family in CONFIGS if family != "mixture"] == ["", "", ""]


def test_prompts_and_deterministic_runners_are_not_recorded() -> None:
    recording = Recording()
    made = runner(capture=recording)
    step = Step()
    step.add([1, 2, 3], 0, array("i", [0]), range(1))
    with torch.inference_mode():
        made.logits(step)
    assert recording.count == 0
    exact = TorchRunner(network("llama"), 8, deterministic=True, capture=recording)
    assert exact._graphs is None
