"""Fine-tuning a head that marks the answer in a passage: SQuAD rows and their Chinese kin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from sibao.core.errors import ContextOverflow, DataError
from sibao.core.types import Row
from sibao.tasks.base import text_field
from sibao.text.reading import target_of, windows
from sibao.training.labelled import LabelledRow
from sibao.training.objectives import span
from sibao.training.recipe import Recipe
from sibao.workflows._encoder_rows import encoder, put_head, sources, write_all
from sibao.workflows._finetuning import Parts
from sibao.workflows._training_rows import splits

OBJECTIVE: ModuleType = span
PEFT_TASK = "QUESTION_ANS"
load = encoder
__all__ = ["OBJECTIVE", "PEFT_TASK", "load", "prepare", "sources"]


def prepare(recipe: Recipe, parts: Parts, folder: Path, quiet: bool) -> None:
    """Every row as one window or, where its passage is long, several that overlap; the answer is in those that hold it
    whole.

    Raises:
        DataError: a row without answers, or whose answer does not stand in its passage.
    """
    put_head(recipe, parts, "span")
    length = recipe.data.sequence_length

    def make(row: Row, task: str | None) -> Iterator[LabelledRow]:
        question, context = text_field(row, "question"), text_field(row, "context")
        place = place_of(row, context)
        try:
            found = windows(parts.tokenizer, question, context, length)
        except ContextOverflow as error:
            raise DataError(error.message, field="question", hint="raise data.sequence_length") from None
        for window in found:
            target = (0, 0) if place is None else target_of(window, *place)
            yield LabelledRow(window.ids, window.types, target)

    write_all(recipe, splits(recipe, quiet=quiet), make, folder, quiet)


def place_of(row: Row, context: str) -> tuple[int, int] | None:
    """Characters [begin, end) of the first answer in the passage; None where the passage holds no answer. An offset that
    is a little off (published files have some) is put right.

    Raises:
        DataError: no answers, or an answer that the passage does not hold.
    """
    answers = row.get("answers")
    if isinstance(answers, dict):
        texts, starts = answers.get("text"), answers.get("answer_start") or []
    else:
        given = answers if isinstance(answers, list) else None
        texts = None if given is None else [a.get("text") if isinstance(a, dict) else a for a in given]
        starts = [a["answer_start"] for a in given or [] if isinstance(a, dict) and "answer_start" in a]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise DataError("no answers to learn from", field="answers", hint='{"text": [...], "answer_start": [...]}')
    if not texts or not texts[0].strip():
        return None
    answer, said = texts[0].strip(), int(starts[0]) if starts else 0
    places = [i for i in range(len(context)) if context.startswith(answer, i)]
    if not places:
        raise DataError(f"the answer {answer!r} does not stand in the passage", field="answers")
    start = min(places, key=lambda i: abs(i - said))
    return start, start + len(answer)
