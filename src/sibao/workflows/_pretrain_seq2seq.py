"""Pretraining of an encoder-decoder on pairs: a translator from random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from sibao.core.types import GenerateOptions, Sampling
from sibao.nn.network import Network
from sibao.nn.seq2seq import Seq2Seq
from sibao.text.pack import Example
from sibao.text.sentinels import train_source_target
from sibao.text.tokenizer import Tokenizer
from sibao.training.batches import RowSource
from sibao.training.objectives import seq2seq
from sibao.training.pairs import Ids, PairRows
from sibao.training.recipe import Recipe
from sibao.workflows._pairs import PREFIXES, check_pairs, pack_pairs
from sibao.workflows._pretraining import Files, Samples

OBJECTIVE: ModuleType = seq2seq
check = check_pairs


def train_tokenizer(texts: Iterator[str], size: int) -> Tokenizer:
    """A byte-level BPE that both sides share."""
    return train_source_target(texts, size)


def pack(recipe: Recipe, tokenizer: Tokenizer, folder: Path) -> None:
    """Pairs, rendered by the tasks, instead of documents."""
    pack_pairs(recipe, tokenizer, PREFIXES if recipe.model.family in ("t5", "mt5") else {}, folder, quiet=True)


def examples(recipe: Recipe, tokenizer: Tokenizer, texts: Iterator[str]) -> Iterator[Example]:
    """Documents are no pairs; ``pack`` reads the rows themselves."""
    raise TypeError("pairs are packed from rows")


def sources(recipe: Recipe, tokenizer: Tokenizer, files: Files) -> tuple[RowSource, RowSource | None]:
    """Pairs of like length to a step; validation in the order of its file, without label smoothing."""
    ids, run = Ids(tokenizer.pad_id, tokenizer.pad_id, tokenizer.eos_ids[0]), recipe.run
    train = PairRows(files.train, ids, run.seed, group=run.rows, smoothing=recipe.objective.label_smoothing)
    return train, None if files.valid is None else PairRows(files.valid, ids, run.seed, group=0)


def samples(recipe: Recipe, model: Network, tokenizer: Tokenizer) -> Samples:
    """The model's answers to the recipe's prompts."""
    from sibao.core.types import SourceForm
    from sibao.engine.build import build
    from sibao.providers._generation import Defaults
    from sibao.providers._seq2seq import Known, Seq2SeqModel

    def sample() -> tuple[str, ...]:
        if not isinstance(model, Seq2Seq):
            return ()
        known = Known(Defaults((model.config.eos_token_id,)), SourceForm())
        answers = Seq2SeqModel(recipe.run.name, build(model), tokenizer, known).generate(
            list(recipe.run.samples), GenerateOptions(min(40, model.config.max_position_embeddings), Sampling())
        )
        return tuple(f"{prompt} → {answer.text}" for prompt, answer in zip(recipe.run.samples, answers, strict=True))

    return sample
