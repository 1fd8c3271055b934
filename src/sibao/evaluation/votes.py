"""Votes of people counted: wins of each model and of each pair, with intervals, and whether the place decided.

A tie or "neither" decides nothing: a rate is the share of wins in the votes that chose one of the two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sibao.metrics._intervals import wilson
from sibao.store.votes import Side

Outcome = tuple[str, str, Side, int]
"""Left model, right model, vote, how often."""


@dataclass(frozen=True)
class Rate:
    """Wins in ``n`` decided votes, with Wilson's interval at ``level``; None where nothing was decided."""

    rate: float | None
    low: float | None
    high: float | None
    n: int
    level: float


@dataclass(frozen=True)
class Record:
    """How a model fared, against all others or (``against``) one of them."""

    model: str
    wins: int
    losses: int
    ties: int
    neither: int
    rate: Rate
    against: str = ""


@dataclass(frozen=True)
class Tally:
    """``models`` best first; ``pairs`` once each, from the side of the one that won more; ``left`` says how often the left
    answer won: far from one half, people voted by place."""

    votes: int
    left: Rate
    models: list[Record] = field(default_factory=list)
    pairs: list[Record] = field(default_factory=list)


def tally(outcomes: Iterable[Outcome], level: float = 0.95) -> Tally:
    """Count votes.

    Raises:
        BadInput: a level outside 0..1.
    """
    found = list(outcomes)
    sides: Counter[str] = Counter()
    games: dict[tuple[str, str], Counter[str]] = {}
    for left, right, vote, times in found:
        sides[vote] += times
        games.setdefault((left, right), Counter())[_for_left(vote)] += times
        games.setdefault((right, left), Counter())[_for_right(vote)] += times
    names = sorted({model for model, _ in games})
    totals = {name: sum((games[pair] for pair in games if pair[0] == name), Counter()) for name in names}
    models = [_record(name, totals[name], level) for name in names]
    pairs = [_record(a, games[a, b], level, b) for a, b in sorted(games) if _told_by(a, b, games[a, b])]
    return Tally(sides.total(), rate(sides["left"], sides["right"], level), _best_first(models), _best_first(pairs))


def rate(wins: int, losses: int, level: float = 0.95) -> Rate:
    """The share of wins in the decided votes."""
    n = wins + losses
    if n == 0:
        return Rate(None, None, None, 0, level)
    low, high = wilson(wins, n, level)
    return Rate(wins / n, low, high, n, level)


def _for_left(vote: Side) -> str:
    return {"left": "wins", "right": "losses"}.get(vote, vote)


def _for_right(vote: Side) -> str:
    return {"right": "wins", "left": "losses"}.get(vote, vote)


def _told_by(a: str, b: str, counts: Counter[str]) -> bool:
    """A pair is told once: by the one that won more, else by the first in the alphabet."""
    ahead = counts["wins"] - counts["losses"]
    return ahead > 0 or (ahead == 0 and a < b)


def _record(model: str, counts: Counter[str], level: float, against: str = "") -> Record:
    wins, losses = counts["wins"], counts["losses"]
    return Record(model, wins, losses, counts["tie"], counts["neither"], rate(wins, losses, level), against)


def _best_first(records: Sequence[Record]) -> list[Record]:
    """By the lower end of the interval, so that one lucky vote does not lead."""
    return sorted(records, key=lambda one: (-(one.rate.low or 0.0), -one.wins, one.model, one.against))
