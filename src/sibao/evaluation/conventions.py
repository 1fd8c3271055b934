"""One set of log-likelihoods, every convention by which harnesses turn it into an answer.

``acc`` takes the greatest sum of log p; ``acc_norm`` divides by Python characters of the choice, ``acc_bytes`` by its UTF-8
bytes (both lm-evaluation-harness); ``acc_token`` by tokens (karpathy's HellaSwag, lighteval); ``acc_pmi`` subtracts the
log-likelihood of the choice without its question (``acc_mutual_info`` of lm-evaluation-harness, "calibrated" in HELM).
The leading delimiter of a choice is scored but is no part of its length. Of equal values the first one wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sibao.core.types import Scored as Likelihood

CONVENTIONS = ("acc", "acc_norm", "acc_bytes", "acc_token", "acc_pmi")
Value = Callable[[str, Likelihood], float]
_BY_LENGTH: dict[str, Value] = {
    "acc": lambda text, found: found.loglikelihood,
    "acc_norm": lambda text, found: found.loglikelihood / max(1, len(text)),
    "acc_bytes": lambda text, found: found.loglikelihood / max(1, len(text.encode())),
    "acc_token": lambda text, found: found.loglikelihood / max(1, found.tokens),
}


def values(
    choices: Sequence[str], given: Sequence[Likelihood], alone: Sequence[Likelihood] = ()
) -> dict[str, list[float]]:
    """What each convention gives each choice; ``acc_pmi`` only where ``alone`` (the choices by themselves) is there."""
    found = {
        name: [value(text, one) for text, one in zip(choices, given, strict=True)] for name, value in _BY_LENGTH.items()
    }
    if alone:
        found["acc_pmi"] = [a.loglikelihood - b.loglikelihood for a, b in zip(given, alone, strict=True)]
    return found


def picks(choices: Sequence[str], given: Sequence[Likelihood], alone: Sequence[Likelihood] = ()) -> dict[str, int]:
    """The choice that each convention picks."""
    return {name: max(range(len(row)), key=row.__getitem__) for name, row in values(choices, given, alone).items()}


def right(
    choices: Sequence[str], given: Sequence[Likelihood], alone: Sequence[Likelihood], gold: Sequence[int]
) -> dict[str, bool]:
    """Whether each convention's pick is one of the right ones."""
    return {name: pick in gold for name, pick in picks(choices, given, alone).items()}
