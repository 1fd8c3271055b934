"""Leaderboards: figures that may stand in one column, in order, with the ranks that each model could truly have.

Figures share a table only where task, dataset, metric and the way they were made (the signature without the program's version)
agree; tables that differ in the last alone stand side by side and say what differs. Knows no store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sibao.core.types import Language
from sibao.evaluation.direction import Direction, direction_of
from sibao.evaluation.ranks import LEVEL, Measured, RankRange, rank_ranges
from sibao.store.published import Published

Words = dict[Language, str]
PASSED_OVER = frozenset({"sibao", "interval", "bs", "seed"})
"""Parts of a signature that do not move the figure itself: the program's version and how its interval was made."""


@dataclass(frozen=True)
class Entry:
    """One figure on a board. ``run`` is the id of one's own run, empty for what others published; ``suite`` the suite of the
    run; ``missing`` and ``chance`` as in ``core.types.Score``; all else as ``store.published.Published``."""

    result: Published
    run: str = ""
    suite: str = ""
    missing: int = 0
    chance: float | None = None

    @property
    def measured(self) -> Measured:
        """The figure with its uncertainty."""
        r = self.result
        return Measured(r.value, r.low, r.high, r.level)


@dataclass(frozen=True)
class Place:
    """An entry with its range of ranks; None is "unknown": no interval, no rows in common with anybody."""

    entry: Entry
    ranks: RankRange | None


@dataclass(frozen=True)
class Board:
    """One column of figures that may be compared, the best first.

    ``how`` is their signature, ``apart`` what sets this table apart from others of the same task, dataset and metric;
    ``cautions`` are what a reader should know. ``level`` holds for all ranges of ranks at once.
    """

    task: str
    dataset: str
    subset: str
    metric: str
    how: str
    direction: Direction
    places: tuple[Place, ...]
    apart: tuple[Words, ...] = ()
    cautions: tuple[Words, ...] = ()
    level: float = LEVEL


Paired = Callable[[Entry, Entry], float | None]
"""p of a paired test of two entries of one's own, or None where they share no rows in the store."""


def boards(entries: Sequence[Entry], paired: Paired = lambda first, second: None) -> list[Board]:
    """All tables, in the order in which they first appear."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        groups.setdefault(_key(entry), []).append(entry)
    made = [_board(key[-1], group, paired) for key, group in groups.items()]
    siblings: dict[tuple[str, ...], list[int]] = {}
    for index, key in enumerate(groups):
        siblings.setdefault(key[:-1], []).append(index)
    for group_of in siblings.values():
        if len(group_of) > 1:
            for index in group_of:
                others = [made[i].how for i in group_of if i != index]
                made[index] = replace(made[index], apart=tuple(_apart(made[index].how, others)))
    return made


def made_how(signature: str) -> str:
    """A signature without the parts that do not move the figure."""
    parts = (part for part in signature.split("|") if part)
    return "|".join(part for part in parts if part.partition(":")[0] not in PASSED_OVER)


def _key(entry: Entry) -> tuple[str, ...]:
    r = entry.result
    named = tuple(" ".join(part.casefold().split()) for part in (r.task, r.dataset, r.subset, r.metric))
    return (*named, made_how(r.signature))


def _board(how: str, entries: list[Entry], paired: Paired) -> Board:
    first = entries[0]
    direction = direction_of(first.result.metric, first.suite)
    ordered = sorted(entries, key=lambda e: e.result.value, reverse=direction.which != "lower")
    if direction.ideal is not None:
        ordered = sorted(entries, key=lambda e: abs(e.result.value - (direction.ideal or 0.0)))
    ranks: list[RankRange | None] = [None] * len(ordered)
    if direction.which != "neither":
        ranks = rank_ranges(
            [e.measured for e in ordered],
            lambda a, b: paired(ordered[a], ordered[b]) if ordered[a].run and ordered[b].run else None,
            higher_is_better=direction.which == "higher",
        )
    r = first.result
    places = tuple(Place(entry, rank) for entry, rank in zip(ordered, ranks, strict=True))
    return Board(
        r.task, r.dataset, r.subset, r.metric, how, direction, places, cautions=tuple(_cautions(entries, direction))
    )


def _cautions(entries: Sequence[Entry], direction: Direction) -> list[Words]:
    found: list[Words] = []
    results = [e.result for e in entries]
    if not direction.known:
        found.append({
            "en": "whether more or less of this metric is better is not known; more is taken for better",
            "zh": "不知道该指标是越高越好还是越低越好，这里按越高越好排列",
        })  # fmt: skip
    if len({r.unit for r in results}) > 1:
        found.append({
            "en": "some figures carry %, some do not: look at the scale before comparing",
            "zh": "有的数带 %，有的不带：比较之前请先看清单位",
        })  # fmt: skip
    if any(r.low is not None and r.level is None for r in results):
        found.append({
            "en": "± as published, without its meaning: taken for one standard error",
            "zh": "± 照录自发表处，未说明含义，这里按一个标准误处理",
        })  # fmt: skip
    if not results[0].signature and len({(r.url, r.title, r.source) for r in results}) > 1:
        found.append({
            "en": "the publishers do not say how each figure was made; they may not be comparable",
            "zh": "发表者没有说明这些数是怎样得来的，未必可比",
        })  # fmt: skip
    return found


def _apart(how: str, others: Sequence[str]) -> list[Words]:
    """What this way of making a figure has that the others have not."""
    if not how:
        return [{"en": "apart: how these were made is not stated", "zh": "单列：没有说明这些数是怎样得来的"}]
    mine = how.split("|")
    found: list[Words] = []
    theirs = [set(other.split("|")) for other in others if other]
    own = [part for part in mine if any(part not in other for other in theirs)]
    if own:
        found.append(
            {"en": f"apart: made with {', '.join(own)}", "zh": f"单列：得来的方式不同，此处为 {'、'.join(own)}"}
        )
    if len(theirs) < len(others):
        found.append({"en": "apart from figures that do not say how they were made", "zh": "与没有说明来历的数分列"})
    return found
