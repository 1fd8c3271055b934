"""GGUF files in llama.cpp itself: the same tokens read and the same tokens written as by Sibao's own engine.

Needs llama.cpp's Python bindings, ``llama-cpp-python`` or ``xllamacpp``; neither is a dependency.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.tiny import tiny_folder
from tokenizers.pre_tokenizers import ByteLevel

from sibao.core.types import Sampling
from sibao.engine.engine import Engine
from sibao.engine.request import Request
from sibao.models.folder import load_model
from sibao.text.tokenizer import Tokenizer
from sibao.workflows.export import Options, export

BINDINGS = [name for name in ("llama_cpp", "xllamacpp") if find_spec(name)]
FAMILIES = ("gpt2", "llama", "mistral", "qwen3")
PROMPTS = ("春眠不觉晓，", "The quick brown fox's", "我 like 12345 👍\n\n ok")
NEW = 24

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BINDINGS, reason="no llama.cpp here: pip install xllamacpp, or llama-cpp-python"),
]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))


def token_bytes(tokenizer: Tokenizer, ids: list[int]) -> bytes:
    """What tokens of a byte-level vocabulary stand for; control tokens for nothing."""
    signs = {sign: byte for byte, sign in enumerate(_signs())}
    names = [tokenizer.backend.id_to_token(i) or "" for i in ids if i not in tokenizer.special_ids]
    return bytes(signs[sign] for name in names for sign in name)


def _signs() -> list[str]:
    """Sign of each byte 0..255: printable ones stand for themselves, the others follow from 256 on (GPT-2)."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    later = iter(range(256, 512))
    signs = [chr(byte) if byte in plain else chr(next(later)) for byte in range(256)]
    assert set(signs) == set(ByteLevel.alphabet())
    return signs


def own(folder: Path, ids: list[int]) -> bytes:
    """Bytes that Sibao writes, greedily."""
    tokenizer, engine = Tokenizer.load(folder), Engine(load_model(folder))
    request = Request("a", ids, Sampling(), frozenset({0, 2}), NEW)
    return token_bytes(tokenizer, [i for event in engine.submit(request) for i in event.token_ids])


class LlamaCppPython:
    """``llama-cpp-python``: exact arithmetic, one thread."""

    def __init__(self, file: Path) -> None:
        from llama_cpp import Llama

        f32 = 0  # GGML_TYPE_F32: keys and values are not rounded
        self.model = Llama(
            str(file), n_ctx=128, n_threads=1, verbose=False, flash_attn=False, type_k=f32, type_v=f32, n_gpu_layers=0
        )

    def read(self, text: str) -> int:
        """Tokens of a text."""
        return len(self.model.tokenize(text.encode(), add_bos=False, special=False))

    def write(self, ids: list[int]) -> bytes:
        """Bytes written after the ids, greedily."""
        found: list[int] = []
        for token in self.model.generate(ids, temp=0.0, repeat_penalty=1.0):
            if token in (0, 2) or len(found) == NEW:
                break
            found.append(token)
        return bytes(self.model.detokenize(found))


class Xllamacpp:
    """``xllamacpp``: the same through llama.cpp's server code."""

    def __init__(self, file: Path) -> None:
        import xllamacpp

        p = xllamacpp.CommonParams()
        p.model.path, p.n_ctx, p.n_parallel, p.verbosity, p.warmup, p.fit_params = str(file), 128, 1, -1, False, False
        p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 1
        p.n_gpu_layers = 0
        p.cache_type_k = p.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        p.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.server = xllamacpp.Server(p)

    def _complete(self, prompt: str | list[int], tokens: int) -> dict[str, Any]:
        flags = {"max_tokens": tokens, "temperature": 0, "logprobs": 1, "cache_prompt": False}
        found: dict[str, Any] = self.server.handle_completions({"prompt": prompt, **flags})
        return found

    def read(self, text: str) -> int:
        """Tokens of a text."""
        return int(self._complete(text, 1)["usage"]["prompt_tokens"])

    def write(self, ids: list[int]) -> bytes:
        """Bytes written after the ids, greedily; halves of characters at the end are held back."""
        said = self._complete(ids, NEW)["choices"][0]["logprobs"]["content"]
        return bytes(byte for token in said for byte in token["bytes"])


KINDS = {"llama_cpp": LlamaCppPython, "xllamacpp": Xllamacpp}


@pytest.mark.parametrize("binding", BINDINGS or ["none"])
@pytest.mark.parametrize("family", FAMILIES)
def test_llama_cpp_reads_and_writes_the_same(family: str, binding: str, tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model", family=family)
    export(str(folder), tmp_path / "out", Options(format="gguf", precision="fp32"))
    peer = KINDS[binding](next((tmp_path / "out").glob("*.gguf")))
    for prompt in PROMPTS:
        ids = Tokenizer.load(folder).encode(prompt)
        assert peer.read(prompt) == len(ids)
        got, want = peer.write(ids), own(folder, ids)
        assert len(got) > max(10, len(want) - 12) and want.startswith(got)


@pytest.mark.parametrize("binding", BINDINGS or ["none"])
@pytest.mark.parametrize("precision", ["fp16", "bf16", "q8_0"])
def test_llama_cpp_runs_every_type(precision: str, binding: str, tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model")
    export(str(folder), tmp_path / "out", Options(format="gguf", precision=precision))
    peer = KINDS[binding](next((tmp_path / "out").glob("*.gguf")))
    ids = Tokenizer.load(folder).encode(PROMPTS[0])
    assert len(peer.write(ids)) > 4
