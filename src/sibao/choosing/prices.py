"""Prices against each other: what a thousand requests cost, and how old a price is."""

from __future__ import annotations

from datetime import date

from sibao.core.prices import Price
from sibao.core.types import Usage

OLD_DAYS = 90
"""A price read longer ago than this is shown as old: hosted models change theirs several times a year."""
THOUSAND = 1000


def per_thousand(price: Price, usage: Usage, requests: int) -> float:
    """Cost of a thousand requests like those that took ``usage`` (at least one)."""
    return price.cost(usage) / requests * THOUSAND


def age_days(price: Price, today: date | None = None) -> int | None:
    """Days since the price was read; None where it carries no date."""
    try:
        return ((today or date.today()) - date.fromisoformat(price.date)).days
    except ValueError:
        return None


def is_old(price: Price, today: date | None = None) -> bool:
    """Whether the price should be looked up again. One that the user gave, without a date, is taken to be today's."""
    days = age_days(price, today)
    return days is not None and days > OLD_DAYS
