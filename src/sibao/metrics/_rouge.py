"""ROUGE for two languages (Lin 2004): F1 of shared n-grams, or of the longest common subsequence.

English: lower-case runs of a-z and 0-9, as in the ``rouge_score`` package without its stemmer. Chinese, which that
package scores 0.0 because it keeps nothing but a-z and 0-9: single characters (``unit="char"``, the default), or words
cut by jieba (``unit="word"``); punctuation counts, spaces do not. N-grams are clipped counts, as ROUGE-1.5.5 does;
packages that compare sets of n-grams (``rouge``, ``rouge_chinese``) give other values where a text repeats itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from sibao.core.chinese import cutter
from sibao.core.errors import BadInput
from sibao.core.types import Language, Score
from sibao.metrics.base import check_texts, mean_score, reference_count, resolve_language, signature

Unit = Literal["char", "word"]
Overlap = Callable[[Sequence[str], Sequence[str]], float]
CITATION = "Lin (2004), ROUGE: A Package for Automatic Evaluation of Summaries."
PAIR = (["今天天气很好，我们去公园散步。"], [["今天天气不错，我们去公园散步吧。"]])
FOX = (["The quick brown fox jumps over the lazy dog"], [["The quick brown dog jumps on the log."]])
_ENGLISH = re.compile("[a-z0-9]+")


def tokenize(text: str, language: Language, unit: Unit) -> list[str]:
    """The units that are compared."""
    if language == "en":
        return _ENGLISH.findall(text.lower())
    pieces = text if unit == "char" else cutter().cut(text)
    return [piece for piece in pieces if not piece.isspace()]


def ngram_f1(order: int) -> Overlap:
    """ROUGE-N: F1 of n-grams, each counted at most as often as the other side has it."""

    def overlap(hypothesis: Sequence[str], reference: Sequence[str]) -> float:
        ours, theirs = (
            Counter(zip(*(units[start:] for start in range(order)), strict=False)) for units in (hypothesis, reference)
        )
        return _f1((ours & theirs).total(), ours.total(), theirs.total())

    return overlap


def subsequence_f1(hypothesis: Sequence[str], reference: Sequence[str]) -> float:
    """ROUGE-L: F1 of the longest common subsequence."""
    return _f1(common_subsequence(hypothesis, reference), len(hypothesis), len(reference))


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, all columns at once as the bits of one integer (Hyyro 2004)."""
    places: dict[str, int] = {}
    for column, unit in enumerate(second):
        places[unit] = places.get(unit, 0) | 1 << column
    full = (1 << len(second)) - 1
    state = full
    for unit in first:
        matched = state & places.get(unit, 0)
        state = (state + matched | state - matched) & full
    return len(second) - state.bit_count()


def _f1(shared: int, ours: int, theirs: int) -> float:
    return 2 * shared / (ours + theirs) if ours + theirs else 0.0


def _resolve(references: Sequence[Sequence[str]], language: str | None, unit: Unit | None) -> tuple[Language, Unit]:
    lang = resolve_language(language, references)
    chosen: Unit = unit or ("char" if lang == "zh" else "word")
    if chosen not in ("char", "word") or (lang == "en" and chosen == "char"):
        raise BadInput(f"got unit {unit!r} for language {lang!r}", hint="zh knows char and word, en knows word")
    return lang, chosen


def per_row(
    overlap: Overlap,
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    language: str | None,
    unit: Unit | None,
) -> list[float]:
    """F1 in 0..1 of every row against its best reference."""
    check_texts(hypotheses, references)
    lang, chosen = _resolve(references, language, unit)
    rows = []
    for hypothesis, accepted in zip(hypotheses, references, strict=True):
        ours = tokenize(hypothesis, lang, chosen)
        rows.append(max(overlap(ours, tokenize(reference, lang, chosen)) for reference in accepted))
    return rows


def score(
    name: str,
    rows: Sequence[float],
    references: Sequence[Sequence[str]],
    language: str | None,
    unit: Unit | None,
) -> Score:
    """Mean of the rows of ``per_row`` with a 95 % t interval."""
    lang, chosen = _resolve(references, language, unit)
    how = signature(
        name, lang=lang, tok=_tokenizer_name(lang, chosen), unit=chosen, nrefs=reference_count(references), stem="no",
        interval="t",
    )  # fmt: skip
    return mean_score(name, rows, how)


def _tokenizer_name(language: Language, unit: Unit) -> str:
    if language == "en":
        return "a-z0-9"
    if unit == "char":
        return "char"
    from importlib.metadata import version

    return f"jieba-{version('jieba')}"
