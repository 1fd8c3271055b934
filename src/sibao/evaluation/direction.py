"""Is more of a metric better, or less? What the metrics and suites here say of themselves; for other people's, their names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from sibao.core.errors import UnknownName
from sibao.core.names import load_module, module_names

Which = Literal["higher", "lower", "neither"]
_LOWER = """error errors loss perplexity perplexities ppl bpb bpc bits nll entropy brier ece wer cer ter eer der fid mae mse
rmse latency seconds time toxicity joules wh cost hallucination rank spread losses bias"""
_HIGHER = """acc accuracy em exact f f0 f1 f2 bleu chrf rouge rouge1 rouge2 rougel meteor comet map mrr ndcg auc ap precision
recall hits correct las uas iou dice score loglikelihood pass reward cider spice bertscore bleurt kappa correlation pearson
spearman mcc success parsed flexible mc1 mc2 agreement sensitivity specificity corrected wins"""
_NEITHER = "params parameters size tokens date year data ties"
LOWER, HIGHER, NEITHER = (frozenset(words.split()) for words in (_LOWER, _HIGHER, _NEITHER))
"""Words of a metric's name that mean: the less the better; the more; not a merit (what a model is, not how good)."""


@dataclass(frozen=True)
class Direction:
    """``stated``: the metric or suite says so itself; else its name was read; ``known`` is false where the name says nothing
    and "higher" is only the commoner case. ``ideal`` is the value that is best where ``which`` is "neither"."""

    which: Which
    stated: bool = False
    known: bool = True
    ideal: float | None = None


def direction_of(metric: str, suite: str = "") -> Direction:
    """The direction of a metric (``chrf/en-zh`` is a chrf), within a suite where it belongs to one."""
    base = metric.partition("/")[0].strip()
    if suite:
        found = _of_suite(base, suite)
        if found is not None:
            return found
    if base in module_names("sibao.metrics"):
        better = load_module("sibao.metrics", base, "metric").HIGHER_IS_BETTER
        return Direction("higher" if better else "lower", stated=True)
    return _by_name(metric)


def _of_suite(base: str, name: str) -> Direction | None:
    from sibao.evaluation.suite_index import load_suite

    try:
        suite = load_suite(name)
    except UnknownName:  # one that another release had
        return None
    merit = suite.merits.get(base)
    if base == suite.headline:
        merit = suite.ideal if suite.ideal is not None else "higher" if suite.higher_is_better else "lower"
    if merit is None:
        return None
    return Direction("neither", True, ideal=merit) if isinstance(merit, float) else Direction(merit, True)


def _by_name(metric: str) -> Direction:
    words = set(re.findall(r"[a-z]+\d*", metric.lower().replace("_", " ")))
    for which, known in (("neither", NEITHER), ("lower", LOWER), ("higher", HIGHER)):
        if words & known:
            return Direction(which)  # type: ignore[arg-type]
    return Direction("higher", known=False)
