"""Rows that are read whole: of several callers together, each one's as alone, beside texts that are written."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import tiny_folder
from torch import Tensor

from sibao.core.errors import ModelError
from sibao.engine.engine import Engine
from sibao.engine.request import Request
from sibao.engine.whole_rows import BESIDE_TOKENS, MOST_ROWS, MOST_TOKENS, Row, WholeRows
from sibao.models.base import Keys
from sibao.models.folder import family_of, new_network
from sibao.providers.load import load


class Watched:
    """A tiny encoder that keeps the shapes of its batches; it waits at the first one until it is let go."""

    def __init__(self, held: bool = False) -> None:
        self.network: Any = new_network(family_of("bert").read(Keys(family_of("bert").TINY))).eval()
        self.network.initialize(0)
        self.shapes: list[tuple[int, int]] = []
        self.go, self.begun = threading.Event(), threading.Event()
        if not held:
            self.go.set()

    def __call__(self, ids_BT: Tensor, mask_BT: Tensor, types_BT: Tensor | None) -> Tensor:
        self.begun.set()
        assert self.go.wait(60)
        self.shapes.append((ids_BT.shape[0], ids_BT.shape[1]))
        states: Tensor = self.network(ids_BT, mask_BT, types_BT)
        return states

    @torch.inference_mode()
    def alone(self, ids: list[int], types: list[int] | None = None) -> list[float]:
        kinds = None if types is None else torch.tensor([types])
        found: list[float] = self.network(torch.tensor([ids]), None, kinds)[0].mean(0).tolist()
        return found


def mean(states_TD: Tensor) -> list[float]:
    found: list[float] = states_TD.mean(0).tolist()
    return found


def some_ids(seed: int, count: int, longest: int = 20) -> list[list[int]]:
    draw = random.Random(seed)
    return [[draw.randrange(1, 60) for _ in range(draw.randint(1, longest))] for _ in range(count)]


def test_each_row_is_as_it_is_alone_whoever_asks_beside_it() -> None:
    forward, many = Watched(), [some_ids(seed, 1 + 7 * seed) for seed in range(8)]
    whole = WholeRows(forward)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda rows: whole.read([Row(ids, mean) for ids in rows]), many))
    for rows, vectors in zip(many, found, strict=True):
        assert len(rows) == len(vectors)
        for ids, vector in zip(rows, vectors, strict=True):
            assert vector == pytest.approx(forward.alone(ids), abs=1e-5)
    assert sum(count for count, _ in forward.shapes) == sum(map(len, many))
    assert all(count <= MOST_ROWS and (count == 1 or count * wide <= MOST_TOKENS) for count, wide in forward.shapes)
    assert whole.read([]) == []


def test_who_asks_meanwhile_goes_together() -> None:
    forward = Watched(held=True)
    whole = WholeRows(forward)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(whole.read, [Row([1, 2, 3], mean)])
        assert forward.begun.wait(60)
        others = [pool.submit(whole.read, [Row([7, 8, n], mean)]) for n in range(1, 9)]
        time.sleep(0.2)  # all of them wait
        forward.go.set()
        assert first.result(60)[0] == pytest.approx(forward.alone([1, 2, 3]), abs=1e-5)
        for number, other in enumerate(others, start=1):
            assert other.result(60)[0] == pytest.approx(forward.alone([7, 8, number]), abs=1e-5)
    assert forward.shapes[0] == (1, 3) and len(forward.shapes) <= 3 and whole.batches == len(forward.shapes)


def test_types_of_some_change_nothing_for_the_others() -> None:
    forward = Watched()
    rows = [Row([5, 6, 7], mean, [0, 1, 1]), Row([5, 6, 7], mean), Row([5, 6], mean, [1, 1])]
    found = WholeRows(forward).read(rows)
    for row, vector in zip(rows, found, strict=True):
        types = None if row.types is None else list(row.types)
        assert vector == pytest.approx(forward.alone(list(row.ids), types), abs=1e-5)
    assert found[0] != found[1] and len(forward.shapes) == 1


def test_a_fault_is_told_to_those_it_was_for() -> None:
    forward = Watched()
    whole = WholeRows(forward)

    def broken(states_TD: Tensor) -> float:
        raise ModelError("no memory")

    for rows in ([Row([1], broken)], [Row([1] * 20, mean), *(Row([2], broken) for _ in range(40))]):
        with pytest.raises(ModelError, match="no memory"):
            whole.read(rows)
        assert whole.read([Row([1, 2], mean)])[0] == pytest.approx(forward.alone([1, 2]), abs=1e-5)


def test_who_is_interrupted_leaves_nothing_behind() -> None:
    forward = Watched()
    whole = WholeRows(forward)

    def interrupted(states_TD: Tensor) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        whole.read([Row([1] * 20, mean), Row([3], interrupted), *(Row([2], mean) for _ in range(99))])
    before = len(forward.shapes)
    assert len(whole.read([Row([1, 2], mean)])) == 1 and forward.shapes[before:] == [(1, 2)]


@pytest.mark.parametrize("writes", [True, False])
def test_texts_go_on_between_two_batches(writes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = load(str(tiny_folder(tmp_path, context=512)), precision="fp32")
    engine: Engine = model.engine
    steps_before, order = engine.step, list[str]()
    inner: Callable[..., Tensor] = model._whole._forward

    def watched(ids_BT: Tensor, *more: Any) -> Tensor:
        order.append("batch")
        assert ids_BT.numel() <= (BESIDE_TOKENS if writes else MOST_TOKENS)
        return inner(ids_BT, *more)

    def step() -> Any:
        order.append("step")
        return steps_before()

    monkeypatch.setattr(model._whole, "_forward", watched)
    monkeypatch.setattr(engine, "step", step)
    texts = ["床前明月光，疑是地上霜。" * 4] * 24
    want = model.embed(texts[:1])
    order.clear()
    if not writes:
        assert model.embed(texts)[-1] == pytest.approx(want[0], abs=1e-5)
        assert order == ["batch"] * len(order) and len(order) < 24
        return
    engine.add(Request("long", [5, 6, 7], max_tokens=400, stop_ids=frozenset()))
    done = threading.Event()

    def write() -> None:
        while engine.busy and not done.is_set():
            engine.step()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        found = model.embed(texts)
    finally:
        done.set()
        thread.join()
    assert found[-1] == pytest.approx(want[0], abs=1e-5)
    inside = "".join("b" if what == "batch" else "s" for what in order).strip("s")
    assert inside.count("b") > 5 and "bbb" not in inside
