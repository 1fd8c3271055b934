"""Log-likelihoods under an encoder-decoder: the encoder reads the context, the decoder is taught the continuation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from sibao.core.errors import BadInput, ContextOverflow
from sibao.core.types import Prompt, Scored
from sibao.providers._transformers_engine import target_scores

BATCH = 16


def score(model: Any, pairs: Sequence[tuple[Prompt, str]]) -> list[Scored]:
    """Log-likelihood of each continuation under a ``TransformersModel``, its end token not counted (as for a decoder).

    Raises:
        BadInput: a continuation without a token. ContextOverflow: a side that does not fit.
    """
    rows = [(model.encode(context), _target(model, text)) for context, text in pairs]
    for read, said in rows:
        if max(len(read), len(said)) > model.context:
            raise ContextOverflow(max(len(read), len(said)), model.context, what="context or continuation")
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i][0]))
    found: dict[int, Scored] = {}
    for begin in range(0, len(order), BATCH):
        batch = order[begin : begin + BATCH]
        found |= zip(batch, _batch(model.engine.model, [rows[i] for i in batch]), strict=True)
    return [found[i] for i in range(len(rows))]


def _target(model: Any, text: str) -> list[int]:
    """Ids of the continuation; a tokenizer of two languages has another vocabulary for what is written."""
    theirs = getattr(model.tokenizer, "theirs", None)
    if theirs is not None:
        ids: list[int] = theirs(text_target=text, add_special_tokens=False)["input_ids"]
    else:
        ids = model.tokenizer.encode(text)
    if not ids:
        raise BadInput(f"the continuation {text!r} has no token of its own", hint="give some text to score")
    return ids


@torch.inference_mode()
def _batch(network: Any, rows: list[tuple[list[int], list[int]]]) -> list[Scored]:
    start = network.generation_config.decoder_start_token_id or 0
    wide, deep = max(len(read) for read, _ in rows), max(len(said) for _, said in rows)
    inputs = {
        "input_ids": [read + [0] * (wide - len(read)) for read, _ in rows],
        "attention_mask": [[1] * len(read) + [0] * (wide - len(read)) for read, _ in rows],
        "decoder_input_ids": [[start, *said[:-1]] + [0] * (deep - len(said)) for _, said in rows],
    }
    logits_BTV = network(**{k: torch.tensor(v, device=network.device) for k, v in inputs.items()}).logits
    found = [target_scores(logits_BTV[i, : len(said)], said) for i, (_, said) in enumerate(rows)]
    return [Scored(sum(s.logprobs), len(s.logprobs), all(s.greedy)) for s in found]
