"""What the server says in Gemini's form: models, answers, counts.

https://ai.google.dev/api/models, https://ai.google.dev/api/generate-content#generatecontentresponse
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sibao.core.types import Completion, FinishReason, TokenLogprob, Usage
from sibao.server.hall import Entry
from sibao.server.service import Service

FINISH: dict[FinishReason, str] = {"stop": "STOP", "length": "MAX_TOKENS"}
"""All others are OTHER."""
PAGE = 1000
"""Models of one page at most, as Google's server has it."""


def models_page(service: Service, size: int = PAGE, token: str = "") -> dict[str, Any]:
    """The list of models that are served, from the place that a ``nextPageToken`` names."""
    entries = list(service.hall.entries.values())
    begin = int(token) if token.isdecimal() and len(token) < 10 else 0
    end = begin + max(1, min(size, PAGE))
    page: dict[str, Any] = {"models": [_card(service, entry) for entry in entries[begin:end]]}
    return page | ({"nextPageToken": str(end)} if end < len(entries) else {})


def model_card(service: Service, id: str) -> dict[str, Any]:
    """One model.

    Raises:
        UnknownName: it is not served.
    """
    return _card(service, service.hall.find(served_name(service, id)))


def served_name(service: Service, id: str) -> str:
    """A model's name as the server knows it; clients may put ``models/`` before it twice."""
    if id in service.hall.entries or f"models/{id}" not in service.hall.entries:
        return id if id in service.hall.entries else id.removeprefix("models/")
    return f"models/{id}"


def _card(service: Service, entry: Entry) -> dict[str, Any]:
    """``inputTokenLimit`` is known once the model is loaded."""
    card: dict[str, Any] = {
        "name": f"models/{entry.id}", "baseModelId": entry.id, "version": "1", "displayName": entry.id,
        "description": "", "supportedGenerationMethods": ["generateContent", "countTokens"],
        "temperature": 0.0, "maxTemperature": 2.0,
    }  # fmt: skip
    place = service.hall.loaded.get(entry.base)
    if place is None:
        return card
    model = place.desk.model
    if (context := service.hall.context(entry)) is not None:
        card |= {"inputTokenLimit": context, "outputTokenLimit": context}
    can = ["generateContent", "countTokens"] if hasattr(model, "generate") else []
    if hasattr(model, "embed") and entry.adapter is None:
        can += ["embedContent", "batchEmbedContents"]
    return card | {"supportedGenerationMethods": can}


@dataclass(frozen=True)
class Said:
    """What one candidate says: the whole of it, or a piece. ``completion`` is there once it is finished."""

    parts: Sequence[dict[str, Any]]
    completion: Completion | None = None
    logprobs: bool = False

    def candidate(self, index: int) -> dict[str, Any]:
        """In Gemini's form."""
        found: dict[str, Any] = {"content": {"parts": list(self.parts), "role": "model"}, "index": index}
        if self.completion is not None:
            found["finishReason"] = FINISH.get(self.completion.finish_reason, "OTHER")
            if self.logprobs:
                found |= _logprobs(self.completion.logprobs)
        return found


def answer(name: str, id: str, said: Sequence[Said]) -> dict[str, Any]:
    """A ``GenerateContentResponse``; with the counts where every candidate is finished."""
    found: dict[str, Any] = {"candidates": [one.candidate(index) for index, one in enumerate(said)]}
    done = [one.completion for one in said if one.completion is not None]
    if len(done) == len(said):
        found["usageMetadata"] = usage([completion.usage for completion in done])
    return found | {"modelVersion": name, "responseId": id}


def usage(used: Sequence[Usage]) -> dict[str, int]:
    """Counts: of the prompt once, of the answers together."""
    prompt, written = used[0].prompt_tokens, sum(one.completion_tokens for one in used)
    cached = used[0].cached_tokens
    found = {"promptTokenCount": prompt, "candidatesTokenCount": written, "totalTokenCount": prompt + written}
    return found | ({"cachedContentTokenCount": cached} if cached else {})


def _logprobs(tokens: Sequence[TokenLogprob]) -> dict[str, Any]:
    chosen = [{"token": one.token, "logProbability": one.logprob} for one in tokens]
    tops = [{"candidates": [{"token": t, "logProbability": p} for t, p in one.top]} for one in tokens]
    result = {"chosenCandidates": chosen, "topCandidates": tops if any(one.top for one in tokens) else []}
    mean = sum(one.logprob for one in tokens) / len(tokens) if tokens else 0.0
    return {"avgLogprobs": mean, "logprobsResult": result}
