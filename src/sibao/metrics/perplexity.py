"""Perplexity and its relatives from sums of log-likelihoods, and the windows in which a long text is scored.

Perplexity per token compares only models with one tokenizer. Per word it follows lm-eval (words are what stands between
runs of white space in the original page), which means nothing in Chinese; bits per byte and per character compare all.

Windows: ``Window(begin, end, score_from)`` feeds the model ``tokens[begin:end - 1]``, scores
``tokens[score_from:end]``. Only the first window has ``score_from == begin`` (0): there a prefix token (BOS, else EOS)
stands before the text. Model inputs never exceed ``max_len``, and over all windows every token is scored exactly once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from sibao.core.errors import BadInput, UnknownName
from sibao.core.types import Score
from sibao.metrics._intervals import RESAMPLES, SEED, Floats, bootstrap, percentile_interval
from sibao.metrics.base import Case, Input, primary_language, signature

Measure = Literal[
    "token_perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte", "bits_per_character", "cross_entropy"
]
NAME = "perplexity"
INPUT: Input = "likelihood"
HIGHER_IS_BETTER = False
SCALE: float | None = None
CITATION = (
    "Jelinek et al. (1977), Perplexity: a measure of the difficulty of speech recognition tasks; "
    "word and byte forms and rolling windows as in EleutherAI's lm-evaluation-harness."
)


@dataclass(frozen=True)
class Likelihood:
    """What a model makes of one text.

    ``loglikelihood`` is the sum of natural logs over ``tokens`` scored tokens; ``words``, ``bytes`` (UTF-8) and
    ``characters`` (code points) count the original text. Build one with ``of``.
    """

    loglikelihood: float
    tokens: int
    words: int
    bytes: int
    characters: int

    @classmethod
    def of(cls, text: str, loglikelihood: float, tokens: int) -> Likelihood:
        """Counts of ``text`` beside its log-likelihood."""
        return cls(loglikelihood, tokens, len(re.split(r"\s+", text)), len(text.encode()), len(text))


def cross_entropy(loglikelihood: float, tokens: int) -> float:
    """Nats per token: -sum log p / tokens."""
    return -loglikelihood / _positive(tokens, "tokens")


def token_perplexity(loglikelihood: float, tokens: int) -> float:
    """exp of the nats per token."""
    return _exp(cross_entropy(loglikelihood, tokens))


def word_perplexity(loglikelihood: float, words: int) -> float:
    """exp of the nats per word of the original text."""
    return _exp(-loglikelihood / _positive(words, "words"))


def byte_perplexity(loglikelihood: float, size: int) -> float:
    """exp of the nats per UTF-8 byte of the original text."""
    return _exp(-loglikelihood / _positive(size, "bytes"))


def bits_per_byte(loglikelihood: float, size: int) -> float:
    """Bits per UTF-8 byte of the original text."""
    return -loglikelihood / _positive(size, "bytes") / math.log(2)


def bits_per_character(loglikelihood: float, characters: int) -> float:
    """Bits per code point of the original text."""
    return -loglikelihood / _positive(characters, "characters") / math.log(2)


def _positive(count: int, what: str) -> int:
    if count < 1:
        raise BadInput(f"got {count} {what}, a mean needs at least one", hint="leave empty texts out")
    return count


def _exp(nats: float) -> float:
    return math.exp(nats) if nats < 709 else math.inf


_MEASURES: dict[Measure, tuple[str, Callable[[float, int], float]]] = {
    "token_perplexity": ("tokens", token_perplexity),
    "word_perplexity": ("words", word_perplexity),
    "byte_perplexity": ("bytes", byte_perplexity),
    "bits_per_byte": ("bytes", bits_per_byte),
    "bits_per_character": ("characters", bits_per_character),
    "cross_entropy": ("tokens", cross_entropy),
}
_UNIFORM = ([Likelihood.of("甲 b", -6 * math.log(2), 3), Likelihood.of("c", -6 * math.log(2), 1)],)
CASES = (
    Case(_UNIFORM, 8.0, source="12 bits over 4 tokens"),
    Case(_UNIFORM, 16.0, {"measure": "word_perplexity"}, "12 bits over 3 words"),
    Case(_UNIFORM, 4.0, {"measure": "byte_perplexity"}, "12 bits over 6 bytes"),
    Case(_UNIFORM, 2.0, {"measure": "bits_per_byte"}, "12 bits over 6 bytes"),
    Case(_UNIFORM, 3.0, {"measure": "bits_per_character"}, "12 bits over 4 characters"),
    Case(_UNIFORM, 3 * math.log(2), {"measure": "cross_entropy"}, "12 bits over 4 tokens, in nats"),
)


def _check(likelihoods: Sequence[Likelihood], measure: str, language: str | None) -> None:
    if measure not in _MEASURES:
        raise UnknownName("measure of perplexity", measure, get_args(Measure))
    if not likelihoods:
        raise BadInput(
            "got no texts, a score needs at least one", hint="check the filter or the file that gave the rows"
        )
    for row, item in enumerate(likelihoods):
        if not (math.isfinite(item.loglikelihood) and item.loglikelihood <= 0):
            raise BadInput(
                f"the log-likelihood of text {row} is {item.loglikelihood}, wanted a finite number not above 0",
                hint="a probability of 0 or NaN logits: check the model's weights",
            )
    if measure == "word_perplexity" and language and primary_language(language) == "zh":
        raise BadInput(
            "word perplexity means nothing in Chinese, which has no spaces",
            hint="use bits_per_character or bits_per_byte",
        )


def per_row(
    likelihoods: Sequence[Likelihood], *, language: str | None = None, measure: Measure = "token_perplexity"
) -> list[float]:
    """The measure of every text by itself. The corpus value is not the mean of these."""
    _check(likelihoods, measure, language)
    count, value = _MEASURES[measure]
    return [value(item.loglikelihood, getattr(item, count)) for item in likelihoods]


def score(
    likelihoods: Sequence[Likelihood], *, language: str | None = None, measure: Measure = "token_perplexity"
) -> Score:
    """The measure over the sums of all texts, with a 95 % bootstrap interval over texts (none for one text).

    Raises:
        BadInput: no texts, a log-likelihood that is not finite, word perplexity of Chinese, or nothing to divide by.
        UnknownName: an unknown measure.
    """
    _check(likelihoods, measure, language)
    count, function = _MEASURES[measure]
    counts = [getattr(item, count) for item in likelihoods]
    value = function(math.fsum(item.loglikelihood for item in likelihoods), sum(counts))
    low = high = None
    if len(likelihoods) > 1:
        rows = np.array([[item.loglikelihood for item in likelihoods], counts], dtype=np.float64).T
        low, high = percentile_interval(bootstrap(rows, _vectorized(function)), value)
    how = signature(
        NAME, measure=measure, lang=language or "any", tok="model", unit=count, nrefs=0, interval="bootstrap",
        bs=RESAMPLES, seed=SEED,
    )  # fmt: skip
    return Score(measure, value, low, high, n=len(likelihoods), signature=how)


def _vectorized(function: Callable[[float, int], float]) -> Callable[[Floats], Floats]:
    def from_sums(sums: Floats) -> Floats:
        # A resample of nothing but empty texts divides by one instead of zero.
        return np.array([function(loglikelihood, max(1, int(count))) for loglikelihood, count in sums])

    return from_sums


class Window(NamedTuple):
    """One forward pass over a piece of the text (see the head of this file)."""

    begin: int
    end: int
    score_from: int


def strided_windows(n_tokens: int, max_len: int, stride: int) -> Iterator[Window]:
    """Windows that score ``stride`` tokens each with as much context as fits; the first scores ``max_len``.

    After the first window every token sees at least ``max_len - stride + 1`` tokens;
    the cost is ``max_len / stride`` passes.

    Raises:
        BadInput: ``stride`` outside 1..max_len, or a negative number of tokens.
    """
    if not 1 <= stride <= max_len:
        raise BadInput(f"got stride {stride} for windows of {max_len} tokens, wanted 1 <= stride <= window")
    if n_tokens < 0:
        raise BadInput(f"got {n_tokens} tokens, wanted none or more")
    return _windows(n_tokens, max_len, stride)


def _windows(n_tokens: int, max_len: int, stride: int) -> Iterator[Window]:
    scored = 0
    while scored < n_tokens:
        end = min(scored + (stride if scored else max_len), n_tokens)
        yield Window(max(0, end - 1 - max_len), end, scored)
        scored = end


def rolling_windows(n_tokens: int, max_len: int) -> Iterator[Window]:
    """lm-eval's rolling form: disjoint pieces of ``max_len`` scored tokens, one token of context before each.

    The last, shorter piece is filled up with context. It is the strided form with a stride of ``max_len``.
    """
    return strided_windows(n_tokens, max_len, max_len)
