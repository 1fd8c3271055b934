"""The table of families: nothing skipped, its figures measured, and the page in step with the code."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

from sibao.models.folder import families


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))  # as the script itself finds its neighbours
    return importlib.import_module("families")


def test_the_page_has_a_row_for_every_family(bench: ModuleType) -> None:
    rows = [re.split(r" *\| *", line.strip("| ")) for line in bench.PAGE.read_text(encoding="utf-8").splitlines()]
    found = {row[0].strip("`"): row for row in rows if len(row) == 7 and row[0].startswith("`")}
    assert found.keys() == set(families())
    for name, row in found.items():
        assert (f"`{name}`", row[1], row[2], row[6]) == bench.row_of(name)
        assert float(row[3]) <= 1e-4


@pytest.mark.parametrize("name", ["qwen3", "bert", "marian"])
def test_parity_is_measured(bench: ModuleType, name: str) -> None:
    found = bench.measure(name)
    assert 0 < found.fp32 <= 1e-4
    assert 0 < found.bf16 < 1.5 * found.theirs_bf16 < 0.2
    assert f"`{name}`" in bench.table({name: found})
