"""A judge in an evaluation, over real HTTP: a server that finds answers of five characters and more good."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.remote import Play, Remote, Seen, chat, running, said
from typer.testing import CliRunner

from sibao.cli.main import app
from sibao.core.errors import BadInput, DataError, UnknownName
from sibao.evaluation import harness
from sibao.evaluation.direction import direction_of
from sibao.store import rows as stored
from sibao.store import runs
from sibao.tasks.base import TaskResult, load_task
from sibao.workflows._judging import JudgeAsk, open_bench
from sibao.workflows.compare import compare_runs
from sibao.workflows.evaluate import evaluate

LINES = ["你好", "春眠不觉晓", "hello there", "no", "床前明月光，疑是地上霜", "hi"]


def verdict(seen: Seen) -> Play:
    """By the length of the answer alone; the longer one of two is better."""
    if seen.method == "GET":
        return said({"object": "list", "data": [{"id": "judge", "object": "model", "max_model_len": 4096}]})
    asked = seen.body["messages"][-1]["content"]
    parts = [part.strip() for part in re.findall("<<<\n(.*?)\n>>>", asked, re.DOTALL)]
    if "Answer A" in asked or "回答 A" in asked:
        first, second = map(len, parts[-2:])
        found: dict[str, Any] = {"reason": "r", "better": "A" if first > second else "B" if second > first else "tie"}
    else:
        score = min(5, max(1, len(parts[-1]))) if parts else 1
        found = {"reason": "r", "score": score, "pass": score >= 4}
    return said(chat("mute" if "MUTE" in asked else json.dumps(found)))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    with running() as remote:
        remote.play(verdict)
        yield remote


@pytest.fixture
def judge(server: Remote) -> str:
    return f"{server.url}/v1#judge"


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def data(tmp_path: Path) -> str:
    return written(tmp_path / "rows.jsonl", [{"prompt": line, "completion": line} for line in LINES])


@pytest.fixture
def labels(tmp_path: Path) -> str:
    rows = [{"prompt": "Why?", "answer": "because it rains" if n % 2 else "no", "label": n % 2 == 1} for n in range(20)]
    rows[0]["label"] = True  # people see something in one that the judge does not
    return written(tmp_path / "labels.jsonl", rows)


def test_verdicts_are_scores_rows_and_a_corrected_rate(judge: str, data: str, labels: str) -> None:
    result = evaluate("mock:echo", task="generate", data=[data], judge=JudgeAsk(judge, labels=(labels,)), quiet=True)
    scores = {s.name: s for s in result.scores}
    assert scores["judge_score"].value == pytest.approx((2 + 5 + 5 + 2 + 5 + 2) / 6)
    assert scores["judge_pass_rate"].value == 0.5 and scores["judge_pass_rate"].low is not None
    assert (scores["judge_sensitivity"].value, scores["judge_specificity"].value) == (pytest.approx(10 / 11), 1.0)
    assert scores["judge_kappa"].value == pytest.approx(0.9)
    assert scores["judge_corrected_rate"].value == pytest.approx(0.5 / (10 / 11))
    assert f"judge:{judge}|rubric:helpfulness.v1|prompt:zh.v1|" in scores["judge_score"].signature
    kept = list(stored.rows_of(result.run))
    assert [row.metrics["judge_score"] for row in kept] == [2, 5, 5, 2, 5, 2]
    assert runs.get_run(result.run).recipe["judge"]["model"] == judge
    assert {name for name in scores if not direction_of(name).known} == set()


def test_two_models_are_judged_in_both_orders_and_compared_row_by_row(judge: str, data: str) -> None:
    asked = JudgeAsk(judge, language="zh", repeats=2)
    result = evaluate("mock:echo", task="generate", data=[data], compare="mock:reverse", judge=asked, quiet=True)
    scores = {s.name: s.value for s in result.scores}
    assert (scores["judge_wins"], scores["judge_losses"], scores["judge_ties"], scores["judge_order_bias"]) == (
        0,
        0,
        1,
        0,
    )
    assert result.comparison["judge_score"].verdict == "not distinguishable" and result.comparison["judge_pass"].n == 6
    assert "judge_score" in {s.name for s in result.baseline_scores}
    assert "|prompt:zh.v1|repeats:2|" in next(s for s in result.scores if s.name == "judge_score").signature
    other = evaluate("mock:reverse", task="generate", data=[data], judge=asked, quiet=True)
    compared = {one.metric: one for one in compare_runs(result.run, other.run).metrics}
    assert compared["judge_score"].direction.which == "higher"


def test_a_judge_that_says_nothing_leaves_rows_missing_and_never_fails_them(judge: str, tmp_path: Path) -> None:
    data = written(
        tmp_path / "r.jsonl", [{"prompt": text, "completion": "x"} for text in ("MUTE 1", "MUTE 2", "春眠不觉晓")]
    )
    found = {
        s.name: s for s in evaluate("mock:echo", task="generate", data=[data], judge=JudgeAsk(judge), quiet=True).scores
    }
    assert (found["judge_score"].n, found["judge_score"].missing, found["judge_score"].value) == (1, 2, 5.0)


def test_a_judge_no_better_than_guessing_corrects_nothing(judge: str, data: str, tmp_path: Path) -> None:
    rows = [{"prompt": "?", "answer": "no" if n < 5 else "because of it", "label": n % 2 == 0} for n in range(10)]
    asked = JudgeAsk(judge, labels=(written(tmp_path / "l.jsonl", rows),))
    found = {s.name: s for s in evaluate("mock:echo", task="generate", data=[data], judge=asked, quiet=True).scores}
    assert (
        math.isnan(found["judge_corrected_rate"].value)
        and "wanted a sum above 1" in found["judge_corrected_rate"].signature
    )
    assert found["judge_kappa"].value < 0.3 and found["judge_score"].n == 6


def test_the_document_goes_to_the_judge_once(server: Remote, judge: str) -> None:
    task, bench = load_task("summarize"), open_bench(JudgeAsk(judge), "summarize")
    items = harness.items(task, [(0, {"document": "一篇很长的文章。", "summary": "短文。"})])
    found = bench.verdicts([harness.Answered(item, TaskResult("摘要", "stop")) for item in items])
    assert found.rows["judge_score"] == [2.0] and "rubric:faithfulness.v1|prompt:zh" in found.scores[0].signature
    asked = [one.body["messages"][-1]["content"] for one in server.seen if one.body]
    (prompt,) = [text for text in asked if "<<<" in text]
    assert prompt.count("一篇很长的文章。") == 1 and "短文。" in prompt


def test_what_cannot_be_is_refused_before_a_model_is_asked(judge: str, data: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="rubric"):
        evaluate("mock:echo", task="generate", data=[data], judge=JudgeAsk(judge, rubric="helpfullness"))
    with pytest.raises(BadInput, match="perplexity writes no answers"):
        evaluate("mini", task="perplexity", data=[data], judge=JudgeAsk(judge))
    wrong = written(tmp_path / "w.jsonl", [{"prompt": "?", "answer": "x", "label": "yes"}])
    with pytest.raises(DataError, match=r"w.jsonl:1 field 'label': got 'yes', wanted true or false"):
        open_bench(JudgeAsk(judge, labels=(wrong,)), "generate")
    same = written(tmp_path / "s.jsonl", [{"prompt": "?", "answer": "x", "label": True}] * 3)
    with pytest.raises(BadInput, match="the 3 labelled answers are all of one kind"):
        open_bench(JudgeAsk(judge, labels=(same,)), "generate")
    assert runs.list_runs() == []


def test_the_command_line(judge: str, data: str) -> None:
    line = ["evaluate", "mock:echo", "--task", "generate", "--data", data, "-q", "--json"]
    done = CliRunner().invoke(app, [*line, "--judge", judge, "--rubric", "helpfulness", "--judge-repeats", "2"])
    assert done.exit_code == 0, done.output
    assert "judge_spread" in {score["name"] for score in json.loads(done.stdout)["scores"]}
    for wrong in (["--labels", data], ["--judge-repeats", "2"]):
        refused = CliRunner().invoke(app, [*line, *wrong])
        assert refused.exit_code == 2 and "without a judge" in refused.stdout
    refused = CliRunner().invoke(app, ["evaluate", "mini", "--suite", "squad", "--judge", judge, "--json"])
    assert refused.exit_code == 2 and "suites score their own" in refused.stdout
