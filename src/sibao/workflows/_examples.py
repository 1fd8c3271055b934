"""Rows of data files → token ids with their loss mask, rendered by the same tasks and template that answer later."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from sibao.core.errors import BadInput, DataError, SibaoError
from sibao.core.progress import progress
from sibao.core.types import Message, Row
from sibao.tasks.base import Task, load_task
from sibao.text.chat import training_ids
from sibao.text.pack import Example
from sibao.text.readers import expand, read_numbered
from sibao.text.rows import kind_of, text_of
from sibao.text.tokenizer import Tokenizer
from sibao.training.recipe import DataFile

TEXT = "text"
"""In place of a task: rows are documents, every token carries loss."""
TASK_OF = {
    "prompt_completion": "generate", "messages": "generate", "form": "generate", "translation": "translate",
    "qa": "answer", "summary": "summarize", "text": TEXT,
}  # fmt: skip
Numbered = tuple[str, int, Row]


@dataclass
class Examples:
    """The training rows of a run.

    ``counts`` says, once all were rendered, how many examples each task gave and how many were too long.
    """

    tokenizer: Tokenizer
    files: list[DataFile]
    seed: int
    length: int
    too_long: Literal["error", "skip"]
    counts: Counter[str] = field(default_factory=Counter)

    def rendered(self, *, quiet: bool = False) -> Iterator[Example]:
        """Every example.

        Raises:
            DataError: a row that cannot be read, has no target, or is too long where that is an error; says where.
        """
        rows = [(where, line, row, file.task) for file in self.files for where, line, row in self._chosen(file)]
        with progress(len(rows), "render", unit="row", quiet=quiet) as bar:
            for where, line, row, task in rows:
                yield from self._row(where, line, row, task)
                bar.advance()
        if self.counts["too long"] and not quiet:
            print(f"left out: {self.counts['too long']} examples longer than {self.length} tokens", file=sys.stderr)

    def _chosen(self, file: DataFile) -> list[Numbered]:
        """The rows of a file, or as many as are wanted of them, drawn with the run's seed and kept in order."""
        rows = [(str(path), line, row) for path in expand([file.path]) for line, row in read_numbered(path)]
        if file.rows is None or file.rows >= len(rows):
            return rows
        picked = np.random.default_rng(self.seed).choice(len(rows), file.rows, replace=False)
        return [rows[i] for i in sorted(picked.tolist())]

    def _row(self, where: str, line: int, row: Row, task: str | None) -> Iterator[Example]:
        try:
            name = task or TASK_OF.get(kind_of(row))
            if name is None:
                raise DataError(
                    "preference rows are for preference training", hint="name prompt and completion instead"
                )
            for ids, mask in self._examples(name, row):
                if len(ids) <= self.length:
                    self.counts[name] += 1
                    yield ids, mask
                elif self.too_long == "error":
                    raise DataError(
                        f"{len(ids)} tokens, data.sequence_length is {self.length}",
                        hint='raise it, or set data.too_long = "skip" to leave such rows out',
                    )
                else:
                    self.counts["too long"] += 1
        except DataError as error:
            if error.file:
                raise
            raise DataError(error.message, file=where, line=line, field=error.field, hint=error.hint) from None
        except BadInput as error:
            raise DataError(error.message, file=where, line=line, hint=error.hint) from None

    def _examples(self, name: str, row: Row) -> Iterator[tuple[list[int], list[int]]]:
        if name == TEXT:
            border = self.tokenizer.document_id
            ids = [border, *self.tokenizer.encode(text_of(row)), border]
            for begin in range(0, len(ids), self.length):  # a long document goes on in the next example
                part = ids[begin : begin + self.length]
                yield part, [0] + [1] * (len(part) - 1)
            return
        task = load_task(name)
        for inputs, target in task.training_pairs(row):
            yield example(self.tokenizer, task, inputs, target)


def example(tokenizer: Tokenizer, task: Task[Any], inputs: Any, target: str) -> tuple[list[int], list[int]]:
    """Token ids and loss mask of one worked task: the template's form, or the plain one where there is no template."""
    if tokenizer.has_template:
        answer: Message = {"role": "assistant", "content": target}
        return training_ids(tokenizer, [*task.messages(inputs), answer])
    if not tokenizer.eos_ids:
        raise SibaoError(
            "the tokenizer has no end token, so the model could never learn to stop", hint="name an eos_token"
        )
    prompt = tokenizer.encode(task.plain(inputs), add_special_tokens=True)
    said = [*tokenizer.encode(target), tokenizer.eos_ids[0]]
    return prompt + said, [0] * len(prompt) + [1] * len(said)
