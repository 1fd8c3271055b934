"""Runs and scores, on both databases."""

import math
import time
from pathlib import Path

import pytest

from sibao.core.errors import BadInput, UnknownName
from sibao.core.types import Score
from sibao.store import runs
from sibao.store.rows import ResultRow, add_rows, rows_of


def test_run_round_trip(store: str) -> None:
    recipe = {
        "objective": {"name": "next_token"},
        "data": ["语料.jsonl"],
        "out": Path("a/b"),
        "lr": 3e-4,
        "nan": math.nan,
    }
    run = runs.create_run("pretrain", "mini", recipe)
    began = runs.get_run(run)
    assert (began.kind, began.model, began.status, began.finished) == ("pretrain", "mini", "running", None)
    assert began.recipe == recipe | {"out": "a/b", "nan": None}
    assert abs(began.started - time.time()) < 60
    runs.update_run(run, result={"loss": 1.5, "tokens": 10})
    runs.finish_run(run, "failed", result={"tokens": 20}, message="磁盘满了")
    ended = runs.get_run(run)
    assert ended.result == {"loss": 1.5, "tokens": 20}
    assert (ended.status, ended.message) == ("failed", "磁盘满了")
    assert ended.finished is not None and ended.finished >= ended.started
    assert ended.to_json()["run"] == run and ended.to_json()["scores"] == []


def test_ids_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [1.8e9 + n / 32 for n in (0, 1, 31, 32, 33, 1e6, 1e9)]
    ids = []
    for moment in moments:
        monkeypatch.setattr(runs.time, "time", lambda moment=moment: moment)
        ids.append(runs.new_id())
    assert ids == sorted(ids)
    assert {len(run) for run in ids} == {9} and all(run[0] == "r" for run in ids)


def test_many_runs_in_one_tick_get_different_ids(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs.time, "time", lambda: 1.8e9)
    ids = [runs.create_run("evaluate", "m", {}) for _ in range(12)]  # of 32 possible: some collide at first
    assert len(set(ids)) == 12 == len(runs.list_runs())


def test_prefix_lookup(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for run in ("r0000001a", "r0000001b", "r0000002c"):
        monkeypatch.setattr(runs, "new_id", lambda run=run: run)
        runs.create_run("evaluate", "m", {})
    assert runs.get_run("r0000002").id == "r0000002c"
    assert runs.get_run(" R0000001A ").id == "r0000001a"
    with pytest.raises(BadInput, match="begins more than one run: r0000001a, r0000001b") as error:
        runs.get_run("r0000001")
    assert "write more" in error.value.hint
    with pytest.raises(UnknownName, match="no run named 'r0000003c'") as missed:
        runs.get_run("r0000003c")
    assert "did you mean r0000002c" in missed.value.hint
    for wild in ("%", "r_", ""):
        with pytest.raises(UnknownName):
            runs.get_run(wild)


def test_no_runs_yet(store: str) -> None:
    with pytest.raises(UnknownName) as error:
        runs.get_run("r1")
    assert error.value.hint == "there are no runs yet" and error.value.exit_code == 2
    assert runs.list_runs() == []


def test_list_filters_newest_first(store: str) -> None:
    first = runs.create_run("pretrain", "mini", {})
    time.sleep(0.05)
    second = runs.create_run("evaluate", "mini", {}, status="done")
    time.sleep(0.05)
    third = runs.create_run("evaluate", "other", {})
    assert [run.id for run in runs.list_runs()] == [third, second, first]
    assert [run.id for run in runs.list_runs(kind="evaluate", model="mini")] == [second]
    assert [run.id for run in runs.list_runs(status="running", limit=1)] == [third]


def test_unknown_status_and_run_are_refused(store: str) -> None:
    with pytest.raises(UnknownName, match="no status named 'finised'"):
        runs.create_run("pretrain", "m", {}, status="finised")  # type: ignore[arg-type]
    run = runs.create_run("pretrain", "m", {})
    with pytest.raises(UnknownName, match="no status"):
        runs.finish_run(run, "dun")  # type: ignore[arg-type]
    wrong = run[:-1] + ("0" if run[-1] != "0" else "1")
    for act in (
        lambda: runs.update_run(wrong, status="done"),
        lambda: runs.finish_run(wrong),
        lambda: runs.add_scores(wrong, [Score("bleu", 1.0)]),
        lambda: add_rows(wrong, [ResultRow(0, "x")]),
        lambda: runs.delete_run(wrong),
    ):
        with pytest.raises(UnknownName, match=f"no run named '{wrong}'") as error:
            act()
        assert run in error.value.hint


def test_scores_round_trip(store: str) -> None:
    run = runs.create_run("evaluate", "mini", {})
    full = Score("bleu", 12.5, 11.0, 14.0, 0.9, 300, 2, 0.1, "nrefs:1|tok:zh")
    assert runs.scores_of(run) == []
    runs.add_scores(run, [full, Score("困惑度", math.inf), Score("rouge", math.nan, n=0)])
    kept = runs.scores_of(run)
    assert kept[:2] == [full, Score("困惑度", math.inf)]
    assert kept[2].name == "rouge" and math.isnan(kept[2].value)
    runs.add_scores(
        run, [Score("bleu", 13.0, signature="nrefs:1|tok:zh"), Score("bleu", 9.0, signature="nrefs:1|tok:13a")]
    )
    assert [(score.name, score.value) for score in runs.scores_of(run) if score.name == "bleu"] == [
        ("bleu", 13.0),
        ("bleu", 9.0),
    ]


def test_rows_round_trip_and_replacement(store: str) -> None:
    run = runs.create_run("evaluate", "mini", {})
    rows = [ResultRow(n, f"答{n}", ["甲", "乙"], {"chrf": n / 7, "bad": None}) for n in range(1203)]
    rows[5] = ResultRow(5, None, ["甲"], {}, missing="no answer in 128 tokens")
    rows[6] = ResultRow(6, "丙", ["甲"], {"chrf": 0.5}, cluster="第一篇")
    assert add_rows(run, iter(rows)) == 1203
    assert list(rows_of(run)) == rows
    assert add_rows(run, [ResultRow(7, "新", [], {"chrf": math.nan})]) == 1
    again = list(rows_of(run))
    assert again[7] == ResultRow(7, "新", [], {"chrf": None}) and len(again) == 1203


def test_text_that_databases_refuse_is_kept_with_a_replacement(store: str) -> None:
    run = runs.create_run("evaluate", "a\0b", {"stop": "\0\ud800"})
    add_rows(run, [ResultRow(0, "x\0y\udfffz😀", ["\0"])])
    assert runs.get_run(run).model == "a\ufffdb"
    assert next(rows_of(run)) == ResultRow(0, "x\ufffdy\ufffdz😀", ["\ufffd"])


def test_delete_takes_scores_and_rows_along(store: str) -> None:
    gone, kept = runs.create_run("evaluate", "m", {}), runs.create_run("evaluate", "m", {})
    for run in (gone, kept):
        runs.add_scores(run, [Score("bleu", 1.0)])
        add_rows(run, [ResultRow(0, "x")])
    assert runs.delete_run(gone) == gone
    assert [run.id for run in runs.list_runs()] == [kept]
    assert runs.scores_of(gone) == [] and list(rows_of(gone)) == []
    assert len(runs.scores_of(kept)) == 1 == len(list(rows_of(kept)))
