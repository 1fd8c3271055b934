"""Fine-tuning on texts that are wanted: every row's target is learned, under the prompt that will be asked."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from sibao.models.folder import load_model
from sibao.text.pack import PackWriter
from sibao.training.batches import Batches
from sibao.training.objectives import sft
from sibao.training.recipe import Recipe
from sibao.workflows._examples import Examples
from sibao.workflows._finetuning import Parts, Sources, token_file
from sibao.workflows._training_rows import splits

OBJECTIVE: ModuleType = sft
PEFT_TASK = "CAUSAL_LM"
load = load_model


def prepare(recipe: Recipe, parts: Parts, folder: Path, quiet: bool) -> None:
    """Token files of the training and validation rows."""
    for name, rows in splits(recipe, quiet=quiet).items():
        examples = Examples(parts.tokenizer, rows, recipe.data.sequence_length, recipe.data.too_long)
        target = folder / "tokens" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        PackWriter(target, parts.tokenizer).write(examples.rendered(quiet=quiet))


def sources(recipe: Recipe, parts: Parts, folder: Path) -> Sources:
    """Whole examples, several to a row."""
    length, seed = recipe.data.sequence_length, recipe.run.seed
    train = Batches(token_file(folder / "tokens" / "train", parts.tokenizer), length, seed, whole=sft.WHOLE_DOCUMENTS)
    held = folder / "tokens" / "valid"
    if not held.is_dir():
        return Sources(train)
    return Sources(train, Batches(token_file(held, parts.tokenizer), length, seed, whole=True, shuffle=False))
