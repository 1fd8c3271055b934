"""Fine-tuning of an encoder-decoder: every row's target is learned as the answer to the source that will be asked."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import torch

from sibao.core.errors import ConfigError
from sibao.models.folder import load_network
from sibao.nn.seq2seq import Seq2Seq
from sibao.training.objectives import seq2seq
from sibao.training.pairs import PairRows
from sibao.training.recipe import Recipe
from sibao.workflows._finetuning import Parts, Sources, token_file
from sibao.workflows._pairs import ids_of, pack_pairs, prefixes_of, read_notes

OBJECTIVE: ModuleType = seq2seq
PEFT_TASK = "SEQ_2_SEQ_LM"


def load(folder: Path, dtype: torch.dtype | None) -> Seq2Seq:
    """The encoder-decoder in a folder, with what the folder says about generating.

    Raises:
        ConfigError: another kind of network lies there. ModelError: it cannot be read.
    """
    model = load_network(folder, dtype)
    if not isinstance(model, Seq2Seq):
        raise ConfigError(
            f"{folder} holds a {type(model).__name__}, the objective seq2seq trains encoder-decoders",
            hint='objective.name = "sft" trains decoders',
        )
    read_notes(folder, model)
    return model


def prepare(recipe: Recipe, parts: Parts, folder: Path, quiet: bool) -> None:
    """Token files of the training and validation rows."""
    pack_pairs(recipe, parts.tokenizer, prefixes_of(_model(parts), parts.family), folder, quiet)


def sources(recipe: Recipe, parts: Parts, folder: Path) -> Sources:
    """Pairs of like length to a step; validation in the order of its file, without label smoothing."""
    ids, run = ids_of(_model(parts)), recipe.run
    smoothing = recipe.objective.label_smoothing
    files = [token_file(path, parts.tokenizer) if path.is_dir() else None for path in _folders(folder)]
    if files[0] is None:
        raise ConfigError(f"{folder} holds no token files", hint="start a new run")
    train = PairRows(files[0], ids, run.seed, group=run.rows, smoothing=smoothing)
    return Sources(train, None if files[1] is None else PairRows(files[1], ids, run.seed, group=0))


def _folders(folder: Path) -> tuple[Path, Path]:
    return folder / "tokens" / "train", folder / "tokens" / "valid"


def _model(parts: Parts) -> Seq2Seq:
    if not isinstance(parts.model, Seq2Seq):
        raise ConfigError(f"a {type(parts.model).__name__} is no encoder-decoder", hint='objective.name = "sft"')
    return parts.model
