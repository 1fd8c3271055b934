"""What an objective of fine-tuning brings: the files of an objective's name (``_finetune_<objective>.py``) are such kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Protocol

import torch

from sibao.core.errors import ConfigError
from sibao.nn.network import Network
from sibao.text.pack import TokenFile, tokenizer_hash
from sibao.text.tokenizer import Tokenizer
from sibao.training.batches import RowSource
from sibao.training.recipe import Recipe


@dataclass
class Parts:
    """What a run is made of, in memory. ``prepare`` of a kind may put another ``model`` there (with a head, say), and name
    the parts of it that are trained ``whole`` beside an adapter."""

    model: Network
    family: str
    tokenizer: Tokenizer
    whole: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sources:
    """What the loop reads. ``figures`` gives what the objective measured since it was last asked, for the log."""

    train: RowSource
    valid: RowSource | None = None
    figures: Callable[[], dict[str, float]] = dict


class Kind(Protocol):
    """A module that prepares rows for one objective."""

    OBJECTIVE: ModuleType
    """The module of ``training.objectives``."""
    PEFT_TASK: str
    """PEFT's word for what a model with this adapter does."""

    @property
    def load(self) -> Callable[[Path, torch.dtype | None], Network]:
        """The network in a folder: the base model's, or a checkpoint of this run."""
        ...

    @property
    def prepare(self) -> Callable[[Recipe, Parts, Path, bool], None]:
        """Rows to files in the run's folder, before anything is added to the model; the last argument: say nothing."""
        ...

    @property
    def sources(self) -> Callable[[Recipe, Parts, Path], Sources]:
        """These files as what the loop reads; the same for a new and a resumed run."""
        ...


def token_file(folder: Path, tokenizer: Tokenizer) -> TokenFile:
    """A token folder of the run.

    Raises:
        ConfigError: it was made with another tokenizer than the model's.
    """
    file = TokenFile(folder)
    if file.meta.tokenizer != tokenizer_hash(tokenizer):
        raise ConfigError("the token files were made with another tokenizer than the model's", hint="start a new run")
    return file
