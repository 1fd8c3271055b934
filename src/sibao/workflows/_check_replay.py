"""One prompt, continued greedily on every back end: the same tokens, the same logits?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from sibao.core.errors import ModelError
from sibao.core.types import Prompt
from sibao.engine.request import Request
from sibao.providers.local import LocalModel
from sibao.text.tokenizer import Tokenizer
from sibao.workflows._check_tokens import CONVERSATION, PROBES
from sibao.workflows._check_transformers import Reference
from sibao.workflows._check_types import Backend, Difference, Finding, Subject

ROUNDING = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""Largest difference of two logits that rounding explains, as a share of the largest logit (of 1, if that is smaller)."""
CACHED, UNCACHED = "sibao, cached", "sibao, uncached"
Found = tuple[Finding, Backend | None]


@dataclass(frozen=True)
class Trace:
    """A greedy answer: its tokens, the one that ended it included, and the logits (float32 [V]) each was chosen from."""

    tokens: list[int]
    logits: list[Tensor]


@dataclass(frozen=True)
class Question:
    """What every back end is asked: the prompt, its ids, and how many tokens to answer."""

    prompt: Prompt
    ids: list[int]
    count: int


def question(model: LocalModel, count: int) -> Question:
    """The longest part of the sample conversation that the model can hold with an answer of ``count`` tokens.

    Raises:
        ModelError: not even two words fit.
    """
    texts = [m["content"] for m in CONVERSATION]
    asked: list[Prompt] = [CONVERSATION[:3], CONVERSATION[:1], "你好"]
    if not model.tokenizer.has_template:
        asked = ["\n".join(map(str, texts[:3])), str(texts[0]), "你好"]
    for prompt in asked:
        ids = model.encode(prompt)
        if len(ids) + count <= model.context:
            return Question(prompt, ids, count)
    raise ModelError(f"the model holds {model.context} tokens, too few for a prompt and {count} more")


@torch.inference_mode()
def cached(model: LocalModel, asked: Question) -> Trace:
    """The answer of the engine, as users get it; its logits are taken where a request may change them."""
    seen: list[Tensor] = []

    def record(_: list[int], logits_V: Tensor) -> Tensor:
        seen.append(logits_V.detach().float().clone())
        return logits_V

    stops = frozenset(model.tokenizer.eos_ids)
    request = Request("check", asked.ids, stop_ids=stops, max_tokens=asked.count, processors=(record,))
    tokens: list[int] = []
    with model.engine.submit(request) as events:
        for event in events:
            tokens += event.token_ids
            if event.error:
                raise ModelError(f"the engine failed: {event.error}")
            if event.finish_reason == "stop":
                tokens.append(int(seen[-1].argmax()))
    return Trace(tokens, seen)


@torch.inference_mode()
def uncached(model: LocalModel, asked: Question) -> Trace:
    """The same answer with every token's whole past read again."""
    network: Any = model.engine.model
    ids, tokens, seen = list(asked.ids), [], []
    for _ in range(asked.count):
        logits = network.logits(network(torch.tensor([ids]))[:, -1])[0].float()
        seen.append(logits)
        tokens.append(int(logits.argmax()))
        ids.append(tokens[-1])
        if tokens[-1] in model.tokenizer.eos_ids:
            break
    return Trace(tokens, seen)


def by_transformers(reference: Reference, asked: Question) -> Trace:
    """The answer that Transformers' ``generate`` gives, with the stop ids it reads from the folder itself."""
    tokens, logits = reference.greedy(asked.ids, asked.count)
    return Trace(tokens, logits)


def tolerance(dtype: torch.dtype, trace: Trace) -> float:
    """The largest |Δ| of logits that rounding in this precision explains."""
    largest = max((float(step.abs().max()) for step in trace.logits), default=1.0)
    return ROUNDING.get(dtype, 5e-2) * max(1.0, largest)


def compare(name: str, tokenizer: Tokenizer, base: Trace, other: Trace, dtype: torch.dtype) -> tuple[str, Backend]:
    """How another back end's answer stands to the first one's: "ok", "warn" (a tie that rounding decided) or "fail".

    Logits are compared up to the first token that differs, itself included: after that the texts are not the same.
    """
    limit = tolerance(dtype, base)
    pairs = list(zip(base.tokens, other.tokens, strict=False))
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
    steps = len(pairs) if place is None else place + 1
    delta = max(_distance(a, b) for a, b in zip(base.logits[:steps], other.logits[:steps], strict=True))
    if place is None and len(base.tokens) != len(other.tokens):
        place = len(pairs)
    told = None if place is None else _difference(tokenizer, base, other, place)
    text = tokenizer.decode(other.tokens, skip_special=False)
    status = "fail" if not delta <= limit or (told is not None and None in (told.token, told.other_token)) else "ok"
    if status == "ok" and told is not None:
        status = "warn"
    return status, Backend(name, other.tokens, text, delta, limit, told)


def _distance(a: Tensor, b: Tensor) -> float:
    if a.shape != b.shape:
        return float("inf")
    return float((a - b).abs().max())


def _difference(tokenizer: Tokenizer, base: Trace, other: Trace, place: int) -> Difference:
    def side(trace: Trace) -> tuple[int | None, str, float | None]:
        if place >= len(trace.tokens):
            return None, "(it stopped)", None
        best = trace.logits[place].topk(2).values
        token = trace.tokens[place]
        return token, tokenizer.decode([token], skip_special=False), float(best[0] - best[1])

    return Difference(place, *side(base), *side(other))


def finding(name: str, status: Any, backend: Backend, hint: str) -> Finding:
    """The result of a comparison in words."""
    got = f"{len(backend.token_ids)} tokens" if backend.token_ids else "logits"
    if backend.max_difference is not None:
        got += f", max |Δ logit| {backend.max_difference:.2g}, at most {backend.tolerance:.2g} allowed"
    if (d := backend.difference) is not None:
        here, there = _side(d.token, d.text, d.gap), _side(d.other_token, d.other_text, d.other_gap)
        got += f"; token {d.place} is {here} here, {there} there"
    if status == "ok":
        return Finding(name, "ok", f"the same {got}")
    if status == "warn":
        return Finding(
            name, "warn", got, "the same tokens", "two tokens are equally likely, and rounding chose between them"
        )
    return Finding(name, "fail", got, "the same tokens and logits", hint)


def _side(token: int | None, text: str, gap: float | None) -> str:
    told = f"{token} {text!r}" if token is not None else text
    return told if gap is None else f"{told} (ahead by {gap:.3g})"


def with_cache(model: LocalModel, asked: Question, base: Trace) -> Found:
    """The engine with its cache against the network without."""
    dtype = next(model.engine.model.parameters()).dtype
    status, backend = compare(CACHED, model.tokenizer, base, cached(model, asked), dtype)
    return finding("cached", status, backend, "a fault of Sibao: the cache changes what is computed"), backend


def with_transformers(subject: Subject, model: LocalModel, asked: Question, base: Trace) -> Found:
    """The same folder in Transformers."""
    dtype = next(model.engine.model.parameters()).dtype
    try:
        trace = by_transformers(Reference(subject, "AutoModelForCausalLM", dtype), asked)
    except ModelError as error:
        return Finding("transformers", "fail", error.message, "a model that both can load", error.hint), None
    status, backend = compare("transformers", model.tokenizer, base, trace, dtype)
    hint = "see the other findings: config.json, weights and stop ids are read differently"
    return finding("transformers", status, backend, hint), backend


def with_model(other: LocalModel, shape: Any, model: LocalModel, asked: Question, base: Trace) -> Iterator[Found]:
    """Another folder that should hold the same model: its config, its tokenizer, its answer to the same token ids."""
    yield _config_finding(shape, other.engine.model.config), None
    yield _tokenizer_finding(model.tokenizer, other.tokenizer), None
    dtype = next(model.engine.model.parameters()).dtype
    status, backend = compare(other.name, model.tokenizer, base, uncached(other, asked), dtype)
    yield finding("against", status, backend, "not the same model: see what else differs from it"), backend


def _config_finding(ours: Any, theirs: Any) -> Finding:
    if type(ours) is not type(theirs):
        got = f"{type(ours).__name__} here, {type(theirs).__name__} there"
        return Finding(
            "against_config", "fail", got, "the same kind of network", "compare with the original of this model"
        )
    odd = [f.name for f in fields(ours) if getattr(ours, f.name) != getattr(theirs, f.name)]
    odd = [name for name in odd if name != "initializer_range"]
    if not odd:
        return Finding("against_config", "ok", "every value that decides what is computed is the same")
    got = "; ".join(f"{name} is {getattr(ours, name)} here, {getattr(theirs, name)} there" for name in odd)
    hint = f"correct {', '.join(odd)} in config.json"
    return Finding("against_config", "fail", got, "the same values", hint)


def _tokenizer_finding(ours: Tokenizer, theirs: Tokenizer) -> Finding:
    odd = [name for name, text in PROBES.items() if ours.encode(text) != theirs.encode(text)]
    if ours.chat_template != theirs.chat_template:
        odd.append("chat template")
    if set(ours.eos_ids) != set(theirs.eos_ids):
        odd.append(f"stop ids ({sorted(ours.eos_ids)} here, {sorted(theirs.eos_ids)} there)")
    if odd:
        hint = "copy the tokenizer's files from one source"
        return Finding("against_tokenizer", "fail", f"differs in {', '.join(odd)}", "the same tokenizer", hint)
    return Finding("against_tokenizer", "ok", "the same ids, template and stop ids")


@torch.inference_mode()
def with_architecture(subject: Subject, network: Any, tokenizer: Tokenizer, texts: Sequence[str]) -> Found:
    """An encoder or encoder-decoder against Transformers: one text read, no answer written."""
    dtype = next(network.parameters()).dtype
    ids = tokenizer.encode(texts[0], add_special_tokens=True)
    source = torch.tensor([ids])
    if subject.kind == "encoder-decoder":
        start = subject.config.get("decoder_start_token_id", subject.config.get("pad_token_id", 0))
        target = torch.tensor([[start, *ids[:7]]])
        auto, inputs = "AutoModelForSeq2SeqLM", {"input_ids": source, "decoder_input_ids": target}
        ours = network.logits(network(source, torch.ones_like(source, dtype=torch.bool), target))
    elif getattr(network.config, "head", "none") == "masked":
        auto, inputs, ours = "AutoModelForMaskedLM", {"input_ids": source}, network.logits(network(source))
    else:
        auto, inputs, ours = "AutoModel", {"input_ids": source}, network(source).float()
    try:
        theirs = Reference(subject, auto, dtype).outputs(**inputs)
    except ModelError as error:
        return Finding("transformers", "fail", error.message, "a model that both can load", error.hint), None
    limit = tolerance(dtype, Trace([], [ours]))
    backend = Backend("transformers", [], "", _distance(ours, theirs), limit)
    status = "ok" if backend.max_difference is not None and backend.max_difference <= limit else "fail"
    return finding("transformers", status, backend, "config.json or weights are read differently"), backend
