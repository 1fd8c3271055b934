"""Training of encoder-decoders, from random weights or further: rows of data files → sources and answers, and folders."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from sibao.core.errors import ConfigError, DataError
from sibao.core.paths import write_text
from sibao.core.types import Row
from sibao.models.folder import save_model
from sibao.models.weights import read_json
from sibao.nn.network import Network
from sibao.nn.seq2seq import Seq2Seq
from sibao.tasks.base import load_task
from sibao.text.pack import PackWriter
from sibao.text.rows import kind_of
from sibao.text.tokenizer import Tokenizer
from sibao.training.pairs import Ids
from sibao.training.recipe import Recipe
from sibao.workflows._examples import TASK_OF, TEXT, fits
from sibao.workflows._training_rows import splits

PREFIXES = {
    "summarization": "summarize: ", "translation_en_to_zh": "translate English to Chinese: ",
    "translation_zh_to_en": "translate Chinese to English: ",
}  # fmt: skip
"""What tells a T5 the work to do where its folder does not say (arXiv 1910.10683, appendix D)."""
BEAMS = 4
"""Beams of a finished model, as Vaswani et al. and T5 use."""


@dataclass
class PairExamples:
    """Rows rendered as the tasks' sources and targets. ``length`` bounds each of the two."""

    tokenizer: Tokenizer
    prefixes: dict[str, str]
    length: int
    too_long: Literal["error", "skip"]
    counts: Counter[str] = field(default_factory=Counter)

    def of(self, row: Row, task: str | None) -> Iterator[tuple[list[int], list[int]]]:
        """Token ids of source and answer, and 1 for each of the answer's."""
        name = task or TASK_OF.get(kind_of(row))
        if name is None or name == TEXT:
            raise DataError("the row has no source and target", hint='objective.name = "span_corruption" learns text')
        found = load_task(name)
        for inputs, target in found.training_pairs(row):
            source = self.tokenizer.encode_source(self.prefixes.get(found.kind(inputs), "") + found.source(inputs))
            answer = [*self.tokenizer.encode_target(target), self.tokenizer.eos_ids[0]]
            if fits(max(len(source), len(answer)), self.length, self.too_long):
                self.counts[name] += 1
                yield [*source, *answer], [0] * len(source) + [1] * len(answer)
            else:
                self.counts["too long"] += 1


def pack_pairs(recipe: Recipe, tokenizer: Tokenizer, prefixes: dict[str, str], folder: Path, quiet: bool) -> None:
    """Token files of the training and validation rows.

    Raises:
        DataError: a row without a source and a target, or too long where that is an error.
    """
    for name, rows in splits(recipe, quiet=quiet).items():
        examples = PairExamples(tokenizer, prefixes, recipe.data.sequence_length, recipe.data.too_long)
        target = folder / "tokens" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        PackWriter(target, tokenizer).write(rows.made(examples.of, quiet=quiet))
        if examples.counts["too long"] and not quiet:
            left = examples.counts["too long"]
            print(
                f"left out: {left} pairs with a side longer than {recipe.data.sequence_length} tokens", file=sys.stderr
            )


def check_pairs(recipe: Recipe, tokenizer: Tokenizer, model: Network) -> None:
    """Only encoder-decoders answer sources, and they end where their tokenizer does.

    Raises:
        ConfigError: the network is none, or its ids are not the tokenizer's.
    """
    if not isinstance(model, Seq2Seq):
        raise ConfigError(
            f"the family {recipe.model.family!r} is no encoder-decoder; the objective {recipe.objective.name} trains those",
            hint='family = "t5" or "marian"',
        )
    end = model.config.eos_token_id
    if end not in tokenizer.eos_ids:
        raise ConfigError(
            f"eos_token_id is {end}, the tokenizer's end token is {list(tokenizer.eos_ids)}", hint="leave it out"
        )


def ids_of(model: Seq2Seq) -> Ids:
    """What a batch for this model needs."""
    return Ids(model.config.pad_token_id, model.config.decoder_start_token_id, model.config.eos_token_id)


def prefixes_of(model: Seq2Seq, family: str) -> dict[str, str]:
    """Words before the sources, by kind of work: what the model's folder says, else T5's own."""
    said = {kind: one["prefix"] for kind, one in model.notes.get("task_specific_params", {}).items() if "prefix" in one}
    return {**PREFIXES, **said} if family in ("t5", "mt5") else said


def read_notes(folder: Path, model: Seq2Seq) -> None:
    """Keep what a folder says about generating and prefixes, for the folder that is written after training."""
    params = read_json(folder / "config.json").get("task_specific_params") or {}
    model.notes = {"task_specific_params": {k: v for k, v in params.items() if isinstance(v, dict)}}
    if (folder / "generation_config.json").is_file():
        model.notes["generation"] = read_json(folder / "generation_config.json")


def write_pairs(
    model: Seq2Seq, tokenizer: Tokenizer, family: str, folder: Path, dtype: torch.dtype | None = None
) -> None:
    """A complete Hugging Face folder of an encoder-decoder."""
    params: dict[str, Any] = dict(model.notes.get("task_specific_params", {}))
    for kind, prefix in prefixes_of(model, family).items():
        params[kind] = {**params.get(kind, {}), "prefix": prefix}
    save_model(model, folder, family, dtype=dtype, extra={"task_specific_params": params} if params else None)
    tokenizer.save(folder)
    config = model.config
    generation = model.notes.get("generation") or {
        "pad_token_id": config.pad_token_id, "eos_token_id": config.eos_token_id, "num_beams": BEAMS,
        "decoder_start_token_id": config.decoder_start_token_id, "max_length": config.max_position_embeddings,
        "bad_words_ids": [[config.pad_token_id]],
    }  # fmt: skip
    write_text(folder / "generation_config.json", json.dumps(generation, indent=2) + "\n")
