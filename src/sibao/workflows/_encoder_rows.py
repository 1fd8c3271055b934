"""Rows of data files for the heads of encoders: what the two kinds of them, labels and answers in a passage, share."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from sibao.core.errors import ConfigError
from sibao.core.types import Row
from sibao.models._adapter_head import PARTS
from sibao.models.folder import family_of, load_network
from sibao.nn.encoder import Encoder
from sibao.nn.encoder_config import EncoderConfig, Head
from sibao.text.reading import framed
from sibao.text.tokenizer import Tokenizer
from sibao.training.labelled import LabelledRow, LabelledRows, write_rows
from sibao.training.recipe import Recipe
from sibao.workflows._examples import fits
from sibao.workflows._finetuning import Parts, Sources
from sibao.workflows._training_rows import TrainingRows

Make = Callable[[Row, str | None], Iterator[LabelledRow]]


def encoder(folder: Path, dtype: torch.dtype | None) -> Encoder:
    """The encoder in a folder.

    Raises:
        ConfigError: it holds another kind of network.
    """
    network = load_network(folder, dtype)
    if not isinstance(network, Encoder):
        raise ConfigError(
            f"{folder} holds a {type(network).__name__}; heads are trained on encoders", hint="name a BERT"
        )
    return network


def put_head(recipe: Recipe, parts: Parts, head: Head, labels: tuple[str, ...] = ()) -> None:
    """The head in place of the base model's; one that is the same already goes on from where it is.

    Beside an adapter the head's output is trained whole, and so is what the base model has not (a pooler, say); what it
    has is frozen, as in PEFT.

    Raises:
        ConfigError: the model is no encoder.
    """
    model = parts.model
    if not isinstance(model, Encoder):
        raise ConfigError(f"heads are trained on encoders, got a {type(model).__name__}", hint="name a BERT")
    before: EncoderConfig = model.config
    held = {part: getattr(model, part) for part in PARTS}
    if (before.head, before.labels) != (head, labels):
        shape = replace(before, head=head, labels=labels, multi_label=False)
        model.replace_head(family_of(parts.family).with_head(shape), recipe.run.seed)
    there = [part for part in PARTS if (made := getattr(model, part)) is not None and list(made.parameters())]
    parts.whole = tuple(part for part in there if part == "output" or getattr(model, part) is not held[part])


def write_all(recipe: Recipe, rows: dict[str, TrainingRows], make: Make, folder: Path, quiet: bool) -> None:
    """The rows of each part in a file of the run's folder; says how many were too long.

    Raises:
        DataError: a row that cannot be used, or is too long where that is an error.
    """
    counts: Counter[str] = Counter()

    def short(row: Row, task: str | None) -> Iterator[LabelledRow]:
        for one in make(row, task):
            if fits(len(one.ids), recipe.data.sequence_length, recipe.data.too_long):
                yield one
            else:
                counts["too long"] += 1

    for name, some in rows.items():
        write_rows(_file(folder, name), some.made(short, quiet=quiet))
    if counts["too long"] and not quiet:
        print(f"left out: {counts['too long']} rows longer than {recipe.data.sequence_length} tokens", file=sys.stderr)


def _file(folder: Path, name: str) -> Path:
    return folder / "rows" / f"{name}.npz"


def sources(recipe: Recipe, parts: Parts, folder: Path) -> Sources:
    """The files that ``write_all`` wrote, as what the loop reads."""
    seed, pad = recipe.run.seed, parts.tokenizer.pad_id
    train = LabelledRows(_file(folder, "train"), seed, pad)
    if not _file(folder, "valid").is_file():
        return Sources(train)
    return Sources(train, LabelledRows(_file(folder, "valid"), seed, pad, shuffle=False))


def text_row(tokenizer: Tokenizer, text: str, label: int) -> LabelledRow:
    """A text on its own, with its label's number."""
    ids = framed(tokenizer, tokenizer.encode(text))
    return LabelledRow(ids, [0] * len(ids), (label,))


def learning_rate(config: EncoderConfig) -> float:
    """A rate for all weights: 5e-5 at BERT's 768 (arXiv 1810.04805, appendix A.3), more for narrow models.

    Adapters take ten times that: 5e-4 at 768 (arXiv 2106.09685, table 9).
    """
    return min(5e-4, 0.04 / config.hidden_size)
