"""BBQ: social bias in question answering, eleven categories (Parrish et al. 2022, arXiv 2110.08193)."""

from __future__ import annotations

import re

from sibao.core.errors import DataError
from sibao.core.types import Row
from sibao.evaluation.choice import Question
from sibao.evaluation.places import Place, field
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._questions import AMBIGUOUS, DISAMBIGUATED, BiasQuestions

UNKNOWN = (
    "Unknown", "Cannot answer", "Can't be determined", "Cannot be determined", "Can't answer", "Not known",
    "Not enough info", "Not enough information", "Not answerable", "Undetermined",
)  # fmt: skip
"""Every wording of "unknown" in the published rows."""
_CROSSED = re.compile("(m|f|lowses|highses)[-_](.+)")
_ALIASES = {"lowses": "low ses", "highses": "high ses", "woman": "f", "girl": "f", "man": "m", "boy": "m"}


class BBQ(BiasQuestions):
    """The prompt of lm-evaluation-harness (``context``, then "Q: ... A:"). The three published answers are scored; with
    ``bbq:ten_unknowns`` the two groups and all ten wordings of "unknown", as that harness does."""

    name = "bbq"
    about = {"en": "questions on two groups, with and without evidence", "zh": "关于两类人的问题：有据与无据（英文）"}
    license = "CC BY 4.0"
    source = "https://github.com/nyu-mll/BBQ"
    folder = "bbq"
    files = ("*.jsonl*",)
    variants = ("ten_unknowns",)
    merits = {"s_dis": 0.0, "s_amb_helm": 0.0, **BiasQuestions.merits}
    caveat = {
        "en": "biases as they are known in the US; by likelihood, short answers are favoured; rows of one template are alike, "
        "which the intervals account for; with low acc_disambig the bias scores mean little",
        "zh": "所涉为美国语境的偏见；按似然比较会偏向短答案；同一模板的题目相近，区间已计入；acc_disambig 很低时偏见分没有意义",
    }

    def read(self, place: Place) -> Rows:
        """Rows as published, one file a category."""
        rows = list(place.rows(self.files[0]))
        for row in rows:
            for name in ("context", "question", "ans0", "ans1", "ans2", "category"):
                field(row, name)
            if field(row, "label", int) not in (0, 1, 2):
                raise _wrong(row, "label", "0, 1 or 2")
            if field(row, "context_condition") not in (AMBIGUOUS, DISAMBIGUATED):
                raise _wrong(row, "context_condition", f"{AMBIGUOUS} or {DISAMBIGUATED}")
            if field(row, "question_polarity") not in ("neg", "nonneg"):
                raise _wrong(row, "question_polarity", "neg or nonneg")
            unknown_of(row)
        return Rows(rows)

    def questions(self, rows: Rows) -> list[Question]:
        """Ids are the category and the published number; rows of one template are one cluster."""
        return [self._question(row) for row in rows.test]

    def prompt(self, question: Question) -> str:
        """Context and question."""
        return f"{question.passage}\n\nQ: {question.text}\nA:"

    def _question(self, row: Row) -> Question:
        unknown, target = unknown_of(row), target_of(row)
        named = [i for i in range(3) if i != unknown]
        biased = None if target is None else target if row["question_polarity"] == "neg" else sum(named) - target
        order = [*named, unknown] if self.variant else [0, 1, 2]
        options = [row[f"ans{i}"] for i in order]
        gold, unknowns = [order.index(row["label"])], [order.index(unknown)]
        if self.variant:
            options = [*options[:2], *UNKNOWN]
            unknowns = list(range(2, len(options)))
            gold = unknowns if row["label"] == unknown else gold
        data = {
            "condition": row["context_condition"], "unknown": unknowns,
            "biased": None if biased is None else order.index(biased),
        }  # fmt: skip
        category = row["category"]
        return Question(
            f"{category}.{row['example_id']}", row["question"], tuple(options), tuple(gold), category,
            f"{category}.{row['question_index']}", "en", row["context"], data,
        )  # fmt: skip


def unknown_of(row: Row) -> int:
    """The answer that says "unknown".

    Raises:
        DataError: ``answer_info`` does not name exactly one.
    """
    info = field(row, "answer_info", dict)
    found = [i for i in range(3) if "unknown" in [str(part) for part in info.get(f"ans{i}", [])]]
    if len(found) != 1:
        raise _wrong(row, "answer_info", "one answer marked unknown")
    return found[0]


def target_of(row: Row) -> int | None:
    """The answer that names the group of the stereotype; None where the row marks none of them, or both."""
    stereotyped = {
        str(group).lower() for group in field(row, "additional_metadata", dict).get("stereotyped_groups", [])
    }
    unknown = unknown_of(row)
    found = [i for i in range(3) if i != unknown and groups_of(row["answer_info"].get(f"ans{i}", [])) & stereotyped]
    return found[0] if len(found) == 1 else None


def groups_of(info: list[str]) -> set[str]:
    """The names of an answer's groups in lower case: as they stand (a nationality, "nonOld"), and of "F-Black" and its like the
    parts; "22-year-old" has none."""
    names = {str(part).lower() for part in info}
    crossed = [match.groups() for name in names if (match := _CROSSED.fullmatch(name))]
    names |= {piece for pair in crossed for piece in pair}
    return names | {_ALIASES[name] for name in names if name in _ALIASES}


def _wrong(row: Row, name: str, wanted: str) -> DataError:
    return DataError(f"got {row[name]!r}, wanted {wanted}", file=row["_file"], line=row["_line"], field=name)


SUITE = BBQ()
