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
from tests.workflows.check_folders import (
    copy,
    edit,
    edit_weights,
    encoder_folder,
    failed,
    got,
    healthy_folder,
    quick,
    source_folder,
    status,
)

from sibao.core.errors import BadInput
from sibao.core.types import GenerateOptions, Sampling
from sibao.providers.load import load
from sibao.text.tokenizer import CHATML, Tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy model; read only."""
    return healthy_folder(tmp_path_factory.mktemp("served") / "qwen3", "qwen3")


@contextmanager
def serving(
    folder: Path, *, logprobs: bool = True, status: int = 200, beams: int = 1, pooling: str = "mean"
) -> Iterator[str]:
    """A real server on this machine that answers in OpenAI's form from a model folder; its URL."""
    model: Any = load(str(folder))

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.send({"data": [{"id": "served"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path.endswith("/embeddings"):
                vectors = model.embed(body["input"], pooling=pooling)
                # in any order, and not of length 1: the index tells which is which
                rows = [{"index": i, "embedding": [3 * x for x in v]} for i, v in enumerate(vectors)]
                return self.send({"data": rows[::-1]})
            chat = self.path.endswith("/chat/completions")
            sampling = Sampling(logprobs=2, num_beams=beams)
            prompt = body["messages"] if chat else body["prompt"]
            done = model.generate([prompt], GenerateOptions(max_tokens=body["max_tokens"], sampling=sampling))[0]
            usage = {"prompt_tokens": done.usage.prompt_tokens}
            self.send({"choices": [choice(done, chat)], "usage": usage})

        def send(self, answer: dict[str, Any]) -> None:
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
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
    assert failed(broken) == {"server"} and "500" in got(broken, "server")
    gone = quick(folder, url=url)
    assert failed(gone) == {"server"} and "cannot be reached" in got(gone, "server")


@pytest.mark.parametrize("family", ["t5", "mt5", "marian"])
def test_a_server_of_an_encoder_decoder_is_asked_for_the_text_of_one_source(family: str, tmp_path: Path) -> None:
    folder = source_folder(tmp_path / family, family)
    with serving(folder) as url:
        report = quick(folder, url=url)
    assert report.ok and status(report, "server_prompt") == "ok"
    served = report.backends[-1]
    assert served.name == f"{url}#served" and served.max_difference is not None and served.max_difference < 1e-3


def test_a_server_of_another_encoder_decoder_is_found_by_its_text_alone(tmp_path: Path) -> None:
    folder = source_folder(tmp_path / "marian", "marian")
    other = copy(folder, tmp_path / "other")
    letters = Tokenizer.load(folder).encode("ef")
    for path, letter in zip((folder, other), letters, strict=True):  # each says its letter over and over
        edit_weights(path, lambda tensors, letter=letter: tensors["final_logits_bias"][0, letter].fill_(50.0))
    with serving(other, logprobs=False) as url:
        report = quick(folder, url=url)
    assert failed(report) == {"server"} and "there" in got(report, "server")
    with serving(folder, logprobs=False) as url:
        assert quick(folder, against=url).ok


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_a_server_of_an_encoder_is_asked_for_embeddings(family: str, tmp_path: Path) -> None:
    folder = encoder_folder(tmp_path / family, family, "Model")
    with serving(folder) as url:
        report = quick(folder, url=url)
    assert report.ok and "mean pooling" in got(report, "server")
    assert report.backends[-1].max_difference == pytest.approx(0, abs=1e-3)
    other = copy(folder, tmp_path / "other")
    name = "embeddings.word_embeddings.weight" if family == "bert" else "embeddings.tok_embeddings.weight"
    edit_weights(other, lambda tensors: tensors[name].normal_())
    with serving(other) as url:
        report = quick(folder, url=url)
    assert failed(report) == {"server"} and "0.05 allowed" in got(report, "server")


def test_the_pooling_of_a_server_is_told_and_held_against_the_folders_own(tmp_path: Path) -> None:
    folder = encoder_folder(tmp_path / "bert", "bert", "Model")
    with serving(folder, pooling="cls") as url:
        report = quick(folder, url=url)
        assert report.ok and status(report, "server") == "warn" and "pooling='cls'" in got(report, "server")
        (folder / "1_Pooling").mkdir()
        asked = folder / "1_Pooling" / "config.json"
        asked.write_text(json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}))
        assert status(quick(folder, url=url), "server") == "ok"
        asked.write_text(json.dumps({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}))
        assert failed(quick(folder, url=url)) == {"server"}


def test_a_head_that_no_server_can_be_asked_about_is_refused_with_what_can_be_done(tmp_path: Path) -> None:
    folder = encoder_folder(tmp_path / "bert", "bert", "ForMaskedLM")
    with pytest.raises(BadInput, match="head 'masked', which an OpenAI-compatible server has no way") as refused:
        quick(folder, url="http://127.0.0.1:9/v1")
    assert "--against" in refused.value.hint and "/v1/embeddings" in refused.value.hint
