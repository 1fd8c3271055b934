"""From a hub's name to a model, for real: a small server that speaks the hub's API, other processes that fetch from it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
REPO, TAG = "tiny/qwen", "v1"
COMMIT = hashlib.sha1(b"tiny").hexdigest()
SCRIPT = """
import json, os, sys
from sibao.core.errors import SibaoError
from sibao.models.names import resolve
for offline, name in json.loads(sys.argv[1]):
    os.environ["SIBAO_OFFLINE"] = str(offline)
    try:
        folder = resolve(name).folder
        print(json.dumps({"folder": str(folder), "files": sorted(path.name for path in folder.iterdir())}))
    except SibaoError as error:
        print(json.dumps({"error": type(error).__name__, "message": error.message, "hint": error.hint}))
"""


class Hub(BaseHTTPRequestHandler):
    """One repository with one commit, by branch, tag and hash. ``cut`` breaks off large files in the middle."""

    folder: Path
    cut = False
    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(path)
        known = [f"/api/models/{REPO}/revision/{name}" for name in ("main", TAG, COMMIT)]
        if path in (*known, f"/api/models/{REPO}"):
            self._json({"id": REPO, "modelId": REPO, "sha": COMMIT, "siblings": [], "private": False, "tags": []})
        elif path == f"/api/models/{REPO}/tree/{COMMIT}":
            self._json([self._entry(file) for file in sorted(self.folder.iterdir())])
        elif path.startswith(f"/{REPO}/resolve/{COMMIT}/"):
            self._file(self.folder / path.rpartition("/")[2], body)
        else:
            self._missing("RevisionNotFound" if path.startswith(f"/api/models/{REPO}/") else "RepoNotFound")

    def _entry(self, file: Path) -> dict[str, Any]:
        data = file.read_bytes()
        return {"type": "file", "path": file.name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}

    def _file(self, file: Path, body: bool) -> None:
        data = file.read_bytes()
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0] or 0)
        self.send_response(206 if begin else 200)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if body and type(self).cut and file.suffix == ".safetensors":
            self.wfile.write(data[begin : begin + 1000])
            self.close_connection = True
        elif body:
            self.wfile.write(data[begin:])

    def _json(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _missing(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", f"{code}: nothing here")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def hub(qwen_folder: Path) -> Iterator[ThreadingHTTPServer]:
    handler = type("OneHub", (Hub,), {"folder": qwen_folder, "asked": [], "cut": False})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def environment(home: Path, server: ThreadingHTTPServer) -> dict[str, str]:
    """A process with a cache of its own that knows the mirror."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "SIBAO_")) and "proxy" not in k.lower()}
    return clean | {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(home / "hf"),
        "SIBAO_HOME": str(home / "sibao"), "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "5", "HF_HUB_DISABLE_TELEMETRY": "1",
    }  # fmt: skip


def resolved(home: Path, server: ThreadingHTTPServer, *steps: tuple[int, str]) -> list[dict[str, Any]]:
    """What ``resolve`` gives for each (offline, name), one after another in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(steps)], env=environment(home, server), capture_output=True,
        text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_fetched_once_then_offline_by_branch_tag_and_hash(
    tmp_path: Path, hub: ThreadingHTTPServer, qwen_folder: Path
) -> None:
    first, online, tagged, offline, pinned, unknown = resolved(
        tmp_path, hub, (1, REPO), (0, REPO), (0, f"{REPO}@{TAG}"), (1, REPO), (1, f"{REPO}@{COMMIT}"), (1, f"{REPO}@v2")
    )
    assert (
        first["error"] == "ModelError" and "Sibao is offline" in first["message"] and "SIBAO_OFFLINE=0" in first["hint"]
    )
    assert online["files"] == sorted(path.name for path in qwen_folder.iterdir())
    assert online["folder"] == tagged["folder"] == offline["folder"] == pinned["folder"] and COMMIT in online["folder"]
    assert unknown["error"] == "ModelError" and "offline" in unknown["message"]
    assert (Path(online["folder"]) / "model.safetensors").read_bytes() == (
        qwen_folder / "model.safetensors"
    ).read_bytes()


def test_what_the_hub_does_not_have(tmp_path: Path, hub: ThreadingHTTPServer) -> None:
    revision, repo, never = resolved(tmp_path, hub, (0, f"{REPO}@nowhere"), (0, "tiny/nothing"), (0, "a/b..c"))
    assert never["error"] == "BadInput" and "a/b..c" in never["message"]
    assert revision["error"] == repo["error"] == "BadInput"
    assert "nowhere" in revision["message"] and "tiny/nothing" in repo["message"] and "spelling" in repo["hint"]


def test_a_broken_download_is_never_taken_for_the_model(tmp_path: Path, hub: ThreadingHTTPServer) -> None:
    handler: Any = hub.RequestHandlerClass
    handler.cut = True
    broken, offline = resolved(tmp_path, hub, (0, REPO), (1, REPO))
    assert broken["error"] == offline["error"] == "ModelError"
    assert "could not be fetched" in broken["message"] and "not wholly" in offline["message"]
    handler.cut = False
    (mended,) = resolved(tmp_path, hub, (0, REPO))
    assert "model.safetensors" in mended["files"]


def test_a_server_that_is_down(tmp_path: Path, hub: ThreadingHTTPServer) -> None:
    resolved(tmp_path, hub, (0, REPO))
    hub.shutdown()
    hub.server_close()
    cached, other = resolved(tmp_path, hub, (0, REPO), (0, "tiny/other"))
    assert COMMIT in cached["folder"]
    assert (
        other["error"] == "ModelError" and "could not be fetched" in other["message"] and "HF_ENDPOINT" in other["hint"]
    )


@pytest.mark.slow
def test_the_command_answers_with_a_model_of_the_mirror(tmp_path: Path, hub: ThreadingHTTPServer) -> None:
    command = [
        sys.executable,
        "-m",
        "sibao",
        "generate",
        "你好",
        "--max-tokens",
        "3",
        "--json",
        "--model",
        f"{REPO}@{TAG}",
    ]
    for offline in ("0", "1"):
        done = subprocess.run(
            command, env=environment(tmp_path, hub) | {"SIBAO_OFFLINE": offline}, capture_output=True, text=True,
            timeout=200, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["usage"]["completion_tokens"] == 3
    handler: Any = hub.RequestHandlerClass
    before = len(handler.asked)
    assert before and all("/resolve/main/" not in path for path in handler.asked)
