"""Pretraining of an encoder-decoder on text: spans are cut out, and the model says what they were."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from sibao.core.errors import ConfigError
from sibao.nn.network import Network
from sibao.text.pack import Example, document_examples
from sibao.text.sentinels import SENTINELS, sentinel_ids, train_source_target
from sibao.text.tokenizer import Tokenizer
from sibao.training.batches import Batches, RowSource
from sibao.training.objectives import span_corruption
from sibao.training.pairs import Ids
from sibao.training.recipe import Recipe
from sibao.training.spans import SpanRows, SpanRule
from sibao.workflows._pairs import check_pairs
from sibao.workflows._pretrain_seq2seq import samples as samples
from sibao.workflows._pretraining import Files

OBJECTIVE: ModuleType = span_corruption


def train_tokenizer(texts: Iterator[str], size: int) -> Tokenizer:
    """A byte-level BPE with T5's sentinels."""
    return train_source_target(texts, size, sentinels=SENTINELS)


def check(recipe: Recipe, tokenizer: Tokenizer, model: Network) -> None:
    """An encoder-decoder, and enough sentinels.

    Raises:
        ConfigError: one of them is missing.
    """
    check_pairs(recipe, tokenizer, model)
    if not sentinel_ids(tokenizer):
        raise ConfigError(
            "the tokenizer of tokenizer.path has no sentinels <extra_id_0>, <extra_id_1> …",
            hint="leave tokenizer.path out, or name a T5's folder",
        )
    _rule(recipe, tokenizer).raw_length(recipe.data.sequence_length)


def examples(recipe: Recipe, tokenizer: Tokenizer, texts: Iterator[str]) -> Iterator[Example]:
    """Whole documents between two end tokens."""
    return document_examples(tokenizer, texts)


def sources(recipe: Recipe, tokenizer: Tokenizer, files: Files) -> tuple[RowSource, RowSource | None]:
    """Text without gaps, cut so that the sources are ``sequence_length`` tokens long."""
    rule, seed = _rule(recipe, tokenizer), recipe.run.seed
    length = rule.raw_length(recipe.data.sequence_length)
    texts = Batches(files.train, length, seed, whole=span_corruption.WHOLE_DOCUMENTS)
    texts.epoch_rows()  # too little text is refused here, before the first step
    train = SpanRows(texts, rule, seed)
    if files.valid is None:
        return train, None
    return train, SpanRows(Batches(files.valid, length, seed, whole=False, shuffle=False), rule, seed)


def _rule(recipe: Recipe, tokenizer: Tokenizer) -> SpanRule:
    ids = Ids(tokenizer.pad_id, tokenizer.pad_id, tokenizer.eos_ids[0])
    objective = recipe.objective
    return SpanRule(objective.noise_density, objective.mean_span, sentinel_ids(tokenizer), ids)
