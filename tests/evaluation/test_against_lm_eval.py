"""The same prompts, likelihoods and figures as lm-evaluation-harness: kept ones always, the program where it is installed."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.evaluation import lm_eval_reference as reference
from tests.evaluation.run_lm_eval import digest

from sibao.core.errors import BadInput
from sibao.core.types import Completion, Scored
from sibao.evaluation.asking import ask
from sibao.evaluation.places import find
from sibao.evaluation.sample import Generation, Loglikelihood, Outcome, Request
from sibao.evaluation.suite import RequestSuite, Setting
from sibao.evaluation.suite_index import load_suite
from sibao.evaluation.suites.wikitext2 import detokenized
from sibao.evaluation.yaml_config import read_config
from sibao.providers.load import load

TASKS = sorted(path.stem for path in reference.TASKS.glob("[!_]*.yaml"))
MODELS = ("tiny", "mini")
TOLERANCE = 1e-3
"""Nats a request: both compute in float32, in another order."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both models."""
    return reference.folders(tmp_path_factory.mktemp("models"))


@cache
def kept() -> dict[str, Any]:
    """The figures that are kept."""
    found: dict[str, Any] = json.loads(reference.REFERENCE.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, Any]:
    """Both in float32."""
    return {name: load(str(folder), precision="fp32") for name, folder in folders.items()}


def samples_of(name: str) -> tuple[RequestSuite, list[Any]]:
    """A task as a suite, and its requests with as many worked examples as it names."""
    suite = load_suite(str(reference.TASKS / f"{name}.yaml"))
    assert isinstance(suite, RequestSuite)
    rows = suite.read(find(suite.folder, suite.files))
    return suite, suite.samples(rows, Setting(shots=suite.shots))


def as_harness(request: Request) -> Any:
    """A request in the form that ``run_lm_eval`` takes a digest of."""
    if isinstance(request, Loglikelihood):
        return [request.context, request.continuation]
    return request.prompt if isinstance(request, Generation) else request.text


def agree(wanted: dict[str, Any], suite: RequestSuite, outcomes: list[Outcome]) -> None:
    """Every reply, and every figure."""
    for outcome, replies in zip(outcomes, wanted["replies"], strict=True):
        assert not outcome.missing
        for ours, theirs in zip(outcome.replies, replies, strict=True):
            if isinstance(ours, Completion):
                assert ours.text == theirs
            elif isinstance(theirs, list):
                assert isinstance(ours, Scored) and ours.loglikelihood == pytest.approx(theirs[0], abs=TOLERANCE)
                assert ours.greedy == theirs[1]
            else:  # a page: its tokens' errors add up
                assert ours.loglikelihood == pytest.approx(theirs, abs=TOLERANCE * max(1, ours.tokens / 100))
    scores = {score.name: score for score in suite.report(outcomes)}
    assert set(wanted["results"]) <= set(scores)
    for name, value in wanted["results"].items():
        exact = name.startswith(("acc", "exact_match"))
        assert scores[name].value == pytest.approx(value, abs=1e-12 if exact else 0, rel=0 if exact else 1e-4), name


@pytest.mark.parametrize("name", TASKS)
def test_requests_are_the_harness_own(name: str) -> None:
    _, samples = samples_of(name)
    ours = [digest([as_harness(request) for request in sample.requests]) for sample in samples]
    assert ours == kept()["tiny"]["tasks"][name]["requests"]


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("model", MODELS)
def test_kept_figures(name: str, model: str, folders: dict[str, Path], models: dict[str, Any]) -> None:
    if model == "mini" and reference.weights(folders[model]) != kept()[model]["weights"]:
        pytest.skip("mini has other weights than the kept figures: python -m tests.evaluation.lm_eval_reference")
    suite, samples = samples_of(name)
    agree(kept()[model]["tasks"][name], suite, ask(models[model], samples, judge=suite.judge))


def test_random_weights_are_those_of_the_kept_figures(folders: dict[str, Path]) -> None:
    assert reference.weights(folders["tiny"]) == kept()["tiny"]["weights"]


def test_detokenizer_is_the_harness_own() -> None:
    assert [digest(detokenized(page)) for page in reference.pages()] == kept()["tiny"]["detokenized"]


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_the_program_itself(model: str, folders: dict[str, Path], models: dict[str, Any]) -> None:
    if not (reference.PYTHON.parents[1] / "installed").exists():
        pytest.skip("lm-evaluation-harness is not installed: sh scripts/peers.sh harness")
    found = reference.harness(folders[model])
    assert sorted(found["tasks"]) == TASKS
    for name in TASKS:
        suite, samples = samples_of(name)
        agree(found["tasks"][name], suite, ask(models[model], samples, judge=suite.judge))


@pytest.mark.slow
def test_most_published_tasks_without_code_are_read() -> None:
    """Every refusal is one of ours, and most of what needs no Python code is read."""
    folder = reference.PYTHON.parents[1]
    files = [path for path in folder.glob("lib/*/site-packages/lm_eval/tasks/**/*.yaml") if path.name[0] != "_"]
    if not files:
        pytest.skip("lm-evaluation-harness is not installed: sh scripts/peers.sh harness")
    read, code, groups = 0, 0, 0
    for path in files:
        try:
            read += bool(read_config(path).name)
        except BadInput as error:
            code += "is Python code" in error.message
            groups += "wanted one name" in error.message or "a group of tasks" in error.message
    print(
        f"{len(files)} files, {code} name code, {groups} are groups, {read} of the other {len(files) - code - groups} are read"
    )
    assert read > 0.85 * (len(files) - code - groups) > 1000
