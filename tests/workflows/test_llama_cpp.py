"""GGUF files in llama.cpp itself: the same tokens read, the same scores and the same tokens written as by Sibao's own
engine.

Needs llama.cpp's Python bindings, ``llama-cpp-python`` or ``xllamacpp``; neither is a dependency.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.gguf_models import FAMILIES, FULL, PIECES, SLIDING, gguf_folder, pieces_tokenizer
from tests.tiny import tiny_folder
from tokenizers.pre_tokenizers import ByteLevel

from sibao.core.types import Sampling
from sibao.engine.engine import Engine
from sibao.engine.request import Request
from sibao.models.folder import load_model
from sibao.text.tokenizer import Tokenizer
from sibao.workflows.export import Options, export

BINDINGS = [name for name in ("llama_cpp", "xllamacpp") if find_spec(name)]
PROMPTS = ("春眠不觉晓，", "The quick brown fox's", "我 like 12345 👍\n\n ok")
NEW, ENDS = 24, (0, 2)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BINDINGS, reason="no llama.cpp here: pip install xllamacpp, or llama-cpp-python"),
]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))


def token_bytes(tokenizer: Tokenizer, ids: list[int]) -> bytes:
    """What tokens of a byte-level vocabulary, or one of pieces, stand for; control tokens for nothing."""
    names = [tokenizer.backend.id_to_token(i) or "" for i in ids if i not in tokenizer.special_ids]
    if tokenizer.token_bytes() is None:
        pieces = (bytes([int(n[3:5], 16)]) if n.startswith("<0x") else n.replace("▁", " ").encode() for n in names)
        return b"".join(pieces)
    signs = {sign: byte for byte, sign in enumerate(_signs())}
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
    request = Request("a", ids, Sampling(), frozenset(ENDS), NEW)
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
            if token in ENDS or len(found) == NEW:
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

    def scores(self, prompt: str | list[int]) -> dict[int, float]:
        """Log-probabilities of the 20 likeliest first tokens; none where the first is half a character."""
        flags = {"max_tokens": 1, "temperature": 0, "logprobs": 20, "cache_prompt": False}
        said = self.server.handle_completions({"prompt": prompt, **flags})["choices"][0]["logprobs"]
        content = (said or {}).get("content") or [{"top_logprobs": []}]
        return {one["id"]: one["logprob"] for one in content[0]["top_logprobs"]}

    def write(self, ids: list[int]) -> bytes:
        """Bytes written after the ids, greedily; halves of characters at the end are held back."""
        said = self._complete(ids, NEW)["choices"][0]["logprobs"] or {"content": []}  # an end at once
        return bytes(byte for token in said["content"] for byte in token["bytes"])


KINDS = {"llama_cpp": LlamaCppPython, "xllamacpp": Xllamacpp}


@pytest.mark.parametrize("binding", BINDINGS or ["none"])
@pytest.mark.parametrize("family", FAMILIES)
def test_llama_cpp_reads_and_writes_the_same(family: str, binding: str, tmp_path: Path) -> None:
    folder = gguf_folder(tmp_path / "model", family)
    export(str(folder), tmp_path / "out", Options(format="gguf", precision="fp32"))
    peer = KINDS[binding](next((tmp_path / "out").glob("*.gguf")))
    written = 0
    for prompt in PROMPTS:
        ids = Tokenizer.load(folder).encode(prompt)
        assert peer.read(prompt) == len(ids)
        got, want = peer.write(ids), own(folder, ids)
        assert want.startswith(got)  # the server holds back halves of characters, and what follows them
        written += len(got)
    assert written > 10


YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 32}
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}
LLAMA3 = {**YARN, "rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LONG = {
    "rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0, 1.2, 1.5, 2.0],
    "long_factor": [2.0, 4.0, 8.0, 16.0],
}  # fmt: skip
TWO_BASES = {SLIDING: {"rope_type": "default", "rope_theta": 1e4}, FULL: {**LINEAR, "rope_theta": 5e4}}
SHAPES: list[tuple[str, dict[str, Any]]] = [
    *((family, {}) for family in FAMILIES),
    ("llama", {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": False}),
    ("llama", {"rope_parameters": YARN}),
    ("mixtral", {"rope_parameters": LLAMA3}),
    ("qwen3_moe", {"rope_parameters": YARN}),
    ("phi3", {"hidden_size": 64, "num_key_value_heads": 4, "tie_word_embeddings": False,
              "rope_parameters": {"rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 0.75}}),
    ("phi3", {"rope_parameters": LONG, "max_position_embeddings": 384, "original_max_position_embeddings": 256}),
    ("gemma2", {"num_hidden_layers": 4, "rope_parameters": LINEAR}),
    ("gemma2", {"num_hidden_layers": 46, "query_pre_attn_scalar": 8}),
    ("gemma3_text", {"rope_parameters": TWO_BASES, "final_logit_softcapping": 10.0, "tie_word_embeddings": False}),
    ("gemma3_text", {"num_hidden_layers": 62, "query_pre_attn_scalar": 8}),
]  # fmt: skip


@pytest.mark.skipif("xllamacpp" not in BINDINGS, reason="tells scores: pip install xllamacpp")
@pytest.mark.parametrize(("family", "extra"), SHAPES, ids=[f"{f}-{i}" for i, (f, _) in enumerate(SHAPES)])
def test_llama_cpp_computes_the_same_scores(family: str, extra: dict[str, Any], tmp_path: Path) -> None:
    folder = gguf_folder(tmp_path / "model", family, **extra)
    export(str(folder), tmp_path / "out", Options(format="gguf", precision="fp32"))
    peer, model = Xllamacpp(next((tmp_path / "out").glob("*.gguf"))), load_model(folder)
    # llama.cpp looks GELU up in a table of fp16 numbers
    most = 1e-4 if model.config.activation == "silu" else 5e-3 if model.config.num_hidden_layers < 8 else 0.1
    worst = []
    for seed in range(6):
        ids = torch.randint(3, 300, (44 if seed else 100,), generator=torch.Generator().manual_seed(seed)).tolist()
        with torch.no_grad():
            want = torch.log_softmax(model.logits(model(torch.tensor([ids])))[0, -1], -1)
        worst += [abs(score - float(want[i])) for i, score in peer.scores(ids).items()]
    assert len(worst) >= 40 and max(worst) <= most


MORE_PROMPTS = (
    *PROMPTS, "def f(x):\n\treturn x  # 注释\n        pass", "龘𠮷 Ωmega ﬁ ＡＢＣ　①", "🏳️‍🌈👨‍👩‍👧‍👦🇨🇳",
    "<0x0A> typed <table> 1\n\n\n2", "many     spaces \r\n", "x" * 60,
)  # fmt: skip


@pytest.mark.skipif("xllamacpp" not in BINDINGS, reason="tells scores: pip install xllamacpp")
@pytest.mark.parametrize("kind", PIECES)
def test_llama_cpp_reads_pieces_the_same(kind: str, tmp_path: Path) -> None:
    """Tokens are the same when the scores after a text are those after its ids, to the bit."""
    tokenizer = pieces_tokenizer(kind)
    folder = gguf_folder(tmp_path / "model", "gemma2" if kind == "gemma" else "llama", tokenizer)
    export(str(folder), tmp_path / "out", Options(format="gguf", precision="fp32"))
    peer = Xllamacpp(next((tmp_path / "out").glob("*.gguf")))
    told = 0
    for prompt in MORE_PROMPTS:
        ids = tokenizer.encode(prompt, add_special_tokens=True)
        assert ids[0] == 1 and peer.read(prompt) == len(ids)
        scores = peer.scores(prompt)
        assert scores == peer.scores(ids), prompt
        told += bool(scores)
        got, want = peer.write(ids), own(folder, ids)
        assert want.startswith(got) or want == b""
    assert told >= 4


@pytest.mark.parametrize("binding", BINDINGS or ["none"])
@pytest.mark.parametrize("precision", ["fp16", "bf16", "q8_0"])
def test_llama_cpp_runs_every_type(precision: str, binding: str, tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model")
    export(str(folder), tmp_path / "out", Options(format="gguf", precision=precision))
    peer = KINDS[binding](next((tmp_path / "out").glob("*.gguf")))
    ids = Tokenizer.load(folder).encode(PROMPTS[0])
    assert len(peer.write(ids)) > 4
