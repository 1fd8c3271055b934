"""OpenAI's wire format, chat and text completions, as OpenAI, AI21 and compatible servers speak it.

https://platform.openai.com/docs/api-reference/chat (the shapes of requests, answers and chunks)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sibao.core.errors import BadInput
from sibao.core.types import FinishReason, GenerateOptions, Message, Prompt, TokenLogprob
from sibao.providers._pictures import Picture, pieces
from sibao.providers._wire import Ask, Counts, Piece, Takes, form_of, refuse_unknown, top_of, turns

CHAT, TEXT = "/chat/completions", "/completions"
DONE = "[DONE]"
_FINISH: dict[str, FinishReason] = {
    "stop": "stop", "length": "length", "content_filter": "error", "tool_calls": "stop", "function_call": "stop",
    "eos": "stop", "abort": "cancelled",
}  # fmt: skip
"""All others say that something went wrong over there."""
_SAME = (
    "top_k", "top_p", "min_p", "typical_p", "repetition_penalty", "presence_penalty", "frequency_penalty", "min_tokens",
    "length_penalty", "seed",
)  # fmt: skip
"""Settings that have OpenAI's name, or that of the servers beside it."""
_OFF: dict[str, Any] = {
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "typical_p": 1.0,
    "repetition_penalty": 1.0,
    "seed": None,
}


@dataclass(frozen=True)
class OpenAIWire:
    """One dialect. ``limit`` is what it calls the most new tokens; ``raw``: text goes to ``/completions`` as it stands;
    ``counts_streams``: usage must be asked for in streams."""

    name: str
    model: str
    takes: Takes
    limit: str = "max_tokens"
    raw: bool = False
    counts_streams: bool = True

    def ask(self, prompt: Prompt, options: GenerateOptions, *, stream: bool) -> Ask:
        """The request of a prompt."""
        refuse_unknown(self.name, options, self.takes)
        raw = self.raw and isinstance(prompt, str)
        body: dict[str, Any] = {"model": self.model}
        if raw:
            body["prompt"] = prompt
        else:
            body["messages"] = [self._message(turn) for turn in turns(prompt)]
        body |= {("max_tokens" if raw else self.limit): options.max_tokens, "temperature": options.sampling.temperature}
        body |= self._settings(options) | _likelihoods(options, raw)
        if stream:
            body |= {"stream": True} | ({"stream_options": {"include_usage": True}} if self.counts_streams else {})
        return Ask(TEXT if raw else CHAT, body)

    def read(self, found: dict[str, Any]) -> Piece:
        """A whole answer."""
        choice = found["choices"][0]
        text = (choice["text"] or "") if "text" in choice else _said(choice["message"])
        return Piece(
            text, _FINISH.get(choice.get("finish_reason") or "stop", "error"), _counts(found), _logprobs(choice)
        )

    def piece(self, found: dict[str, Any]) -> Piece:
        """One event of a streamed answer; the last one has the usage and no choice. Others without one say nothing."""
        if not found.get("choices"):
            return Piece(counts=_counts(found))
        choice = found["choices"][0]
        text = choice.get("text", "") if "delta" not in choice else _said(choice["delta"])
        reason = choice.get("finish_reason")
        return Piece(text or "", _FINISH.get(reason, "error") if reason else None, _counts(found), _logprobs(choice))

    def _settings(self, options: GenerateOptions) -> dict[str, Any]:
        used = {name: getattr(options.sampling, name) for name in _SAME}
        body: dict[str, Any] = {n: value for n, value in used.items() if value != _OFF.get(n, 0) and value is not None}
        if options.stop:
            body["stop"] = list(options.stop)
        if options.sampling.logit_bias:
            body["logit_bias"] = {str(token): bias for token, bias in options.sampling.logit_bias}
        if form_of(options) != "text":
            body["response_format"] = _named(dict(options.response_format or {}))
        return body

    def _message(self, message: Message) -> dict[str, Any]:
        said = list(pieces(message))
        seen = [one for one in said if isinstance(one, Picture)]
        if seen and not self.takes.pictures:
            raise BadInput(f"{self.name} reads text only, and the prompt holds a picture", hint="take another model")
        if not seen:
            return {"role": message["role"], "content": "\n".join(str(one) for one in said)}
        return {"role": message["role"], "content": [_part(one) for one in said]}


def _part(one: str | Picture) -> dict[str, Any]:
    if isinstance(one, str):
        return {"type": "text", "text": one}
    return {"type": "image_url", "image_url": {"url": one.url}}


def _named(form: dict[str, Any]) -> dict[str, Any]:
    """OpenAI wants a name for a schema."""
    inner = form.get("json_schema")
    return {**form, "json_schema": {"name": "answer", **inner}} if isinstance(inner, dict) else form


def _likelihoods(options: GenerateOptions, raw: bool) -> dict[str, Any]:
    wanted = options.sampling.logprobs
    if wanted is None:
        return {}
    return {"logprobs": wanted} if raw else {"logprobs": True, **({"top_logprobs": wanted} if wanted else {})}


def _said(message: dict[str, Any]) -> str:
    """The words of an answer; a model that declines to fill a form says so in another field."""
    text = message.get("content") or message.get("refusal") or ""
    if not isinstance(text, str):  # some servers answer in parts
        text = "".join(part["text"] for part in text if part.get("type") == "text")
    return text


def _counts(found: dict[str, Any]) -> Counts | None:
    usage = found.get("usage")
    if not usage:
        return None
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
    return Counts.of(usage.get("prompt_tokens"), usage.get("completion_tokens"), cached)


def _logprobs(choice: dict[str, Any]) -> tuple[TokenLogprob, ...]:
    found = choice.get("logprobs")
    if not found:
        return ()
    if found.get("content") is not None:
        rows = found["content"]
        return tuple(
            TokenLogprob(r["token"], float(r["logprob"]), top_of(r.get("top_logprobs") or (), "token", "logprob"))
            for r in rows
        )
    values, tops = found.get("token_logprobs") or [], found.get("top_logprobs") or []
    return tuple(
        TokenLogprob(str(token), float(value), tuple((tops[i] or {}).items()) if i < len(tops) else ())
        for i, (token, value) in enumerate(zip(found.get("tokens") or [], values, strict=True))
        if value is not None
    )
