"""A server that all tests of the session speak to, and clients of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai import OpenAI
from tests.serving import Served, serving


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests of a session: ``mini`` and ``echo``, no keys. Leave it as it is."""
    with serving(tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture(scope="session")
def client(served: Served) -> Iterator[OpenAI]:
    """OpenAI's SDK, speaking to it."""
    with OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as sdk:
        yield sdk
