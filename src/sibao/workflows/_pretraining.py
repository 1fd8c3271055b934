"""What an objective of pretraining brings: the files ``_pretrain_<objective>.py`` are such kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

from sibao.nn.network import Network
from sibao.text.pack import Example, TokenFile
from sibao.text.tokenizer import Tokenizer
from sibao.training.batches import RowSource
from sibao.training.recipe import Recipe

Samples = Callable[[], tuple[str, ...]]


@dataclass(frozen=True)
class Files:
    """The token files of a run."""

    train: TokenFile
    valid: TokenFile | None = None


class Kind(Protocol):
    """A module that prepares text for one objective."""

    OBJECTIVE: ModuleType
    """The module of ``training.objectives``."""

    @property
    def train_tokenizer(self) -> Callable[[Iterator[str], int], Tokenizer]:
        """A tokenizer of so many entries with the control tokens that the objective needs."""
        ...

    @property
    def check(self) -> Callable[[Recipe, Tokenizer, Network], None]:
        """Raises ConfigError where the network or the tokenizer cannot do this."""
        ...

    @property
    def examples(self) -> Callable[[Recipe, Tokenizer, Iterator[str]], Iterator[Example]]:
        """What goes into a token file."""
        ...

    @property
    def sources(self) -> Callable[[Recipe, Tokenizer, Files], tuple[RowSource, RowSource | None]]:
        """What the loop reads: rows to train on, and rows to validate on."""
        ...

    @property
    def samples(self) -> Callable[[Recipe, Any, Tokenizer], Samples]:
        """What the model makes of the recipe's prompts, for reading during the run."""
        ...
