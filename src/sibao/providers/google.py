"""``google:NAME``: Gemini models, of the Gemini API (by key) or of Vertex AI (by project, region and token).

The variables are those of Google's own SDK: ``GOOGLE_API_KEY`` or ``GEMINI_API_KEY``; or ``GOOGLE_GENAI_USE_VERTEXAI=true``
with ``GOOGLE_CLOUD_PROJECT``, ``GOOGLE_CLOUD_LOCATION`` and ``GOOGLE_OAUTH_ACCESS_TOKEN`` (``gcloud auth print-access-token``
prints one, good for an hour). ``GOOGLE_GEMINI_BASE_URL`` and ``GOOGLE_VERTEX_BASE_URL`` name other addresses.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from sibao.core.errors import BadInput, ProviderError
from sibao.core.types import Prompt
from sibao.providers._embeddings import as_many, checked
from sibao.providers._gemini_wire import GeminiWire, contents
from sibao.providers._http import Transport
from sibao.providers._keys import Key
from sibao.providers._names import model_name
from sibao.providers._place import Place, from_environment, refuse_offline
from sibao.providers._remote import UNLIMITED, About, RemoteModel

KEY = Key(("GOOGLE_API_KEY", "GEMINI_API_KEY"), header="x-goog-api-key", scheme="")
TOKEN = Key(("GOOGLE_OAUTH_ACCESS_TOKEN",))
BATCH = 100
"""Texts in one request of vectors: the interface takes no more."""
_PART = re.compile(r"[a-z0-9][a-z0-9.:-]*")


def place(name: str) -> Place:
    """Where a model is asked.

    Raises:
        ProviderError: Vertex AI without project or region. BadInput: an address, project or region that is none.
    """
    if not _vertex():
        return from_environment("GOOGLE_GEMINI_BASE_URL", "https://generativelanguage.googleapis.com")
    region = _variable("GOOGLE_CLOUD_LOCATION")
    front = "" if region == "global" else f"{region}-"
    return from_environment("GOOGLE_VERTEX_BASE_URL", f"https://{front}aiplatform.googleapis.com")


def load(name: str) -> GeminiModel:
    """The model of that name. The Gemini API is asked how many tokens it holds.

    Raises:
        ProviderError: no key, offline, or the server refuses. UnknownName: it has no such model.
    """
    where, model = place(name), model_name(name, in_paths=True)
    refuse_offline(name, where)
    transport = Transport(name, where, TOKEN if _vertex() else KEY)
    return GeminiModel(name, transport, _path(model), model)


def _vertex() -> bool:
    return os.environ.get("GOOGLE_GENAI_USE_VERTEXAI", "").strip().lower() in ("1", "true", "yes")


def _variable(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise ProviderError(f"the variable {name} is not set", hint=f"Vertex AI needs it: export {name}=...")
    if not _PART.fullmatch(value):
        raise BadInput(
            f"the variable {name} is {value[:80]!r}, wanted a name in small letters", hint="see docs/providers.md"
        )
    return value


def _path(model: str) -> str:
    if not _vertex():
        return f"/v1beta/models/{model}"
    project, region = _variable("GOOGLE_CLOUD_PROJECT"), _variable("GOOGLE_CLOUD_LOCATION")
    return f"/v1/projects/{project}/locations/{region}/publishers/google/models/{model}"


class GeminiModel(RemoteModel):
    """A Gemini model. The server counts prompts (``countTokens``), at the cost of a request each."""

    def __init__(self, name: str, transport: Transport, path: str, model: str) -> None:
        self._path = path
        super().__init__(name, transport, GeminiWire(name, path), About(model, counts=self._counted, names=self._names))
        if not path.startswith("/v1/projects/"):
            self.context = self._holds()

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, by a model that embeds.

        Raises:
            BadInput: an empty text. ProviderError: the model does not embed, or the server refuses.
        """
        todo, found = checked(texts), []
        for begin in range(0, len(todo), BATCH):
            found += self._embedded(todo[begin : begin + BATCH])
        return as_many(self.name, found, len(todo))

    def _embedded(self, part: list[str]) -> list[list[float]]:
        if self._path.startswith("/v1/projects/"):
            body: dict[str, Any] = {"instances": [{"content": text} for text in part]}
            answer = self._post(":predict", body)
            return self.understood(lambda: [_floats(row["embeddings"]["values"]) for row in answer["predictions"]])
        whole = f"models/{self.about.model}"
        body = {"requests": [{"model": whole, "content": {"parts": [{"text": text}]}} for text in part]}
        answer = self._post(":batchEmbedContents", body)
        return self.understood(lambda: [_floats(row["values"]) for row in answer["embeddings"]])

    def _counted(self, prompt: Prompt) -> int:
        if not prompt:
            return 0
        said = contents(prompt)
        if not self._path.startswith("/v1/projects/") and "systemInstruction" in said:
            said = {"generateContentRequest": {"model": f"models/{self.about.model}", **said}}
        answer = self._post(":countTokens", said)
        return self.understood(lambda: int(answer["totalTokens"]))

    def _post(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.asked(lambda: self.transport.json("POST", self._path + verb, body))

    def _holds(self) -> int:
        """Tokens of prompt and answer together."""
        found = self.asked(lambda: self.transport.json("GET", self._path))
        limits = [found.get("inputTokenLimit"), found.get("outputTokenLimit")]
        return sum(limits) if all(isinstance(limit, int) for limit in limits) else UNLIMITED  # type: ignore[arg-type]

    def _names(self) -> list[str]:
        if self._path.startswith("/v1/projects/"):
            return []
        rows = self.transport.json("GET", "/v1beta/models?pageSize=1000").get("models") or []
        return [str(row["name"]).removeprefix("models/") for row in rows]


def _floats(values: Sequence[Any]) -> list[float]:
    return [float(value) for value in values]
