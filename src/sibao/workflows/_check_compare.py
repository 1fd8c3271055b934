"""When two back ends, or two folders, count as the same model: tokens, logits, configs and tokenizers side by side."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from sibao.core.types import Prompt
from sibao.text.tokenizer import Tokenizer
from sibao.workflows._check_tokens import PROBES
from sibao.workflows._check_types import Backend, Difference, Finding, Status, verdict

ROUNDING = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""Largest difference of two logits that rounding explains, as a share of the largest logit (of 1, if that is smaller)."""

_NOT_COMPUTED = ("_", "architectures", "dtype", "output_", "return_", "transformers_version", "use_cache")
"""How keys begin in configs of Transformers that do not change what a network computes."""


@dataclass(frozen=True)
class Question:
    """What every back end is asked: the prompt, its ids, how many tokens to answer, and the ids that end an answer."""

    prompt: Prompt
    ids: list[int]
    count: int
    ends: tuple[int, ...]


@dataclass(frozen=True)
class Trace:
    """A greedy answer: its tokens, the one that ended it included, and the logits (float32 [V]) each was chosen from."""

    tokens: list[int]
    logits: list[Tensor]


def compare(name: str, tokenizer: Tokenizer, base: Trace, other: Trace, dtype: torch.dtype) -> tuple[Status, Backend]:
    """How another back end's answer stands to the first one's: "ok", "warn" (a tie that rounding decided) or "fail".

    Logits are compared up to the first token that differs, itself included: after that the texts are not the same. It
    is a tie where two logits lie closer than rounding may move both; else the choice was made otherwise.
    """
    pairs = list(zip(base.tokens, other.tokens, strict=False))
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
    steps = len(pairs) if place is None else place + 1
    if place is None and len(base.tokens) != len(other.tokens):
        place = len(pairs)
    told = None if place is None else _difference(tokenizer, base, other, place)
    text = tokenizer.decode(other.tokens, skip_special=False)
    backend = numbers(name, base.logits[:steps], other.logits[:steps], dtype, other.tokens, text, told)
    if told is None or far(backend):
        return "ok" if told is None and not far(backend) else "fail", backend
    lead = min((gap for gap in (told.gap, told.other_gap) if gap is not None), default=None)
    tie = None not in (told.token, told.other_token) and lead is not None and lead <= 2 * (backend.tolerance or 0.0)
    return "warn" if tie else "fail", backend


def numbers(
    name: str,
    ours: list[Tensor],
    theirs: list[Tensor],
    dtype: torch.dtype,
    tokens: list[int] | None = None,
    text: str = "",
    difference: Difference | None = None,
) -> Backend:
    """The largest |Δ| of two lists of tensors (infinite where shapes differ), and what rounding in ``dtype`` explains."""
    pairs = zip(ours, theirs, strict=True)
    delta = max((float((a - b).abs().max()) if a.shape == b.shape else float("inf") for a, b in pairs), default=0.0)
    largest = max((float(step.abs().max()) for step in ours), default=1.0)
    return Backend(name, tokens or [], text, delta, ROUNDING.get(dtype, 5e-2) * max(1.0, largest), difference)


def far(backend: Backend) -> bool:
    """Whether its numbers differ by more than is allowed, or are none."""
    return backend.max_difference is not None and not backend.max_difference <= (backend.tolerance or 0.0)


def _difference(tokenizer: Tokenizer, base: Trace, other: Trace, place: int) -> Difference:
    def side(trace: Trace) -> tuple[int | None, str, float | None]:
        if place >= len(trace.tokens):
            return None, "(it stopped)", None
        best = trace.logits[place].topk(2).values
        token = trace.tokens[place]
        return token, tokenizer.decode([token], skip_special=False), float(best[0] - best[1])

    return Difference(place, *side(base), *side(other))


def finding(name: str, status: Status, backend: Backend, hint: str, unit: str = "logit") -> Finding:
    """The result of a comparison in words."""
    got = f"{len(backend.token_ids)} tokens" if backend.token_ids else f"{unit}s"
    if backend.max_difference is not None:
        got += f", max |Δ {unit}| {backend.max_difference:.2g}, at most {backend.tolerance:.2g} allowed"
    if (d := backend.difference) is not None:
        here, there = _side(d.token, d.text, d.gap), _side(d.other_token, d.other_text, d.other_gap)
        got += f"; token {d.place} is {here} here, {there} there"
    if status == "ok":
        return Finding(name, "ok", f"the same {got}")
    if status == "warn":
        tie = "two tokens are equally likely, and rounding chose between them"
        return Finding(name, "warn", got, "the same tokens", tie)
    return Finding(
        name, "fail", got, f"the same tokens and {unit}s" if backend.token_ids else f"the same {unit}s", hint
    )


def _side(token: int | None, text: str, gap: float | None) -> str:
    told = f"{token} {text!r}" if token is not None else text
    return told if gap is None else f"{told} (ahead by {gap:.3g})"


def config_finding(ours: Any, theirs: Any) -> Finding:
    """Whether two shapes decide the same computation."""
    if type(ours) is not type(theirs):
        got = f"{type(ours).__name__} here, {type(theirs).__name__} there"
        hint = "compare with the original of this model"
        return Finding("against_config", "fail", got, "the same kind of network", hint)
    here, there = _values(ours), _values(theirs)
    odd = [name for name in here if here[name] != there.get(name)]
    odd = [name for name in odd if "init" not in name and "drop" not in name]  # of training
    faults = [f"{name} is {here[name]} here, {there.get(name)} there" for name in odd]
    fine, hint = "every value that decides what is computed is the same", f"correct {', '.join(odd)} in config.json"
    return verdict("against_config", faults, fine, "the same values", hint)


def _values(config: Any) -> dict[str, Any]:
    """The values of a shape, or of a config of Transformers without what says how to run it."""
    if not hasattr(config, "to_dict"):
        return {f.name: getattr(config, f.name) for f in fields(config)}
    data: dict[str, Any] = config.to_dict()
    return {key: value for key, value in data.items() if not key.startswith(_NOT_COMPUTED)}


def tokenizer_finding(ours: Tokenizer, theirs: Tokenizer) -> Finding:
    """Whether two tokenizers give the same ids, for sources and for answers, and name the same control tokens."""
    odd = [name for name, text in PROBES.items() if _ids(ours, text) != _ids(theirs, text)]
    if ours.chat_template != theirs.chat_template:
        odd.append("chat template")
    for what, key in (("stop ids", "eos_ids"), ("pad", "pad_id"), ("[CLS]", "cls_id"), ("[SEP]", "sep_id"),
                      ("[MASK]", "mask_id")):  # fmt: skip
        here, there = getattr(ours, key), getattr(theirs, key)
        if here != there and not (key == "eos_ids" and set(here) == set(there)):
            odd.append(f"{what} ({here} here, {there} there)")
    faults, hint = [f"differs in {', '.join(odd)}"] * bool(odd), "copy the tokenizer's files from one source"
    fine = "the same ids, template, stop ids and control tokens"
    return verdict("against_tokenizer", faults, fine, "the same tokenizer", hint)


def _ids(tokenizer: Tokenizer, text: str) -> list[list[int]]:
    return [tokenizer.encode(text, add_special_tokens=True), tokenizer.encode_target(text)]
