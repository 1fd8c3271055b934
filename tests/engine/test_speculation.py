"""Guesses save steps and change no answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.tiny import tiny_folder

from sibao.core.types import Sampling
from sibao.engine.build import build
from sibao.engine.draft import DraftModel
from sibao.engine.engine import Engine
from sibao.engine.job import Job
from sibao.engine.request import Event, Request
from sibao.engine.speculation import MOST, PromptLookup
from sibao.models.folder import load_model
from sibao.nn.decoder import Decoder


@pytest.fixture(scope="module")
def model(gpt2_folder: Path) -> Decoder:
    return load_model(gpt2_folder, torch.float32)


def engine(model: Decoder, guesses: bool, **options: object) -> Engine:
    made = build(model, **options)  # type: ignore[arg-type]
    if not guesses:
        made.guesser = None
    return made


def run(engine: Engine, requests: list[Request]) -> tuple[dict[str, list[Event]], int]:
    """The events of each request, and how many steps they took."""
    for request in requests:
        engine.add(request)
    events: dict[str, list[Event]] = {request.id: [] for request in requests}
    steps = 0
    while engine.busy:
        steps += 1
        for event in engine.step():
            events[event.id].append(event)
    return events, steps


def told(events: list[Event]) -> tuple[object, ...]:
    """All that a request was told, however it was cut into events."""
    tokens = [token for event in events for token in event.token_ids]
    scores = [score for event in events for score in event.logprobs]
    return tokens, scores, [event.finish_reason for event in events if event.finish_reason], events[-1].error


def repeats(ids: list[int], logits_V: torch.Tensor) -> torch.Tensor:
    """A processor that makes an answer copy: the token that followed the last one before, then one that is new."""
    before = [i for i in range(len(ids) - 1) if ids[i] == ids[-1]]
    wanted = ids[before[-1] + 1] if before else (ids[-1] + 7) % len(logits_V)
    return logits_V.index_fill(0, torch.tensor([wanted]), 100.0)


def test_an_answer_that_copies_takes_fewer_steps(model: Decoder) -> None:
    prompt = [*range(20, 60), 20, 21, 22]
    request = Request("a", prompt, max_tokens=40, processors=(repeats,))
    plain, steps = run(engine(model, False), [request])
    guessed, fewer = run(engine(model, True), [request])
    assert told(plain["a"]) == told(guessed["a"]) and steps == 40 and fewer < 12


MIX = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.integers(1, 30),
        st.integers(1, 30),
        st.sampled_from([0.0, 0.4, 1.0]),
        st.sampled_from([1.0, 1.3]),
        st.sampled_from([None, 2]),
        st.booleans(),  # copies
        st.booleans(),  # may stop
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MIX, st.integers(1, 4), st.sampled_from([1 << 30, 400_000]))
def test_nothing_that_is_told_changes(model: Decoder, mix: list, max_batch: int, cache_bytes: int) -> None:
    requests = [
        Request(
            str(i),
            [3 + (seed + j) % 9 for j in range(length)],
            Sampling(temperature, repetition_penalty=penalty, seed=seed, logprobs=logprobs),
            frozenset(range(0, 400, 11)) if stops else frozenset(),
            max_tokens=new,
            processors=(repeats,) if copies else (),
        )
        for i, (seed, length, new, temperature, penalty, logprobs, copies, stops) in enumerate(mix)
    ]
    options = {"max_batch": max_batch, "cache_bytes": cache_bytes, "kernels": True}
    plain, steps = run(engine(model, False, **options), requests)
    guessed, fewer = run(engine(model, True, **options), requests)
    assert {name: told(events) for name, events in plain.items()} == {name: told(e) for name, e in guessed.items()}
    assert fewer <= steps


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_a_model_that_guesses_saves_steps_and_changes_nothing(
    model: Decoder, qwen_folder: Path, temperature: float
) -> None:
    requests = [
        Request(str(i), list(range(5 + i, 20)), Sampling(temperature, seed=i, logprobs=1), max_tokens=20)
        for i in range(3)
    ]
    plain, steps = run(engine(model, False), requests)
    for draft, saves in ((model, True), (load_model(qwen_folder, torch.float32), False)):
        guessing = engine(model, False)
        guessing.guesser = DraftModel(build(draft))
        guessed, fewer = run(guessing, requests)
        assert {name: told(events) for name, events in plain.items()} == {name: told(e) for name, e in guessed.items()}
        assert fewer < steps / 2 if saves and not temperature else fewer <= steps
        assert not guessing.guesser._drafts and guessing.guesser._pool.held == 0


@pytest.mark.parametrize("words", [300, 380])
def test_only_words_of_both_vocabularies_are_guessed_and_read(
    model: Decoder, tmp_path_factory: pytest.TempPathFactory, words: int
) -> None:
    """One vocabulary is padded to another size than the other one's."""
    small = load_model(tiny_folder(tmp_path_factory.mktemp("small"), vocab=words), torch.float32)
    requests = [Request(str(i), [7, 9, 200 + i], Sampling(1.5, seed=i), max_tokens=30) for i in range(4)]
    for large, draft in ((model, small), (small, model)):
        plain, _ = run(engine(large, False), requests)
        guessing = engine(large, False)
        guessing.guesser = DraftModel(build(draft), large.config.vocab_size)
        guessed, _ = run(guessing, requests)
        assert {name: told(events) for name, events in plain.items()} == {name: told(e) for name, e in guessed.items()}
        assert guessing.counts.guessed > 0


def test_a_draft_model_guesses_more_while_it_is_right(model: Decoder) -> None:
    guessing = engine(model, False)
    draft = DraftModel(build(model))
    lengths, guess = list[int](), draft.guess

    def watched(jobs: Sequence[Job], most: int) -> dict[Job, list[int]]:
        found = guess(jobs, most)
        lengths.extend(len(tokens) for tokens in found.values())
        return found

    draft.guess = watched  # type: ignore[method-assign]
    guessing.guesser = draft
    run(guessing, [Request("a", [5, 6, 7], max_tokens=60)])
    assert lengths[:3] == [4, 8, 12] and max(lengths) == 12
    lengths.clear()
    run(guessing, [Request("b", [5, 6, 7], Sampling(2.0, seed=0), max_tokens=30)])  # far from the likeliest token
    assert lengths[-1] == 1


def test_a_draft_model_takes_the_faster_runner_once_it_is_there(model: Decoder) -> None:
    requests = [Request("a", [5, 6, 7], max_tokens=20)]
    plain, _ = run(engine(model, False), requests)
    small, there = build(model, kernels=False), list[Engine]()
    slow = small.runner
    small.better = lambda: there[0] if there else None
    guessing = engine(model, False)
    guessing.guesser = DraftModel(small)
    for _ in range(2):
        found, steps = run(guessing, requests)
        assert told(found["a"]) == told(plain["a"]) and steps < 20
        assert (small.runner is slow) == (not there)
        there.append(build(model, cache_bytes=1 << 20))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 20))
def test_guesses_follow_the_last_occurrence_of_the_longest_end(ids: list[int], most: int) -> None:
    lookup = PromptLookup()
    for end in range(1, len(ids) + 1):
        text = ids[:end]
        got = lookup.guess(text, most)
        want: list[int] = []
        for size in (4, 3, 2, 1):
            places = [p for p in range(size, end) if text[p - size : p] == text[-size:]]
            if places and end > size and (size > 1 or len(places) == 1):  # one token must be the only one of its kind
                want = text[places[-1] : places[-1] + min(most, MOST // 2)]
                break
        assert got == want


def test_how_much_is_guessed_follows_how_often_it_was_right() -> None:
    lookup = PromptLookup()
    for _ in range(5):
        lookup.told(lookup.length, lookup.length)
    assert lookup.length == MOST
    for _ in range(9):
        lookup.told(lookup.length, 0)
    assert lookup.length == 1
    lookup.told(0, 0)
    assert lookup.length == 1
