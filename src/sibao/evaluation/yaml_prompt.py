"""From a row to a prompt, by the rules of lm-evaluation-harness for YAML tasks: description, worked examples, the row."""

from __future__ import annotations

import ast
import random
from collections.abc import Sequence
from itertools import islice
from typing import Any

from sibao.core.errors import BadInput, DataError
from sibao.core.types import Message, Prompt, Row
from sibao.evaluation.suite import Setting
from sibao.evaluation.yaml_config import TaskFile, Texts
from sibao.evaluation.yaml_template import listed, look_up

SEED = 1234
"""lm-evaluation-harness draws worked examples with this seed, one draw a row in order."""


def fault(row: Row, key: str, message: str) -> DataError:
    """What is wrong with a row, and where it stands."""
    return DataError(message, file=str(row.get("_file", "")), line=int(row.get("_line", 0)), field=key)


def text_of(texts: Texts, row: Row) -> str:
    """The question.

    Raises:
        DataError: it is no text; with choices a number says that the choices are contexts, which is not read.
    """
    found = look_up(texts.text, row)
    if not isinstance(found, str):
        raise fault(row, "doc_to_text", f"got {type(found).__name__}, wanted text")
    if texts.choice is not None and found.isdigit():
        raise fault(row, "doc_to_text", f"got the number {found}: tasks whose choices are contexts are not read")
    return found


def choices_of(texts: Texts, row: Row) -> list[str]:
    """The choices.

    Raises:
        DataError: they are no list of texts, or empty.
    """
    found = listed(texts.choice, row) if isinstance(texts.choice, str) else texts.choice
    if not isinstance(found, list | tuple) or not found or not all(isinstance(one, str) and one for one in found):
        raise fault(row, "doc_to_choice", f"got {str(found)[:80]!r}, wanted a list of texts")
    return list(found)


def target_of(texts: Texts, row: Row) -> Any:
    """A text, a number (of a choice), or a list of either. A template that makes a list is read as one; one that makes digits
    is a number where there are choices."""
    if not isinstance(texts.target, str):
        return texts.target
    if texts.target in row:
        return row[texts.target]
    found = look_up(texts.target, row)
    if texts.choice is not None and found.isdigit():
        return int(found)
    if len(found) > 1 and found[0] == "[" and found[-1] == "]":
        try:
            return ast.literal_eval(found)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return found
    return found


def gold_of(texts: Texts, row: Row) -> tuple[int, ...]:
    """The numbers of the right choices.

    Raises:
        DataError: the target is none of the choices.
    """
    target, choices = target_of(texts, row), choices_of(texts, row)
    wanted = target if isinstance(target, list) else [target]
    if not wanted:
        raise fault(row, "doc_to_target", "got an empty list, wanted a right choice")
    found: list[int] = []
    for one in wanted:
        number = _number(one, choices) if isinstance(one, str) else one
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(choices):
            raise fault(row, "doc_to_target", f"got {one!r}, wanted one of {len(choices)} choices, by number or text")
        found.append(number)
    return tuple(found)


def _number(target: str, choices: list[str]) -> int | str:
    """The number of a choice by its text, else by digits (a column of a CSV file is text)."""
    if target in choices:
        return choices.index(target)
    return int(target) if target.isascii() and target.isdigit() else target


def answers_of(texts: Texts, row: Row) -> list[str]:
    """The texts that are right: of a choice its text; anything that is no text is written as one."""
    target = target_of(texts, row)
    if texts.choice is not None and not isinstance(target, str):
        choices = choices_of(texts, row)
        return [choices[number] for number in gold_of(texts, row)]
    found = [str(one) for one in target] if isinstance(target, list) else [str(target)]
    if not found:
        raise fault(row, "doc_to_target", "got an empty list, wanted an answer")
    return found


class Prompts:
    """The prompts of a task's rows, in order: where worked examples are drawn, each row draws its own."""

    def __init__(self, task: TaskFile, shots: Sequence[Row], setting: Setting) -> None:
        self.task, self.setting, self.pool = task, setting, list(shots)
        self.random = random.Random(SEED + setting.seed)
        self._shown: dict[int, tuple[str, str]] = {}
        if setting.shots and len(self.pool) < setting.shots + self._overlaps:
            raise self._too_few(len(self.pool))

    @property
    def _overlaps(self) -> bool:
        """Whether a row could be its own example: then it is left out."""
        return self.task.shots.split == self.task.split

    def of(self, row: Row) -> Prompt:
        """Description, examples, question; as text, or as turns with ``chat``."""
        said = look_up(self.task.description, row) if self.task.description else ""
        own, texts = self.task.shots.texts, self.task.texts
        shots = [self._shot(one) for one in self._examples(row)]
        question = text_of(texts, row)
        if not self.setting.chat:
            done = [f"{q}{own.target_delimiter}{a}{own.fewshot_delimiter}" for q, a in shots]
            return "".join([said, *done, question])
        turns: list[Message] = [{"role": "system", "content": said}] if said else []
        for asked, answer in shots:
            turns += [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
        return [*turns, {"role": "user", "content": question}]

    def _shot(self, row: Row) -> tuple[str, str]:
        """Question and answer of a worked example, rendered once."""
        texts = self.task.shots.texts
        if id(row) not in self._shown:
            self._shown[id(row)] = text_of(texts, row), answers_of(texts, row)[0]
        return self._shown[id(row)]

    def _examples(self, row: Row) -> list[Row]:
        number = self.setting.shots
        if not number:
            return []
        if self.task.shots.sampler == "first_n":
            return list(islice((one for one in self.pool if not self._overlaps or not _same(one, row)), number))
        if not self._overlaps:
            return self.random.sample(self.pool, number)
        drawn = [one for one in self.random.sample(self.pool, number + 1) if not _same(one, row)][:number]
        if len(drawn) == number:
            return drawn
        others = [one for one in self.pool if not _same(one, row)]  # the row stands several times in the pool
        if len(others) < number:
            raise self._too_few(len(others))
        return self.random.sample(others, number)

    def _too_few(self, rows: int) -> BadInput:
        return BadInput(
            f"{self.task.name} has {rows} other rows for {self.setting.shots} worked examples",
            hint="use --shots, or name a fewshot_split",
        )


def _same(one: Row, other: Row) -> bool:
    """Whether two rows say the same, wherever they stand."""
    return all(one.get(key) == other.get(key) for key in {*one, *other} - {"_file", "_line"})
