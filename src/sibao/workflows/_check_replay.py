"""One prompt (for an encoder-decoder one source), continued greedily on every back end: the same tokens and logits?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sibao.core.errors import ModelError
from sibao.core.types import GenerateOptions, Prompt, Sampling
from sibao.engine.request import Request
from sibao.providers._seq2seq import Seq2SeqModel
from sibao.providers.local import LocalModel
from sibao.workflows._check_compare import Question, Trace, compare, finding
from sibao.workflows._check_server import Server, with_server
from sibao.workflows._check_tokens import CONVERSATION
from sibao.workflows._check_transformers import Reference
from sibao.workflows._check_types import Backend, Found, Subject

CACHED, UNCACHED = "sibao, cached", "sibao, uncached"
Writer = LocalModel | Seq2SeqModel


def question(model: Writer, count: int, *, source: bool = False) -> Question:
    """The longest part of the sample conversation that the model can hold with an answer of ``count`` tokens; beside it
    where the model reads a ``source``.

    Raises:
        ModelError: not even two words fit.
    """
    texts = [str(m["content"]) for m in CONVERSATION]
    asked: list[Prompt] = ["\n".join(texts[:3]), texts[0], "你好"]
    source = source or isinstance(model, Seq2SeqModel)
    if not source and model.tokenizer.has_template:
        asked[:2] = [CONVERSATION[:3], CONVERSATION[:1]]
    ends = model.known.defaults.eos_ids if isinstance(model, Seq2SeqModel) else model.tokenizer.eos_ids
    for prompt in asked:
        ids = model.encode(prompt)
        if (max(len(ids), count) if source else len(ids) + count) <= model.context:
            return Question(prompt, ids, count, tuple(ends))
    raise ModelError(f"the model holds {model.context} tokens, too few for a prompt and {count} more")


class Answers:
    """What a model that writes answers here, and how the other back ends' answers stand to that."""

    def __init__(self, model: Writer, count: int) -> None:
        self.model, self.tokenizer = model, model.tokenizer
        self.asked = question(model, count)
        self.base = uncached(model, self.asked)
        self.dtype = next(network_of(model).parameters()).dtype
        self.first = Backend(UNCACHED, self.base.tokens, self.tokenizer.decode(self.base.tokens, skip_special=False))

    def alone(self) -> Iterator[Found]:
        """The engine with its cache against the network without."""
        hint = "a fault of Sibao: the cache changes what is computed"
        yield self._compared("cached", CACHED, cached(self.model, self.asked), hint)

    def with_transformers(self, subject: Subject) -> Found:
        """The same folder in Transformers, whose ``generate`` stops where the folder tells it to."""
        source = isinstance(self.model, Seq2SeqModel)
        auto = "AutoModelForSeq2SeqLM" if source else "AutoModelForCausalLM"
        theirs = Reference(subject, auto, self.dtype).greedy(self.asked.ids, self.asked.count, source=source)
        hint = "see the other findings: config.json, weights, start and stop ids are read differently"
        return self._compared("transformers", "transformers", Trace(*theirs), hint)

    def with_server(self, server: Server) -> list[Found]:
        """A server's text and log-probabilities."""
        return with_server(server, self.tokenizer, self.asked, self.base)

    def with_model(self, other: Any) -> Found:
        """Another folder's answer to the same token ids."""
        hint = "not the same model: see what else differs from it"
        return self._compared("against", other.name, uncached(other, self.asked), hint)

    def _compared(self, name: str, backend: str, theirs: Trace, hint: str) -> Found:
        status, told = compare(backend, self.tokenizer, self.base, theirs, self.dtype)
        return finding(name, status, told, hint), told


def network_of(model: Any) -> Any:
    """The network that a model of this process runs."""
    return model.engine.model if isinstance(model, LocalModel | Seq2SeqModel) else model.network


@torch.inference_mode()
def cached(model: Writer, asked: Question) -> Trace:
    """The answer of the engine, as users get it; its logits are taken where a request may change them."""
    if isinstance(model, Seq2SeqModel):
        return recorded(model.engine, model.request(asked.ids, _one_beam(asked)))
    stops = frozenset(asked.ends)
    return recorded(model.engine, Request("check", asked.ids, stop_ids=stops, max_tokens=asked.count))


def recorded(engine: Any, request: Request) -> Trace:
    """A request's tokens, the one that ends it included, and the logits of each choice.

    Raises:
        ModelError: the engine failed.
    """
    seen: list[Tensor] = []
    best: list[int] = []

    def record(_: list[int], logits_V: Tensor) -> Tensor:
        seen.append(logits_V.detach().float().clone())
        return logits_V

    def choose(_: list[int], logits_V: Tensor) -> Tensor:
        best.append(int(logits_V.argmax()))
        return logits_V

    tokens: list[int] = []
    with engine.submit(replace(request, processors=(record, *request.processors, choose))) as events:
        for event in events:
            tokens += event.token_ids
            if event.error:
                raise ModelError(f"the engine failed: {event.error}")
            if event.finish_reason == "stop":
                tokens.append(best[-1])
    return Trace(tokens, seen)


@torch.inference_mode()
def uncached(model: Writer, asked: Question) -> Trace:
    """The same answer with every token's whole past read again."""
    if isinstance(model, Seq2SeqModel):
        return _reread(model, asked)
    network: Any = model.engine.model
    ids, tokens, seen = list(asked.ids), [], []
    for _ in range(asked.count):
        logits = network.logits(network(torch.tensor([ids]))[:, -1])[0].float()
        seen.append(logits)
        tokens.append(int(logits.argmax()))
        ids.append(tokens[-1])
        if tokens[-1] in asked.ends:
            break
    return Trace(tokens, seen)


def _one_beam(asked: Question) -> GenerateOptions:
    """With the other settings of the folder: words that it forbids are part of what it answers."""
    return GenerateOptions(asked.count, Sampling(num_beams=1))


def _reread(model: Seq2SeqModel, asked: Question) -> Trace:
    """An encoder-decoder without a cache: for each token the source and all that was written are read again."""
    network: Any = model.engine.model
    search = model.known.defaults.search(_one_beam(asked))
    source = torch.tensor([asked.ids])
    mask = torch.ones_like(source, dtype=torch.bool)
    ids, tokens, seen = [model.config.decoder_start_token_id], list[int](), list[Tensor]()
    for new in range(asked.count):
        logits = network.logits(network(source, mask, torch.tensor([ids]))[:, -1]).float()
        seen.append(logits[0])
        tokens.append(int(search.changed(logits, [ids], new)[0].argmax()))
        ids.append(tokens[-1])
        if tokens[-1] in search.eos_ids:
            break
    return Trace(tokens, seen)
