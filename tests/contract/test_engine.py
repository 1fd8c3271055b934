"""What every engine must do, whatever is inside it. A faster engine is added to ``ENGINES`` and passes unchanged.

Only the public interface is used: ``submit add step cancel check busy score``; tokens in, tokens out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sibao.core.errors import BadInput, ContextOverflow
from sibao.core.types import Sampling
from sibao.engine.build import build
from sibao.engine.engine import Engine
from sibao.engine.request import Event, Request
from sibao.models.folder import load_model
from sibao.nn.decoder import Decoder

Make = Callable[..., Engine]
ENGINES: dict[str, Make] = {"kernels": partial(build, kernels=True), "torch": partial(build, kernels=False)}
VOCAB, CONTEXT = 400, 128


@pytest.fixture(scope="module", params=["qwen3", "gpt2"])
def model(request: pytest.FixtureRequest, qwen_folder: Path, gpt2_folder: Path) -> Decoder:
    return load_model({"qwen3": qwen_folder, "gpt2": gpt2_folder}[request.param], torch.float32)


@pytest.fixture(scope="module", params=ENGINES)
def make(request: pytest.FixtureRequest) -> Make:
    return ENGINES[request.param]


@pytest.fixture
def engine(make: Make, model: Decoder) -> Engine:
    return make(model, max_batch=4)


def prompt(seed: int, length: int = 9) -> list[int]:
    return torch.randint(3, VOCAB, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


def drain(engine: Engine) -> dict[str, list[Event]]:
    events: dict[str, list[Event]] = {}
    while engine.busy:
        for event in engine.step():
            events.setdefault(event.id, []).append(event)
    return events


def tokens(events: list[Event]) -> list[int]:
    return [token for event in events for token in event.token_ids]


def run(engine: Engine, *requests: Request) -> dict[str, list[int]]:
    for request in requests:
        engine.add(request)
    return {name: tokens(events) for name, events in drain(engine).items()}


@torch.inference_mode()
def plain_greedy(model: Decoder, ids: list[int], n: int, stop: frozenset[int] = frozenset()) -> list[int]:
    """Decoding without any cache or batch: read the whole text again for each token."""
    out: list[int] = []
    while len(out) < n:
        token = int(model.logits(model(torch.tensor([ids + out]))[0, -1]).argmax())
        if token in stop:
            break
        out.append(token)
    return out


def test_greedy_equals_reading_the_whole_text_again(engine: Engine, model: Decoder) -> None:
    ids = prompt(1)
    assert run(engine, Request("a", ids, max_tokens=20)) == {"a": plain_greedy(model, ids, 20)}


def test_submitted_events_equal_stepped_events(engine: Engine) -> None:
    request = Request("a", prompt(2), Sampling(temperature=1.0, seed=5), max_tokens=12)
    events = list(engine.submit(request))
    assert tokens(events) == run(engine, request)["a"]
    assert [e.finish_reason for e in events] == [None] * 11 + ["length"]
    assert not engine.busy


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_batch_equals_single(make: Make, model: Decoder, temperature: float) -> None:
    requests = [
        Request(str(i), prompt(i, 3 + 5 * i), Sampling(temperature, top_p=0.9, seed=i), max_tokens=4 + 3 * i)
        for i in range(7)
    ]
    together = run(make(model, max_batch=3), *requests)
    assert together == {r.id: run(make(model), r)[r.id] for r in requests}


def test_seed_decides_and_none_is_fresh(engine: Engine) -> None:
    def answer(name: str, seed: int | None) -> list[int]:
        return run(engine, Request(name, prompt(3), Sampling(1.5, seed=seed), max_tokens=20))[name]

    assert answer("a", 1) == answer("b", 1) != answer("c", 2)
    assert answer("d", None) != answer("e", None)


def test_stop_ids_end_the_answer_and_are_not_in_it(engine: Engine, model: Decoder) -> None:
    ids = prompt(4)
    free = plain_greedy(model, ids, 20)
    stop = frozenset({free[7]})
    engine.add(Request("a", ids, stop_ids=stop, max_tokens=20))
    events = drain(engine)["a"]
    assert tokens(events) == plain_greedy(model, ids, 20, stop) == free[: free.index(free[7])]
    assert events[-1].finish_reason == "stop"


def test_max_tokens_may_be_one(engine: Engine, model: Decoder) -> None:
    engine.add(Request("a", prompt(5), max_tokens=1))
    events = drain(engine)["a"]
    assert tokens(events) == plain_greedy(model, prompt(5), 1) and events[-1].finish_reason == "length"


def test_cancel_takes_effect_within_one_step(engine: Engine, model: Decoder) -> None:
    engine.add(Request("gone", prompt(6), max_tokens=100))
    engine.add(Request("stays", prompt(7), max_tokens=15))
    before = [event for _ in range(3) for event in engine.step()]
    engine.cancel("gone")
    after = engine.step()
    assert [e.finish_reason for e in after if e.id == "gone"] == ["cancelled"]
    rest = drain(engine)
    assert "gone" not in rest
    whole = [e for e in [*before, *after] if e.id == "stays"] + rest["stays"]
    assert tokens(whole) == plain_greedy(model, prompt(7), 15)


def test_waiting_requests_can_be_cancelled_and_unknown_ids_are_ignored(make: Make, model: Decoder) -> None:
    engine = make(model, max_batch=1)
    for name in "abc":
        engine.add(Request(name, prompt(8), max_tokens=3))
    engine.cancel("b")
    engine.cancel("nobody")
    events = drain(engine)
    assert [e.finish_reason for e in events["b"]] == ["cancelled"]
    assert tokens(events["a"]) == tokens(events["c"]) == plain_greedy(model, prompt(8), 3)


def test_closing_the_iterator_cancels(engine: Engine) -> None:
    stream = engine.submit(Request("a", prompt(9), max_tokens=100))
    next(stream)
    stream.close()
    assert not engine.busy and engine.step() == [] and list(stream) == []


def test_streams_side_by_side_share_the_work(engine: Engine, model: Decoder) -> None:
    streams = [engine.submit(Request(str(i), prompt(i), max_tokens=6)) for i in range(3)]
    got: list[list[int]] = [[], [], []]
    for _ in range(6):
        for i, stream in enumerate(streams):
            got[i] += next(stream, Event("")).token_ids
    assert got == [plain_greedy(model, prompt(i), 6) for i in range(3)]


def test_one_stream_of_several_requests(engine: Engine, model: Decoder) -> None:
    requests = [Request(str(i), prompt(i), max_tokens=3 + i) for i in range(6)]
    events = list(engine.submit(*requests))
    for i, request in enumerate(requests):
        own = [e for e in events if e.id == request.id]
        assert tokens(own) == plain_greedy(model, request.prompt_ids, 3 + i) and own[-1].finish_reason == "length"


def test_threads_share_one_engine(engine: Engine, model: Decoder) -> None:
    got: dict[int, list[int]] = {}

    def work(i: int) -> None:
        got[i] = tokens(list(engine.submit(Request(f"thread {i}", prompt(i), max_tokens=8))))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {i: plain_greedy(model, prompt(i), 8) for i in range(6)}


def test_logprobs_are_those_of_a_full_forward(engine: Engine, model: Decoder) -> None:
    ids = prompt(10)
    sampling = Sampling(temperature=1.3, top_k=20, repetition_penalty=1.2, seed=3, logprobs=4)
    engine.add(Request("a", ids, sampling, max_tokens=10))
    events = drain(engine)["a"]
    answer, scores = tokens(events), [s for e in events for s in e.logprobs]
    with torch.inference_mode():
        raw = model.logits(model(torch.tensor([ids + answer]))[0]).log_softmax(-1)
    for i, (token, score) in enumerate(zip(answer, scores, strict=True)):
        row = raw[len(ids) - 1 + i]
        assert score.logprob == pytest.approx(float(row[token]), abs=1e-4)
        assert [t for t, _ in score.top] == row.topk(4).indices.tolist()
        assert [p for _, p in score.top] == pytest.approx(row.topk(4).values.tolist(), abs=1e-4)


def test_scores_equal_a_full_forward(engine: Engine, model: Decoder) -> None:
    sequences = [(prompt(i, 5 + 7 * i), 1 + i) for i in range(10)]
    for (ids, start), result in zip(sequences, engine.score(sequences), strict=True):
        with torch.inference_mode():
            rows = model.logits(model(torch.tensor([ids]))[0]).log_softmax(-1)[start - 1 : -1]
        expected = rows.gather(-1, torch.tensor(ids[start:])[:, None])[:, 0]
        assert list(result.logprobs) == pytest.approx(expected.tolist(), abs=1e-4)
        assert list(result.greedy) == (rows.argmax(-1) == torch.tensor(ids[start:])).tolist()
    assert engine.score([]) == []


def test_a_greedy_answer_scores_greedy(engine: Engine, model: Decoder) -> None:
    ids = prompt(11)
    assert all(engine.score([(ids + plain_greedy(model, ids, 12), len(ids))])[0].greedy)


def test_overflow_names_the_numbers_and_the_edge_fits(engine: Engine, model: Decoder) -> None:
    with pytest.raises(ContextOverflow, match="need 129 tokens, the model holds 128"):
        engine.add(Request("a", prompt(1, 100), max_tokens=29))
    assert run(engine, Request("a", prompt(1, 100), max_tokens=28))["a"] == plain_greedy(model, prompt(1, 100), 28)
    with pytest.raises(ContextOverflow, match="need 129 tokens, the model holds 128"):
        engine.score([(prompt(1, CONTEXT + 2), 1)])
    assert len(engine.score([(prompt(1, CONTEXT + 1), 1)])[0].logprobs) == CONTEXT


def test_bad_requests_are_refused_and_none_is_queued(engine: Engine) -> None:
    with pytest.raises(BadInput, match="token id 400 at position 1, the model knows 0 to 399"):
        engine.add(Request("a", [3, 400], max_tokens=1))
    with pytest.raises(BadInput, match="'b' is in use"):
        engine.submit(Request("b", [3], max_tokens=1), Request("b", [3], max_tokens=1))
    with pytest.raises(BadInput, match="start is 0 in 2 tokens, wanted 1 to 1"):
        engine.score([([3, 4], 0)])
    assert not engine.busy


class OnlyEven:
    """A constraint: even ids only; after four tokens only id 2."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []

    def mask(self, ids: list[int]) -> torch.Tensor | None:
        self.seen.append(list(ids))
        words = torch.arange(VOCAB)
        return words == 2 if len(ids) >= 4 else words % 2 == 0


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_constraint_decides_what_may_come(engine: Engine, temperature: float) -> None:
    constraint = OnlyEven()
    sampling = Sampling(temperature, top_k=1 if temperature else 0, seed=1)
    engine.add(Request("a", prompt(12), sampling, frozenset({2}), max_tokens=20, constraint=constraint))
    events = drain(engine)["a"]
    assert all(t % 2 == 0 for t in tokens(events)) and len(tokens(events)) <= 4
    assert events[-1].finish_reason == "stop"
    assert constraint.seen[0] == [] and constraint.seen[-1] == tokens(events)


def test_processors_see_all_ids_and_change_the_choice(engine: Engine, model: Decoder) -> None:
    ids, seen = prompt(13), []

    def only_7(so_far: list[int], logits_V: torch.Tensor) -> torch.Tensor:
        seen.append(list(so_far))
        return torch.full_like(logits_V, float("-inf")).index_fill_(0, torch.tensor([7]), 0.0)

    requests = [Request("a", ids, max_tokens=3, processors=(only_7,)), Request("b", ids, max_tokens=3)]
    assert run(engine, *requests) == {"a": [7, 7, 7], "b": plain_greedy(model, ids, 3)}
    assert seen == [ids, [*ids, 7], [*ids, 7, 7]]


def broken_at_3(ids: list[int], logits_V: torch.Tensor) -> torch.Tensor:
    if len(ids) == 12:
        raise ValueError("no more")
    return logits_V


@pytest.mark.parametrize(
    ("control", "message"),
    [
        ({"processors": (broken_at_3,)}, "ValueError: no more"),
        ({"processors": (lambda ids, logits: logits[:5],)}, r"returned shape (5,), wanted (400,)"),
        ({"processors": (lambda ids, logits: logits * float("nan"),)}, "not numbers"),
        ({"processors": (lambda ids, logits: logits - float("inf"),)}, "no token is allowed"),
    ],
)
def test_a_fault_ends_its_own_request_only(engine: Engine, model: Decoder, control: dict, message: str) -> None:
    engine.add(Request("bad", prompt(14), Sampling(1.0, seed=0), max_tokens=20, **control))
    engine.add(Request("good", prompt(15), max_tokens=20))
    events = drain(engine)
    assert events["bad"][-1].finish_reason == "error" and message in events["bad"][-1].error
    assert tokens(events["good"]) == plain_greedy(model, prompt(15), 20)


REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 99),
        st.integers(1, 40),
        st.integers(1, 16),
        st.sampled_from([0.0, 0.8, 1.5]),
        st.sampled_from([1.0, 1.3]),
        st.integers(0, 2),  # priority
        st.sampled_from([None, None, None, 0, 1, 5]),  # cancelled after so many steps
        st.integers(0, 6),  # arrives after so many steps
    ),
    max_size=8,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(REQUESTS, st.integers(1, 4))
def test_any_mix_gives_each_request_what_it_gets_alone(make: Make, model: Decoder, mix: list, max_batch: int) -> None:
    engine, alone = make(model, max_batch=max_batch), make(model)
    requests = [
        Request(
            str(i), prompt(seed, length), Sampling(temperature, top_k=50, repetition_penalty=penalty, seed=seed),
            frozenset(range(3)), max_tokens=n, priority=priority,
        )
        for i, (seed, length, n, temperature, penalty, priority, _, _) in enumerate(mix)
    ]  # fmt: skip
    events: dict[str, list[Event]] = {r.id: [] for r in requests}
    step = 0
    while engine.busy or any(row[7] >= step for row in mix):
        for request, row in zip(requests, mix, strict=True):
            if row[7] == step:
                engine.add(request)
            if row[6] is not None and row[6] + row[7] == step:
                engine.cancel(request.id)
        for event in engine.step():
            events[event.id].append(event)
        step += 1
    for request in requests:
        own, whole = events[request.id], run(alone, request)[request.id]
        assert [e.finish_reason is None for e in own] == [True] * (len(own) - 1) + [False]
        if own[-1].finish_reason == "cancelled":
            assert tokens(own) == whole[: len(tokens(own))]
        else:
            assert tokens(own) == whole and own[-1].finish_reason in ("stop", "length")
