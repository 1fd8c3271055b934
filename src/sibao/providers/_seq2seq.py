"""An encoder-decoder in this process: sources to token ids, a search, and token ids back to text."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sibao.core.errors import BadInput, ContextOverflow
from sibao.core.types import (
    Completion,
    Delta,
    FinishReason,
    GenerateOptions,
    Prompt,
    Scored,
    SourceForm,
    TokenLogprob,
    Usage,
    as_prompts,
    words,
)
from sibao.engine.beam import beam_search
from sibao.engine.request import check_sampling
from sibao.engine.search import Search
from sibao.engine.seq2seq import check_source, groups, score_pairs
from sibao.engine.steps import SourceSteps, Written, write
from sibao.metrics.perplexity import rolling_windows
from sibao.models.weights import read_json
from sibao.nn.seq2seq import Seq2Seq
from sibao.providers._beams import finished, refuse_chance
from sibao.providers._control import refuse_control
from sibao.providers._embed import Pooling, texts_of, vectors
from sibao.providers._generation import Defaults, read_defaults
from sibao.text.detokenize import StreamDecoder
from sibao.text.tokenizer import Tokenizer

SENTENCES = {"marian": 100}
"""Families trained on sentences, with the tokens that they translate well at once."""
CHINESE = ">>cmn_Hans<<"
"""What models with several target languages, where they have this token, want before a text to be put into Chinese."""


@dataclass(frozen=True)
class Known:
    """What a folder says besides its weights."""

    defaults: Defaults
    form: SourceForm


def read_known(folder: Path, model: Seq2Seq, tokenizer: Tokenizer) -> Known:
    """Generation defaults, and the words that the model wants before its sources.

    Raises:
        ModelError: a generation setting that is not implemented.
    """
    config = read_json(folder / "config.json")
    prefixes = {CHINESE: "translation_en_to_zh"} if tokenizer.backend.token_to_id(CHINESE) is not None else {}
    found = {kind: f"{code} " for code, kind in prefixes.items()}
    for kind, settings in (config.get("task_specific_params") or {}).items():
        if isinstance(settings, dict) and isinstance(settings.get("prefix"), str):
            found[kind] = settings["prefix"]
    form = SourceForm(found, SENTENCES.get(str(config.get("model_type"))))
    return Known(read_defaults(folder, model.config.eos_token_id), form)


class Seq2SeqModel:
    """Implements ``core.types.Model`` and ``core.types.Scorer``.

    A prompt is the source: text as it stands, or the contents of messages joined by blank lines. ``context`` holds for
    the source and for the answer, each by itself.
    """

    has_template = False

    def __init__(self, name: str, model: Seq2Seq, tokenizer: Tokenizer, known: Known) -> None:
        self.name, self.model, self.tokenizer, self.known = name, model.eval(), tokenizer, known
        self.context = model.config.max_position_embeddings
        self.source_form = known.form

    def generate(self, prompts: str | Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        """Answer every source, batched by length; one completion per source, in order.

        Raises:
            BadInput: an empty source, or settings that do not go together.
            ContextOverflow: a source or ``max_tokens`` beyond what the model holds; then nothing is run.
        """
        options = options or self._usual()
        sources = [self._source(prompt) for prompt in as_prompts(prompts)]
        search = self._search(options)
        out: dict[int, Completion] = {}
        for numbers in groups([len(source) for source in sources]):
            some = [sources[i] for i in numbers]
            found = self._beams(some, search, options) if search.beams > 1 else self._plain(some, search, options)
            out |= dict(zip(numbers, found, strict=True))
        return [out[i] for i in range(len(sources))]

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        """Answer one source piece by piece; beams give their text at the end. Raises at once what ``generate`` raises."""
        options = options or self._usual()
        source, search = self._source(prompt), self._search(options)
        if search.beams > 1:
            return (Delta(one.text, one) for one in self._beams([source], search, options))
        return self._deltas(source, search, options)

    def count(self, prompt: Prompt) -> int:
        """Tokens of the source."""
        return len(self.encode(prompt))

    def encode(self, prompt: Prompt) -> list[int]:
        """Token ids that the encoder reads; the end token is the last of them."""
        if not isinstance(prompt, str):
            if not prompt:
                raise BadInput("the prompt has no messages", hint="give at least one message")
            return self.encode("\n\n".join(words(message) for message in prompt))
        return self.tokenizer.encode_source(prompt)

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Scored]:
        """Log-likelihood of each answer given its source, without the end token (as lm-evaluation-harness counts).

        Raises:
            BadInput: an answer without any token. ContextOverflow: a source or an answer that does not fit.
        """
        ids = [(self.encode(source), self.tokenizer.encode_target(answer.lstrip(" "))) for source, answer in pairs]
        return [Scored(sum(one.logprobs), len(one.logprobs), all(one.greedy)) for one in score_pairs(self.model, ids)]

    def score_text(self, texts: Sequence[str]) -> list[Scored]:
        """Rolling log-likelihood of whole texts as answers to an empty source; long ones are read in windows."""
        empty, out = self.tokenizer.encode_source(""), []
        for text in texts:
            ids = self.tokenizer.encode_target(text)
            windows = list(rolling_windows(len(ids), self.context - 1))  # which may be one longer, beside the start
            scored = score_pairs(self.model, [(empty, ids[begin:end]) for begin, end, _ in windows])
            kept = [(one, at - begin) for one, (begin, _, at) in zip(scored, windows, strict=True)]
            logprobs = [p for one, at in kept for p in one.logprobs[at:]]
            out.append(Scored(sum(logprobs), len(logprobs), all(g for one, at in kept for g in one.greedy[at:])))
        return out

    def embed(self, texts: Sequence[str], *, pooling: Pooling = "mean") -> list[list[float]]:
        """One vector for each text, from what the encoder makes of it as a source; see ``LocalModel.embed``."""
        return vectors(self.model.encode, [self.encode(text) for text in texts_of(texts)], self.context, pooling)

    def _usual(self) -> GenerateOptions:
        """What the makers of the model ask for."""
        most = self.known.defaults.max_length
        return GenerateOptions() if most is None else GenerateOptions(max(1, min(most, self.context) - 1))

    def _source(self, prompt: Prompt) -> list[int]:
        ids = self.encode(prompt)
        check_source(self.model, ids, "the source")
        return ids

    def _search(self, options: GenerateOptions) -> Search:
        check_sampling(options.sampling)
        refuse_control(self.name, options)
        if options.max_tokens > self.context:
            raise ContextOverflow(options.max_tokens, self.context, what="the new tokens")
        search = self.known.defaults.search(options)
        if search.beams > 1:
            refuse_chance(options.sampling)
        return search

    def _beams(self, sources: list[list[int]], search: Search, options: GenerateOptions) -> list[Completion]:
        begun = time.perf_counter()
        start = [[self.model.config.decoder_start_token_id]] * len(sources)
        texts = beam_search(SourceSteps(self.model, sources, search.max_tokens), start, search)
        seconds = time.perf_counter() - begun
        answers = [
            finished(self.tokenizer, found, len(source), search, options.stop)
            for found, source in zip(texts, sources, strict=True)
        ]
        return [replace(answer, seconds=seconds, first_token_seconds=seconds) for answer in answers]

    def _plain(self, sources: list[list[int]], search: Search, options: GenerateOptions) -> list[Completion]:
        answers = [Answer(self.tokenizer, len(source), search, options) for source in sources]
        for step in self._steps(sources, search, options):
            for answer, new in zip(answers, step, strict=True):
                answer.take(new)
            if all(answer.reason for answer in answers):
                break
        return [answer.completion() for answer in answers]

    def _deltas(self, source: list[int], search: Search, options: GenerateOptions) -> Iterator[Delta]:
        answer = Answer(self.tokenizer, len(source), search, options)
        for step in self._steps([source], search, options):
            text = answer.take(step[0])
            if answer.reason:
                break
            if text:
                yield Delta(text)
        yield Delta(text, answer.completion())

    def _steps(
        self, sources: list[list[int]], search: Search, options: GenerateOptions
    ) -> Iterator[list[Written | None]]:
        start = [[self.model.config.decoder_start_token_id]] * len(sources)
        return write(SourceSteps(self.model, sources, search.max_tokens), start, search, options.sampling)


class Answer:
    """One text under way, token by token."""

    def __init__(self, tokenizer: Tokenizer, prompt_tokens: int, search: Search, options: GenerateOptions) -> None:
        self.tokenizer, self.prompt_tokens, self.search = tokenizer, prompt_tokens, search
        self.decoder = StreamDecoder(tokenizer, options.stop)
        self.text, self.tokens = "", 0
        self.reason: FinishReason | None = None
        self.scores: list[TokenLogprob] = []
        self.begun = time.perf_counter()
        self.first = self.ended = 0.0

    def take(self, new: Written | None) -> str:
        """Account for a token; returns the text that is certain now."""
        if new is None or self.reason is not None:
            return ""
        token, score = new
        self.ended = time.perf_counter()
        self.first = self.first or self.ended
        ends = token in self.search.eos_ids
        more = "" if ends else self._add(token)
        last = self.tokens + ends == self.search.max_tokens
        if ends or last or self.decoder.stopped:
            forced = last and ends and self.search.forced_eos is not None
            self.reason = "stop" if (ends and not forced) or self.decoder.stopped else "length"
            more += self.decoder.flush()
        if score is not None and not ends:
            top = tuple((self._word(t), p) for t, p in score.top)
            self.scores.append(TokenLogprob(self._word(token), score.logprob, top))
        self.text += more
        return more

    def completion(self) -> Completion:
        """The finished answer."""
        usage = Usage(self.prompt_tokens, self.tokens)
        seconds, wait = self.ended - self.begun, self.first - self.begun
        return Completion(self.text, self.reason or "error", usage, seconds, wait, tuple(self.scores))

    def _add(self, token: int) -> str:
        self.tokens += 1
        return self.decoder.push([token])

    def _word(self, token: int) -> str:
        return self.tokenizer.decode([token], skip_special=False)
