"""How a text is searched for, and what changes the scores on the way: the rules of Transformers' ``generate``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sibao.core.errors import BadInput
from sibao.engine.filters import NEVER


def check_best(wanted: int, beams: int) -> None:
    """Refuse more texts than a search holds.

    Raises:
        BadInput: so, or fewer than one.
    """
    if not 1 <= wanted <= beams:
        raise BadInput(
            f"num_return_sequences is {wanted}, wanted 1 to num_beams, which is {beams}",
            hint="follow more beams, or ask for fewer texts",
        )


@dataclass(frozen=True)
class Search:
    """Settings of one search.

    Args:
        max_tokens: at most this many new tokens, the end included.
        eos_ids: tokens that end a text.
        length_penalty: a finished text's score is its log-probability divided by its length to this power.
        early_stopping: True ends when ``beams`` texts are finished; False when none of the running ones could do better
            at its present length; "never" when none could at any length.
        forced_eos: the token that the last place must hold.
        bad_words: sequences that may not be written.
        no_repeat_ngram: no sequence of so many tokens may be written twice; 0 is off.
        min_tokens: no end before so many new tokens.
        renormalize: make the changed scores log-probabilities again.
        best: how many of the best texts are told.

    Raises:
        BadInput: a setting out of range.
    """

    max_tokens: int = 128
    eos_ids: tuple[int, ...] = ()
    beams: int = 1
    length_penalty: float = 1.0
    early_stopping: bool | Literal["never"] = False
    repetition_penalty: float = 1.0
    forced_eos: int | None = None
    bad_words: tuple[tuple[int, ...], ...] = ()
    no_repeat_ngram: int = 0
    min_tokens: int = 0
    renormalize: bool = False
    best: int = 1

    def __post_init__(self) -> None:
        for name, least in (("max_tokens", 1), ("beams", 1), ("no_repeat_ngram", 0)):
            if getattr(self, name) < least:
                raise BadInput(f"{name} is {getattr(self, name)}, wanted {least} or more")
        check_best(self.best, self.beams)

    @property
    def plain(self) -> bool:
        """Whether ``changed`` changes nothing."""
        s = self
        return s == Search(s.max_tokens, s.eos_ids, s.beams, s.length_penalty, s.early_stopping, best=s.best)

    def processor(self, before: int) -> Callable[[list[int], Tensor], Tensor]:
        """The same as a ``Processor`` of a request that is not searched. ``before``: tokens of its prompt."""
        return lambda ids, logits_V: self.changed(logits_V[None], [ids], len(ids) - before)[0]

    def changed(self, scores_NV: Tensor, texts: Sequence[Sequence[int]], new: int) -> Tensor:
        """The scores of the next token after everything but chance, in Transformers' order.

        Args:
            texts: what stands before each next token, the prompt (or start token) included.
            new: how many tokens of each text are new.
        """
        if self.repetition_penalty != 1.0:
            scores_NV = self._penalised(scores_NV, texts)
        banned = [(row, token) for row, text in enumerate(texts) for token in self._banned(text)]
        if new < self.min_tokens:
            banned += [(row, end) for row in range(len(texts)) for end in self.eos_ids]
        if banned:
            rows, tokens = torch.tensor(banned, device=scores_NV.device).unbind(1)
            scores_NV = scores_NV.index_put((rows, tokens), torch.tensor(NEVER, device=scores_NV.device))
        if self.forced_eos is not None and new == self.max_tokens - 1:
            scores_NV = torch.full_like(scores_NV, NEVER)
            scores_NV[:, self.forced_eos] = 0.0
        return scores_NV.log_softmax(-1) if self.renormalize else scores_NV

    def _penalised(self, scores_NV: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
        """CTRL's penalty (arXiv 1909.05858, section 4.1) on whatever scores there are, log-probabilities too."""
        seen = torch.zeros_like(scores_NV, dtype=torch.bool)
        for row, text in enumerate(texts):
            seen[row, list(text)] = True
        factor = torch.where(scores_NV < 0, self.repetition_penalty, 1 / self.repetition_penalty)
        return torch.where(seen, scores_NV * factor, scores_NV)

    def _banned(self, text: Sequence[int]) -> list[int]:
        """Tokens that may not come next."""
        out = [
            word[-1]
            for word in self.bad_words
            if len(word) <= len(text) + 1 and list(text[len(text) - len(word) + 1 :]) == list(word[:-1])
            if len(word) > 1 or word[0] not in self.eos_ids
        ]
        size = self.no_repeat_ngram
        if size and len(text) + 1 >= size:
            last = list(text[len(text) - size + 1 :])
            out += [text[i + size - 1] for i in range(len(text) - size + 1) if list(text[i : i + size - 1]) == last]
        return out
