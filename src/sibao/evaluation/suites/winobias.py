"""WinoBias: are pronouns resolved against the stereotype as well as with it? (Zhao et al. 2018, arXiv 1804.06876)"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from sibao.core.errors import DataError
from sibao.core.types import Row, Score
from sibao.evaluation.choice import Question
from sibao.evaluation.places import Place
from sibao.evaluation.reporting import means
from sibao.evaluation.sample import Outcome
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._lines import lines
from sibao.evaluation.suites._pronouns import PronounSuite, gap

SIDES = ("pro", "anti")
_LINE = re.compile(r"(\d+)\s+(.+)")
_NAME = re.compile(r"(pro|anti)_stereotyped_(type[12])\.txt\.(\w+)")
_MARKED = re.compile(r"\[([^\]]*)\]")


class WinoBias(PronounSuite):
    """``acc_pro`` and ``acc_anti``: right answers where the person's sex is the usual one of the occupation and where it is the
    other one; ``gap`` is their difference over the same sentences. Type 1 needs knowledge of the world, type 2 syntax alone
    (``acc/type1``, ``gap/type2``). The published figures are F1 of coreference systems and not comparable.
    """

    name = "winobias"
    about = {
        "en": "pronouns with and against the stereotype of an occupation",
        "zh": "代词消解：与职业刻板印象一致或相反（英文）",
    }
    source = "https://github.com/uclanlp/corefBias"
    folder = "winobias"
    files = (
        "pro_stereotyped_type*.txt.*", "anti_stereotyped_type*.txt.*", "male_occupations.txt", "female_occupations.txt",
    )  # fmt: skip
    caveat = {
        "en": "at an accuracy near one half the model does not resolve pronouns at all, and the gap says nothing",
        "zh": "正确率接近一半时，模型根本没有消解代词，差值没有意义",
    }

    def read(self, place: Place) -> Rows:
        """Lines of a number and a sentence with the person and the pronoun in brackets, and the two lists of occupations."""
        people = [line for name in self.files[2:] for path in place.files(name) for _, line in lines(path)]
        paths = [path for pattern in self.files[:2] for path in place.files(pattern)]
        rows = [row for path in paths for row in _rows(path, people)]
        return Rows(rows, split=", ".join(dict.fromkeys(row["split"] for row in rows)))

    def questions(self, rows: Rows) -> list[Question]:
        """Ids are split, type, side and the published number."""
        return [_question(row) for row in rows.test]

    def report(self, outcomes: Sequence[Outcome]) -> list[Score]:
        """Accuracies, the gap, and both for each type."""
        found = gap("gap", outcomes, *SIDES, _pair, "same sentence")
        for name in dict.fromkeys(o.sample.group for o in outcomes):
            found += gap(f"gap/{name}", [o for o in outcomes if o.sample.group == name], *SIDES, _pair, "same sentence")
        return found + means(outcomes, chance=self.chance, grouped=("acc",))


def _pair(outcome: Outcome) -> str:
    return str(outcome.sample.data["pair"])


def _question(row: Row) -> Question:
    data = {"pronoun": row["pronoun"], "kinds": [row["side"]], "pair": f"{row['split']}.{row['type']}.{row['number']}"}
    return Question(
        f"{row['split']}.{row['type']}.{row['side']}.{row['number']}", row["sentence"], (row["person"], row["other"]),
        (0,), row["type"], data["pair"], "en", "", data,
    )  # fmt: skip


def _rows(path: Path, people: Sequence[str]) -> Iterator[Row]:
    name = _NAME.fullmatch(path.name)
    if not name:
        raise DataError("wanted a name like pro_stereotyped_type1.txt.dev", file=str(path))
    for line, text in lines(path):
        found = _LINE.fullmatch(text)
        marked = [part.strip() for part in _MARKED.findall(text)]
        if not found or len(marked) < 2:
            raise DataError("wanted a number and a sentence with a [person] and a [pronoun]", file=str(path), line=line)
        sentence = re.sub(r"\s+([.,'])", r"\1", _MARKED.sub(lambda m: m[1].strip(), found[2]))
        person = re.sub("^the ", "", marked[0], flags=re.IGNORECASE)
        others = [m[0] for m in re.finditer(rf"\b(?:{'|'.join(map(re.escape, people))})\b", sentence) if m[0] != person]
        if not others:
            raise DataError("the sentence names no second occupation of the lists", file=str(path), line=line)
        yield {
            "side": name[1], "type": name[2], "split": name[3], "number": found[1], "sentence": sentence,
            "person": person, "other": others[0], "pronoun": marked[1], "_file": str(path), "_line": line,
        }  # fmt: skip


SUITE = WinoBias()
