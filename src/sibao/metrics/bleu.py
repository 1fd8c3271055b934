"""BLEU through sacrebleu, with the tokenizer that the target language needs: ``zh`` for Chinese, ``13a`` for English.

Known upstream: sacrebleu's ``zh`` tokenizer takes U+2001-2A6D (curly quotes, dashes, arrows) for Chinese and leaves out
Extension B (sacrebleu issue 298). It is kept as it is, so that scores compare with everyone else's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sibao.core.errors import BadInput, UnknownName
from sibao.core.types import Score
from sibao.metrics import _sacrebleu
from sibao.metrics._intervals import Floats
from sibao.metrics.base import Case, Input, check_texts, mostly_chinese, primary_language

NAME = "bleu"
INPUT: Input = "text"
HIGHER_IS_BETTER = True
SCALE: float | None = 100.0
CITATION = (
    "Papineni et al. (2002), BLEU: a Method for Automatic Evaluation of Machine Translation; "
    "Post (2018), A Call for Clarity in Reporting BLEU Scores (sacrebleu)."
)
ORDER = 4
DEFAULT_TOKENIZERS = {"zh": "zh", "en": "13a"}
TOKENIZERS = ("13a", "char", "intl", "none", "zh")
"""Those of sacrebleu that need no further package and no download."""

# The three sentences of sacrebleu's own tests (test/test_bleu.py, Apache-2.0), two references each.
DOG = (
    ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."],
    [
        ["The dog bit the man.", "The dog had bit the man."],
        ["It was not unexpected.", "No one was surprised."],
        ["The man bit him first.", "The man had bitten the dog."],
    ],
)
WALK = (
    ["今天天气很好，我们去公园散步。", "他说“你好”。"],
    [["今天天气不错，我们去公园散步吧。"], ["他说：“你好！”"]],
)
GPT = (["我在2024年用了GPT-2模型。"], [["我于2024年使用GPT-2模型。"]])
_TESTS = "sacrebleu test/test_bleu.py"
_MEASURED = "computed with sacrebleu 2.6.0"
CASES = (
    Case(DOG, 48.530827, {"language": "en"}, _TESTS),
    Case(DOG, 48.530827, source=_TESTS),
    Case(DOG, 49.1919566, {"tokenizer": "none"}, _TESTS),
    Case(DOG, 43.91623493, {"tokenizer": "intl"}, _TESTS),
    Case((["", "", ""], DOG[1]), 0.0, source=_TESTS),
    Case(DOG, 48.53, {"tokenizer": "zh"}, _MEASURED, 5e-3),
    Case(DOG, 72.61, {"tokenizer": "char"}, _MEASURED, 5e-3),
    *(
        Case(DOG, expected, {"order": order}, _MEASURED, 5e-3)
        for order, expected in enumerate((77.65, 60.50, 53.93, 48.53, 46.14, 43.28), start=1)
    ),
    Case(WALK, 52.01, {"language": "zh"}, _MEASURED, 5e-3),
    Case(WALK, 52.01, {"language": "zh", "tokenizer": "char"}, _MEASURED, 5e-3),
    Case(WALK, 15.02, {"language": "zh", "tokenizer": "intl"}, _MEASURED, 5e-3),
    Case(GPT, 33.57, {"language": "zh"}, _MEASURED, 5e-3),
    Case(GPT, 65.31, {"language": "zh", "tokenizer": "char"}, _MEASURED, 5e-3),
)


def choose_tokenizer(language: str | None, tokenizer: str | None, references: Sequence[Sequence[str]]) -> str:
    """The given tokenizer, else the one of the language, else the one that the references' letters ask for.

    Raises:
        BadInput: no default for the language, or a tokenizer made for spaces on references that are mostly Chinese.
        UnknownName: a tokenizer that does not exist here.
    """
    chinese = mostly_chinese(references)
    if tokenizer is None:
        code = primary_language(language) if language else ("zh" if chinese else "en")
        if code not in DEFAULT_TOKENIZERS:
            raise BadInput(
                f"BLEU has no default tokenizer for language {language!r}",
                hint="give tokenizer='13a' for a language with spaces, 'char' for one without; or use chrf",
            )
        tokenizer = DEFAULT_TOKENIZERS[code]
    if tokenizer not in TOKENIZERS:
        raise UnknownName("BLEU tokenizer", tokenizer, TOKENIZERS)
    if chinese and tokenizer in ("13a", "none"):
        raise BadInput(
            f"the references are mostly Chinese and tokenizer {tokenizer!r} splits at spaces: BLEU would be near 0",
            hint="pass language='zh' (sacrebleu's zh tokenizer)",
        )
    return tokenizer


def _metric(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    language: str | None,
    tokenizer: str | None,
    order: int,
) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    check_texts(hypotheses, references)
    if order < 1:
        raise BadInput(
            f"got n-gram order {order}, wanted 1 or more", hint="4 is what BLEU means unless it says otherwise"
        )
    # force: what looks tokenized is no reason to write to the log.
    return BLEU(tokenize=choose_tokenizer(language, tokenizer, references), max_ngram_order=order, force=True)


def from_sums(sums: Floats, *, effective_order: bool = False) -> Floats:
    """BLEU of each line of summed statistics, [R, 2 + 2 order] -> [R].

    A line holds the lengths of hypothesis and reference, matches per order, n-grams per order. Exponential smoothing
    (the k-th zero precision is 1 / 2^k of one match); no matches at all is 0; an order that no hypothesis reaches makes
    the score 0, unless ``effective_order`` ends the mean there (sentence BLEU).
    """
    order = (sums.shape[1] - 2) // 2
    ours, theirs = sums[:, 0], sums[:, 1]
    matches, totals = sums[:, 2 : 2 + order], sums[:, 2 + order :]
    zeros = np.cumsum((matches == 0) & (totals > 0), axis=1)
    smoothed = np.where(matches > 0, matches, 0.5**zeros)
    logs = np.where(totals > 0, np.log(smoothed / np.maximum(totals, 1)), 0.0 if effective_order else -np.inf)
    orders = np.maximum((totals > 0).sum(axis=1), 1) if effective_order else order
    brevity = np.where(ours < theirs, 1 - theirs / np.maximum(ours, 1e-9), 0.0)
    return np.where(matches.any(axis=1), 100 * np.exp(brevity + logs.sum(axis=1) / orders), 0.0)


def row_statistics(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    language: str | None = None,
    tokenizer: str | None = None,
    order: int = ORDER,
) -> Floats:
    """Counts per row, [N, 2 + 2 order], for ``from_sums``; what a paired test of two systems needs."""
    metric = _metric(hypotheses, references, language, tokenizer, order)
    return _sacrebleu.row_statistics(metric, hypotheses, references)


def per_row(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    language: str | None = None,
    tokenizer: str | None = None,
) -> list[float]:
    """Sentence BLEU in 0..100 with effective order. The corpus score is not the mean of these."""
    rows = row_statistics(hypotheses, references, language=language, tokenizer=tokenizer)
    return from_sums(rows, effective_order=True).tolist()


def score(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    language: str | None = None,
    tokenizer: str | None = None,
    order: int = ORDER,
) -> Score:
    """Corpus BLEU in 0..100 with a 95 % bootstrap interval.

    Args:
        hypotheses: one text per row.
        references: the accepted texts of each row.
        language: the target language; without it the letters of the references choose between ``zh`` and ``13a``.
        tokenizer: one of ``TOKENIZERS``, instead of the language's own.
        order: the longest n-gram.

    Raises:
        BadInput: see ``base.check_texts`` and ``choose_tokenizer``.
    """
    metric = _metric(hypotheses, references, language, tokenizer, order)
    rows = _sacrebleu.row_statistics(metric, hypotheses, references)
    return _sacrebleu.corpus_score(NAME, metric, rows, from_sums, lang=language or "any", unit="token", order=order)
