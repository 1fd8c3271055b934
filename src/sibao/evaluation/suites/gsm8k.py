"""GSM8K: grade-school arithmetic in words (Cobbe et al. 2021, arXiv 2110.14168)."""

from __future__ import annotations

import re

from sibao.core.types import Row
from sibao.evaluation.places import Place, field
from sibao.evaluation.sample import Judged, Sample
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._options import ids, refuse
from sibao.evaluation.writing import Exercise, WritingSuite

_MARKED = re.compile(r"#### (-?[0-9.,]+)")
_NUMBER = re.compile(r"-?[$0-9.,]{2,}|-?[0-9]+")


class GSM8K(WritingSuite):
    """``exact_match``: the number behind the first ``####``, the form that the worked examples show; ``flexible``: the last
    number of the text. Both as in lm-evaluation-harness; a text without the mark is wrong under the first.

    Worked examples are the first rows of the training file, with their calculator marks (``<<48/2=24>>``).
    """

    name = "gsm8k"
    area = "accuracy"
    about = {"en": "grade-school arithmetic in words", "zh": "小学数学应用题（英文）"}
    license = "MIT"
    source = "https://github.com/openai/grade-school-math"
    folder = "gsm8k"
    files = ("test.jsonl*", "train.jsonl*")
    shots = 5
    headline = "exact_match"
    stop = ("Question:", "</s>", "<|im_end|>")

    def read(self, place: Place) -> Rows:
        """Rows of ``question`` and ``answer`` (the working, then ``#### number``)."""
        shots = list(place.rows(self.files[1])) if place.has(self.files[1]) else []
        return Rows(list(place.rows(self.files[0])), shots)

    def exercises(self, rows: Rows) -> list[Exercise]:
        """Ids are files and lines."""
        return [_exercise(row, name) for row, name in zip(rows.test, ids(rows.test), strict=True)]

    def examples(self, rows: Rows, exercise: Exercise, shots: int) -> list[Exercise]:
        """The first rows of the training file."""
        return self.exercises(Rows(rows.shots[:shots], [], "shots"))

    def grade(self, exercise: Sample, text: str) -> Judged:
        """By both rules; ``parsed`` says whether there was a ``####`` with a number."""
        wanted = exercise.data["accepted"][0]
        marked, numbers = _MARKED.search(text), _NUMBER.findall(text)
        strict = plain(marked[1]) if marked else ""
        loose = plain(numbers[-1]) if numbers else ""
        values = {"exact_match": strict == wanted, "flexible": loose == wanted, "parsed": marked is not None}
        return Judged({name: float(value) for name, value in values.items()}, strict or loose, (wanted,))


def plain(number: str) -> str:
    """Without thousands' commas, dollar signs and the full stop of a sentence."""
    return number.replace(",", "").replace("$", "").removesuffix(".")


def _exercise(row: Row, name: str) -> Exercise:
    question, worked = field(row, "question"), field(row, "answer")
    wanted = worked.rpartition("#### ")[2].strip()
    if "#### " not in worked or not wanted:
        refuse(row, "answer", "has no '#### ' with the number behind it")
    return Exercise(name, f"Question: {question}\nAnswer:", (plain(wanted),), worked, text=question)


SUITE = GSM8K()
