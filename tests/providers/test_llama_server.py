"""A foreign server as a provider: llama-cpp-python's, on the shipped weights, beside Sibao's own engine on the same ones.

Needs ``sh scripts/peers.sh llama``, which builds the server into an environment of its own.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sibao.core.errors import BadInput, ContextOverflow, ProviderError, SibaoError
from sibao.core.types import GenerateOptions, Message, Sampling
from sibao.providers.load import load
from sibao.workflows.export import Options, export

PYTHON = Path(__file__).parents[2] / "build" / "peers" / "llama" / "bin" / "python"
CONTEXT = 256
TURNS: list[Message] = [{"role": "user", "content": "Who wrote this book?"}]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="no llama-cpp-python here: sh scripts/peers.sh llama"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its base URL."""
    folder = tmp_path_factory.mktemp("llama")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIBAO_HOME", str(folder / "home"))
        export("mini", folder / "model", Options("gguf", precision="fp32"))
    file = next((folder / "model").rglob("*.gguf"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(PYTHON), "-m", "llama_cpp.server", "--model", str(file), "--port", str(port), "--n_ctx", str(CONTEXT),
        "--n_threads", "1", "--logits_all", "true", "--model_alias", "tiny", "--type_k", "0", "--type_v", "0",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield _up(f"http://127.0.0.1:{port}/v1", process)
        finally:
            process.terminate()
            process.wait(20)


def _up(url: str, process: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            load(f"{url}#tiny")
            return url
        except SibaoError:
            time.sleep(0.2)
    raise RuntimeError("the server did not start")


@pytest.fixture
def model(server: str) -> Any:
    """The served model."""
    return load(f"{server}#tiny")


def test_it_writes_what_the_local_model_writes(model: Any) -> None:
    own = load("mini")
    prompts: list[Any] = ["Once upon a time", "从前有一个人，", TURNS]
    theirs = model.generate(prompts, GenerateOptions(8))  # further on two tokens are as good as equal
    ours = own.generate(prompts, GenerateOptions(8))
    assert [one.text for one in theirs] == [one.text for one in ours]
    assert [one.usage.prompt_tokens for one in theirs[:2]] == [one.usage.prompt_tokens for one in ours[:2]]


def test_streamed_is_whole(model: Any) -> None:
    for prompt in ("从前有一个人，", TURNS):
        (whole,) = model.generate([prompt], GenerateOptions(12))
        *pieces, last = model.stream(prompt, GenerateOptions(12))
        assert "".join(one.text for one in pieces) == last.completion.text == whole.text
        assert last.completion.finish_reason == whole.finish_reason


def test_its_echo_is_not_believed(model: Any) -> None:
    """llama-cpp-python 0.3 echoes each token with the likelihood of the place behind it: that must not become a score."""
    with pytest.raises(BadInput, match="not those of its own answers"):
        model.score([("Once upon", " a time")])


def test_chosen_tokens_with_their_likelihoods(model: Any) -> None:
    way = GenerateOptions(6, Sampling(logprobs=2))
    for prompt in ("Once upon a time", TURNS):
        (theirs,), (ours,) = model.generate([prompt], way), load("mini").generate([prompt], way)
        assert [one.token for one in theirs.logprobs] == [one.token for one in ours.logprobs]
        for a, b in zip(theirs.logprobs, ours.logprobs, strict=True):
            assert a.logprob == pytest.approx(b.logprob, abs=0.02)


def test_what_it_refuses(model: Any) -> None:
    with pytest.raises(ContextOverflow) as caught:
        model.generate("word " * 400, GenerateOptions(5))
    assert caught.value.limit == CONTEXT and caught.value.got > 400
    with pytest.raises(ProviderError, match="embedding"):  # it was started without
        model.embed(["a"])


def test_a_form_is_kept(model: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    form = {"type": "json_object", "schema": schema}
    (answer,) = model.generate([TURNS], GenerateOptions(40, response_format=form))
    assert answer.text.lstrip().startswith("{")
