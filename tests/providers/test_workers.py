"""Workers: the same bits whatever their number; one that is killed costs only its rows in flight; errors travel whole."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from sibao.core.errors import BadInput, ContextOverflow, ProviderError
from sibao.core.types import GenerateOptions, Scorer
from sibao.providers.workers import Spread, spread

PAIRS = [(f"第{i}题：天空是", " 蓝色的" if i % 2 else " green") for i in range(12)]
PROMPTS = [f"I have {i} books and" for i in range(6)]


def answers(model: Any) -> Any:
    return model.generate(PROMPTS, GenerateOptions(max_tokens=6)), model.score(PAIRS), model.score_text(["春眠不觉晓"])


@pytest.fixture(scope="module")
def two() -> Iterator[Spread]:
    model = spread("mini", workers=2)
    yield model
    model.close()


def test_the_same_bits_from_one_worker_and_from_two(two: Spread) -> None:
    assert isinstance(two, Scorer)
    one = spread("mini", workers=1)
    try:
        first, second = answers(one), answers(two)
    finally:
        one.close()
    assert [c.text for c in first[0]] == [c.text for c in second[0]]
    assert first[1:] == second[1:]


def test_a_killed_worker_is_replaced_and_its_rows_done_again(two: Spread) -> None:
    before = answers(two)
    deaths = two.deaths
    crew: Any = two._crew
    os.kill(crew.processes[1].pid, signal.SIGKILL)
    crew.processes[1].join()
    after = answers(two)
    assert two.deaths == deaths + 1
    assert [c.text for c in before[0]] == [c.text for c in after[0]] and before[1:] == after[1:]


def killed_at_work(model: Spread, monkeypatch: pytest.MonkeyPatch, kill: Callable[[], object]) -> tuple[int, int]:
    """Pieces handed out for one call, without and with the death of worker 1 over its first; the results must be alike."""
    crew: Any = model._crew
    give, given = crew.give, list[int]()

    def watched(number: int, *work: Any) -> None:
        give(number, *work)
        given.append(number)
        if dying and given.count(1) == 1 and number == 1:
            kill()

    monkeypatch.setattr(crew, "give", watched)
    prompts, options = PROMPTS * 4, GenerateOptions(max_tokens=60)
    dying = False
    wanted, plain = model.generate(prompts, options), len(given)
    given.clear()
    dying = True
    assert [c.text for c in model.generate(prompts, options)] == [c.text for c in wanted]
    return plain, len(given)


def test_a_worker_that_is_killed_at_its_work_costs_only_that_piece(
    two: Spread, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths, crew = two.deaths, cast(Any, two._crew)
    plain, given = killed_at_work(two, monkeypatch, lambda: os.kill(crew.processes[1].pid, signal.SIGKILL))
    assert two.deaths == deaths + 1 and given == plain + 1


def test_errors_keep_their_kind_and_their_numbers(two: Spread) -> None:
    with pytest.raises(ContextOverflow, match="512"):
        two.generate(["word " * 2000])
    with pytest.raises(BadInput, match="no token of its own"):
        two.score([("a", "")])
    assert len(two.generate(["still here"], GenerateOptions(max_tokens=2))) == 1
    assert two.count("four words stand here") > 0


def test_a_provider_that_fails_fails_here_too() -> None:
    model = spread("mock:fail-429", workers=1)
    try:
        with pytest.raises(ProviderError) as caught:
            model.generate(["a"])
    finally:
        model.close()
    assert caught.value.retryable and caught.value.status == 429


def test_what_cannot_be_spread_is_refused() -> None:
    with pytest.raises(BadInput, match="0 workers"):
        spread("mini", workers=0)
    with pytest.raises(BadInput, match="no-such-model"):
        spread("no-such-model", workers=1)


@pytest.mark.slow
def test_a_ray_cluster_with_an_actor_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed (pip install 'sibao[ray]')")
    alone = spread("mini", workers=1)
    model = spread("mini", workers=2, ray="local")
    try:
        wanted, got = answers(alone), answers(model)
        assert wanted[1:] == got[1:]
        crew: Any = model._crew
        ray.kill(crew.actors[1], no_restart=True)
        again = answers(model)
        assert model.deaths == 1 and wanted[1:] == again[1:]
        plain, given = killed_at_work(model, monkeypatch, lambda: ray.kill(crew.actors[1], no_restart=True))
        assert model.deaths == 2 and given == plain + 1
    finally:
        alone.close()
        model.close()
