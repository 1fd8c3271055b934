"""Fine-tuning a head for labels: ``{"text", "label"}`` rows, or prompts whose completion is the label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from sibao.core.errors import DataError
from sibao.core.types import Row
from sibao.tasks.base import text_field
from sibao.training.labelled import LabelledRow
from sibao.training.objectives import classify
from sibao.training.recipe import Recipe
from sibao.workflows._encoder_rows import encoder, put_head, sources, text_row, write_all
from sibao.workflows._finetuning import Parts
from sibao.workflows._training_rows import placed, splits

OBJECTIVE: ModuleType = classify
PEFT_TASK = "SEQ_CLS"
TEXTS = ("text", "prompt", "sentence", "document")
LABELS = ("label", "completion")
load = encoder
__all__ = ["OBJECTIVE", "PEFT_TASK", "load", "prepare", "sources"]


def prepare(recipe: Recipe, parts: Parts, folder: Path, quiet: bool) -> None:
    """The labels of the training rows become the head's; then the rows with their labels' numbers.

    Raises:
        DataError: a row without text or label, fewer than two labels, or a label that only validation rows have.
    """
    rows = splits(recipe, quiet=quiet)
    found = set[str]()
    for where, line, row, _ in rows["train"]:
        with placed(where, line):
            found.add(label_of(row, recipe.objective.label))
    if len(found) < 2:
        raise DataError(f"the rows hold {len(found)} label ({', '.join(found)}), wanted at least two")
    labels = tuple(sorted(found))
    put_head(recipe, parts, "classify", labels)
    numbers = {label: number for number, label in enumerate(labels)}

    def make(row: Row, task: str | None) -> Iterator[LabelledRow]:
        label = label_of(row, recipe.objective.label)
        if label not in numbers:
            raise DataError(f"the label {label!r} is none of the training rows'", field="label")
        yield text_row(parts.tokenizer, text_field(row, *TEXTS), numbers[label])

    write_all(recipe, rows, make, folder, quiet)


def label_of(row: Row, name: str | None) -> str:
    """The label of a row, as text; numbers and truth values are taken by their name.

    Raises:
        DataError: there is none.
    """
    names = LABELS if name is None else (name,)
    value = next((row[n] for n in names if row.get(n) is not None), None)
    if value is None or isinstance(value, list | dict) or not str(value).strip():
        raise DataError(
            f"no label, the row has {sorted(map(str, row))}",
            field=names[0],
            hint="objective.label names the field that holds it",
        )
    return str(value).strip()
