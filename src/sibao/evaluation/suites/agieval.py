"""AGIEval: entrance and licence exams, Chinese and English (Zhong et al. 2023, arXiv 2304.06364)."""

from __future__ import annotations

import hashlib
import re

from sibao.core.types import Language, Row
from sibao.evaluation.choice import LETTERS, ChoiceSuite, Question
from sibao.evaluation.places import Place, field
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._options import ids, refuse, stem

CLOZE = ("gaokao-mathcloze", "math")
"""Files whose answers are written, not chosen."""
_LETTERED = re.compile(r"\s*[(（]?\s*([A-G])\s*[)）．.、]\s*")
_LABEL = re.compile("[A-G]")


class AGIEval(ChoiceSuite):
    """The published zero-shot prompt, in the language of the exam; the letter is scored.

    Options are lettered in one way, "(A)…", also where the files have "A．…". A few questions of gaokao-mathqa and
    gaokao-physics have several right options: naming any of them counts, as in lm-evaluation-harness.
    """

    name = "agieval"
    area = "accuracy"
    about = {"en": "Gaokao, SAT, LSAT and AQuA questions", "zh": "高考、SAT、LSAT 与 AQuA 选择题"}
    languages = ("zh", "en")
    license = "MIT (AQuA-RAT: Apache-2.0)"
    source = "https://github.com/ruixiangcui/AGIEval"
    folder = "agieval"
    files = ("*-*.jsonl*",)

    def read(self, place: Place) -> Rows:
        """All files but those to be answered in writing: ``passage``, ``question``, ``options``, ``label``."""
        return Rows([row for row in place.rows(self.files[0]) if stem(row) not in CLOZE])

    def questions(self, rows: Rows) -> list[Question]:
        """Ids are ``exam.line``; questions on one passage are one cluster."""
        return [_question(row, name) for row, name in zip(rows.test, ids(rows.test), strict=True)]

    def prompt(self, question: Question) -> str:
        """The published text; nothing stands between passage and question there."""
        given = " ".join(f"({a}){text}" for a, text in zip(LETTERS, question.options, strict=False))
        last = LETTERS[len(question.options) - 1]
        if question.language == "zh":
            return f"{question.passage}问题：{question.text} 选项：{given}\n答案：从A到{last}, 我们应选择"
        return f"{question.passage}Q: {question.text} Answer Choices: {given}\nA: Among A through {last}, the answer is"


def _question(row: Row, name: str) -> Question:
    exam, options = stem(row), _options(row)
    passage = field(row, "passage") if row.get("passage") else ""
    return Question(
        name,
        field(row, "question"),
        options,
        _gold(row, len(options)),
        group=exam,
        cluster=hashlib.sha256(passage.encode()).hexdigest()[:12] if passage else name,
        language=_language(exam),
        passage=passage,
    )


def _language(exam: str) -> Language:
    chinese = exam.startswith(("gaokao-", "jec-")) or exam.endswith("-zh")
    return "zh" if chinese and exam != "gaokao-english" else "en"


def _options(row: Row) -> tuple[str, ...]:
    """The options without their letters, which stand in order; two rows repeat one by mistake."""
    given = field(row, "options", list)
    if not 2 <= len(given) <= len("ABCDEFG"):
        refuse(row, "options", f"got {len(given)} options, wanted 2 to 7")
    found = [_LETTERED.match(option) if isinstance(option, str) else None for option in given]
    letters = [match[1] for match in found if match]
    if len(letters) != len(given):
        refuse(row, "options", "an option has no letter before it, wanted (A)…")
    if letters != sorted(letters):
        refuse(row, "options", f"the letters are {', '.join(letters)}, wanted them in order")
    return tuple(option[match.end() :].strip() for option, match in zip(given, found, strict=True) if match)


def _gold(row: Row, count: int) -> tuple[int, ...]:
    """``label`` is a letter, a list of letters, or letters in a row (``A B D``)."""
    label = field(row, "label", (str, list))
    letters = _LABEL.findall(label if isinstance(label, str) else " ".join(str(one) for one in label))
    found = tuple(LETTERS.index(one) for one in letters)
    if not found or max(found) >= count:
        refuse(row, "label", f"got {label!r}, wanted letters from A to {LETTERS[count - 1]}")
    return found


SUITE = AGIEval()
