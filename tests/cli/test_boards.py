"""compare and leaderboard on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run
from tests.workflows.stored_runs import choices

from sibao.cli import schema

TABLES = str(Path(__file__).parents[1] / "data" / "paperswithcode" / "tables.json")


def test_two_runs_are_compared(run: Run, run_json: Run, tmp_path: Path) -> None:
    first, second = choices("mini", [1.0, 0.0, None, 0.0]), choices("mini+一", [1.0, 1.0, 1.0, 0.0])
    page = tmp_path / "改变.html"
    found = run_json("compare", first, second, "--html", str(page), "--language", "zh")
    schema.CompareOut.model_validate(found)
    assert found["model"] == "mini+一" and found["counts"]["gained"] == 1 and found["written"] == str(page)
    assert [row["state"] for row in found["rows"]] == ["both right", "gained", "missing", "both wrong"]
    assert '<html lang="zh-CN"' in page.read_text(encoding="utf-8")
    shown = run("compare", first, second, "--rows", "1")
    assert shown.exit_code == 0 and "not distinguishable" in shown.stdout and "1 gained" in shown.stdout
    assert run("compare", first, second, "--rows", "0").exit_code == 0


def test_runs_that_cannot_be_compared_exit_2(run: Run) -> None:
    first, second = choices("mini", [1.0, 0.0]), choices("mini", [1.0, 0.0], {"data": "00000000"})
    done = run("compare", first, second)
    assert done.exit_code == 2 and "not on the same rows: data" in done.stderr and "hint:" in done.stderr
    assert run("compare", first, "rzzz").exit_code == 2
    failed = json.loads(run("compare", first, second, "--json").stdout)
    schema.FailureOut.model_validate(failed)


def test_the_leaderboard_from_nothing_to_everything(run: Run, run_json: Run, tmp_path: Path) -> None:
    empty = run("leaderboard")
    assert empty.exit_code == 0 and "no results yet" in empty.stdout
    alone = run("leaderboard", "--import", TABLES)
    assert alone.exit_code == 0 and alone.stdout == "" and "results" in alone.stderr and "unreadable" in alone.stderr
    choices("mini", [1.0, 0.0, 1.0])
    page, out = tmp_path / "榜.html", tmp_path / "tables.json.gz"
    flags = ("--html", str(page), "--export", "pwc", "--output", str(out))
    found = run_json("leaderboard", "--import", TABLES, *flags)
    schema.LeaderboardOut.model_validate(found)
    assert found["written"] == [str(out), str(page)] and page.is_file() and out.is_file()
    assert {p["kind"] for p in found["imported"][0]["problems"]} == {"absent", "unreadable"}
    assert {t["task"] for t in found["tables"]} >= {"mmlu", "Common Sense Reasoning"}
    shown = run("leaderboard", "--suite", "mmlu")
    assert "mmlu · acc (more is better)" in shown.stdout and "mini" in shown.stdout
    many = run("leaderboard", "--limit", "1")
    assert "more tables" in many.stdout
    assert run("leaderboard", "--forget", TABLES).stderr.startswith("forgot ")
    assert {t["task"] for t in run_json("leaderboard")["tables"]} == {"mmlu"}


def test_flags_that_need_each_other(run: Run, tmp_path: Path) -> None:
    for flags in (("--export", "pwc"), ("--output", str(tmp_path / "x"))):
        done = run("leaderboard", *flags)
        assert done.exit_code == 2 and "go together" in done.stderr
    done = run("leaderboard", "--suite", "mmul")
    assert done.exit_code == 2 and "no suite on the board named 'mmul'" in done.stderr
