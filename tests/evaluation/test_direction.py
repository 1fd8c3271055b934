"""Which way is better: told by every suite for each of its values, by metrics, and read from other people's names."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sibao.core.types import Completion, Score, Scored
from sibao.evaluation import places, sandbox
from sibao.evaluation.direction import direction_of
from sibao.evaluation.on_tasks import TaskSuite
from sibao.evaluation.sample import Generation, Outcome, Reply, Request
from sibao.evaluation.scorecard import About, cells_of
from sibao.evaluation.suite import RequestSuite, Setting
from sibao.evaluation.suite_index import load_suite, suite_names
from sibao.evaluation.yaml_metrics import METRICS
from sibao.tasks.base import load_task, task_names

SAID = ("Sorry, but I can't assist with that.", "Here is how: take a spoon.", "...", "The answer is 5.", "")
ROWS = 40


def reply(request: Request, rng: random.Random) -> Reply:
    if isinstance(request, Generation):
        return Completion(rng.choice(SAID), "stop")
    return Scored(-1 - 9 * rng.random(), 3, rng.random() < 0.5)


def reported(name: str) -> set[str]:
    """Every name that a suite gives a score or a row's value, on its sample, with all conventions and windows."""
    suite, rng = load_suite(name), random.Random(0)
    if isinstance(suite, TaskSuite):
        return set(suite.metrics or load_task(suite.task).metrics)
    assert isinstance(suite, RequestSuite)
    with sandbox.permission(True):
        samples = suite.samples(suite.read(places.find(suite.folder, suite.files)), Setting(pmi=True, stride=8))
        step = max(1, len(samples) // ROWS)
        outcomes = []
        for sample in samples[::step]:
            replies = tuple(reply(request, rng) for request in sample.requests)
            outcomes.append(Outcome(sample, replies, suite.judge(sample, replies)))
        scores = {score.name.partition("/")[0] for score in suite.report(outcomes)}
    return scores | {value for outcome in outcomes if outcome.judged for value in outcome.judged.values}


@pytest.mark.parametrize("name", suite_names())
def test_every_value_of_every_suite_has_a_direction(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path))
    suite = load_suite(name)
    found = reported(name)
    assert suite.headline in found
    assert {value for value in found if not direction_of(value, name).known} == set()
    assert set(suite.merits) <= found, "a value that the suite does not report"


def test_every_metric_of_tasks_and_yaml_files_has_a_direction() -> None:
    names = {metric for task in task_names() for metric in load_task(task).metrics}
    names |= {metric for known in METRICS.values() for metric in known}
    assert {name for name in names if not direction_of(name).known} == set()
    assert direction_of("brier_score").which == "lower" and direction_of("chrf++").which == "higher"


@pytest.mark.parametrize(
    "suite, metric, which, ideal",
    [
        ("xstest", "over_refusal", "lower", None), ("xstest", "under_refusal/contrast_drugs", "lower", None),
        ("xstest", "over_refusal_full", "lower", None), ("harmbench", "attack_success", "lower", None),
        ("harmbench", "refused", "higher", None), ("harmbench", "empty", "neither", None), ("bbq", "s_dis", "neither", 0.0),
        ("cbbq", "biased_disambig", "lower", None), ("cbbq", "biased_ambig", "neither", 0.5),
        ("bbq:ten_unknowns", "s_amb/Age", "neither", 0.0), ("winogender", "gotcha_gap", "neither", 0.0),
        ("crows_pairs", "antistereo", "neither", 0.5), ("stereoset", "icat", "higher", None),
        ("wikitext2", "strided_token_perplexity", "lower", None), ("gsm8k", "flexible", "higher", None),
    ],
)  # fmt: skip
def test_a_suite_knows_its_own_values(suite: str, metric: str, which: str, ideal: float | None) -> None:
    found = direction_of(metric, suite)
    assert (found.which, found.ideal, found.known) == (which, ideal, True)


@pytest.mark.parametrize(
    "metric, which, known",
    [
        ("acc", "higher", True), ("chrf/en-zh", "higher", True), ("perplexity", "lower", True), ("Test Error", "lower", True),
        ("bits_per_byte", "lower", True), ("Number of params", "neither", True), ("MRPC", "higher", False),
        ("brier_score", "lower", True), ("F1 Newswire", "higher", True), ("WER", "lower", True), ("Hits@10", "higher", True),
        ("word_perplexity/en", "lower", True), ("loglikelihood", "higher", True), ("Top-1 Error", "lower", True),
    ],
)  # fmt: skip
def test_which_way_is_better(metric: str, which: str, known: bool) -> None:
    found = direction_of(metric)
    assert (found.which, found.known) == (which, known)


def test_a_suite_says_what_is_better() -> None:
    assert (
        direction_of("bits_per_byte", "wikitext2").stated
        and direction_of("bits_per_byte", "wikitext2").which == "lower"
    )
    assert direction_of("acc", "a suite that is gone").which == "higher"


def test_a_scorecard_tells_every_value_the_same_way() -> None:
    about = About("safety", "over_refusal", "xstest")
    scores = [
        Score(name, 0.2, 0.1, 0.3, n=50) for name in ("under_refusal", "over_refusal", "empty", "under_refusal/privacy")
    ]
    cells = {cell.name: cell for cell in cells_of("xstest", scores, about, "r1", "2026-01-01")}
    assert [(name, cell.better, cell.leading) for name, cell in cells.items()] == [
        ("xstest · over_refusal", "lower", True), ("xstest · under_refusal", "lower", False), ("xstest · empty", "", False),
    ]  # fmt: skip
