"""A model whose answers are kept by content: asked the same again, it answers from the store.

The key is the SHA-256 of the model's identity (what its weights are, and how they are computed), the whole question and
every option, so a changed prompt, template, precision or file of weights asks anew. A stopped evaluation goes on where it
was, because each batch is kept as soon as it is there, and of a batch that failed or was
interrupted what a hosted model had answered. A failure is never kept, nor a text drawn without a seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from sibao.core.types import (
    BROKEN_OFF,
    Completion,
    Delta,
    GenerateOptions,
    Model,
    Prompt,
    Scored,
    Scorer,
    TokenLogprob,
    Usage,
)
from sibao.core.types import as_prompts as listed
from sibao.store.responses import keep_responses, responses


def cached(model: Model, identity: str) -> Model:
    """The model with its answers kept; one that gives likelihoods still gives them."""
    return CachedScorer(model, identity) if isinstance(model, Scorer) else Cached(model, identity)


class Cached:
    """Implements ``core.types.Model`` over another one. ``fresh`` and ``kept`` count the answers computed and found."""

    def __init__(self, model: Model, identity: str) -> None:
        self.name, self.context, self.identity = model.name, model.context, identity
        self.fresh, self.kept = 0, 0
        self._saved: set[str] = set()
        """Keys of answers that came beside a failure."""
        self._model: Any = model

    def __getattr__(self, name: str) -> Any:
        """What else the model has: ``has_template``, ``source_form``, ``tokenizer``, ``guesses`` ..."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._model, name)

    def generate(self, prompts: str | Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        """As the model's own; prompts answered before are not asked again. Their ``seconds`` are those of then."""
        options, many = options or GenerateOptions(), listed(prompts)
        if options.sampling.temperature > 0 and options.sampling.seed is None:
            return list(self._model.generate(many, options))
        keys = [self._key("generate", prompt, asdict(options)) for prompt in many]
        there = getattr(self._model, "answered", None)
        return self._through(
            keys, many, lambda part: self._model.generate(part, options), asdict, _completion,
            there and (lambda part: there(part, options)),
        )  # fmt: skip

    def answered(self, prompts: Sequence[Prompt], options: GenerateOptions) -> list[Completion | None]:
        """What is kept of these prompts, also since ``generate`` failed or was interrupted."""
        if options.sampling.temperature > 0 and options.sampling.seed is None:
            own = getattr(self._model, "answered", None)
            return own(prompts, options) if own else [None] * len(prompts)
        keys = [self._key("generate", prompt, asdict(options)) for prompt in prompts]
        found = responses(keys)
        self.kept += sum(key in found and key not in self._saved for key in keys)
        return [_completion(found[key]) if key in found else None for key in keys]

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        """As the model's own; never kept."""
        return iter(self._model.stream(prompt, options))

    def count(self, prompt: Prompt) -> int:
        """As the model's own."""
        return int(self._model.count(prompt))

    def _key(self, *parts: Any) -> str:
        whole = json.dumps([self.identity, *parts], ensure_ascii=False, sort_keys=True, default=_plain)
        return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()

    def _through(
        self,
        keys: list[str],
        asked: Sequence[Any],
        answer: Callable[[list[Any]], Sequence[Any]],
        write: Callable[[Any], Any],
        read: Callable[[Any], Any],
        there: Callable[[list[Any]], Sequence[Any]] | None = None,
    ) -> list[Any]:
        """Answers in order: the kept ones, and the others from the model, which are then kept. ``there``: what the model had
        answered when it failed."""
        found = {key: read(value) for key, value in responses(keys).items()}
        kept = sum(key in found for key in keys)
        todo = {key: one for key, one in zip(keys, asked, strict=True) if key not in found}
        if todo:
            try:
                new = dict(zip(todo, answer(list(todo.values())), strict=True))
            except BaseException:  # the user's interrupt, too: what is there was paid for
                had = dict(zip(todo, there(list(todo.values())), strict=True)) if there else {}
                saved = {key: one for key, one in had.items() if one is not None}
                self._saved |= set(saved)
                self._keep(saved, write)
                raise
            self._keep(new, write)
            found |= new
        self.kept += kept  # not where the others failed: then each is asked again
        return [found[key] for key in keys]

    def _keep(self, new: dict[str, Any], write: Callable[[Any], Any]) -> None:
        self.fresh += len(new)
        whole = {key: write(one) for key, one in new.items() if getattr(one, "finish_reason", "") not in BROKEN_OFF}
        keep_responses(self.name, whole)


class CachedScorer(Cached):
    """The same for a model whose probabilities can be read."""

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Scored]:
        """As the model's own."""
        keys = [self._key("score", context, continuation) for context, continuation in pairs]
        return self._through(keys, pairs, self._model.score, _scored_out, _scored_in)

    def score_text(self, texts: Sequence[str]) -> list[Scored]:
        """As the model's own."""
        keys = [self._key("score_text", text) for text in texts]
        return self._through(keys, texts, self._model.score_text, _scored_out, _scored_in)


def _plain(value: Any) -> Any:
    """Pictures in a prompt are bytes."""
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else repr(value)


def _completion(value: dict[str, Any]) -> Completion:
    logprobs = tuple(
        TokenLogprob(one["token"], one["logprob"], tuple((t, p) for t, p in one["top"])) for one in value["logprobs"]
    )
    others = tuple(_completion(one) for one in value.get("others", ()))
    return Completion(**{**value, "usage": Usage(**value["usage"]), "logprobs": logprobs, "others": others})


def _scored_out(value: Scored) -> list[Any]:
    # As text, because JSON has no minus infinity; repr gives the same bits back.
    return [repr(value.loglikelihood), value.tokens, value.greedy]


def _scored_in(value: list[Any]) -> Scored:
    return Scored(float(value[0]), int(value[1]), bool(value[2]))
