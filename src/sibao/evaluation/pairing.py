"""Two recorded runs on the same rows: their rows side by side, and a paired test for each metric.

A row's own values are compared as they are; a corpus score (BLEU, chrF) is made again from the texts, because it is not
the mean of its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sibao.core.errors import BadInput
from sibao.core.names import module_names
from sibao.evaluation.clusters import compare_clustered
from sibao.evaluation.direction import direction_of
from sibao.evaluation.harness import compare_texts, metric
from sibao.evaluation.statistics import Comparison
from sibao.store.rows import ResultRow
from sibao.text.language import detect

COUNTS = frozenset({"tokens"})
"""Values that rows keep for the sums of a corpus figure; not a merit of the row."""


@dataclass(frozen=True)
class Pair:
    """One row of the data after both models."""

    first: ResultRow
    second: ResultRow

    @property
    def answered(self) -> bool:
        """Both have an answer."""
        return not self.first.missing and not self.second.missing

    def values(self, name: str) -> tuple[float, float] | None:
        """Both rows' values of a metric, or None where one has none."""
        a, b = self.first.metrics.get(name), self.second.metrics.get(name)
        return None if a is None or b is None else (a, b)


def pair_rows(first: Iterable[ResultRow], second: Iterable[ResultRow], *, same_texts: bool = True) -> list[Pair]:
    """Rows of the same number, in order; rows of one run only are left out.

    Args:
        same_texts: what is wanted must agree row by row (not so where the asking moves it, as an order of options does).

    Raises:
        BadInput: no row in common, or a row whose references differ: other data.
    """
    others = {row.row: row for row in second}
    pairs = [Pair(row, others[row.row]) for row in first if row.row in others]
    if not pairs:
        raise BadInput("the runs have no row in common", hint="evaluate both models on the same rows")
    for pair in pairs if same_texts else ():
        if pair.answered and pair.first.references != pair.second.references:
            raise BadInput(
                f"row {pair.first.row} is another row in each run: wanted {pair.first.references} in the one and "
                f"{pair.second.references} in the other",
                hint="the data have changed between the runs; evaluate again",
            )
    return pairs


def metrics_of(pairs: Sequence[Pair]) -> list[str]:
    """Metrics that rows of both runs have, in the order in which they first appear."""
    names = dict.fromkeys(name for pair in pairs for name in pair.first.metrics if name in pair.second.metrics)
    return [name for name in names if name not in COUNTS]


def is_corpus(name: str, signature: str) -> bool:
    """Whether a run's score of that name was made from the texts of all rows (a task's BLEU), not as a mean of rows."""
    base = name.partition("/")[0]
    return "task:" in signature and base in module_names("sibao.metrics") and hasattr(metric(base), "row_statistics")


def compare_pairs(
    pairs: Sequence[Pair], name: str, *, corpus: bool, suite: str = "", level: float = 0.95
) -> Comparison | None:
    """Second minus first for a metric over the rows that both answered; None with fewer than two of them.

    Rows that come in clusters are tested by cluster. A metric of which neither more nor less is better is tested as any
    other; "better" then only means "more".
    """
    both = [(pair, values) for pair in pairs if pair.answered and (values := pair.values(name)) is not None]
    if len(both) < 2:
        return None
    if corpus:
        return _from_texts([pair for pair, _ in both], name, level)
    better = direction_of(name, suite).which != "lower"
    a, b = ([values[side] for _, values in both] for side in (0, 1))
    clusters = [pair.first.cluster for pair, _ in both]
    return compare_clustered(b, a, clusters, higher_is_better=better, level=level)


def _from_texts(pairs: list[Pair], name: str, level: float) -> Comparison:
    accepted = [pair.first.references for pair in pairs]
    first, second = [p.first.prediction or "" for p in pairs], [p.second.prediction or "" for p in pairs]
    base, _, group = name.partition("/")
    told = group.rpartition("/")[2].rpartition("-")[2]  # chrf/en-zh, chrf/zh
    language = told if told in ("zh", "en") else detect(" ".join(text for texts in accepted for text in texts))
    clusters = [pair.first.cluster for pair in pairs]
    return compare_texts(metric(base), second, first, accepted, language, clusters=clusters, level=level)
