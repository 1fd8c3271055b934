"""Log-likelihood of given answers to given sources."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sibao.core.errors import BadInput, ContextOverflow
from sibao.engine.request import SequenceScore, check_ids
from sibao.engine.steps import padded
from sibao.nn.seq2seq import Seq2Seq

BATCH_TOKENS = 2048
"""Tokens of one forward, padding included."""


def check_source(model: Seq2Seq, ids: Sequence[int], what: str) -> None:
    """Refuse a source that the model cannot read.

    Raises:
        BadInput: it is empty, or holds an id that the model does not know.
        ContextOverflow: it is longer than the encoder's positions.
    """
    if not ids:
        raise BadInput(f"{what} has no token", hint="give some text")
    check_ids(ids, model.config.vocab_size, what)
    if len(ids) > model.config.max_position_embeddings:
        raise ContextOverflow(len(ids), model.config.max_position_embeddings, what=what)


def groups(sizes: Sequence[int], most: int = BATCH_TOKENS, rows: int = 32) -> list[list[int]]:
    """Numbers of rows that go through the model together, longest first, so that memory fails early or never."""
    out: list[list[int]] = []
    for number in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        if not out or len(out[-1]) == rows or (len(out[-1]) + 1) * sizes[out[-1][0]] > most:
            out.append([])
        out[-1].append(number)
    return out


@torch.inference_mode()
def score_pairs(model: Seq2Seq, pairs: Sequence[tuple[list[int], list[int]]]) -> list[SequenceScore]:
    """Score each answer's tokens given its source and the tokens before.

    Raises:
        BadInput, ContextOverflow: as ``check_source``, for sources and answers.
    """
    for number, (source, answer) in enumerate(pairs):
        check_source(model, source, f"source {number}")
        if not answer:
            raise BadInput(f"answer {number} has no token to score")
        check_ids(answer, model.config.decoder_vocab_size, f"answer {number}")
        if len(answer) > model.config.max_position_embeddings:
            raise ContextOverflow(len(answer), model.config.max_position_embeddings, what=f"answer {number}")
    results: dict[int, SequenceScore] = {}
    for numbers in groups([len(source) + len(answer) for source, answer in pairs]):
        found = _score(model, [pairs[i][0] for i in numbers], [pairs[i][1] for i in numbers])
        results |= dict(zip(numbers, found, strict=True))
    return [results[i] for i in range(len(pairs))]


def _score(model: Seq2Seq, sources: list[list[int]], answers: list[list[int]]) -> list[SequenceScore]:
    config, device = model.config, model.lm_head.weight.device
    source, mask = padded(sources, config.pad_token_id, device)
    read = [[config.decoder_start_token_id, *answer[:-1]] for answer in answers]
    target, _ = padded(answers, 0, device)
    logits = model.logits(model(source, mask, padded(read, 0, device)[0]))
    logprobs = logits.log_softmax(-1).gather(-1, target[:, :, None])[:, :, 0]
    greedy = logits.argmax(-1) == target
    return [
        SequenceScore(tuple(logprobs[row, : len(answer)].tolist()), tuple(greedy[row, : len(answer)].tolist()))
        for row, answer in enumerate(answers)
    ]
