"""What one step brings a request that writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from sibao.core.types import FinishReason
from sibao.engine import sampling
from sibao.engine.job import Piece
from sibao.engine.request import TokenScore


@dataclass
class Writing:
    """What one step brings a request: the tokens chosen so far, up to the first that was not guessed.

    ``row``: of the logits that the next token is chosen from; ``right``: guesses that were right.
    """

    piece: Piece
    row: int
    tokens: list[int] = field(default_factory=list)
    scores: list[TokenScore] = field(default_factory=list)
    reason: FinishReason | None = None
    error: str = ""
    right: int = 0
    on: bool = True

    def take(self, token: int | Exception | str, logits_V: Tensor) -> None:
        """Account for a chosen token, or for what went wrong."""
        job = self.piece.job
        if not isinstance(token, int):
            self.reason, self.error, self.on = "error", str(token), False
            return
        if token in job.request.stop_ids:
            self.reason, self.on = "stop", False
            return
        job.ids.append(token)
        self.tokens.append(token)
        if (wanted := job.request.sampling.logprobs) is not None:
            self.scores.append(sampling.token_score(logits_V, token, wanted))
        if job.answered == job.request.max_tokens:
            self.reason = "length"
        guessed = self.piece.guessed
        self.on = self.reason is None and self.right < len(guessed) and token == guessed[self.right]
        if self.on:
            self.right, self.row = self.right + 1, self.row + 1


def take_likeliest(writings: Sequence[Writing], logits_BV: Tensor) -> None:
    """All that a step brings those whose next token is the likeliest one, whatever came before: no more than one pass."""
    chosen = sampling.greedy(logits_BV) if writings else []
    for writing in writings:
        while writing.on:
            writing.take(chosen[writing.row], logits_BV[writing.row])
