"""How short answers are made comparable: the rules of SQuAD v1.1 for English and of CMRC 2018 for Chinese."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

from sibao.core.types import Language

CITATION = (
    "Rajpurkar et al. (2016), SQuAD: 100,000+ Questions for Machine Comprehension of Text; "
    "Cui et al. (2019), A Span-Extraction Dataset for Chinese Machine Reading Comprehension (CMRC 2018)."
)
NORMS: dict[Language, str] = {"en": "squad1.1", "zh": "cmrc2018"}

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
# The evaluation script of CMRC 2018 drops these. Its list also holds a doubled ellipsis, which no single character
# ever equals, so an ellipsis stays; and ASCII , . ! ? stay. Both are kept for comparable numbers.
_CMRC_DROPPED = str.maketrans("", "", r"-:_*^/\~`+=，。：？！“”；’《》·、「」（）－～『』")
# The script hands the text between Han characters to a word tokenizer; here a word keeps its inner . , and '.
_CMRC_TOKEN = re.compile(r"[一-龥]|[^\W_一-龥]+(?:[.,'][^\W_一-龥]+)*|[^\w\s]")


def normalize(text: str, language: Language) -> str:
    """The form in which two answers are compared for an exact match."""
    if language == "zh":
        return text.lower().strip().translate(_CMRC_DROPPED)
    bare = text.lower().translate(_ASCII_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def tokens(text: str, language: Language) -> list[str]:
    """Units of overlap: words in English; Han characters and the words between them in Chinese."""
    bare = normalize(text, language)
    return _CMRC_TOKEN.findall(bare) if language == "zh" else bare.split()


def longest_common_run(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest run of units that both hold without a gap."""
    best, lengths = 0, [0] * (len(second) + 1)
    for unit in first:
        previous = 0
        for column, other in enumerate(second, start=1):
            previous, lengths[column] = lengths[column], previous + 1 if unit == other else 0
        best = max(best, *lengths)
    return best


def overlap_f1(hypothesis: Sequence[str], reference: Sequence[str], language: Language) -> float:
    """F1 of the shared units: counted as a bag in English (SQuAD), as the longest run in Chinese (CMRC).

    Two answers that are both empty after normalisation agree (SQuAD v2's rule), so F1 is never below exact match.
    """
    if not hypothesis or not reference:
        return float(not hypothesis and not reference)
    shared = (
        longest_common_run(hypothesis, reference)
        if language == "zh"
        else (Counter(hypothesis) & Counter(reference)).total()
    )
    return 2 * shared / (len(hypothesis) + len(reference))


def best_of(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], compare: Callable[[str, str], float]
) -> list[float]:
    """For every row, the best value over its accepted answers."""
    return [
        max(compare(hypothesis, answer) for answer in accepted)
        for hypothesis, accepted in zip(hypotheses, references, strict=True)
    ]
