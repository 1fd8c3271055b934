"""The OpenAPI document: complete, and nothing that it allows breaks the server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.serving import Served

ROOT = Path(__file__).resolve().parents[2]


def test_every_route_is_described(served: Served) -> None:
    document = served.http.get("/openapi.json").json()
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"):
        post = document["paths"][path]["post"]
        assert post["summary"] and post["requestBody"] and "4XX" in post["responses"], path
        assert post["responses"]["200"]["content"]["application/json"]["schema"]["$ref"], path
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary") and operation.get("tags"), f"{method} {path}"


def fuzz(url: str, folder: Path, examples: int, phases: str) -> str:
    """schemathesis over the document, for what no answer may be: a failure of the server.

    Paths that name a model name one that is there; the rooms are asked too: nothing is there to be trained. Its program
    starts in a process of its own: what it does to warnings and to pytest is no part of the tests here.
    """
    (folder / "schemathesis.toml").write_text('[parameters]\n"path.model" = "mini"\n', encoding="utf-8")
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/openapi.json", "--checks", "not_a_server_error",
        "--max-examples", str(examples), "--phases", phases, "--seed", "1", "--request-timeout", "60",
        "--include-path-regex", "^/(v1|v1beta|health|ready|metrics|api)", "--no-color",
        "--generation-database", "none",
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ}, timeout=3000)
    return "" if ended.returncode == 0 else ended.stdout[-6000:] + ended.stderr[-2000:]


def test_no_request_of_the_document_breaks_the_server(served: Served, tmp_path: Path) -> None:
    found = fuzz(served.url, tmp_path, 5, "fuzzing")
    assert not found, found


@pytest.mark.slow
def test_no_request_of_many_breaks_the_server(served: Served, tmp_path: Path) -> None:
    found = fuzz(served.url, tmp_path, 100, "coverage,fuzzing")
    assert not found, found
