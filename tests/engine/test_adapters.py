"""Requests of one batch with different adapters answer as the merged models do."""

from __future__ import annotations

import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.contract.peers import peer

from sibao.core.errors import BadInput, ModelError
from sibao.engine.adapters import Adapter, Adapters, named
from sibao.engine.build import build
from sibao.engine.engine import Engine
from sibao.engine.request import Request
from sibao.models.adapter import adapt, load_adapter, save_adapter
from sibao.models.folder import load_model
from sibao.nn.lora import LoraSpec, adapted

PROMPTS = [torch.randint(0, 97, (n,), generator=torch.Generator().manual_seed(n)).tolist() for n in (5, 9, 5, 14)]
KINDS: dict[str, dict[str, Any]] = {"plain": {}, "dora": {"dora": True}, "wide": {"rank": 19, "rslora": True}}


def make_adapter(folder: Path, base: Path, family: str, kind: str, seed: int) -> str:
    """Random numbers in every part of it, large enough to change what is said."""
    model = load_model(base, torch.float32)
    adapt(model, family, [], LoraSpec(**({"rank": 3, "alpha": 6.0} | KINDS[kind])))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in adapted(model).values():
            layer.lora_B.normal_(0.0, 0.3, generator=generator)
            if layer.magnitude is not None:
                layer.magnitude *= 1 + 0.3 * torch.rand(layer.magnitude.shape, generator=generator)
    save_adapter(model, folder, family, str(base))
    return str(folder)


def answers(engine: Engine, requests: list[Request]) -> dict[str, list[int]]:
    got: dict[str, list[int]] = {request.id: [] for request in requests}
    for event in engine.submit(*requests):
        assert not event.error, event
        got[event.id] += event.token_ids
    return got


def mixed(base: Path, family: str, place: Path) -> list[tuple[str, str | None, Engine, Engine]]:
    """Kinds of adapters, their folders, and engines of the merged models: on the kernels and on PyTorch."""
    found: list[tuple[str, str | None, Engine, Engine]] = []
    for seed, kind in enumerate(["none", *KINDS]):
        folder = None if kind == "none" else make_adapter(place / kind, base, family, kind, seed)
        model = load_model(base, torch.float32)
        if folder is not None:
            load_adapter(model, folder, family)
        found.append((kind, folder, build(model, kernels=True), build(model, kernels=False)))
    return found


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
def test_each_request_is_answered_as_by_its_merged_model(family: str, tmp_path: Path) -> None:
    base = peer(family, 0)[1]
    engine, requests, wanted = build(load_model(base, torch.float32), family=family, kernels=True), [], {}
    for kind, folder, merged, _ in mixed(base, family, tmp_path):
        for i, prompt in enumerate(PROMPTS):
            requests.append(Request(f"{kind} {i}", prompt, max_tokens=8, adapter=folder))
            wanted |= answers(merged, [Request(f"{kind} {i}", prompt, max_tokens=8)])
    assert answers(engine, requests) == wanted
    assert {r.id: answers(engine, [r])[r.id] for r in requests} == wanted  # and alone
    said = [[wanted[f"{kind} {i}"] for i in range(len(PROMPTS))] for kind in ("none", *KINDS)]
    assert all(said[0] != other for other in said[1:])  # every adapter changes what is said to some prompt


@pytest.mark.parametrize(
    "family", ["llama", pytest.param("gpt2", marks=pytest.mark.slow), pytest.param("gemma2", marks=pytest.mark.slow)]
)
def test_without_kernels_scores_are_those_of_the_merged_models(family: str, tmp_path: Path) -> None:
    base = peer(family, 0)[1]
    engine, requests, wanted = build(load_model(base, torch.float32), family=family, kernels=False), [], {}
    for kind, folder, _, merged in mixed(base, family, tmp_path):
        for i, prompt in enumerate(PROMPTS):
            requests.append(Request(f"{kind} {i}", prompt, max_tokens=0, score_from=1, adapter=folder))
            wanted[f"{kind} {i}"] = merged.score([(prompt, 1)])[0].logprobs
    got = {event.id: event.scored.logprobs for event in engine.submit(*requests) if event.scored is not None}
    assert got.keys() == wanted.keys()
    for name, logprobs in got.items():
        assert logprobs == pytest.approx(wanted[name], abs=1e-4)
    assert wanted["none 0"] != pytest.approx(wanted["dora 0"], abs=1e-2)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Folders of the adapters that are read, as they are."""
    found: list[str] = []
    read = Adapters._read

    def watched(self: Adapters, adapter: Adapter) -> Any:
        found.append(adapter.folder)
        return read(self, adapter)

    monkeypatch.setattr(Adapters, "_read", watched)
    return found


def little(base: Path, kernels: bool | None = None) -> Engine:
    """An engine that keeps one adapter beside those of a step."""
    engine = build(load_model(base, torch.float32), family="llama", kernels=kernels)
    assert engine.runner.adapters is not None
    engine.runner.adapters._memory = 1
    return engine


@pytest.mark.parametrize("kernels", [None, False], ids=["kernels", "operators"])
@pytest.mark.parametrize("kind", ["plain", "dora"])
def test_those_of_one_step_are_read_once_however_little_memory_there_is(
    tmp_path: Path, reads: list[str], kind: str, kernels: bool | None
) -> None:
    base = peer("llama", 0)[1]
    names = [make_adapter(tmp_path / str(i), base, "llama", kind, i) for i in range(3)]
    requests = [
        Request(f"{n} {i}", PROMPTS[i], max_tokens=4, adapter=name) for n, name in enumerate(names) for i in (0, 1)
    ]
    ample = answers(build(load_model(base, torch.float32), family="llama", kernels=kernels), requests)
    reads.clear()
    assert answers(little(base, kernels), requests) == ample
    assert reads == [*names, *names[:2]]  # when they were asked for, and in the first step the two that had to go


@pytest.mark.parametrize("change", ["gone", "another"])
def test_an_adapter_that_cannot_be_read_again_ends_its_own_requests(tmp_path: Path, change: str) -> None:
    base = peer("llama", 0)[1]
    lost, kept = (make_adapter(tmp_path / str(i), base, "llama", "plain", i) for i in range(2))
    engine, good = little(base), Request("good", PROMPTS[1], max_tokens=4, adapter=kept)
    wanted = answers(engine, [good])["good"]
    engine.add(Request("bad", PROMPTS[0], max_tokens=4, adapter=lost))
    engine.add(good)
    if change == "gone":
        shutil.rmtree(lost)
    else:
        make_adapter(Path(lost), base, "llama", "plain", 7)
    events = []
    while engine.busy:
        events += engine.step()
    (bad,) = (event for event in events if event.id == "bad")
    assert bad.finish_reason == "error" and ("has changed" if change == "another" else lost) in bad.error
    assert [token for event in events if event.id == "good" for token in event.token_ids] == wanted
    assert engine.held == 0


def test_one_that_is_trained_anew_in_its_folder_answers_as_it_is_now(tmp_path: Path) -> None:
    base, prompt = peer("llama", 0)[1], [1 + i % 90 for i in range(40)]
    engine, said = build(load_model(base, torch.float32), family="llama"), []
    for seed in (1, 2):
        name = make_adapter(tmp_path / "a", base, "llama", "plain", seed)
        asked = [Request("a", prompt, max_tokens=6, adapter=name)]
        said.append(answers(engine, asked))
        assert said[-1] == answers(build(load_model(base, torch.float32), family="llama"), asked)
    assert said[0] != said[1]


def test_threads_may_ask_at_once(tmp_path: Path, reads: list[str]) -> None:
    base = peer("llama", 0)[1]
    model = load_model(base, torch.float32)
    kept = [named(make_adapter(tmp_path / str(i), base, "llama", "plain", i)) for i in range(3)]
    adapters, faults = Adapters(lambda: model, "llama"), list[Exception]()
    networks = [adapters.get(one) for one in kept]

    def ask() -> None:
        try:
            for number in range(300):
                assert adapters.get(kept[number % 3]) is networks[number % 3]
        except Exception as error:
            faults.append(error)

    threads, before = [threading.Thread(target=ask) for _ in range(4)], sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not faults and reads == [one.folder for one in kept]


def test_what_cannot_be_named_is_refused(tmp_path: Path) -> None:
    base, other = peer("llama", 0)[1], peer("gpt2", 0)[1]
    name = make_adapter(tmp_path / "a", base, "llama", "plain", 0)
    model = load_model(base, torch.float32)
    with pytest.raises(BadInput, match="has the model alone"):
        build(model).add(Request("a", PROMPTS[0], max_tokens=4, adapter=name))
    with pytest.raises(ModelError, match="adapter_config"):
        build(model, family="llama").add(Request("a", PROMPTS[0], max_tokens=4, adapter=str(tmp_path / "nothing")))
    with pytest.raises(ModelError):
        build(load_model(other, torch.float32), family="gpt2").add(Request("a", PROMPTS[0], max_tokens=4, adapter=name))
    load_adapter(model, name, "llama")
    with pytest.raises(BadInput, match="already carries an adapter"):
        build(model, family="llama").add(Request("a", PROMPTS[0], max_tokens=4, adapter=name))
