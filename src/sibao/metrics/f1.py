"""F1 of short answers: shared words (SQuAD v1.1, English) or the longest shared run of units (CMRC 2018, Chinese)."""

from __future__ import annotations

from collections.abc import Sequence

from sibao.core.types import Score
from sibao.metrics import _answers
from sibao.metrics.base import Case, Input, check_texts, mean_score, reference_count, resolve_language, signature

NAME = "f1"
INPUT: Input = "text"
HIGHER_IS_BETTER = True
SCALE: float | None = 1.0
CITATION = _answers.CITATION
CASES = (
    Case((["in the city of Denver"], [["Denver, Colorado"]]), 1 / 3, source="by hand: 1 shared of 4 and 2"),
    Case((["Denver", "blue"], [["Denver Broncos", "the Denver"], ["red"]]), 0.5, source="best answer, then the mean"),
    Case((["作者是曹雪芹"], [["曹雪芹"]]), 2 / 3, source="by hand: run of 3 of 6 and 3"),
    Case(
        (["他用了GPT-2模型"], [["GPT-2"]]),
        2 / 7,
        {"language": "zh"},
        source="by hand: 1 of 6 units and of 1",
    ),
    Case((["中国，北京"], [["北京市中国"]]), 2 * 2 / 9, source="by hand: runs, not bags: 2 of 4 and 5"),
)


def per_row(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, language: str | None = None
) -> list[float]:
    """F1 in 0..1 of every row against its best answer."""
    check_texts(hypotheses, references)
    lang = resolve_language(language, references)
    return _answers.best_of(
        hypotheses,
        references,
        lambda hypothesis, answer: _answers.overlap_f1(
            _answers.tokens(hypothesis, lang), _answers.tokens(answer, lang), lang
        ),
    )


def score(hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, language: str | None = None) -> Score:
    """Mean F1 in 0..1 with a 95 % t interval. Without ``language`` the references decide.

    Raises:
        BadInput: see ``base.check_texts`` and ``base.resolve_language``.
    """
    rows = per_row(hypotheses, references, language=language)
    lang = resolve_language(language, references)
    how = signature(
        NAME, lang=lang, tok="mixed" if lang == "zh" else "space", unit="char" if lang == "zh" else "word",
        nrefs=reference_count(references), norm=_answers.NORMS[lang], interval="t",
    )  # fmt: skip
    return mean_score(NAME, rows, how)
