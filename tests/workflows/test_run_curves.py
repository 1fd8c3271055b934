"""The log of a run, read while it is written."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from sibao.core.errors import BadInput
from sibao.core.paths import write_text
from sibao.workflows.run_curves import Cursor, last_step, log_of, read_curves, thinned


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path))
    path = log_of("r1")
    path.parent.mkdir(parents=True)
    return path


def step(number: int, **more: float) -> str:
    return json.dumps({"step": number, "loss": 1.0 / number, **more}) + "\n"


def test_a_log_is_read_piece_by_piece(log: Path) -> None:
    assert read_curves("r1").steps == [] and last_step("r1") is None
    log.write_text(step(1) + step(2) + '{"step": 2, "valid_loss": 0.5}\n' + '{"step": 3, "lo')
    first = read_curves("r1")
    assert [one["step"] for one in first.steps] == [1, 2] and first.evals == [{"step": 2, "valid_loss": 0.5}]
    assert read_curves("r1", first.cursor).steps == [], "half a line waits for its end"
    with log.open("a") as file:
        file.write('ss": 0.3}\n' + step(4))
    second = read_curves("r1", first.cursor)
    assert [one["step"] for one in second.steps] == [3, 4] and not second.anew
    assert read_curves("r1", second.cursor).cursor == second.cursor
    assert last_step("r1") == {"step": 4, "loss": 0.25}


def test_a_log_that_was_begun_anew_is_read_from_its_start(log: Path) -> None:
    log.write_text(step(1) + step(2) + step(3))
    before = read_curves("r1").cursor
    write_text(log, step(1))  # what a resumed run does
    after = read_curves("r1", before)
    assert after.anew and [one["step"] for one in after.steps] == [1]


def test_what_is_no_entry_is_passed_over_and_no_number_becomes_null(log: Path) -> None:
    log.write_text("[1]\n\nnonsense\n" + '{"loss": 1}\n{"step": 1, "loss": NaN}\n')
    assert read_curves("r1").steps == [{"step": 1, "loss": None}]


def test_cursors() -> None:
    assert Cursor.parse(str(Cursor(12, 345))) == Cursor(12, 345)
    for wrong in ("", "1", "a-1", "1-b", "-1", "1-", "１-２", "1-" + "9" * 80, "1-1-1"):
        with pytest.raises(BadInput, match="in a log"):
            Cursor.parse(wrong)


def test_thinned_out_evenly_with_the_last() -> None:
    entries = [{"step": n} for n in range(1, 1001)]
    some = thinned(entries, 90)
    assert len(some) <= 90 and some[-1]["step"] == 1000
    assert {b["step"] - a["step"] for a, b in pairwise(some)} == {12}
    assert thinned(entries[:5], 90) == entries[:5]
