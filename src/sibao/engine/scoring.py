"""Log-likelihood of given tokens: many sequences, batched by length, only the needed positions' logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from sibao.core.errors import BadInput, ContextOverflow
from sibao.engine.request import SequenceScore, check_ids
from sibao.nn.decoder import Decoder

BATCH_TOKENS = 2048
"""Tokens of one forward, padding included."""
LOGIT_BYTES = 64 << 20
"""Most memory that one piece of logits may take; with a vocabulary of 150,000 that is 111 positions at once."""


@torch.inference_mode()
def score_sequences(model: Decoder, sequences: Sequence[tuple[list[int], int]]) -> list[SequenceScore]:
    """Score ``ids[start:]`` given all tokens before each one.

    Args:
        sequences: (ids, start) with 1 <= start < len(ids): the first token has nothing before it.

    Returns:
        One result per sequence, in order, with ``len(ids) - start`` entries.

    Raises:
        BadInput: a start out of range or an id that the model does not know.
        ContextOverflow: more tokens than the model holds.
    """
    for number, (ids, start) in enumerate(sequences):
        _check(model, ids, start, f"sequence {number}")
    results: dict[int, SequenceScore] = {}
    for batch in _batches(sequences):
        for index, result in zip(batch, _score_batch(model, [sequences[i] for i in batch]), strict=True):
            results[index] = result
    return [results[i] for i in range(len(sequences))]


def _check(model: Decoder, ids: list[int], start: int, what: str) -> None:
    if not 1 <= start < len(ids):
        raise BadInput(
            f"{what}: start is {start} in {len(ids)} tokens, wanted 1 to {len(ids) - 1}",
            hint="put at least one token (for example BOS) before the tokens to score",
        )
    check_ids(ids, model.config.vocab_size, what)
    # the last token is only predicted, never read
    if len(ids) - 1 > model.config.max_position_embeddings:
        raise ContextOverflow(len(ids) - 1, model.config.max_position_embeddings, what=what)


def _batches(sequences: Sequence[tuple[list[int], int]]) -> Iterator[list[int]]:
    """Indices by falling length, as many as fit: the first batch is the largest, so memory fails early or never."""
    order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i][0]))
    batch: list[int] = []
    for index in order:
        longest = len(sequences[batch[0]][0]) if batch else 0
        if batch and (len(batch) + 1) * longest > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _score_batch(model: Decoder, batch: list[tuple[list[int], int]]) -> list[SequenceScore]:
    width = max(len(ids) for ids, _ in batch) - 1
    device = next(model.parameters()).device
    # Right padding is never seen: every query looks back only.
    rows = [ids[:-1] + [0] * (width - len(ids) + 1) for ids, _ in batch]
    hidden_BTD = model(torch.tensor(rows, device=device))
    hidden_ND = torch.cat([hidden_BTD[row, start - 1 : len(ids) - 1] for row, (ids, start) in enumerate(batch)])
    target_N = torch.tensor([token for ids, start in batch for token in ids[start:]], device=device)
    logprobs_N, greedy_N = _target_logprobs(model, hidden_ND, target_N)
    sizes = [len(ids) - start for ids, start in batch]
    return [
        SequenceScore(tuple(logprobs.tolist()), tuple(greedy.tolist()))
        for logprobs, greedy in zip(logprobs_N.split(sizes), greedy_N.split(sizes), strict=True)
    ]


def _target_logprobs(model: Decoder, hidden_ND: Tensor, target_N: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probability of each target and whether it is the most likely token, in pieces of bounded memory."""
    piece = max(1, LOGIT_BYTES // (4 * model.config.vocab_size))
    logprobs, greedy = [], []
    for hidden, target in zip(hidden_ND.split(piece), target_N.split(piece), strict=True):
        logits = model.logits(hidden)
        chosen = logits.gather(-1, target[:, None])[:, 0]
        logprobs.append(chosen - logits.logsumexp(-1))
        greedy.append(logits.argmax(-1) == target)
    return torch.cat(logprobs), torch.cat(greedy)
