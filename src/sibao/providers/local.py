"""A model in this process: prompts to token ids, the engine, and token ids back to text."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TypeGuard, cast

from torch import Tensor

from sibao.core.errors import BadInput
from sibao.core.types import (
    Completion,
    Delta,
    GenerateOptions,
    Prompt,
    Scored,
    as_prompts,
    words,
)
from sibao.engine.engine import Engine
from sibao.engine.request import Request, SequenceScore
from sibao.engine.whole_rows import WholeRows
from sibao.metrics.perplexity import strided_windows
from sibao.models.names import adapter_folder
from sibao.providers._answers import Answer, answered, decoder_search, deltas
from sibao.providers._control import control
from sibao.providers._embed import Pooling, texts_of, vectors
from sibao.text.chat import render
from sibao.text.detokenize import StreamDecoder
from sibao.text.tokenizer import Tokenizer


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
        self._whole = WholeRows(self._states, engine)

    def generate(self, prompts: str | Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        """Complete every prompt, batched; one completion per prompt, in order.

        Raises:
            BadInput: a prompt without any token, sampling settings out of range, or a form that cannot be compiled.
            ContextOverflow: a prompt that with ``max_tokens`` does not fit; then none is run.
        """
        options = options or GenerateOptions()
        answers = [self.begin(prompt, options) for prompt in as_prompts(prompts)]
        return answered(self.engine, answers)

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        """Complete one prompt piece by piece. Closing the iterator cancels the request.

        Raises what ``generate`` raises, before the first piece.
        """
        answer = self.begin(prompt, options or GenerateOptions())
        self.engine.check(answer.request)
        return deltas(self.engine, answer)

    @property
    def guesses(self) -> tuple[int, int]:
        """Tokens guessed ahead since the model was loaded, and how many of them were right."""
        counts = getattr(self.engine, "counts", None)  # an engine of Transformers guesses nothing
        return (0, 0) if counts is None else (counts.guessed, counts.right)

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
        return self._rolling(texts, self.context)

    def score_strided(self, texts: Sequence[str], stride: int) -> list[Scored]:
        """The same in overlapping windows that score ``stride`` tokens each, so that tokens see more before them.

        Raises:
            BadInput: a stride outside 1..context.
        """
        return self._rolling(texts, stride)

    def _rolling(self, texts: Sequence[str], stride: int) -> list[Scored]:
        pieces = [(number, piece) for number, text in enumerate(texts) for piece in self._windows(text, stride)]
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
        return vectors(self._whole, rows, self.context, pooling)

    def _states(self, ids_BT: Tensor, mask_BT: Tensor, types_BT: Tensor | None) -> Tensor:
        """Last hidden states [B, T, D]; padding on the right is behind all that a causal network looks at."""
        states: Tensor = self.engine.model(ids_BT.to(self.engine.runner.device))
        return states.cpu()

    def begin(self, prompt: Prompt | Sequence[int], options: GenerateOptions, *, echo: bool = False) -> Answer:
        """The request of an answer, for who drives the engine (a server does), and what its events go to.

        Args:
            prompt: or its tokens, as they stand.
            echo: score the prompt's tokens too, from the second on; then ``max_tokens`` may be 0.

        Raises:
            BadInput: a prompt without any token, sampling settings out of range, or a form that cannot be compiled.
        """
        sampling, constraint = control(options, self.tokenizer)
        search = decoder_search(options, self.tokenizer.eos_ids)
        ids = self._ids(prompt)
        request = Request(
            id=f"{self.name}#{next(self._numbers)}",
            prompt_ids=ids,
            score_from=1 if echo and len(ids) > 1 else None,
            sampling=sampling,
            stop_ids=frozenset(self.tokenizer.eos_ids),
            max_tokens=options.max_tokens,
            constraint=constraint,
            search=search,
            adapter=None if options.adapter is None else str(adapter_folder(options.adapter).resolve()),
        )
        return Answer(request, StreamDecoder(self.tokenizer, options.stop))

    def _ids(self, prompt: Prompt | Sequence[int]) -> list[int]:
        return list(prompt) if is_tokens(prompt) else self.encode(cast(Prompt, prompt))

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

    def _windows(self, text: str, stride: int) -> Iterator[tuple[list[int], int]]:
        """(ids, start) for the engine, so that each token of the text is scored exactly once."""
        ids = self.tokenizer.encode(text)
        for begin, end, score_from in strided_windows(len(ids), self.context, stride):
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


def is_tokens(prompt: Prompt | Sequence[int]) -> TypeGuard[Sequence[int]]:
    """Whether a prompt is given as its tokens."""
    return not isinstance(prompt, str) and bool(prompt) and isinstance(prompt[0], int)


def _total(result: SequenceScore) -> Scored:
    return Scored(sum(result.logprobs), len(result.logprobs), all(result.greedy))
