"""Vectors of texts, and the list of models, by OpenAI's interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sibao.core.errors import BadInput, ProviderError
from sibao.providers._http import Transport
from sibao.providers._refusals import line
from sibao.providers._remote import RemoteModel

BATCH = 128
"""Texts in one request."""


def checked(texts: str | Sequence[str]) -> list[str]:
    """The texts; a string alone is one text.

    Raises:
        BadInput: an empty text.
    """
    listed = [texts] if isinstance(texts, str) else list(texts)
    for number, text in enumerate(listed, start=1):
        if not isinstance(text, str) or not text:
            raise BadInput(f"text {number} is {text!r}, wanted a text that is not empty", hint="leave it out")
    return listed


def embed(model: RemoteModel, texts: Sequence[str]) -> list[list[float]]:
    """One vector for each text, in order.

    Raises:
        BadInput: an empty text. ProviderError: the server has no embeddings, or refuses.
    """
    todo, found = checked(texts), []
    for begin in range(0, len(todo), BATCH):
        part = todo[begin : begin + BATCH]
        body = {"model": model.about.model, "input": part}
        answer = model.asked(lambda body=body: model.transport.json("POST", "/embeddings", body))  # type: ignore[misc]
        found += model.understood(lambda answer=answer: _vectors(answer))  # type: ignore[misc]
    return as_many(model.name, found, len(todo))


def as_many(name: str, found: list[list[float]], wanted: int) -> list[list[float]]:
    """The vectors.

    Raises:
        ProviderError: there are more or fewer of them than texts.
    """
    if len(found) != wanted:
        raise ProviderError(f"{name}: got {len(found)} vectors for {wanted} texts")
    return found


def _vectors(answer: dict[str, Any]) -> list[list[float]]:
    rows = sorted(answer["data"], key=lambda row: int(row["index"]))
    return [[float(value) for value in row["embedding"]] for row in rows]


def listed(transport: Transport) -> list[dict[str, Any]]:
    """The entries of ``/models``; a server that has no such list gives none."""
    try:
        rows = transport.json("GET", "/models").get("data")
    except ProviderError as error:
        if error.status in (404, 405, 501):
            return []
        raise
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def names(transport: Transport) -> list[str]:
    """The models that there are."""
    return [line(transport.key.hide(str(row["id"]))) for row in listed(transport) if "id" in row]
