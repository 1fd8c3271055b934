"""A prompt that is repeated before its answer, and log-probabilities with the place in the text that each token has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sibao.core.errors import BadInput
from sibao.core.types import TokenLogprob
from sibao.providers._answers import Answer
from sibao.providers.local import LocalModel
from sibao.server._openai_completions_form import TextLogprobs
from sibao.server.desk import Asked
from sibao.text.detokenize import StreamDecoder


def text_of(model: Any, prompt: Asked, ids: Sequence[int] = ()) -> str:
    """The text that a prompt repeats. ``ids``: its tokens, where it is none itself.

    Raises:
        BadInput: tokens for a model whose tokens are not known here.
    """
    if isinstance(prompt, str):
        return prompt
    if not isinstance(model, LocalModel):
        raise BadInput(f"{model.name} takes text, not tokens", hint="send the prompt as text")
    return model.tokenizer.decode([token for token in prompt if isinstance(token, int)])


@dataclass
class Table:
    """Log-probabilities of one answer's tokens, in OpenAI's columns. ``place``: characters of text before the next token."""

    wanted: int
    place: int = 0

    def __post_init__(self) -> None:
        self.rows = TextLogprobs(tokens=[], token_logprobs=[], top_logprobs=[] if self.wanted else None, text_offset=[])

    def prompt(self, answer: Answer, text: str) -> None:
        """The prompt's tokens, which stand before all others."""
        ids, scored = answer.request.prompt_ids, answer.scored
        known = () if scored is None else scored.logprobs
        tops = ((),) * len(ids) if scored is None else ((), *scored.tops)
        decoder = StreamDecoder(answer.decoder.tokenizer)
        for number, token in enumerate(ids):
            top = None if number == 0 else {answer.word(t): p for t, p in reversed(tops[number])}
            score = known[number - 1] if number else None
            self._add(answer.word(token), score, top, min(decoder.characters, len(text)))
            decoder.push([token])
        self.place = len(text)

    def lone(self, model: Any, prompt: Asked) -> None:
        """A prompt of one token."""
        token = model.tokenizer.decode(list(prompt), skip_special=False)
        self._add(token, None, None, 0)

    def answer(self, tokens: Sequence[TokenLogprob]) -> None:
        """Tokens of the answer. A token by itself may be half a character; then places are counted as if it was one."""
        for one in tokens:
            self._add(one.token, one.logprob, dict(reversed(one.top)), self.place)
            self.place += len(one.token)

    def _add(self, token: str, logprob: float | None, top: dict[str, float] | None, place: int) -> None:
        rows = self.rows
        rows.tokens.append(token)
        rows.token_logprobs.append(logprob)
        rows.text_offset.append(place)
        if rows.top_logprobs is not None:
            # the token itself is always among them: clients look it up there
            rows.top_logprobs.append(top if top is None or logprob is None else top | {token: top.get(token, logprob)})
