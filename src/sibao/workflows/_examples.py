"""Rows of data files → token ids with their loss mask, rendered by the same tasks and template that answer later."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from sibao.core.errors import DataError, ModelError, SibaoError
from sibao.core.types import Message, Row
from sibao.tasks.base import Task, load_task
from sibao.text.chat import training_ids
from sibao.text.rows import kind_of, text_of
from sibao.text.tokenizer import Tokenizer
from sibao.workflows._training_rows import TrainingRows

TEXT = "text"
"""In place of a task: rows are documents, every token carries loss."""
TASK_OF = {
    "prompt_completion": "generate", "messages": "generate", "form": "generate", "translation": "translate",
    "qa": "answer", "summary": "summarize", "text": TEXT,
}  # fmt: skip
Masked = tuple[list[int], list[int]]
"""Token ids, and 1 for each that carries loss."""


@dataclass
class Examples:
    """The training rows of a run.

    ``counts`` says, once all were rendered, how many examples each task gave and how many were too long.
    """

    tokenizer: Tokenizer
    rows: TrainingRows
    length: int
    too_long: Literal["error", "skip"]
    counts: Counter[str] = field(default_factory=Counter)

    def rendered(self, *, quiet: bool = False) -> Iterator[Masked]:
        """Every example, one row in memory at a time.

        Raises:
            DataError: a row that cannot be read, has no target, or is too long where that is an error; says where.
        """
        yield from self.rows.made(self.of, quiet=quiet)
        if self.counts["too long"] and not quiet:
            print(f"left out: {self.counts['too long']} examples longer than {self.length} tokens", file=sys.stderr)

    def of(self, row: Row, task: str | None) -> Iterator[Masked]:
        """The examples of one row."""
        name = task or TASK_OF.get(kind_of(row))
        if name == "describe" or (name is None and kind_of(row) == "picture"):
            raise DataError(
                "a row with a picture cannot be trained on: Sibao's own networks read text only",
                hint="evaluate --task describe takes such rows; to train on their words alone, leave the picture out",
            )
        if name is None:
            raise DataError("a preference row has no one target", hint='objective.name = "dpo" learns preferences')
        for example in self._examples(name, row):
            if fits(len(example[0]), self.length, self.too_long):
                self.counts[name] += 1
                yield example
            else:
                self.counts["too long"] += 1

    def _examples(self, name: str, row: Row) -> Iterator[Masked]:
        if name == TEXT:
            border = self.tokenizer.document_id
            ids = [border, *self.tokenizer.encode(text_of(row)), border]
            for begin in range(0, len(ids), self.length):  # a long document goes on in the next example
                part = ids[begin : begin + self.length]
                yield part, [0] + [1] * (len(part) - 1)
            return
        task = load_task(name)
        pairs = task.training_pairs(row)
        if isinstance(row.get("messages"), list) and len(pairs) > 1 and self.tokenizer.has_template:
            yield from conversation(self.tokenizer, task, pairs)
            return
        for inputs, target in pairs:
            yield example(self.tokenizer, task, inputs, target)


def fits(tokens: int, length: int, too_long: Literal["error", "skip"]) -> bool:
    """Whether a row fits the recipe's length.

    Raises:
        DataError: it does not, and that is an error.
    """
    if tokens > length and too_long == "error":
        raise DataError(
            f"{tokens} tokens, data.sequence_length is {length}",
            hint='raise it, or set data.too_long = "skip" to leave such rows out',
        )
    return tokens <= length


def conversation(tokenizer: Tokenizer, task: Task[Any], pairs: list[tuple[Any, str]]) -> Iterator[Masked]:
    """A conversation of several assistant turns, each of which is learned once: as one example or, where the template
    shows earlier turns otherwise once later ones follow (Qwen3 leaves out their thoughts), as one for each turn."""
    inputs, target = pairs[-1]
    answer: Message = {"role": "assistant", "content": target}
    try:
        yield training_ids(tokenizer, [*task.messages(inputs), answer])
    except ModelError:
        for inputs, target in pairs:
            yield example(tokenizer, task, inputs, target)


def example(tokenizer: Tokenizer, task: Task[Any], inputs: Any, target: str) -> Masked:
    """Token ids and loss mask of one worked task: the template's form, or the plain one where there is no template.

    Only the target carries loss, not what the assistant said before it.
    """
    if tokenizer.has_template:
        answer: Message = {"role": "assistant", "content": target}
        return training_ids(tokenizer, [*task.messages(inputs), answer], last=True)
    if not tokenizer.eos_ids:
        raise SibaoError(
            "the tokenizer has no end token, so the model could never learn to stop", hint="name an eos_token"
        )
    prompt = tokenizer.encode(task.plain(inputs), add_special_tokens=True)
    said = [*tokenizer.encode(target), tokenizer.eos_ids[0]]
    return prompt + said, [0] * len(prompt) + [1] * len(said)
