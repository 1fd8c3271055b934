"""Ranges of ranks: known cases, what is unknown, and coverage in a simulation."""

from __future__ import annotations

import numpy as np
import pytest

from sibao.evaluation.ranks import Measured, RankRange, p_value, rank_ranges


def about(value: float, half: float = 1.0, level: float | None = 0.95) -> Measured:
    """A figure with a symmetrical interval."""
    return Measured(value, value - half, value + half, level)


def test_far_apart_models_have_one_rank_each() -> None:
    found = rank_ranges([about(10), about(30), about(20)])
    assert found == [RankRange(3, 3, 3), RankRange(1, 1, 3), RankRange(2, 2, 3)]
    lower = rank_ranges([about(10), about(30), about(20)], higher_is_better=False)
    assert [r and r.best for r in lower] == [1, 3, 2]


def test_models_that_cannot_be_told_apart_share_their_ranks() -> None:
    first, second, third = rank_ranges([about(10.0), about(10.5), about(3.0)])
    assert first == second == RankRange(1, 2, 3) and third == RankRange(3, 3, 3)
    assert first is not None and first.could_be_first and third is not None and not third.could_be_first


def test_without_an_interval_nothing_is_known_and_the_others_allow_for_it() -> None:
    bare = Measured(99.0)
    assert rank_ranges([bare, Measured(1.0)]) == [None, None]
    assert rank_ranges([about(10), bare, about(30)]) == [RankRange(2, 3, 3), None, RankRange(1, 2, 3)]
    assert rank_ranges([bare]) == [RankRange(1, 1, 1)]


def test_a_paired_test_sees_what_intervals_do_not() -> None:
    figures = [about(10.0, 2.0), about(11.0, 2.0)]
    assert rank_ranges(figures) == [RankRange(1, 2, 2)] * 2
    assert rank_ranges(figures, lambda a, b: 0.001) == [RankRange(2, 2, 2), RankRange(1, 1, 2)]
    bare = [Measured(10.0), Measured(11.0)]
    assert rank_ranges(bare, lambda a, b: 0.5) == [RankRange(1, 2, 2)] * 2


def test_more_pairs_need_stronger_evidence() -> None:
    figures = [about(float(i)) for i in range(5)]
    p = {(0, 1): 0.02}
    alone = rank_ranges(figures[:2], lambda a, b: p.get((a, b), 1.0))
    among = rank_ranges(figures, lambda a, b: p.get((a, b), 1.0))
    assert alone[0] == RankRange(2, 2, 2) and among[0] == RankRange(1, 5, 5)


def test_z_of_two_intervals() -> None:
    # se = 1.96 / 1.96 = 1 each: z = 2 / sqrt(2) = 1.414, p = 0.1573
    assert p_value(about(0, 1.95996), about(2, 1.95996)) == pytest.approx(0.15730, abs=1e-4)
    # a bare ± is one standard error
    assert p_value(about(0, 1.0, None), about(2, 1.0, None)) == pytest.approx(0.15730, abs=1e-4)
    assert p_value(about(0), Measured(1.0)) is None
    assert p_value(about(3, 0.0), about(3, 0.0)) == 1.0 and p_value(about(3, 0.0), about(4, 0.0)) == 0.0


def test_true_ranks_are_covered_as_often_as_promised() -> None:
    rng = np.random.default_rng(7)
    truth = np.array([0.0, 0.0, 0.5, 1.5, 4.0])
    covered = narrow = 0
    for _ in range(600):
        seen = truth + rng.normal(size=5)
        ranges = rank_ranges([about(float(v), 1.959964) for v in seen])
        best = [1 + int((truth > t).sum()) for t in truth]
        worst = [5 - int((truth < t).sum()) for t in truth]
        covered += all(
            r is not None and r.best <= low and r.worst >= high
            for r, low, high in zip(ranges, best, worst, strict=True)
        )
        narrow += sum(r is not None and (r.worst - r.best) < 4 for r in ranges)
    assert covered / 600 >= 0.95 and narrow > 0
