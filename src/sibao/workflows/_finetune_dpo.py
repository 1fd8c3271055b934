"""Fine-tuning on preferences: of two answers to one prompt, the chosen one is to become likelier than the rejected one.

The reference is the base model as the run begins, without an adapter. Its log-probabilities are computed once and kept
beside the tokens, so that a step costs one forward pass and no second model stays in memory.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import cast

import numpy as np
import torch

from sibao.core.errors import ConfigError, DataError
from sibao.core.paths import atomic_path
from sibao.core.progress import progress
from sibao.core.types import Message, Row
from sibao.models.folder import load_model
from sibao.nn.decoder import Decoder
from sibao.tasks.base import load_task
from sibao.text.pack import PackWriter
from sibao.text.preferences import preference
from sibao.text.rows import FORMS, kind_of
from sibao.text.tokenizer import Tokenizer
from sibao.training.loop import autocast
from sibao.training.objectives import dpo
from sibao.training.preferences import Preferences, Tally, Terms
from sibao.training.recipe import Recipe
from sibao.workflows._examples import Masked, example, fits
from sibao.workflows._finetuning import Parts, Sources, token_file
from sibao.workflows._training_rows import splits

OBJECTIVE: ModuleType = dpo
PEFT_TASK = "CAUSAL_LM"
REFERENCE = "reference.npy"
load = load_model


@dataclass
class _Pairs:
    """Preference rows as pairs of examples; ``left_out`` counts the rows that are none, by reason."""

    tokenizer: Tokenizer
    recipe: Recipe
    left_out: Counter[str] = field(default_factory=Counter)

    def of(self, row: Row, task: str | None) -> Iterator[Masked]:
        """The chosen text, then the rejected one."""
        if task is not None:
            raise DataError(f"a preference has no task, got {task!r}", hint="leave out task")
        if kind_of(row) != "preference":
            raise DataError(f"wanted a preference, {FORMS['preference']}, got {sorted(row)}")
        found = preference(row)
        texts = [self._text(list(found.prompt), said) for said in (found.chosen, found.rejected)]
        data = self.recipe.data
        if texts[0] == texts[1]:
            self.left_out["with two answers that are the same"] += 1
        elif all(fits(len(ids), data.sequence_length, data.too_long) for ids, _ in texts):
            yield from texts
        else:
            self.left_out[f"longer than {data.sequence_length} tokens"] += 1

    def _text(self, prompt: list[Message], said: str) -> Masked:
        task = load_task("generate")
        inputs, target = task.read({"messages": [*prompt, {"role": "assistant", "content": said}]})
        return example(self.tokenizer, task, inputs, str(target))


def prepare(recipe: Recipe, parts: Parts, folder: Path, quiet: bool) -> None:
    """Token files of pairs, and what the reference model thinks of them."""
    section = recipe.objective
    if section.preference_loss == "ipo" and section.label_smoothing:
        raise ConfigError("objective.label_smoothing is for preference_loss sigmoid", hint="leave one of them out")
    for name, rows in splits(recipe, quiet=quiet).items():
        pairs = _Pairs(parts.tokenizer, recipe)
        target = folder / "tokens" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        PackWriter(target, parts.tokenizer).write(rows.made(pairs.of, quiet=quiet))
        for reason, count in pairs.left_out.items():
            print(f"left out: {count} preferences {reason}", file=sys.stderr) if not quiet else None
        _write_reference(recipe, parts, target, quiet)


@torch.no_grad()
def _write_reference(recipe: Recipe, parts: Parts, folder: Path, quiet: bool) -> None:
    """Log-probabilities of all texts under the model as it is now, in the precision that training computes in."""
    model = cast(Decoder, parts.model).to(recipe.run.device).eval()
    pairs = Preferences(token_file(folder, parts.tokenizer), 0, Terms(), Tally(), shuffle=False)
    found = np.zeros((pairs.pairs, 2), np.float32)
    step = recipe.run.micro_rows
    with progress(pairs.pairs, "reference", unit="pair", quiet=quiet) as bar, autocast(recipe):
        for first in range(0, pairs.pairs, step):
            numbers = list(range(first, min(first + step, pairs.pairs)))
            batch = pairs.of(numbers).to(recipe.run.device)
            found[numbers] = dpo.log_probs(model, batch).float().cpu().numpy()
            bar.advance(len(numbers))
    with atomic_path(folder / REFERENCE) as temporary, temporary.open("wb") as file:
        np.save(file, found)


def sources(recipe: Recipe, parts: Parts, folder: Path) -> Sources:
    """Pairs in the order of the seed; margins and accuracies are gathered in one place."""
    section = recipe.objective
    terms = Terms(section.beta, section.label_smoothing, section.preference_loss, section.length_normalized)
    tally = Tally()

    def pairs(name: str, shuffle: bool) -> Preferences:
        place = folder / "tokens" / name
        reference = np.load(place / REFERENCE)
        file = token_file(place, parts.tokenizer)
        return Preferences(file, recipe.run.seed, terms, tally, reference=reference, shuffle=shuffle)

    valid = pairs("valid", False) if (folder / "tokens" / "valid").is_dir() else None
    return Sources(pairs("train", True), valid, tally.figures)
