"""Pretraining of a decoder: documents one after the other, the next token everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from sibao.core.errors import ConfigError
from sibao.nn.decoder import Decoder
from sibao.nn.network import Network
from sibao.text.pack import Example, document_examples
from sibao.text.tokenizer import Tokenizer, train_bpe
from sibao.training.batches import Batches, RowSource
from sibao.training.objectives import causal
from sibao.training.recipe import Recipe
from sibao.workflows._pretraining import Files, Samples

OBJECTIVE: ModuleType = causal


def train_tokenizer(texts: Iterator[str], size: int) -> Tokenizer:
    """A byte-level BPE."""
    return train_bpe(texts, size, progress=False)


def check(recipe: Recipe, tokenizer: Tokenizer, model: Network) -> None:
    """Only decoders predict what comes next."""
    if not isinstance(model, Decoder):
        raise ConfigError(
            f"the family {recipe.model.family!r} is no decoder; the objective causal trains decoders",
            hint='objective.name = "masked" trains encoders',
        )


def examples(recipe: Recipe, tokenizer: Tokenizer, texts: Iterator[str]) -> Iterator[Example]:
    """Whole documents between two ends of text."""
    return document_examples(tokenizer, texts)


def sources(recipe: Recipe, tokenizer: Tokenizer, files: Files) -> tuple[RowSource, RowSource | None]:
    """Rows without gaps; the last rows of the validation text are padded, so that every target is there."""
    length, seed = recipe.data.sequence_length, recipe.run.seed
    train = Batches(files.train, length, seed, whole=causal.WHOLE_DOCUMENTS)
    train.epoch_rows()  # too little text is refused here, before the first step
    if files.valid is None:
        return train, None
    return train, Batches(files.valid, length, seed, whole=False, shuffle=False)


def samples(recipe: Recipe, model: Decoder, tokenizer: Tokenizer) -> Samples:
    """The prompts continued greedily."""
    from sibao.core.types import Sampling
    from sibao.engine.build import build
    from sibao.engine.request import Request

    def sample() -> tuple[str, ...]:
        out = []
        engine = build(model, kernels=False)
        for i, prompt in enumerate(recipe.run.samples):
            ids = [tokenizer.document_id, *tokenizer.encode(prompt)]
            ends = frozenset({*tokenizer.eos_ids, tokenizer.document_id})
            request = Request(str(i), ids, Sampling(), ends, 40)
            tokens = [t for event in engine.submit(request) for t in event.token_ids]
            out.append(prompt + tokenizer.decode(tokens))
        return tuple(out)

    return sample
