"""One text after its context, by likelihood: would the model have written it, and how surprised is it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sibao.core.errors import BadInput
from sibao.core.types import Score
from sibao.core.types import Scored as Likelihood
from sibao.evaluation.reporting import means
from sibao.evaluation.sample import Judged, Outcome, Reply
from sibao.metrics._intervals import RESAMPLES, SEED, bootstrap, percentile_interval


def judged(replies: Sequence[Reply], target: str) -> Judged:
    """``acc``: every token of the target is the likeliest one; ``loglikelihood`` of the whole target."""
    (reply,) = replies
    if not isinstance(reply, Likelihood):
        raise BadInput("got a completion, wanted a likelihood")
    values = {"acc": float(reply.greedy), "loglikelihood": reply.loglikelihood}
    return Judged(values, target if reply.greedy else "", (target,))


def scores(outcomes: Sequence[Outcome]) -> list[Score]:
    """Accuracy, of each group as well where there are several, and perplexity."""
    plain = [replace(o, judged=_accuracy_alone(o.judged)) for o in outcomes]
    return [*means(plain, grouped=("acc",)), *perplexity(outcomes)]


def _accuracy_alone(judged: Judged | None) -> Judged | None:
    """Without the log-likelihood, whose mean is reported as perplexity, and which may be infinite."""
    return None if judged is None else replace(judged, values={"acc": judged.values["acc"]})


def perplexity(outcomes: Sequence[Outcome]) -> list[Score]:
    """exp(-mean log p(target)) with the 95 % percentile interval of 1,000 resamples; nothing where no row was answered.

    Targets count once each, however many tokens they have (as lm-evaluation-harness does for LAMBADA).
    """
    found = [o.judged.values["loglikelihood"] for o in outcomes if o.judged is not None]
    if not found:
        return []
    value = _exp(-math.fsum(found) / len(found))
    low = high = None
    if len(found) > 1 and math.isfinite(value):
        drawn = bootstrap(np.array(found))
        low, high = percentile_interval(np.array([_exp(-mean) for mean in drawn.tolist()]), value)
    how = f"unit:target|interval:bootstrap|bs:{RESAMPLES}|seed:{SEED}"
    return [Score("perplexity", value, low, high, n=len(found), missing=len(outcomes) - len(found), signature=how)]


def _exp(nats: float) -> float:
    return math.exp(nats) if nats < 709 else math.inf
