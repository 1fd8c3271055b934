"""BIG-Bench Hard: 27 tasks that language models found hard (Suzgun et al. 2022, arXiv 2210.09261)."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import ClassVar

from sibao.core.errors import DataError
from sibao.core.types import Row
from sibao.evaluation.places import Place, field
from sibao.evaluation.sample import Judged, Sample
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._answers import found_in
from sibao.evaluation.suites._options import refuse, stem
from sibao.evaluation.suites._table import table
from sibao.evaluation.writing import Exercise, WritingSuite

HELD_OUT = 3
"""Where the published worked examples are not there, so many rows of each task stand in for them and are not scored."""
THINKING = "A: Let's think step by step."
_SAYS = re.compile(r"[Tt]he answer is (.+?)\.?\s*$", re.MULTILINE)


class BBH(WritingSuite):
    """Answers without working, three worked examples of the task before each question, under the task's instruction.

    ``exact_match``: the first line, without a full stop, is the target. ``flexible``: an answer of the target's kind is found
    in the text, such as "(B)" in "The answer is (B)." ``bbh_cot`` asks for the working too.
    """

    name = "bbh"
    area = "accuracy"
    about = {"en": "27 hard tasks, answers in writing", "zh": "27 项困难任务，直接作答（英文）"}
    license = "MIT"
    source = "https://github.com/suzgunmirac/BIG-Bench-Hard"
    folder = "bbh"
    files = ("*.json*", "cot-prompts/*.txt", "../cot-prompts/*.txt")
    shots = 3
    headline = "exact_match"
    stop: ClassVar[tuple[str, ...]] = ("\n\n", "Q:")
    last_line: ClassVar[str] = "A:"

    def read(self, place: Place) -> Rows:
        """The published ``<task>.json`` (``examples`` of ``input`` and ``target``), or rows of ``task``, ``input``, ``target``.

        Worked examples are those of the published folder ``cot-prompts``, else the first three rows of each task.
        """
        rows = [one for row in place.rows(self.files[0]) for one in _rows(row)]
        numbers: Counter[str] = Counter()
        for row in rows:
            row["_number"] = numbers[field(row, "task")]
            numbers[row["task"]] += 1
        published = [shot for pattern in self.files[1:] for path in place.matching(pattern) for shot in worked_in(path)]
        if published:
            return Rows(rows, published)
        held = [row for row in rows if row["_number"] < HELD_OUT]
        scored = [row for row in rows if row["_number"] >= HELD_OUT]
        return Rows(scored, held, split=f"test without the first {HELD_OUT} rows of each task")

    def exercises(self, rows: Rows) -> list[Exercise]:
        """Ids are ``task.number``, counted from 0 in the task."""
        return [self._exercise(row) for row in rows.test]

    def _exercise(self, row: Row) -> Exercise:
        task, text, target = field(row, "task"), field(row, "input"), field(row, "target")
        if not target.strip():
            refuse(row, "target", "is empty, wanted the answer")
        worked = self.worked(row)
        # a slip in an option, or in a word that is to be sorted, would change what is right
        own = text.partition("\nOptions:")[0].partition("List:")[0]
        return Exercise(
            f"{task}.{row['_number']}", f"Q: {text}\n{self.last_line}", (target.strip(),), worked, group=task, text=own
        )

    def worked(self, row: Row) -> str:
        """What a worked example shows as its answer."""
        return str(row["target"])

    def head(self, exercise: Exercise) -> str:
        """The published instruction of the task."""
        return str(table("bbh").get(exercise.group, ""))

    def grade(self, exercise: Sample, text: str) -> Judged:
        """By both rules; ``parsed`` says whether there was any answer of the target's kind."""
        target = exercise.data["accepted"][0]
        strict, loose = self.strict(text), found_in(text, target)
        values = {"exact_match": strict == target, "flexible": loose == target, "parsed": bool(loose)}
        return Judged({name: float(value) for name, value in values.items()}, strict, (target,))

    def strict(self, text: str) -> str:
        """The first line without a full stop."""
        return text.strip().partition("\n")[0].strip().removesuffix(".")


def _rows(row: Row) -> list[Row]:
    """The rows of a published file, which is one object; a row that is one already stands for itself."""
    if "examples" not in row:
        return [row]
    where = {"task": stem(row), "_file": row["_file"], "_line": row["_line"]}
    examples = field(row, "examples", list)
    return [
        {**one, **where} if isinstance(one, dict) else refuse(row, "examples", "wanted objects") for one in examples
    ]


def worked_in(path: Path) -> list[Row]:
    """The worked examples of a published prompt: instruction, then ``Q: …``, ``A: Let's think step by step.`` and the working.

    Raises:
        DataError: one that ends without "the answer is …".
    """
    _, *parts = path.read_text(encoding="utf-8").split("\n\nQ: ")
    found = []
    for number, part in enumerate(parts):
        question, _, working = part.partition(f"\n{THINKING}")
        said = _SAYS.findall(working)
        if not said:
            raise DataError(f"worked example {number + 1} has no 'the answer is …'", file=str(path))
        row = {"task": path.stem, "input": question, "target": said[-1], "_working": working.strip()}
        found.append({**row, "_number": number, "_file": str(path)})
    return found


SUITE = BBH()
