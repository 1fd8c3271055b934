"""Log-likelihood of given tokens: what may be asked, and probabilities from hidden states in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sibao.core.errors import BadInput, ContextOverflow
from sibao.engine.request import check_ids
from sibao.engine.runner import Runner
from sibao.nn.config import DecoderConfig

LOGIT_BYTES = 64 << 20
"""Most memory that one piece of logits may take; with a vocabulary of 150,000 that is 111 positions at once."""


def check_sequences(sequences: Sequence[tuple[list[int], int]], config: DecoderConfig) -> None:
    """Refuse what cannot be scored.

    Args:
        sequences: (ids, start): ``ids[start:]`` is to be scored.

    Raises:
        BadInput: a start out of range or an id that the model does not know.
        ContextOverflow: more tokens than the model holds.
    """
    for number, (ids, start) in enumerate(sequences):
        if not 1 <= start < len(ids):
            raise BadInput(
                f"sequence {number}: start is {start} in {len(ids)} tokens, wanted 1 to {len(ids) - 1}",
                hint="put at least one token (for example BOS) before the tokens to score",
            )
        check_ids(ids, config.vocab_size, f"sequence {number}")
        # the last token is only predicted, never read
        if len(ids) - 1 > config.max_position_embeddings:
            raise ContextOverflow(len(ids) - 1, config.max_position_embeddings, what=f"sequence {number}")


def likelihoods(runner: Runner, hidden_ND: Tensor, targets: Sequence[int]) -> tuple[list[float], list[bool]]:
    """Natural-log probability of each target after its hidden state, and whether it is the most likely token."""
    target_N = torch.tensor(targets, device=hidden_ND.device)
    piece = max(1, LOGIT_BYTES // (4 * runner.config.vocab_size))
    logprobs: list[float] = []
    greedy: list[bool] = []
    for hidden, target in zip(hidden_ND.split(piece), target_N.split(piece), strict=True):
        logits = runner.head(hidden)
        chosen = logits.gather(-1, target[:, None])[:, 0]
        logprobs += (chosen - logits.logsumexp(-1)).tolist()
        greedy += (logits.argmax(-1) == target).tolist()
    return logprobs, greedy
