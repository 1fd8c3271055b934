"""A server that plays hosted models, and an environment that points every provider at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.remote import Remote, running

KEY = "sk-SECRET-0123456789abcdef"


@pytest.fixture
def remote() -> Iterator[Remote]:
    """The server."""
    with running() as server:
        yield server


@pytest.fixture
def hosted(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> Remote:
    """The server, with every provider's address and key set; Sibao is offline, as it is by default."""
    for name in ("OPENAI_API_KEY", "AI21_API_KEY", "GOOGLE_API_KEY", "OPENAI_COMPATIBLE_API_KEY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{remote.url}/v1")
    monkeypatch.setenv("AI21_BASE_URL", f"{remote.url}/studio/v1")
    for name in ("GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL"):
        monkeypatch.setenv(name, remote.url)
    for name in ("GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "SIBAO_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return remote
