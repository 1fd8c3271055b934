"""Pretraining of an encoder: pieces of documents between ``[CLS]`` and ``[SEP]``, hidden tokens to guess."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from types import ModuleType

import torch

from sibao.core.errors import ConfigError
from sibao.nn.encoder import Encoder
from sibao.nn.network import Network
from sibao.text.masks import masked_ids
from sibao.text.pack import BATCH, Example
from sibao.text.reading import framed
from sibao.text.tokenizer import Tokenizer
from sibao.text.wordpiece import train_wordpiece
from sibao.text.words import word_starts
from sibao.training.batches import Batches, RowSource
from sibao.training.masking import MaskedRows, MaskRule
from sibao.training.objectives import masked
from sibao.training.recipe import Recipe
from sibao.workflows._pretraining import Files, Samples

OBJECTIVE: ModuleType = masked


def train_tokenizer(texts: Iterator[str], size: int) -> Tokenizer:
    """A WordPiece with ``[CLS]``, ``[SEP]`` and ``[MASK]``."""
    return train_wordpiece(texts, size, progress=False)


def check(recipe: Recipe, tokenizer: Tokenizer, model: Network) -> None:
    """An encoder with a vocabulary head, and a tokenizer with the control tokens."""
    if not isinstance(model, Encoder) or model.config.head != "masked":
        raise ConfigError(
            f"the objective masked trains encoders with a vocabulary head, the family {recipe.model.family!r} is none",
            hint='family = "bert" or "modernbert"',
        )
    names = {"[CLS]": tokenizer.cls_id, "[SEP]": tokenizer.sep_id, "[MASK]": tokenizer.mask_id}
    if missing := [name for name, number in names.items() if number is None]:
        raise ConfigError(
            f"the tokenizer of tokenizer.path has no {', '.join(missing)}",
            hint="leave tokenizer.path out, or name them in its tokenizer_config.json (cls_token, sep_token, mask_token)",
        )


def examples(recipe: Recipe, tokenizer: Tokenizer, texts: Iterator[str]) -> Iterator[Example]:
    """Pieces of documents that fit a row. With whole words the marks say where words begin."""
    room = recipe.data.sequence_length - 2
    first, last = tokenizer.cls_id or 0, tokenizer.sep_id or 0
    while batch := list(islice(texts, BATCH)):
        for text, (ids, offsets) in zip(batch, tokenizer.encode_offsets(batch), strict=True):
            marks = word_starts(text, offsets) if recipe.objective.whole_words else None
            for begin in range(0, len(ids), room):
                part = [first, *ids[begin : begin + room], last]
                if marks is None:
                    yield part, None
                else:
                    yield part, [1, 1, *marks[begin + 1 : begin + room], 1]


def sources(recipe: Recipe, tokenizer: Tokenizer, files: Files) -> tuple[RowSource, RowSource | None]:
    """Several pieces to a row, tokens hidden; validation always hides the same."""
    length, seed = recipe.data.sequence_length, recipe.run.seed
    control = tokenizer.special_ids | {tokenizer.pad_id}
    rule = MaskRule(tokenizer.mask_id or 0, control, tokenizer.vocab_size, recipe.objective.mask_probability)
    train = MaskedRows(Batches(files.train, length, seed, whole=True), rule, seed)
    if files.valid is None:
        return train, None
    return train, MaskedRows(Batches(files.valid, length, seed, whole=True, shuffle=False), rule, seed)


def samples(recipe: Recipe, model: Encoder, tokenizer: Tokenizer) -> Samples:
    """The prompts with each ``[MASK]`` filled by the likeliest token.

    Raises:
        BadInput: a prompt without a mask. ConfigError: a prompt that the model does not hold.
    """
    rows = [framed(tokenizer, masked_ids(tokenizer, prompt)) for prompt in recipe.run.samples]
    if any(len(row) > model.config.max_position_embeddings for row in rows):
        raise ConfigError("run.samples holds a prompt longer than the model", hint="shorten it")

    def sample() -> tuple[str, ...]:
        out = []
        for row in rows:
            ids = torch.tensor([row])
            with torch.no_grad():
                best = model.logits(model(ids)).argmax(dim=-1)
            filled = torch.where(ids.eq(tokenizer.mask_id or 0), best, ids)[0, 1:-1]
            out.append(tokenizer.decode(filled.tolist(), skip_special=False))
        return tuple(out)

    return sample
