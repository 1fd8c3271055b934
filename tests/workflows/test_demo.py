"""The demo end to end on a tiny random model: everything happens and is shown; only the quality is missing."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from tests.tiny import tiny_folder

from sibao.workflows._run import LOG
from sibao.workflows.demo import demo


def test_everything_happens_and_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SIBAO_THREADS", "1")  # so small a model only waits for its threads where others compute too
    model = str(tiny_folder(tmp_path / "model", context=2048))
    result = demo(model=model)
    shown = capsys.readouterr().out
    for words in ("translate --to en", "translate --to zh", "answer", "summarize", "generate --form poem", "scorecard"):
        assert words in shown
    done = [job["task"] for job in result["tasks"]]
    assert {task: done.count(task) for task in done} == {"generate": 2, "translate": 2, "answer": 2, "summarize": 2}
    assert result["training"]["status"] == "done"
    card = result["scorecard"]
    assert card["accuracy"]["n"] == 400 and card["accuracy"]["chance"] == pytest.approx(0.4, abs=0.2)
    assert 0 <= card["p_value"] <= 1 and card["verdict"] in ("better", "worse", "not distinguishable")
    assert card["peak_memory_bytes"] > 0 and card["training_joules"] > 0
    assert set(result["choice"]["candidates"]) == {model, card["model"], f"{model} (int8)"}
    assert "Choose" in shown


def _signal_in_training(home: Path, over: threading.Event) -> None:
    while not over.wait(0.05):
        if list(home.glob(f"**/{LOG}")):  # again and again: it is there a little before anybody listens
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_in_training_ends_it_politely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SIBAO_THREADS", "1")  # so small a model only waits for its threads where others compute too
    model = str(tiny_folder(tmp_path / "model", context=2048))
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one that comes too late must not end the tests
    over = threading.Event()
    sender = threading.Thread(target=_signal_in_training, args=(tmp_path / "home", over))
    sender.start()
    try:
        result = demo(model=model)
    finally:
        over.set()
        sender.join()
        signal.signal(signal.SIGTERM, before)
    assert set(result) == {"tasks", "training"} and result["training"]["status"] == "stopped"
    assert f"sibao finetune --resume {result['training']['run']}" in capsys.readouterr().out
