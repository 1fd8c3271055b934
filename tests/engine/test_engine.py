"""Faults in a step end what was in it and nothing else; whoever waits lets others in between two steps."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sibao.engine.build import build
from sibao.engine.engine import Engine
from sibao.engine.request import Event, Request
from sibao.engine.runner import Step
from sibao.engine.search import Search
from sibao.models.folder import load_model
from sibao.nn.decoder import Decoder

SECONDS = 30.0
PROMPT = [3 + i * i % 90 for i in range(65)]


@pytest.fixture(scope="module")
def model(gpt2_folder: Path) -> Decoder:
    return load_model(gpt2_folder, torch.float32)


def told(engine: Engine, requests: Sequence[Request]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {request.id: [] for request in requests}
    for event in engine.submit(*requests):
        assert not event.error, event
        found[event.id] += event.token_ids
    return found


class Failing:
    """A runner that fails once."""

    def __init__(self, runner: Any, number: int, error: BaseException) -> None:
        self._runner, self._left, self._error = runner, number, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)

    def logits(self, step: Step) -> Tensor:
        self._left -= 1
        if self._left == -1:
            raise self._error
        logits: Tensor = self._runner.logits(step)
        return logits


@pytest.mark.parametrize("number", [0, 3])
@pytest.mark.parametrize("kind", [RuntimeError, ValueError, KeyboardInterrupt])
def test_a_step_that_fails_ends_each_of_its_requests_once_and_leaves_nothing_behind(
    model: Decoder, kind: type[BaseException], number: int
) -> None:
    engine = build(model, max_batch=4)
    search = Search(max_tokens=40, beams=3)
    requests = [
        Request("search", PROMPT[:40], max_tokens=40, search=search),
        Request("plain", PROMPT, max_tokens=60),
        Request("waits", PROMPT, max_tokens=10),  # there is no row for it yet
    ]
    wanted = told(build(model, max_batch=4), requests)
    engine.runner = Failing(engine.runner, number, kind("broken"))  # type: ignore[assignment]
    for request in requests:
        engine.add(request)
    events, interrupted = list[Event](), 0
    while engine.busy:
        try:
            events += engine.step()
        except KeyboardInterrupt:
            interrupted += 1
    assert interrupted == (kind is KeyboardInterrupt)
    ends = {event.id: event.error for event in events if event.finish_reason is not None}
    assert len(ends) == sum(event.finish_reason is not None for event in events) == 3
    assert ends == {"search": f"{kind.__name__}: broken", "plain": f"{kind.__name__}: broken", "waits": ""}
    assert [token for event in events if event.id == "waits" for token in event.token_ids] == wanted["waits"]
    assert engine.held == 0 and told(engine, requests) == wanted


def test_a_guesser_that_fails_leaves_nobody_waiting(model: Decoder) -> None:
    class Broken:
        def guess(self, jobs: object, most: int) -> Any:
            raise RuntimeError("no guess")

        def forget(self, job: object) -> None:
            pass

        def told(self, job: object, guessed: int, right: int) -> None:
            pass

    engine = build(model)
    engine.guesser = Broken()
    engine.add(Request("a", PROMPT, max_tokens=10))
    events = []
    while engine.busy:
        events += engine.step()
    assert events[-1].error == "RuntimeError: no guess" and engine.held == 0
    engine.guesser = None
    assert told(engine, [Request("a", PROMPT, max_tokens=10)]) == told(
        build(model), [Request("a", PROMPT, max_tokens=10)]
    )


def test_who_waits_lets_others_in_between_two_steps(model: Decoder) -> None:
    engine, begun, answered = build(model, max_batch=1), threading.Event(), list[Event]()

    def slow(ids: list[int], logits_V: Tensor) -> Tensor:
        if len(ids) == 10:
            begun.set()
        time.sleep(0.005)
        return logits_V

    def wait() -> None:
        answered.extend(engine.submit(Request("behind", [5], max_tokens=2)))

    engine.add(Request("long", [3, 4, 5], max_tokens=100, processors=(slow,)))
    waiting = threading.Thread(target=wait)
    waiting.start()
    assert begun.wait(SECONDS)
    engine.cancel("long")
    waiting.join(SECONDS)
    events = []
    while engine.busy:
        events += engine.step()
    assert events[-1].finish_reason == "cancelled" and sum(len(event.token_ids) for event in events) < 50
    assert answered[-1].finish_reason == "length"
