"""Gemini's wire format: ``generateContent`` and its stream, as the Gemini API and Vertex AI speak it.

https://ai.google.dev/api/generate-content (the shapes of requests and answers)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sibao.core.errors import BadInput, ProviderError
from sibao.core.types import FinishReason, GenerateOptions, Message, Prompt, TokenLogprob
from sibao.providers._pictures import pieces
from sibao.providers._refusals import line
from sibao.providers._wire import Ask, Counts, Piece, Takes, count, form_of, refuse_unknown, top_of, turns

TAKES = Takes(
    frozenset({"top_k", "top_p", "seed", "presence_penalty", "frequency_penalty", "logprobs"}),
    frozenset({"json_object", "json_schema", "choice"}), stops=5,
)  # fmt: skip
_FINISH: dict[str, FinishReason] = {"STOP": "stop", "MAX_TOKENS": "length", "FINISH_REASON_UNSPECIFIED": "stop"}
"""All others (SAFETY, RECITATION ...) say that the answer was withheld."""


@dataclass(frozen=True)
class GeminiWire:
    """``path`` is that of the model: ``/v1beta/models/NAME``."""

    name: str
    path: str

    def ask(self, prompt: Prompt, options: GenerateOptions, *, stream: bool) -> Ask:
        """The request of a prompt."""
        refuse_unknown(self.name, options, TAKES)
        body = {**contents(prompt), "generationConfig": _config(options)}
        return Ask(self.path + (":streamGenerateContent?alt=sse" if stream else ":generateContent"), body)

    def read(self, found: dict[str, Any]) -> Piece:
        """A whole answer."""
        reason = (found.get("promptFeedback") or {}).get("blockReason")
        if reason and not found.get("candidates"):
            raise ProviderError(f"{self.name}: the prompt is blocked: {line(str(reason))}", hint="say it otherwise")
        candidate = found["candidates"][0]
        said = (candidate.get("content") or {}).get("parts") or []
        text = "".join(part.get("text") or "" for part in said if not part.get("thought"))
        reason = candidate.get("finishReason")
        finish = _FINISH.get(reason, "error") if reason else None
        return Piece(text, finish, _counts(found), _logprobs(candidate.get("logprobsResult") or {}))

    def piece(self, found: dict[str, Any]) -> Piece:
        """One event of a streamed answer, which has the form of a whole one; one without an answer only counts."""
        if "usageMetadata" in found and not found.get("candidates") and not found.get("promptFeedback"):
            return Piece(counts=_counts(found))
        return self.read(found)


def contents(prompt: Prompt) -> dict[str, Any]:
    """Turns, with what the system says apart from them.

    Raises:
        BadInput: nothing but the system's words.
    """
    messages = turns(prompt)
    system = [part for turn in messages if turn["role"] == "system" for part in _parts(turn)]
    rest = [
        {"role": "model" if turn["role"] == "assistant" else "user", "parts": _parts(turn)}
        for turn in messages
        if turn["role"] != "system"
    ]
    if not rest:
        raise BadInput("the prompt holds a system message only", hint="add a message of the user")
    return {"contents": rest, **({"systemInstruction": {"parts": system}} if system else {})}


def _parts(message: Message) -> list[dict[str, Any]]:
    return [
        {"text": one} if isinstance(one, str) else {"inlineData": {"mimeType": one.kind, "data": one.data}}
        for one in pieces(message)
    ]


def _config(options: GenerateOptions) -> dict[str, Any]:
    sampling = options.sampling
    config: dict[str, Any] = {"temperature": sampling.temperature, "maxOutputTokens": options.max_tokens}
    used = {
        "topP": sampling.top_p if sampling.top_p != 1 else None, "topK": sampling.top_k or None, "seed": sampling.seed,
        "stopSequences": list(options.stop) or None, "presencePenalty": sampling.presence_penalty or None,
        "frequencyPenalty": sampling.frequency_penalty or None,
    }  # fmt: skip
    config |= {name: value for name, value in used.items() if value is not None}
    if sampling.logprobs is not None:
        config |= {"responseLogprobs": True, **({"logprobs": sampling.logprobs} if sampling.logprobs else {})}
    return config | _form(options)


def _form(options: GenerateOptions) -> dict[str, Any]:
    kind, form = form_of(options), options.response_format or {}
    if kind == "json_object":
        return {"responseMimeType": "application/json"}
    if kind == "json_schema":
        inner = form.get("json_schema")
        if not isinstance(inner, dict) or "schema" not in inner:
            raise BadInput(
                "response_format has no json_schema with a schema",
                hint='{"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}',
            )
        return {"responseMimeType": "application/json", "responseJsonSchema": inner["schema"]}
    if kind == "choice":
        schema = {"type": "STRING", "enum": list(form.get("choices") or ())}
        return {"responseMimeType": "text/x.enum", "responseSchema": schema}
    return {}


def _counts(found: dict[str, Any]) -> Counts | None:
    usage = found.get("usageMetadata")
    if not usage:
        return None
    # what a model thinks is paid for as what it writes
    parts = [count(usage.get(name)) for name in ("candidatesTokenCount", "thoughtsTokenCount")]
    written = [part for part in parts if part is not None]
    read, cached = usage.get("promptTokenCount"), usage.get("cachedContentTokenCount")
    return Counts.of(read, sum(written) if written else None, cached)


def _logprobs(found: dict[str, Any]) -> tuple[TokenLogprob, ...]:
    chosen, tops = found.get("chosenCandidates") or [], found.get("topCandidates") or []
    return tuple(
        TokenLogprob(
            one["token"], float(one["logProbability"]),
            top_of(tops[i].get("candidates") or (), "token", "logProbability") if i < len(tops) else (),
        )
        for i, one in enumerate(chosen)
    )  # fmt: skip
