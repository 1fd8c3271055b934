"""A run is trained by one process at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sibao.core.errors import BadInput
from sibao.workflows._presence import PROCESS, present, trainer


def test_a_process_says_that_it_trains_a_run(tmp_path: Path) -> None:
    with present(tmp_path):
        found = trainer(tmp_path)
        assert found is not None and found.pid == psutil.Process().pid
        with present(tmp_path):  # blocks of one process lie in each other
            pass
        assert trainer(tmp_path) is not None
    assert trainer(tmp_path) is None and not (tmp_path / PROCESS).exists()


def test_another_process_is_refused(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        said = {"pid": other.pid, "created": psutil.Process(other.pid).create_time()}
        (tmp_path / PROCESS).write_text(json.dumps(said))
        with pytest.raises(BadInput, match=f"process {other.pid}"), present(tmp_path):
            pass
        assert trainer(tmp_path) is not None, "the refused one leaves the other's file alone"
    finally:
        other.communicate(b"\n")
    with present(tmp_path):  # it has gone without a word
        pass


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pid": -1, "created": 0}', '{"pid": "x", "created": 0}', "\x00"])
def test_a_damaged_file_is_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / PROCESS).write_text(text)
    assert trainer(tmp_path) is None


def test_a_number_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    me = psutil.Process()
    (tmp_path / PROCESS).write_text(json.dumps({"pid": me.pid, "created": me.create_time() - 100}))
    assert trainer(tmp_path) is None
