"""Speeds of the machine are timed once, and again where processor, threads or version are others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sibao.choosing import machine
from sibao.choosing.machine import Rates, measure


def test_speeds_are_timed_once_for_each_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path))
    monkeypatch.setattr(machine, "_MATRIX_BYTES", 2**20)
    timed = []
    real = machine._timed

    def counted(precision: str) -> Rates:
        timed.append(precision)
        return real(precision)

    monkeypatch.setattr(machine, "_timed", counted)
    first = {p: measure(p) for p in ("fp32", "bf16")}
    assert {p: measure(p) for p in ("fp32", "bf16")} == first and timed == ["fp32", "bf16"]
    threads = machine.torch.get_num_threads()
    monkeypatch.setattr(machine.torch, "get_num_threads", lambda: threads + 1)
    measure("fp32")
    monkeypatch.undo()
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path))
    monkeypatch.setattr(machine, "_MATRIX_BYTES", 2**20)
    monkeypatch.setattr(machine, "_timed", counted)
    assert timed == ["fp32", "bf16", "fp32"] and measure("bf16") == first["bf16"]
    other = replace(machine.machine(), cpu="another")
    monkeypatch.setattr(machine, "machine", lambda: other)
    assert measure("bf16").bandwidth > 0 and timed[3:] == ["bf16"]
    (tmp_path / "cache" / "rates.json").write_text("{")
    assert measure("bf16").bandwidth > 0 and timed[4:] == ["bf16"]
