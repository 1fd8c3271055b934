"""What is particular to the first form: bounded memory, pieces of long prompts, its own refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sibao.core.errors import BadInput
from sibao.engine import reading, scoring
from sibao.engine.engine import Engine
from sibao.engine.request import Request
from sibao.models.folder import load_model
from sibao.nn.decoder import Decoder


@pytest.fixture(scope="module")
def model(gpt2_folder: Path) -> Decoder:
    return load_model(gpt2_folder, torch.float32)


def prompt(seed: int, length: int) -> list[int]:
    return torch.randint(3, 400, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


def answers(engine: Engine, requests: list[Request]) -> dict[str, list[int]]:
    got: dict[str, list[int]] = {request.id: [] for request in requests}
    for event in engine.submit(*requests):
        got[event.id] += event.token_ids
    return got


def test_long_prompts_are_read_in_pieces(model: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [Request(str(i), prompt(i, 90 + i), max_tokens=10) for i in range(5)]
    whole = answers(Engine(model), requests)
    monkeypatch.setattr(reading, "PREFILL_TOKENS", 35)
    assert answers(Engine(model), requests) == whole


def test_little_memory_means_fewer_at_once_but_the_same_answers(model: Decoder) -> None:
    requests = [Request(str(i), prompt(i, 20), max_tokens=10) for i in range(6)]
    small = Engine(model, cache_bytes=2 * 128 * 512)  # 512 bytes a position: two rows
    for request in requests:
        small.add(request)
    together = len({event.id for event in small.step()})
    assert together == 2
    while small.busy:
        small.step()
    assert answers(small, requests) == answers(Engine(model), requests)


def test_one_request_larger_than_the_memory_runs_alone(model: Decoder) -> None:
    tiny = Engine(model, cache_bytes=1)
    requests = [Request(str(i), prompt(i, 20), max_tokens=3) for i in range(3)]
    assert answers(tiny, requests) == answers(Engine(model), requests)


def test_scoring_in_small_batches_and_pieces_changes_nothing(model: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = [(prompt(i, 3 + 9 * i), 1 + i) for i in range(8)]
    whole = scoring.score_sequences(model, sequences)
    monkeypatch.setattr(scoring, "BATCH_TOKENS", 1)
    monkeypatch.setattr(scoring, "LOGIT_BYTES", 3 * 4 * 400)
    for one, other in zip(whole, scoring.score_sequences(model, sequences), strict=True):
        assert one.greedy == other.greedy
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def test_adapters_by_request_are_refused_with_the_way_out(model: Decoder) -> None:
    with pytest.raises(BadInput, match="names the adapter 'x'") as caught:
        Engine(model).add(Request("a", [3], max_tokens=1, adapter="x"))
    assert "NAME+ADAPTER_FOLDER" in caught.value.hint


def test_a_batch_of_none_is_refused(model: Decoder) -> None:
    with pytest.raises(BadInput, match="max_batch is 0"):
        Engine(model, max_batch=0)


def test_a_bf16_model_answers(gpt2_folder: Path) -> None:
    model = load_model(gpt2_folder, torch.bfloat16)
    requests = [Request(str(i), prompt(i, 5 + i), max_tokens=10) for i in range(3)]
    assert [len(v) for v in answers(Engine(model), requests).values()] == [10, 10, 10]


def test_no_memory_for_one_prompt_leaves_the_others_running(model: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [Request("short", prompt(1, 5), max_tokens=8), Request("long", prompt(2, 60), max_tokens=8)]
    expected = answers(Engine(model), requests)
    forward = model.forward

    def small_machine(ids: torch.Tensor, *rest: object) -> torch.Tensor:
        if ids.shape[1] > 50:
            raise RuntimeError("can't allocate memory")
        return forward(ids, *rest)

    monkeypatch.setattr(model, "forward", small_machine)
    engine = Engine(model)
    events = list(engine.submit(*requests))
    assert [e.error for e in events if e.id == "long"] == ["RuntimeError: can't allocate memory"]
    assert [t for e in events if e.id == "short" for t in e.token_ids] == expected["short"]
    assert not engine.busy
