"""How far a judge agrees with people, and what a rate would be if it made no mistakes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

from sibao.core.errors import BadInput
from sibao.core.types import Score
from sibao.metrics._intervals import RESAMPLES, SEED, Floats, bootstrap, percentile_interval, wilson

LEVEL = 0.95


def cohen_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """Cohen's κ = (p_o - p_e) / (1 - p_e): agreement beyond what the two raters' own shares of each label make likely.

    Not a number where both gave one and the same label throughout.

    Raises:
        BadInput: lengths that differ, or no labels.
    """
    pairs, labels = _paired(first, second)
    return float(_kappa(_cells(pairs, labels).sum(axis=0, keepdims=True))[0])


def sensitivity_specificity(truth: Sequence[bool], judged: Sequence[bool]) -> tuple[float, float]:
    """(share of the true ones that are judged so, share of the false ones that are judged so).

    Raises:
        BadInput: lengths that differ, or no true or no false one.
    """
    pairs, _ = _paired(truth, judged)
    counts = Counter((bool(t), bool(j)) for t, j in pairs)
    positives, negatives = counts[True, True] + counts[True, False], counts[False, True] + counts[False, False]
    if not positives or not negatives:
        raise BadInput(
            f"got {positives} true and {negatives} false labels, wanted some of each",
            hint="label more rows, of both kinds",
        )
    return counts[True, True] / positives, counts[False, False] / negatives


def rogan_gladen(observed: float, sensitivity: float, specificity: float) -> float:
    """The rate behind an observed one: (p + Sp - 1) / (Se + Sp - 1), cut to 0..1 (Rogan and Gladen 1978).

    Raises:
        BadInput: a judge no better than guessing (Se + Sp <= 1), from which nothing can be told.
    """
    if sensitivity + specificity <= 1:
        raise BadInput(
            f"got sensitivity {sensitivity:.3f} and specificity {specificity:.3f}, wanted a sum above 1",
            hint="the judge is no better than guessing: take another one",
        )
    return min(1.0, max(0.0, (observed + specificity - 1) / (sensitivity + specificity - 1)))


def agreement(truth: Sequence[Hashable], judged: Sequence[Hashable]) -> list[Score]:
    """``agreement`` (Wilson) and ``kappa`` (bootstrap over rows); of true and false also ``sensitivity`` and ``specificity``.

    Raises:
        BadInput: lengths that differ, or no labels.
    """
    pairs, labels = _paired(truth, judged)
    found = [_share("agreement", sum(a == b for a, b in pairs), len(pairs)), _kappa_score(pairs, labels)]
    if all(isinstance(label, bool) for label in labels):
        for name, of in (("sensitivity", True), ("specificity", False)):
            asked = [j == of for t, j in pairs if t == of]
            if asked:
                found.append(_share(name, sum(asked), len(asked)))
    return found


def corrected_rate(judged: Sequence[bool], truth: Sequence[bool], judged_labelled: Sequence[bool]) -> Score:
    """The share of ``judged`` that is true, corrected for the judge's mistakes on rows that people labelled.

    Args:
        judged: verdicts on the rows of interest.
        truth, judged_labelled: people's labels and the judge's verdicts on the same rows.

    The interval resamples both sets; draws in which the judge is no better than guessing say nothing and are left out.

    Raises:
        BadInput: no verdicts; labels of one kind only; a judge no better than guessing.
    """
    if not judged:
        raise BadInput("got no verdicts, wanted at least one")
    sensitivity, specificity = sensitivity_specificity(truth, judged_labelled)
    observed = sum(map(bool, judged)) / len(judged)
    value = rogan_gladen(observed, sensitivity, specificity)
    draws = _corrected_draws(judged, truth, judged_labelled)
    signature = (
        f"rogan-gladen|observed:{observed:.4f}|Se:{sensitivity:.3f}|Sp:{specificity:.3f}|labelled:{len(truth)}"
        f"|interval:bootstrap.{len(draws)}.seed{SEED}"
    )
    if len(draws) < RESAMPLES / 2:
        return Score("corrected_rate", value, n=len(judged), signature=signature)
    ends = percentile_interval(draws, value, LEVEL)
    return Score("corrected_rate", value, ends.low, ends.high, LEVEL, len(judged), signature=signature)


def _corrected_draws(judged: Sequence[bool], truth: Sequence[bool], labelled: Sequence[bool]) -> Floats:
    rng = np.random.default_rng(SEED)
    observed = rng.binomial(len(judged), sum(map(bool, judged)) / len(judged), RESAMPLES) / len(judged)
    counts = Counter((bool(t), bool(j)) for t, j in zip(truth, labelled, strict=True))
    cells = [counts[t, j] for t in (True, False) for j in (True, False)]
    drawn = rng.multinomial(len(truth), np.array(cells) / len(truth), RESAMPLES).astype(np.float64)  # [R, TP FN FP TN]
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = drawn[:, 0] / (drawn[:, 0] + drawn[:, 1])
        specificity = drawn[:, 3] / (drawn[:, 2] + drawn[:, 3])
        found = (observed + specificity - 1) / (sensitivity + specificity - 1)
    kept: Floats = np.clip(found[sensitivity + specificity > 1], 0.0, 1.0)
    return kept


def _paired(
    first: Sequence[Hashable], second: Sequence[Hashable]
) -> tuple[list[tuple[Hashable, Hashable]], list[Hashable]]:
    if len(first) != len(second) or not first:
        raise BadInput(f"got {len(first)} and {len(second)} labels, wanted as many of each, and at least one")
    return list(zip(first, second, strict=True)), list(dict.fromkeys([*first, *second]))


def _cells(pairs: Sequence[tuple[Hashable, Hashable]], labels: Sequence[Hashable]) -> Floats:
    """[N, L * L]: a one where a row's two labels meet."""
    place = {label: i for i, label in enumerate(labels)}
    cells = np.zeros((len(pairs), len(labels) ** 2))
    cells[np.arange(len(pairs)), [place[a] * len(labels) + place[b] for a, b in pairs]] = 1.0
    return cells


def _kappa(sums: Floats) -> Floats:
    """κ of counts of label pairs, [R, L * L] in, [R] out."""
    size = math.isqrt(sums.shape[1])
    table = sums.reshape(-1, size, size)
    total = table.sum(axis=(1, 2))
    expected = (table.sum(axis=2) * table.sum(axis=1)).sum(axis=1) / total**2
    observed = np.trace(table, axis1=1, axis2=2) / total
    found: Floats = np.full(len(table), np.nan)
    some = expected < 1
    found[some] = (observed[some] - expected[some]) / (1 - expected[some])
    return found


def _kappa_score(pairs: Sequence[tuple[Hashable, Hashable]], labels: Sequence[Hashable]) -> Score:
    cells = _cells(pairs, labels)
    value = float(_kappa(cells.sum(axis=0, keepdims=True))[0])
    if len(pairs) < 2 or math.isnan(value):
        return Score("kappa", value, n=len(pairs), chance=0.0, signature="cohen")
    draws = bootstrap(cells, _kappa)
    ends = percentile_interval(draws[np.isfinite(draws)], value, LEVEL)
    signature = f"cohen|interval:bootstrap.{RESAMPLES}.seed{SEED}"
    return Score("kappa", value, ends.low, ends.high, LEVEL, len(pairs), chance=0.0, signature=signature)


def _share(name: str, hits: int, n: int) -> Score:
    ends = wilson(hits, n, LEVEL)
    return Score(name, hits / n, ends.low, ends.high, LEVEL, n, signature="interval:wilson")
