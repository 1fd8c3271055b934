"""One thread that steps an engine for many others."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest
import torch

from sibao.core.errors import ModelError
from sibao.core.types import GenerateOptions, Sampling
from sibao.engine.build import build
from sibao.engine.driver import Driver
from sibao.engine.engine import Engine
from sibao.engine.request import Event, Request
from sibao.models.folder import load_model
from sibao.providers.local import LocalModel
from sibao.text.tokenizer import Tokenizer

SECONDS = 30.0
RANDOM = Sampling(temperature=1.0, seed=5)


class Told:
    """What a driver told, and in which thread."""

    def __init__(self) -> None:
        self.events: SimpleQueue[Event] = SimpleQueue()
        self.threads: set[str] = set()

    def __call__(self, events: Sequence[Event]) -> None:
        self.threads.add(threading.current_thread().name)
        for event in events:
            self.events.put(event)

    def until_end(self, *names: str) -> dict[str, list[Event]]:
        """All events up to the last one of each."""
        found: dict[str, list[Event]] = {name: [] for name in names}
        while any(not events or events[-1].finish_reason is None for events in found.values()):
            event = self.events.get(timeout=SECONDS)
            found[event.id].append(event)
        return found


@pytest.fixture
def engine(gpt2_folder: Path) -> Engine:
    return build(load_model(gpt2_folder, torch.float32))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def driver(engine: Engine, told: Told) -> Iterator[Driver]:
    made = Driver(engine, told)
    yield made
    made.close()


def request(name: str, tokens: int = 20, **more: object) -> Request:
    return Request(name, [3, 4, 5], sampling=RANDOM, max_tokens=tokens, **more)  # type: ignore[arg-type]


def ids(events: list[Event]) -> list[int]:
    return [token for event in events for token in event.token_ids]


def test_answers_are_those_of_the_engine_alone(engine: Engine, gpt2_folder: Path, driver: Driver, told: Told) -> None:
    alone = build(load_model(gpt2_folder, torch.float32))
    with alone.submit(request("a")) as events:
        wanted = ids(list(events))
    driver.ask(request("a"))
    driver.ask(request("b"))
    found = told.until_end("a", "b")
    assert ids(found["a"]) == ids(found["b"]) == wanted and told.threads == {"engine"}


def test_a_cancelled_request_ends_and_frees_its_place(engine: Engine, driver: Driver, told: Told) -> None:
    driver.ask(request("a", 100))
    first = told.events.get(timeout=SECONDS)
    assert first.finish_reason is None
    driver.cancel("a")
    rest = told.until_end("a")["a"]
    assert rest[-1].finish_reason == "cancelled" and engine.held == 0 and not engine.busy
    driver.cancel("a")  # what is not known is no fault
    driver.ask(request("b", 2))
    assert told.until_end("b")["b"][-1].finish_reason == "length"


def test_what_the_engine_refuses_is_told(driver: Driver, told: Told) -> None:
    driver.ask(request("a", 100_000))
    event = told.until_end("a")["a"][-1]
    assert event.finish_reason == "error" and "100003" in event.error
    driver.ask(request("b", 1))
    assert told.until_end("b")["b"][-1].finish_reason == "length"


def test_a_step_that_fails_ends_what_runs_and_nothing_else(
    engine: Engine, driver: Driver, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = engine.step

    def fails() -> list[Event]:
        monkeypatch.setattr(engine, "step", step)
        raise ValueError("a fault of the program")

    driver.ask(request("a", 100))
    told.events.get(timeout=SECONDS)
    monkeypatch.setattr(engine, "step", fails)
    event = told.until_end("a")["a"][-1]
    assert event.finish_reason == "error" and "a fault of the program" in event.error
    driver.ask(request("b", 2))
    assert told.until_end("b")["b"][-1].finish_reason == "length"


def test_others_may_wait_while_it_steps(engine: Engine, gpt2_folder: Path, driver: Driver, told: Told) -> None:
    """``generate`` and ``score`` of a model whose engine is driven."""
    model = LocalModel("tiny", engine, Tokenizer.load(gpt2_folder))
    options = GenerateOptions(max_tokens=10, sampling=RANDOM)
    driver.ask(request("a", 100))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: model.generate(["春眠"], options)[0].text, range(8)))
        scores = list(pool.map(lambda _: model.score([("春眠", "不觉晓")])[0].loglikelihood, range(8)))
    assert len(set(answers)) == 1 and max(scores) - min(scores) < 1e-4
    assert told.until_end("a")["a"][-1].finish_reason in ("length", "stop")


def test_closing_leaves_nobody_waiting(engine: Engine, gpt2_folder: Path, told: Told) -> None:
    driver = Driver(engine, told)
    box_owner = LocalModel("tiny", engine, Tokenizer.load(gpt2_folder))
    stream = box_owner.stream("春眠", GenerateOptions(max_tokens=100, sampling=RANDOM))
    next(stream)
    driver.close()
    assert engine.driver is None and not [t for t in threading.enumerate() if t.name == "engine"]
    driver.ask(request("late", 2))
    with pytest.raises(Empty):
        told.events.get(timeout=0.2)
    assert "".join(delta.text for delta in stream)  # whoever waits steps again for itself


def test_who_waits_when_it_closes_is_told(engine: Engine, told: Told) -> None:
    driver, asked = Driver(engine, told), threading.Event()

    def wait() -> None:
        from collections import deque

        asked.set()
        driver.wait(deque())

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait)
        assert asked.wait(SECONDS)
        driver.close()
        with pytest.raises(ModelError, match="put away"):
            waiting.result(SECONDS)
