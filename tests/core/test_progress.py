"""Progress: plain lines without a terminal, a bar on one, and never a byte on stdout."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sibao.core import progress as module
from sibao.core.progress import progress

LOOP = """
from sibao.core.progress import progress
with progress(10, "训练 [x]", unit="step") as bar:
    bar.skip(5)
    with progress(None, "inner") as inner:
        for n in range(5):
            bar.advance(loss=1 / (n + 1))
            inner.advance(6)
    print("{}")
"""
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src"), "TERM": "xterm"}


def test_plain_first_and_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(2500, "打包", unit="tok") as bar:
        for _ in range(5):
            bar.advance(500, loss=2.0 / 3, state="好", nothing=None)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == "" and len(lines) == 2
    assert lines[0] == "打包: 0/2,500 tok"
    assert re.fullmatch(r"打包: 2,500/2,500 tok, [\d.]+ s, [\d,.]+ tok/s, loss 0.6667, state 好", lines[1])
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", err)


def test_plain_line_every_ten_seconds(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    with progress(100, "work") as bar:
        for _ in range(50):
            clock[0] += 1
            bar.advance()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 7  # first, at 10, 20, 30, 40 and 50 seconds, last
    assert lines[1] == "work: 10/100 it, 10.0 s, 1 it/s, 1:30 left"


def test_what_was_done_before_counts_neither_for_speed_nor_for_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    with progress(100, "work") as bar:
        bar.skip(60)
        clock[0] += 10
        bar.advance(10)
    assert capsys.readouterr().err.splitlines()[1] == "work: 70/100 it, 10.0 s, 1 it/s, 30.0 s left"


def test_last_line_after_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="x"), progress(10, "work") as bar:
        bar.advance(3)
        raise ValueError("x")
    assert capsys.readouterr().err.splitlines()[-1].startswith("work: 3/10 it")


def test_unknown_total_and_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(None, "read", unit="row") as bar:
        bar.advance(7)
        bar.update(files=2)
    assert re.fullmatch(r"read: 7 row, .* row/s, files 2", capsys.readouterr().err.splitlines()[-1])
    with progress(3, "read", quiet=True) as bar:
        bar.advance(3)
        bar.update(a=1)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (185, "3:05"), (7385, "2:03:05")])
def test_clock(seconds: float, text: str) -> None:
    assert module._clock(seconds) == text


def run_on_terminal(**environment: str) -> tuple[str, str]:
    """stdout (a pipe) and what a terminal on stderr received."""
    mine, theirs = pty.openpty()
    process = subprocess.run(
        [sys.executable, "-c", LOOP], stdout=subprocess.PIPE, stderr=theirs, env=ENVIRONMENT | environment
    )
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(mine, 65536):
            seen += piece
    except OSError:  # the other end is closed
        pass
    os.close(mine)
    assert process.returncode == 0, seen.decode()
    return process.stdout.decode(), seen.decode()


def test_bar_on_a_terminal_leaves_stdout_alone() -> None:
    out, seen = run_on_terminal()
    assert out == "{}\n"
    assert "\x1b[" in seen and "训练 [x]" in seen and "10/10 step" in seen and "30 it" in seen


def test_dumb_terminal_gets_plain_lines() -> None:
    out, seen = run_on_terminal(TERM="dumb")
    assert out == "{}\n" and "\x1b" not in seen and "训练 [x]: 10/10 step" in seen
