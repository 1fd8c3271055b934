"""The simulation of races: its models are what it says they are, and the page holds what it prints."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))  # as the script itself finds its neighbours
    return importlib.import_module("choose")


def test_the_simulated_models_have_the_truth_that_is_claimed(bench: ModuleType) -> None:
    rng = np.random.default_rng(0)
    for draw, wanted in (
        (bench.independent(bench.APART), bench.APART),
        (bench.correlated(bench.APART), bench.APART),
        (bench.graded((0.80, 0.69, 0.58, 0.48, 0.39)), (0.763, 0.65, 0.56, 0.48, 0.41)),
    ):
        values = draw(rng, 40_000)
        assert values.min() >= 0 and values.max() <= 1
        assert values.mean(axis=1) == pytest.approx(wanted, abs=0.012)
    together = np.corrcoef(bench.correlated(bench.APART)(rng, 40_000))
    assert 0.3 < together[0, 1] < 0.7 and abs(np.corrcoef(bench.independent(bench.APART)(rng, 40_000))[0, 1]) < 0.02


def test_a_few_races_of_every_setting(bench: ModuleType) -> None:
    for setting in bench.SETTINGS:
        found = bench.simulate(setting, races=6, rows=300, seed=1, delta=0.05, quiet=True)
        assert found.wrong <= 1 / 6 and len(found.tokens) == 6 and all(0 < share <= 1 for share in found.tokens)


def test_the_page_holds_every_setting_and_the_figures_that_were_asked_for(bench: ModuleType) -> None:
    page = bench.PAGE.read_text(encoding="utf-8")
    rows = {line.split(" | ")[0].lstrip("| "): line for line in page.splitlines() if line.startswith("| ")}
    for setting in bench.SETTINGS:
        cells = [float(cell.strip(" %")) for cell in rows[setting.name].strip("|").split("|")[1:]]
        assert cells[0] <= 5.0
        if setting.tied == 1:
            assert cells[2] <= 50.0
        else:
            assert cells[1] >= 95.0
    assert "1,000 races each over 2,000 rows" in page


def test_the_page_says_how_many_needs_get_their_task(bench: ModuleType) -> None:
    assert "\n".join(bench.needs()) in bench.PAGE.read_text(encoding="utf-8")
