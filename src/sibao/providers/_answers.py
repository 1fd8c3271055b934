"""Requests on their way through an engine: their texts so far, and what is told of them at the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from sibao.core.errors import BadInput
from sibao.core.types import Completion, Delta, FinishReason, GenerateOptions, Sampling, TokenLogprob, Usage
from sibao.engine.engine import Engine
from sibao.engine.request import Event, Request, SequenceScore
from sibao.engine.search import Search, check_best
from sibao.text.detokenize import StreamDecoder

log = logging.getLogger("sibao.local")


def refuse_chance(sampling: Sampling) -> None:
    """Beam search takes the likeliest texts.

    Raises:
        BadInput: a temperature is set, or log-probabilities are asked for.
    """
    if sampling.temperature > 0:
        raise BadInput(
            f"temperature is {sampling.temperature}, beam search draws nothing", hint="leave out one of them"
        )
    if sampling.logprobs is not None:
        raise BadInput("beam search reports no log-probabilities of tokens", hint="ask for one beam")


def decoder_search(options: GenerateOptions, eos_ids: tuple[int, ...]) -> Search | None:
    """How a causal model's answer is searched for; None where it is written token by token.

    Raises:
        BadInput: settings that do not go with a search.
    """
    sampling = options.sampling
    if (sampling.num_beams or 1) == 1:
        check_best(sampling.num_return_sequences, 1)
        return None
    refuse_chance(sampling)
    return Search(
        max_tokens=options.max_tokens, eos_ids=eos_ids, beams=sampling.num_beams or 1,
        length_penalty=1.0 if sampling.length_penalty is None else sampling.length_penalty,
        repetition_penalty=sampling.repetition_penalty, best=sampling.num_return_sequences,
    )  # fmt: skip


def answered(engine: Engine, answers: Sequence[Answer]) -> list[Completion]:
    """All the answers, in order."""
    by_id = {answer.request.id: answer for answer in answers}
    with engine.submit(*(answer.request for answer in answers)) as events:
        for event in events:
            answer = by_id[event.id]
            answer.take(event)
            if answer.decoder.stopped:
                engine.cancel(event.id)
    return [answer.completion() for answer in answers]


def deltas(engine: Engine, answer: Answer) -> Iterator[Delta]:
    """One answer piece by piece. Closing the iterator cancels the request."""
    with engine.submit(answer.request) as events:
        for event in events:
            text = answer.take(event)
            if answer.reason is not None:
                break
            if text:
                yield Delta(text)
    yield Delta(text, answer.completion())


@dataclass
class Answer:
    """One request under way: its text so far, its times, its reason to end.

    ``forced``: the last place holds an end that the model did not choose.
    """

    request: Request
    decoder: StreamDecoder
    forced: bool = False
    text: str = ""
    tokens: int = 0
    reason: FinishReason | None = None
    scores: list[TokenLogprob] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    first: float | None = None
    ended: float = 0.0
    reused: int = 0
    scored: SequenceScore | None = None
    search_score: float | None = None
    others: tuple[Answer, ...] = ()

    def take(self, event: Event) -> str:
        """Account for an event; returns the text that is certain now. An event may bring several tokens (speculation):
        those behind the one that completed a stop string are none of the answer's."""
        if self.reason is not None:
            return ""
        now = time.perf_counter()
        if event.token_ids:
            self.first = self.first or now
        self.reused = max(self.reused, event.reused)
        self.scored = event.scored or self.scored
        new = ""
        for token, score in zip_longest(event.token_ids, event.logprobs):
            new += self.decoder.push([token])
            self.tokens += 1
            if score is not None:
                top = tuple((self.word(t), p) for t, p in score.top)
                self.scores.append(TokenLogprob(self.word(token), score.logprob, top))
            if self.decoder.stopped:
                break
        if event.finish_reason is not None:
            new += self.decoder.flush()
            self.search_score, self.others = event.search_score, tuple(map(self._beside, event.others))
        cut = self.forced and self.tokens == self.request.max_tokens - 1
        self.reason = "stop" if self.decoder.stopped else "length" if cut else event.finish_reason
        if event.error:
            log.warning("request %s ended early: %s", event.id, event.error)
        self.text += new
        self.ended = now
        return new

    def _beside(self, event: Event) -> Answer:
        """Another text that the same search found."""
        other = replace(self, decoder=self.decoder.anew(), text="", tokens=0, reason=None, others=())
        other.take(event)
        return other

    def completion(self) -> Completion:
        """The finished answer. Log-probabilities go up to the token that completed a stop string."""
        usage = Usage(len(self.request.source_ids or self.request.prompt_ids), self.tokens, self.reused)
        wait = (self.first or self.ended) - self.started
        reason = self.reason or "error"
        others = tuple(other.completion() for other in self.others)
        return Completion(
            self.text, reason, usage, self.ended - self.started, wait, tuple(self.scores), self.search_score, others
        )

    def word(self, token: int) -> str:
        """A token by itself, control tokens too."""
        return self.decoder.tokenizer.decode([token], skip_special=False)
