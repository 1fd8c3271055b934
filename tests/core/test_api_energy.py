"""The estimate of hosted energy gives EcoLogits' own figures."""

from __future__ import annotations

import pytest

from sibao.core.api_energy import api_energy


@pytest.mark.parametrize(
    ("billions", "kwh", "gpus"), [(0.124, 3.1838e-5, 1), (7, 3.5176e-5, 1), (8, 3.5661e-5, 1), (70, 2.6301e-4, 4)]
)
def test_four_hundred_tokens(billions: float, kwh: float, gpus: int) -> None:
    found = api_energy(400, billions * 1e9)
    assert found.kwh == pytest.approx(kwh, rel=2e-5)
    assert found.gpus == gpus


def test_the_grid_decides_the_carbon() -> None:
    found = api_energy(400, 8e9)
    assert found.co2_grams(383.55) / 1000 == pytest.approx(1.368e-5, rel=1e-3)
    assert found.co2_grams(559.55) / 1000 == pytest.approx(1.995e-5, rel=1e-3)


def test_experts_that_rest_still_need_memory() -> None:
    assert api_energy(400, 13e9, 140e9).gpus == 8
    assert api_energy(400, 13e9).gpus == 1
