"""``check --url``: a server that runs the same model, and ones that do not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.workflows.check_folders import copy, edit, failed, got, healthy_folder, quick, status

from sibao.core.types import GenerateOptions, Sampling
from sibao.providers.load import load
from sibao.text.tokenizer import CHATML


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy model; read only."""
    return healthy_folder(tmp_path_factory.mktemp("served") / "qwen3", "qwen3")


@contextmanager
def serving(folder: Path, *, logprobs: bool = True, status: int = 200) -> Iterator[str]:
    """A real server on this machine that answers in OpenAI's form from a model folder; its URL."""
    model: Any = load(str(folder))

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.send({"data": [{"id": "served"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            chat = self.path.endswith("/chat/completions")
            sampling = Sampling(logprobs=2)
            prompt = body["messages"] if chat else body["prompt"]
            done = model.generate([prompt], GenerateOptions(max_tokens=body["max_tokens"], sampling=sampling))[0]
            usage = {"prompt_tokens": done.usage.prompt_tokens}
            self.send({"choices": [choice(done, chat)], "usage": usage})

        def send(self, answer: dict[str, Any]) -> None:
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def choice(done: Any, chat: bool) -> dict[str, Any]:
        told = {}
        if logprobs and chat:
            tops = [[{"token": t, "logprob": p} for t, p in s.top] for s in done.logprobs]
            pairs = zip(done.logprobs, tops, strict=True)
            told = {"content": [{"token": s.token, "logprob": s.logprob, "top_logprobs": top} for s, top in pairs]}
        elif logprobs:
            told = {
                "tokens": [s.token for s in done.logprobs],
                "token_logprobs": [s.logprob for s in done.logprobs],
                "top_logprobs": [dict(s.top) for s in done.logprobs],
            }
        return {"logprobs": told or None, **({"message": {"content": done.text}} if chat else {"text": done.text})}

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_server_with_the_same_model_agrees(folder: Path) -> None:
    with serving(folder) as url:
        report = quick(folder, url=url)
    assert report.ok and status(report, "server_prompt") == "ok"
    served = report.backends[-1]
    assert served.name == f"{url}#served" and served.max_difference is not None and served.max_difference < 1e-3


def test_a_server_without_log_probabilities_is_compared_by_text(folder: Path) -> None:
    with serving(folder, logprobs=False) as url:
        report = quick(folder, url=f"{url}#any")
    assert report.ok and report.backends[-1].max_difference is None and "tells no" in got(report, "server")


def test_a_plain_model_is_asked_for_completions(folder: Path, tmp_path: Path) -> None:
    plain = copy(folder, tmp_path / "plain")
    edit(plain / "tokenizer_config.json", lambda data: data.pop("chat_template"))
    with serving(plain) as url:
        report = quick(plain, against=url)
    assert report.ok and report.backends[-1].max_difference is not None


def test_a_server_with_another_rotary_base_is_found(folder: Path, tmp_path: Path) -> None:
    other = copy(folder, tmp_path / "other")
    edit(other / "config.json", rope_theta=50.0, rope_parameters={"rope_theta": 50.0, "rope_type": "default"})
    with serving(other) as url:
        report = quick(folder, url=url)
    assert failed(report) == {"server"}
    assert "there" in got(report, "server") or "Δ" in got(report, "server")


def test_a_server_with_another_template_is_found(folder: Path, tmp_path: Path) -> None:
    other = copy(folder, tmp_path / "other")
    edit(other / "tokenizer_config.json", chat_template="{{ bos_token }}" + CHATML)
    with serving(other) as url:
        report = quick(folder, url=url)
    assert "server_prompt" in failed(report)


def test_servers_that_cannot_answer(folder: Path) -> None:
    with serving(folder, status=500) as url:
        broken = quick(folder, url=url)
    assert "answers 500" in got(broken, "server")
    gone = quick(folder, url=url)
    assert failed(gone) == {"server"} and "cannot be asked" in got(gone, "server")
