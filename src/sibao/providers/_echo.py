"""Likelihoods from a server that repeats the prompt with its log-probabilities: ``echo`` and ``logprobs`` of ``/completions``.

OpenAI's form: ``tokens``, ``token_logprobs``, ``top_logprobs`` and ``text_offset`` (characters), as llama.cpp's, vLLM's and
Sibao's servers have it. llama-cpp-python 0.3 tells each token's probability at the place behind it, which is of no use:
so what a server echoes is held against what it writes, before it is believed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sibao.core.errors import BadInput
from sibao.core.types import Scored

PROBES = ("The quick brown fox jumps over the lazy", "1, 2, 3, 4, 5, 6,", "春眠不觉晓，处处闻啼")
NEAR = 0.2
"""Natural-log probabilities of one token, read and written, may differ by this much: batches round differently."""


@dataclass(frozen=True)
class Told:
    """One token: where its text begins and ends, in characters; None for a first one that nothing stands before."""

    begin: int
    end: int
    logprob: float | None
    likeliest: bool


def request(model: str, text: str) -> dict[str, Any]:
    """The body that asks for the likelihoods of a text. One new token is asked for, since 0 means "no limit" to some."""
    return {"model": model, "prompt": text, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}


def tokens(answer: dict[str, Any], text: str) -> list[Told]:
    """The tokens of ``text`` in an answer, without the new one. A KeyError, TypeError ... says that it has another form."""
    choice = answer["choices"][0]
    if not choice["text"].startswith(text):
        raise ValueError("the prompt is not repeated")
    found = choice["logprobs"]
    offsets, values = [int(at) for at in found["text_offset"]], found["token_logprobs"]
    first = offsets[0]  # some count from behind the prompt's beginning
    begins = [at - first for at in offsets]
    ends = [*begins[1:], len(text) + 1]
    tops = found.get("top_logprobs") or [None] * len(values)
    told = [
        Told(begin, end, None if value is None else float(value), _is_likeliest(value, top))
        for begin, end, value, top in zip(begins, ends, values, tops, strict=True)
    ]
    return [one for one in told if one.begin < len(text)]


def credible(model: str, send: Callable[[dict[str, Any]], dict[str, Any]]) -> bool:
    """Whether the server's echo agrees with itself: the likeliest next token of some texts has the probability that it is
    echoed with. A token that is read otherwise than it was written says nothing."""
    return all(_agrees(model, text, send) is not False for text in PROBES)


def _agrees(model: str, text: str, send: Callable[[dict[str, Any]], dict[str, Any]]) -> bool | None:
    written = send({**request(model, text), "echo": False})["choices"][0]
    new, value = str(written["text"]), float(written["logprobs"]["token_logprobs"][0])
    told = tokens(send(request(model, text + new)), text + new) if new else []
    read = told[-1] if told and told[-1].begin == len(text) else None
    return None if read is None or read.logprob is None else abs(read.logprob - value) < NEAR


def _is_likeliest(value: float | None, top: dict[str, float] | None) -> bool:
    return value is not None and (not top or float(value) >= max(float(v) for v in top.values()) - 1e-9)


def scored(told: list[Told], begin: int | None, text: str) -> Scored:
    """The part of a text from character ``begin`` on, to which a token on the border belongs; None: the whole of it, whose
    first token may have nothing before it and is then left out.

    Raises:
        BadInput: a token without a likelihood that something stands before.
    """
    part = [one for one in told if one.end > (begin or 0)]
    known = [one for one in part if one.logprob is not None]
    if len(known) < len(part) - (begin is None):
        raise BadInput(f"the server gives no likelihood for a part of {text[:60]!r}", hint="use a local model")
    total = sum(one.logprob for one in known if one.logprob is not None)
    return Scored(total, len(known), all(one.likeliest for one in known))
