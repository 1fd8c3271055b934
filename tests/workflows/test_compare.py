"""``sibao compare``: from two recorded runs to verdicts, rows, a table and a report."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.workflows.stored_runs import choices, translations

from sibao.core.errors import BadInput, UnknownName
from sibao.evaluation import places
from sibao.evaluation.on_tasks import TaskSuite
from sibao.evaluation.statistics import compare, mcnemar_exact
from sibao.evaluation.suite_index import load_suite
from sibao.metrics import chrf
from sibao.store import database
from sibao.store.rows import ResultRow, add_rows
from sibao.store.runs import create_run, finish_run
from sibao.tasks.base import load_task
from sibao.workflows._compare_html import write_report
from sibao.workflows._compare_show import clip, show
from sibao.workflows.compare import Compared, compare_runs


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    yield
    database.close()


def shown(found: Any, rows: int = 10) -> str:
    """What a terminal would show."""
    from rich.console import Console

    console = Console(width=200, record=True, file=Path("/dev/null").open("w"))  # noqa: SIM115
    with console.file:
        console.print(show(found, rows))
        return console.export_text()


def test_a_better_run_is_found_better() -> None:
    rng = random.Random(1)
    old = [float(rng.random() < 0.5) for _ in range(200)]
    new = [1.0 if v or rng.random() < 0.3 else 0.0 for v in old]
    found = compare_runs(choices("old", old), choices("new", new))
    acc, norm = found.metrics
    gained, lost = sum(b > a for a, b in zip(old, new, strict=True)), 0
    assert acc.comparison.p_value == mcnemar_exact(gained, lost) and acc.adjusted == 2 * acc.comparison.p_value
    assert acc.verdict == "better" and norm.verdict == "not distinguishable" and norm.comparison.difference == 0
    assert acc.comparison.difference == pytest.approx(gained / 200)
    assert found.counts["gained"] == gained and "lost" not in found.counts and found.main == "acc"
    text = shown(found)
    assert "better" in text and "gained" in text and "exact" not in text and "… and" in text


def test_swapped_runs_give_the_opposite() -> None:
    a, b = choices("a", [0.0] * 30 + [1.0] * 10), choices("b", [1.0] * 40)
    forth, back = compare_runs(a, b), compare_runs(b, a)
    assert forth.metrics[0].comparison.difference == -back.metrics[0].comparison.difference == 0.75
    assert (forth.metrics[0].verdict, back.metrics[0].verdict) == ("better", "worse")
    assert forth.counts["gained"] == back.counts["lost"] == 30


def test_not_distinguishable_says_how_many_rows_would_do() -> None:
    found = compare_runs(choices("a", [1.0, 0.0] * 20), choices("b", [1.0, 0.0] * 19 + [1.0, 1.0]))
    acc = found.metrics[0]
    assert acc.verdict == "not distinguishable" and acc.advice is not None and (acc.advice.needed or 0) > 40
    assert "needs about" in shown(found) and "would be found in 80 of 100 tries" in shown(found)
    lone = compare_runs(choices("c", [0.0, 1.0, 0.0, 0.0]), choices("d", [0.0, 1.0, 0.0, 0.0]))
    assert "the first run is not distinguishable from guessing by acc" in shown(lone)
    assert "the two runs agree on all 4 rows by acc, acc_norm" in shown(lone)


def test_missing_rows_are_counted_and_left_out() -> None:
    found = compare_runs(choices("a", [1.0, None, 0.0, 1.0]), choices("b", [1.0, 1.0, None, 0.0]))
    assert found.metrics[0].comparison.n == 2 and found.counts["missing"] == 2
    assert "2 of 4 rows are missing in one run or both and stand out of the tests (the provider failed)" in shown(found)
    rows = found.to_json()["rows"]
    assert rows[1]["first_missing"] == "the provider failed" and rows[1]["state"] == "missing"


def test_a_corpus_metric_is_compared_as_a_corpus(tmp_path: Path) -> None:
    wanted = ["I like reading books.", "It is raining today.", "We went to the park.", "She sings very well."]
    data = tmp_path / "对照.jsonl"
    sources = ["我喜欢读书。", "今天下雨。", "我们去了公园。", "她唱得很好。"]
    pairs = [{"translation": {"zh": zh, "en": en}} for zh, en in zip(sources, wanted, strict=True)]
    data.write_text("".join(json.dumps(p, ensure_ascii=False) + "\n" for p in pairs), encoding="utf-8")
    one, two = ["I like books.", "It rains.", "We go park.", "She sing."], ["I like reading books.", *wanted[1:]]
    recipe = {"data": [str(data)], "to": "en"}
    found = compare_runs(translations("a", one, wanted, recipe), translations("b", two, wanted, recipe))
    (metric,) = found.metrics
    refs = [[text] for text in wanted]
    counts = [chrf.row_statistics(said, refs) for said in (two, one)]
    assert metric.comparison.difference == compare(*counts, statistic=chrf.from_sums).difference
    assert found.counts == {"gained": 4}
    assert [sources[n] in found.questions[n] for n in range(4)] == [True] * 4  # read again from the data
    data.write_text(data.read_text(encoding="utf-8").replace("park", "zoo"), encoding="utf-8")
    runs = found.first.id, found.second.id
    assert compare_runs(*runs).questions == {}  # other data by now: no question is better than a wrong one
    data.unlink()
    assert compare_runs(*runs).questions == {} and "wanted" in shown(compare_runs(*runs))


def on_suite(name: str, change: dict[str, Any] | None = None, moved: int = -1) -> tuple[list[str], Compared]:
    """What a suite of the package's samples asks, and two runs on it; row ``moved`` wanted another text when they ran."""
    suite = load_suite(name)
    place = places.find(suite.folder, suite.files)
    rows = suite.read(place)
    if isinstance(suite, TaskSuite):
        task = load_task(suite.task)
        read = [task.read(one.row, **one.options) for one in suite.task_rows(rows)]
        asked = [task.plain(inputs) for inputs, _ in read]
        wanted = [list(task.references(target or "")) for _, target in read]
    else:
        asked = [text for _, text in suite.pages(rows)]
        wanted = [[] for _ in asked]
    stored = [["moved"] if n == moved else texts for n, texts in enumerate(wanted)]
    recipe = {"suite": suite.name, "data": place.digest(suite.files), "split": rows.split, "limit": None} | (
        change or {}
    )
    runs = []
    for model in ("a", "b"):
        run = create_run("evaluate", model, recipe)
        add_rows(run, [ResultRow(n, "x", texts, {"f1": 0.5}) for n, texts in enumerate(stored)])
        finish_run(run, "done")
        runs.append(run)
    return asked, compare_runs(*runs)


@pytest.mark.parametrize("name", ["tatoeba", "squad", "cmrc2018", "cmrc2018:all", "wikitext2"])
def test_the_questions_of_a_suite_are_read_again_where_the_rows_are_the_same(name: str) -> None:
    asked, found = on_suite(name)
    assert len(asked) > 1 and found.questions == dict(enumerate(asked))


@pytest.mark.parametrize("change", [{"data": "00000000"}, {"split": "of another release"}, {"limit": 1}])
def test_no_question_is_better_than_a_wrong_one(change: dict[str, Any]) -> None:
    assert on_suite("wikitext2", change)[1].questions == {}
    assert on_suite("squad", {}, moved=1)[1].questions == {}


@pytest.mark.parametrize(
    "change, said",
    [
        ({"suite": "cmmlu"}, "not on the same rows: suite or task: mmlu and cmmlu"),
        ({"data": "00000000"}, "not on the same rows: data: 1a2b3c4d and 00000000"),
        ({"limit": 2}, "not on the same rows: limit: all rows and 2"),
    ],
)
def test_runs_on_other_data_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said) as error:
        compare_runs(choices("a", [1.0, 0.0]), choices("b", [1.0, 0.0], change))
    assert "same rows for both" in error.value.hint


def test_files_that_changed_in_between_are_refused() -> None:
    recipe = {"data": ["x.jsonl"], "to": "en"}
    first = translations("a", ["x", "y"], ["one", "two"], recipe)
    with pytest.raises(
        BadInput, match=r"row 1 is another row in each run: wanted \['two'\] in the one and \['three'\]"
    ):
        compare_runs(first, translations("b", ["x", "y"], ["one", "three"], recipe))


def test_what_is_no_pair_of_finished_evaluations_is_refused() -> None:
    run = choices("a", [1.0, 0.0])
    with pytest.raises(BadInput, match="twice"):
        compare_runs(run, run)
    with pytest.raises(UnknownName):
        compare_runs(run, "rzzz")
    unfinished = create_run("evaluate", "m", {})
    with pytest.raises(BadInput, match="is evaluate, running; wanted a finished evaluation"):
        compare_runs(run, unfinished)
    finish_run(unfinished, "done")
    with pytest.raises(BadInput, match="were not on the same rows"):
        compare_runs(run, unfinished)
    bare = create_run("evaluate", "m", {"task": "perplexity", "data": ["a.txt"]})
    finish_run(bare, "done")
    other = create_run("evaluate", "m", {"task": "perplexity", "data": ["a.txt"]})
    finish_run(other, "done")
    with pytest.raises(BadInput, match="kept no rows"):
        compare_runs(bare, other)


def test_another_way_of_asking_is_allowed_and_said() -> None:
    found = compare_runs(choices("a", [1.0, 0.0, 1.0]), choices("a", [1.0, 1.0, 1.0], {"shots": 5, "perturb": "typos"}))
    assert [words["en"] for words in found.notes] == [
        "asked otherwise: shots: 0 and 5 (first and second run)",
        "asked otherwise: perturb: none and typos (first and second run)",
    ]


def test_the_report_holds_every_row_and_no_markup_of_a_model(tmp_path: Path) -> None:
    from tests.evaluation.test_pages import EVIL, read

    old, new = choices("a", [1.0, 0.0, None, 0.0]), choices(EVIL, [1.0, 1.0, 1.0, 0.0], row1=EVIL)
    path = write_report(compare_runs(old, new), tmp_path / "报告.html", "zh")
    html = path.read_text(encoding="utf-8")
    reader = read(html)
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("script") == 1 and "img" not in tags and EVIL in "".join(reader.text)
    filters = [a["data-filter"] for _, a in reader.tags if "data-filter" in a]
    assert filters == ["both right", "gained", "missing", "both wrong"]
    boxes = {a["data-state"]: "checked" in a for tag, a in reader.tags if tag == "input" and "data-state" in a}
    assert boxes == {"gained": True, "both wrong": False, "both right": False, "missing": False}
    for word in ("分不出高下", "not distinguishable", "进步", "the provider failed"):
        assert word in html


def test_long_texts_are_clipped_on_a_terminal_only() -> None:
    assert clip("a\nb") == "a b" and len(clip("字" * 500)) < 170 and clip("字" * 500).startswith("字" * 80 + " … ")
