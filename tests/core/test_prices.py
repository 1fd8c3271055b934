"""What a usage costs."""

from __future__ import annotations

import pytest

from sibao.core.prices import Price
from sibao.core.types import Usage

PRICE = Price(1.0, 4.0, 0.25)


def test_what_comes_from_the_cache_has_its_own_price() -> None:
    assert PRICE.cost(Usage(1000, 100, 400)) == pytest.approx((600 + 100 + 400) / 1e6)
    assert PRICE.cost(Usage(1000, 100), 400) == pytest.approx((600 + 100 + 400) / 1e6)
    assert Price(1.0, 4.0).cost(Usage(1000, 100, 400)) == pytest.approx(1400 / 1e6)


def test_no_usage_pays_money_back() -> None:
    assert PRICE.cost(Usage(10, 5, 1_000_000)) == pytest.approx((10 * 0.25 + 20) / 1e6)
    assert PRICE.cost(Usage(10, 5, -7)) == pytest.approx(30 / 1e6)
    for usage in (Usage(-100, 0), Usage(10, -1000), Usage(-100, -5, -3), Usage(-10, 0, 5)):
        assert PRICE.cost(usage) == 0.0
