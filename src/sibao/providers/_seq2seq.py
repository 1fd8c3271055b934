"""An encoder-decoder in this process: sources to token ids, a search, and token ids back to text."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from sibao.core.errors import BadInput
from sibao.core.types import Completion, Delta, GenerateOptions, Prompt, Scored, SourceForm, as_prompts, words
from sibao.engine.engine import Engine
from sibao.engine.request import Request, SequenceScore, check_sampling
from sibao.engine.whole_rows import WholeRows
from sibao.metrics.perplexity import rolling_windows
from sibao.models.weights import read_json
from sibao.nn.seq2seq_config import Seq2SeqConfig
from sibao.providers._answers import Answer, answered, deltas, refuse_chance
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


def read_known(folder: Path, shape: Seq2SeqConfig, tokenizer: Tokenizer) -> Known:
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
    return Known(read_defaults(folder, shape.eos_token_id), form)


class Seq2SeqModel:
    """Implements ``core.types.Model`` and ``core.types.Scorer``.

    A prompt is the source: text as it stands, or the contents of messages joined by blank lines. ``context`` holds for
    the source and for the answer, each by itself.
    """

    has_template = False

    def __init__(self, name: str, engine: Engine, tokenizer: Tokenizer, known: Known) -> None:
        self.name, self.engine, self.tokenizer, self.known = name, engine, tokenizer, known
        self.config: Any = engine.config  # an encoder-decoder's
        self.context = engine.config.max_position_embeddings
        self._numbers = itertools.count()
        self.source_form = known.form
        self._whole = WholeRows(self._states, engine)

    def generate(self, prompts: str | Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        """Answer every source, batched; one completion per source, in order.

        Raises:
            BadInput: an empty source, or settings that do not go together.
            ContextOverflow: a source or ``max_tokens`` beyond what the model holds; then nothing is run.
        """
        options = options or self._usual()
        return answered(self.engine, [self.begin(prompt, options) for prompt in as_prompts(prompts)])

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        """Answer one source piece by piece; beams give their text at the end. Raises at once what ``generate`` raises."""
        answer = self.begin(prompt, options or self._usual())
        self.engine.check(answer.request)
        return deltas(self.engine, answer)

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
        sources = [self._source(source) for source, _ in pairs]
        answers = [self.tokenizer.encode_target(answer.lstrip(" ")) for _, answer in pairs]
        found = self._score(sources, answers)
        return [Scored(sum(one.logprobs), len(one.logprobs), all(one.greedy)) for one in found]

    def score_text(self, texts: Sequence[str]) -> list[Scored]:
        """Rolling log-likelihood of whole texts as answers to an empty source; long ones are read in windows."""
        empty, out = self.tokenizer.encode_source(""), []
        for text in texts:
            ids = self.tokenizer.encode_target(text)
            windows = list(rolling_windows(len(ids), self.context - 1))  # which may be one longer, beside the start
            scored = self._score([empty] * len(windows), [ids[begin:end] for begin, end, _ in windows])
            kept = [(one, at - begin) for one, (begin, _, at) in zip(scored, windows, strict=True)]
            logprobs = [p for one, at in kept for p in one.logprobs[at:]]
            out.append(Scored(sum(logprobs), len(logprobs), all(g for one, at in kept for g in one.greedy[at:])))
        return out

    def embed(self, texts: Sequence[str], *, pooling: Pooling = "mean") -> list[list[float]]:
        """One vector for each text, from what the encoder makes of it as a source; see ``LocalModel.embed``."""
        return vectors(self._whole, [self.encode(text) for text in texts_of(texts)], self.context, pooling)

    def _states(self, ids_BT: Tensor, mask_BT: Tensor, types_BT: Tensor | None) -> Tensor:
        """Of the encoder [B, T, D]."""
        network: Any = self.engine.model
        states: Tensor = network.encode(ids_BT, mask_BT)
        return states

    def _usual(self) -> GenerateOptions:
        """What the makers of the model ask for."""
        most = self.known.defaults.max_length
        return GenerateOptions() if most is None else GenerateOptions(max(1, min(most, self.context) - 1))

    def request(self, source: list[int], options: GenerateOptions) -> Request:
        """What the engine is asked for an answer to a source.

        Raises:
            BadInput, ContextOverflow: see ``generate``.
        """
        check_sampling(options.sampling)
        refuse_control(self.name, options)
        search, start = self.known.defaults.search(options), [self.config.decoder_start_token_id]
        if search.beams > 1:
            refuse_chance(options.sampling)
        rules = () if search.beams > 1 or search.plain else (search.processor(len(start)),)
        return Request(
            id=f"{self.name}#{next(self._numbers)}", prompt_ids=start, source_ids=tuple(source),
            sampling=replace(options.sampling, repetition_penalty=1.0),  # it is one of the search's rules
            stop_ids=frozenset(search.eos_ids), max_tokens=options.max_tokens, processors=rules,
            search=search if search.beams > 1 else None,
        )  # fmt: skip

    def begin(self, prompt: Prompt, options: GenerateOptions) -> Answer:
        """The request of an answer, for who drives the engine, and what its events go to. Raises what ``generate`` does."""
        request = self.request(self._source(prompt), options)
        forced = self.known.defaults.forced_eos is not None
        return Answer(request, StreamDecoder(self.tokenizer, options.stop), forced)

    def _source(self, prompt: Prompt) -> list[int]:
        ids = self.encode(prompt)
        if not ids:
            raise BadInput("the source has no token", hint="give some text")
        return ids

    def _score(self, sources: list[list[int]], answers: list[list[int]]) -> list[SequenceScore]:
        start = self.config.decoder_start_token_id
        for number, answer in enumerate(answers):
            if not answer:
                raise BadInput(f"answer {number} has no token to score")
        return self.engine.score([([start, *answer], 1) for answer in answers], sources)
