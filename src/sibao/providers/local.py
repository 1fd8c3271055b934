"""A model in this process: prompts to token ids, the engine, and token ids back to text."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from sibao.core.errors import BadInput
from sibao.core.types import (
    Completion,
    Delta,
    FinishReason,
    GenerateOptions,
    Prompt,
    Scored,
    TokenLogprob,
    Usage,
    as_prompts,
    words,
)
from sibao.engine.engine import Engine
from sibao.engine.request import Event, Request, SequenceScore
from sibao.metrics.perplexity import rolling_windows
from sibao.providers._beams import decoder_beams
from sibao.providers._control import control
from sibao.providers._embed import Pooling, texts_of, vectors
from sibao.text.chat import render
from sibao.text.detokenize import StreamDecoder
from sibao.text.tokenizer import Tokenizer

log = logging.getLogger("sibao.local")


class LocalModel:
    """Implements ``core.types.Model`` and ``core.types.Scorer`` over an engine and a tokenizer.

    A prompt given as a string is taken as it stands: the tokenizer's own BOS is added only where it adds one by itself,
    and control strings in it are text. Messages are rendered with the model's chat template; a model without one gets
    their contents, joined by blank lines.
    """

    def __init__(self, name: str, engine: Engine, tokenizer: Tokenizer) -> None:
        self.name = name
        self.engine = engine
        self.tokenizer = tokenizer
        self.context = engine.config.max_position_embeddings
        self._numbers = itertools.count()

    def generate(self, prompts: str | Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        """Complete every prompt, batched; one completion per prompt, in order.

        Raises:
            BadInput: a prompt without any token, sampling settings out of range, or a form that cannot be compiled.
            ContextOverflow: a prompt that with ``max_tokens`` does not fit; then none is run.
        """
        options = options or GenerateOptions()
        answers = [self._answer(prompt, options) for prompt in as_prompts(prompts)]
        if (options.sampling.num_beams or 1) > 1:
            return self._beams(answers, options)
        by_id = {answer.request.id: answer for answer in answers}
        with self.engine.submit(*(answer.request for answer in answers)) as events:
            for event in events:
                answer = by_id[event.id]
                answer.take(event)
                if answer.decoder.stopped:
                    self.engine.cancel(event.id)
        return [answer.completion() for answer in answers]

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        """Complete one prompt piece by piece. Closing the iterator cancels the request.

        Raises what ``generate`` raises, before the first piece.
        """
        answer = self._answer(prompt, options or GenerateOptions())
        self.engine.check(answer.request)
        if ((options or GenerateOptions()).sampling.num_beams or 1) > 1:
            return (Delta(one.text, one) for one in self.generate([prompt], options))
        return self._deltas(answer)

    def _beams(self, answers: list[Answer], options: GenerateOptions) -> list[Completion]:
        """Beam search runs beside the engine's queue; what it has refused there is refused here."""
        for answer in answers:
            self.engine.check(answer.request)
        prompts = [answer.request.prompt_ids for answer in answers]
        return decoder_beams(self.engine.model, self.tokenizer, prompts, self.tokenizer.eos_ids, options)

    def _deltas(self, answer: Answer) -> Iterator[Delta]:
        with self.engine.submit(answer.request) as events:
            for event in events:
                text = answer.take(event)
                if answer.reason is not None:
                    break
                if text:
                    yield Delta(text)
        yield Delta(text, answer.completion())

    def count(self, prompt: Prompt) -> int:
        """Tokens of the rendered prompt."""
        return len(self.encode(prompt))

    def encode(self, prompt: Prompt) -> list[int]:
        """Token ids that the model reads for a prompt."""
        if isinstance(prompt, str):
            return self.tokenizer.encode(prompt, add_special_tokens=True) or self._prefix()
        if not prompt:
            raise BadInput("the prompt has no messages", hint="give at least one message")
        if self.tokenizer.has_template:
            return render(self.tokenizer, prompt)
        return self.encode("\n\n".join(words(message) for message in prompt))

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Scored]:
        """Log-likelihood of each continuation after its context, by the boundary rules of lm-evaluation-harness.

        White space at the end of a context moves to the continuation; both are encoded as one text, and what follows
        the context's own tokens is scored. An empty context is replaced by BOS, else EOS. Messages as context are
        rendered, and the continuation is encoded by itself.

        Raises:
            BadInput: a continuation without any token.
            ContextOverflow: context and continuation do not fit; nothing is cut.
        """
        return [_total(result) for result in self.engine.score([self._boundary(*pair) for pair in pairs])]

    def score_text(self, texts: Sequence[str]) -> list[Scored]:
        """Rolling log-likelihood of whole texts: every token exactly once, the first one after BOS, else EOS.

        Texts longer than the model's context are read in windows (see ``metrics.perplexity``).
        """
        pieces = [(number, piece) for number, text in enumerate(texts) for piece in self._windows(text)]
        totals = [Scored(0.0, 0, True)] * len(texts)
        for (number, _), result in zip(pieces, self.engine.score([piece for _, piece in pieces]), strict=True):
            part, so_far = _total(result), totals[number]
            totals[number] = Scored(
                so_far.loglikelihood + part.loglikelihood, so_far.tokens + part.tokens, so_far.greedy and part.greedy
            )
        return totals

    def embed(self, texts: Sequence[str], *, pooling: Pooling = "mean") -> list[list[float]]:
        """One vector for each text: the mean of its tokens' last hidden states, or the state of its first token.

        Raises:
            BadInput: a text without a token. ContextOverflow: one that does not fit; nothing is cut.
        """
        rows = [self.tokenizer.encode(text, add_special_tokens=True) for text in texts_of(texts)]
        return vectors(self._states, rows, self.context, pooling)

    def _states(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """Last hidden states [B, T, D]; padding on the right is behind all that a causal network looks at."""
        states: Tensor = self.engine.model(ids_BT)
        return states

    def _answer(self, prompt: Prompt, options: GenerateOptions) -> Answer:
        sampling, constraint = control(options, self.tokenizer)
        request = Request(
            id=f"{self.name}#{next(self._numbers)}",
            prompt_ids=self.encode(prompt),
            sampling=sampling,
            stop_ids=frozenset(self.tokenizer.eos_ids),
            max_tokens=options.max_tokens,
            constraint=constraint,
        )
        return Answer(request, StreamDecoder(self.tokenizer, options.stop))

    def _boundary(self, context: Prompt, continuation: str) -> tuple[list[int], int]:
        if isinstance(context, str) and (bare := context.rstrip()):
            before = self.tokenizer.encode(bare, add_special_tokens=True)
            whole = self.tokenizer.encode(context + continuation, add_special_tokens=True)
        else:
            before = self.encode(context) if not isinstance(context, str) else self._prefix()
            text = context + continuation if isinstance(context, str) else continuation
            whole = before + self.tokenizer.encode(text)
        if len(whole) <= len(before):
            raise BadInput(f"the continuation {continuation!r} has no token of its own", hint="give some text to score")
        return whole, len(before)

    def _windows(self, text: str) -> Iterator[tuple[list[int], int]]:
        """(ids, start) for the engine, so that each token of the text is scored exactly once."""
        ids = self.tokenizer.encode(text)
        for begin, end, score_from in rolling_windows(len(ids), self.context):
            if score_from == begin:  # the first window: something must stand before the first token
                yield self._prefix() + ids[:end], 1
            else:
                yield ids[begin:end], score_from - begin

    def _prefix(self) -> list[int]:
        """What stands before a text that has nothing before it: BOS, else EOS."""
        first = [self.tokenizer.bos_id] if self.tokenizer.bos_id is not None else list(self.tokenizer.eos_ids[:1])
        if not first:
            raise BadInput("the text is empty and the tokenizer has no BOS or EOS to start from", hint="give some text")
        return first


@dataclass
class Answer:
    """One request under way: its text so far, its times, its reason to end."""

    request: Request
    decoder: StreamDecoder
    text: str = ""
    tokens: int = 0
    reason: FinishReason | None = None
    scores: list[TokenLogprob] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    first: float | None = None
    ended: float = 0.0

    def take(self, event: Event) -> str:
        """Account for an event; returns the text that is certain now."""
        if self.reason is not None:
            return ""
        now = time.perf_counter()
        if event.token_ids:
            self.first = self.first or now
        self.tokens += len(event.token_ids)
        self._take_scores(event)
        new = self.decoder.push(event.token_ids)
        if event.finish_reason is not None:
            new += self.decoder.flush()
        self.reason = "stop" if self.decoder.stopped else event.finish_reason
        if event.error:
            log.warning("request %s ended early: %s", event.id, event.error)
        self.text += new
        self.ended = now
        return new

    def completion(self) -> Completion:
        """The finished answer. Log-probabilities go up to the token that completed a stop string."""
        usage = Usage(len(self.request.prompt_ids), self.tokens)
        wait = (self.first or self.ended) - self.started
        reason = self.reason or "error"
        return Completion(self.text, reason, usage, self.ended - self.started, wait, tuple(self.scores))

    def _take_scores(self, event: Event) -> None:
        for token, score in zip(event.token_ids, event.logprobs, strict=False):
            top = tuple((self._word(t), p) for t, p in score.top)
            self.scores.append(TokenLogprob(self._word(token), score.logprob, top))

    def _word(self, token: int) -> str:
        return self.decoder.tokenizer.decode([token], skip_special=False)


def _total(result: SequenceScore) -> Scored:
    return Scored(sum(result.logprobs), len(result.logprobs), all(result.greedy))
