"""GGUF files read back with the ``gguf`` package: metadata, order and values of the tensors, the tokenizer."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from tests.tiny import tiny_config, tiny_folder, tiny_tokenizer
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from sibao.core.errors import MissingPackage, ModelError
from sibao.models.base import Keys
from sibao.models.folder import family_of, load_model, new_network, save_model
from sibao.text.tokenizer import SPLIT
from sibao.workflows._export_gguf import TYPES
from sibao.workflows.export import Options, export

FAMILIES = ("gpt2", "llama", "mistral", "qwen2", "qwen3")
TEXTS = (
    "春眠不觉晓，处处闻啼鸟。",
    "The quick brown fox's 12345 books\n\n  are here",
    "👍🎉 <|im_end|> def f(x):\n\treturn x",
)
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))


def folder_of(path: Path, family: str, **extra: Any) -> Path:
    """A tiny model with biases and norms that are not idle."""
    config = tiny_config(family, 400, 128) | {"head_dim": 8} | extra
    if family == "gpt2":
        config.pop("head_dim")
    if "rope_parameters" in extra:
        config.pop("rope_theta", None)
    model = new_network(family_of(family).read(Keys(config)))
    model.initialize(3)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    save_model(model, path, family, extra={"bos_token_id": None, "eos_token_id": 2, "pad_token_id": 0})
    tiny_tokenizer().save(path)
    return path


def exported(path: Path, family: str, precision: str = "fp32", **extra: Any) -> tuple[Path, gguf.GGUFReader]:
    """The model's folder and its GGUF file."""
    folder = folder_of(path / "model", family, **extra)
    export(str(folder), path / "out", Options(format="gguf", precision=precision))
    (file,) = (path / "out").glob("*.gguf")
    return folder, gguf.GGUFReader(file)


def field(reader: gguf.GGUFReader, key: str) -> Any:
    """A value of the metadata."""
    found = reader.get_field(key)
    return None if found is None else found.contents()


def tensors(reader: gguf.GGUFReader) -> dict[str, np.ndarray[Any, Any]]:
    """Every tensor as float32, [out, in]."""
    return {
        t.name: gguf.quants.dequantize(t.data, t.tensor_type).reshape([int(n) for n in reversed(t.shape)])
        for t in reader.tensors
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_the_metadata_say_what_the_model_is(family: str, tmp_path: Path) -> None:
    folder, reader = exported(tmp_path, family)
    c = load_model(folder).config
    arch = {"mistral": "llama"}.get(family, family)
    assert field(reader, "general.architecture") == arch and field(reader, "general.name") == "out"
    assert field(reader, "general.type") == "model" and field(reader, "general.file_type") == 0
    wanted = {
        "context_length": 128, "embedding_length": 32, "block_count": 2, "feed_forward_length": c.intermediate_size,
        "attention.head_count": 4, "attention.head_count_kv": c.num_key_value_heads, "vocab_size": 400,
    }  # fmt: skip
    if family == "gpt2":
        wanted["attention.layer_norm_epsilon"] = pytest.approx(1e-5)
    else:
        wanted |= {"attention.layer_norm_rms_epsilon": pytest.approx(1e-6), "rope.freq_base": 10000.0}
        wanted |= {"attention.key_length": 8, "attention.value_length": 8, "rope.dimension_count": 8}
    assert {key: field(reader, f"{arch}.{key}") for key in wanted} == wanted


@pytest.mark.parametrize("family", FAMILIES)
def test_every_tensor_is_one_that_llama_cpp_knows(family: str, tmp_path: Path) -> None:
    _, reader = exported(tmp_path, family)
    arch = next(a for a, name in gguf.MODEL_ARCH_NAMES.items() if name == {"mistral": "llama"}.get(family, family))
    known = {gguf.TENSOR_NAMES[kind].format(bid=i) for kind in gguf.MODEL_TENSORS[arch] for i in range(2)}
    names = {t.name.rpartition(".")[0] for t in reader.tensors}
    assert names <= known
    assert known - names <= {"output", "rope_freqs", *(f"blk.{i}.attn_rot_embd" for i in range(2))} | {
        gguf.TENSOR_NAMES[kind].format(bid=i) for kind in gguf.MODEL_TENSORS[arch] if "EXP" in kind.name or "INP" in kind.name
        for i in range(2)
    }  # fmt: skip


def rows_by_hand(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Row h·d + 2i + j of Meta's order is row h·d + j·d/2 + i of Hugging Face's, written out."""
    d = weight.shape[0] // heads
    place = [h * d + j * d // 2 + i for h in range(heads) for i in range(d // 2) for j in range(2)]
    return weight[place]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_values_are_those_of_the_model(family: str, tmp_path: Path) -> None:
    folder, reader = exported(
        tmp_path, family, **({"attention_bias": True, "mlp_bias": True} if family == "llama" else {})
    )
    state, found = load_model(folder).state_dict(), tensors(reader)
    block = {
        "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_output": "self_attn.o_proj",
        "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "ffn_gate": "mlp.gate_proj", "attn_v": "self_attn.v_proj",
        "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_q_norm": "self_attn.q_norm",
        "attn_k_norm": "self_attn.k_norm",
    }  # fmt: skip
    ends = {"token_embd": "embed_tokens", "position_embd": "embed_positions", "output_norm": "norm"}
    for name, got in found.items():
        place, _, kind = name.rpartition(".")
        if place.endswith("attn_qkv"):
            layer = place.split(".")[1]
            want = torch.cat([state[f"layers.{layer}.self_attn.{p}_proj.{kind}"] for p in "qkv"])
        elif place.startswith("blk."):
            _, layer, what = place.split(".")
            want = state[f"layers.{layer}.{block[what]}.{kind}"]
            if family in ("llama", "mistral") and what in ("attn_q", "attn_k"):
                want = rows_by_hand(want, 4 if what == "attn_q" else 2)
        else:
            want = state[f"{ends[place]}.{kind}"]
        assert np.array_equal(got, want.numpy()), name
    fused = 2 * 2 * 2 if family == "gpt2" else 0  # two layers, weight and bias, three in one
    assert len(found) == len(state) - 1 - fused  # the output is the embedding


def test_an_output_of_its_own_is_written(tmp_path: Path) -> None:
    folder, reader = exported(tmp_path, "llama", tie_word_embeddings=False)
    assert np.array_equal(tensors(reader)["output.weight"], load_model(folder).lm_head.weight.detach().numpy())


@pytest.mark.parametrize(("precision", "most"), [("fp16", 1e-3), ("bf16", 8e-3), ("q8_0", 1e-2)])
def test_types(precision: str, most: float, tmp_path: Path) -> None:
    folder, reader = exported(tmp_path, "gpt2", precision, n_inner=72)
    exact = tensors(exported(tmp_path / "exact", "gpt2", n_inner=72)[1])
    kinds = {t.name: t.tensor_type.name for t in reader.tensors}
    assert kinds["token_embd.weight"] == TYPES[precision]
    assert kinds["position_embd.weight"] == kinds["output_norm.weight"] == kinds["blk.0.attn_qkv.bias"] == "F32"
    # 72 is no whole number of blocks of 32
    assert kinds["blk.0.ffn_down.weight"] == ("F16" if precision == "q8_0" else TYPES[precision])
    for name, got in tensors(reader).items():
        assert np.abs(got - exact[name]).max() <= most * np.abs(exact[name]).max(), name
    assert field(reader, "general.file_type") == {"fp16": 1, "bf16": 32, "q8_0": 7}[precision]
    assert load_model(folder).config.intermediate_size == 72


def rebuilt(reader: gguf.GGUFReader) -> Tokenizer:
    """A tokenizer from what the file says of it."""
    tokens, merges = field(reader, "tokenizer.ggml.tokens"), field(reader, "tokenizer.ggml.merges")
    vocab = {token: i for i, token in enumerate(tokens)}
    found = Tokenizer(models.BPE(vocab, [tuple(m.split(" ")) for m in merges]))
    assert field(reader, "tokenizer.ggml.model") == "gpt2" and field(reader, "tokenizer.ggml.pre") == "qwen2"
    split = pre_tokenizers.Split(Regex(SPLIT), behavior="isolated")
    found.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    found.decoder = decoders.ByteLevel()
    return found


def test_the_tokens_go_round(tmp_path: Path) -> None:
    _, reader = exported(tmp_path, "qwen3")
    own, back = tiny_tokenizer(), rebuilt(reader)
    for text in TEXTS:
        assert back.encode(text).ids == own.encode(text)
        assert back.decode(own.encode(text)) == text
    kinds = field(reader, "tokenizer.ggml.token_type")
    assert kinds[:3] == [gguf.TokenType.CONTROL] * 3 and set(kinds[3:]) == {gguf.TokenType.NORMAL}
    assert field(reader, "tokenizer.ggml.tokens")[:3] == ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    names = ("bos", "eos", "padding")
    assert [field(reader, f"tokenizer.ggml.{name}_token_id") for name in names] == [0, 2, 0]
    assert field(reader, "tokenizer.ggml.add_bos_token") is False
    assert field(reader, "tokenizer.chat_template") == own.chat_template


def test_a_window_ends_the_promised_context(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", "mistral", sliding_window=48)
    done = export(str(folder), tmp_path / "out", Options(format="gguf"))
    reader = gguf.GGUFReader(next((tmp_path / "out").glob("*.gguf")))
    assert field(reader, "llama.context_length") == 48 and "promises 48 tokens only" in done.notes[0]
    assert done.notes[0] in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_stretched_rotations(tmp_path: Path) -> None:
    _, reader = exported(tmp_path / "a", "llama", rope_parameters=LLAMA3)
    factors = tensors(reader)["rope_freqs.weight"]
    # pairs turn by 500^(-i/4) each position: waves of 6, 30, 141 and 664 tokens; 32 is the length, 32/4 and 32/1 the limits
    assert factors[0] == 1 and 1 < factors[1] < 8 and factors[2] == factors[3] == 8
    yarn = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 32}
    _, reader = exported(tmp_path / "b", "qwen2", rope_parameters=yarn)
    keys = ("type", "factor", "original_context_length")
    assert [field(reader, f"qwen2.rope.scaling.{key}") for key in keys] == ["yarn", 4.0, 32]
    linear = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}
    _, reader = exported(tmp_path / "c", "qwen3", rope_parameters=linear)
    assert [field(reader, f"qwen3.rope.scaling.{key}") for key in keys] == ["linear", 2.0, None]


YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 32,
    "beta_fast": 4.0,
}
SOME = ["sliding_attention", "full_attention"]
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("gpt2", {"activation_function": "gelu"}, "llama.cpp's gpt2 has no activation = 'gelu', only 'gelu_tanh'"),
    ("qwen2", {"head_dim": 16}, "llama.cpp's qwen2 has no 4 heads of 16 in a model 32 wide"),
    ("qwen3", {"attention_bias": True}, "llama.cpp's qwen3 has no qkv_bias = True, only False"),
    (
        "qwen3",
        {"use_sliding_window": True, "sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]},
        "llama.cpp's qwen3 has no sliding",
    ),
    ("qwen3", {"rope_parameters": LLAMA3}, "llama.cpp's qwen3 has no rope scaling Llama3"),
    ("llama", {"rope_parameters": YARN}, "llama.cpp's llama has no rope scaling Yarn"),
    ("llama", {"hidden_act": "gelu"}, "llama.cpp's llama has no activation = 'gelu', only 'silu'"),
]


@pytest.mark.parametrize(("family", "extra", "message"), REFUSED, ids=[m[12:40] for _, _, m in REFUSED])
def test_what_llama_cpp_would_compute_otherwise_is_refused(
    family: str, extra: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "model", family, **extra)
    with pytest.raises(ModelError) as caught:
        export(str(folder), tmp_path / "out", Options(format="gguf"))
    assert caught.value.message.startswith(message) and "--format hf" in caught.value.hint
    assert [p.name for p in tmp_path.iterdir() if "home" not in p.name] == ["model"]


def test_without_the_package_the_install_line_is_given(
    qwen_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("sibao.workflows._export_gguf.find_spec", lambda name: None if name == "gguf" else found(name))
    with pytest.raises(MissingPackage, match="GGUF files needs the package gguf") as caught:
        export(str(qwen_folder), tmp_path / "out", Options(format="gguf"))
    assert "sibao[gguf]" in caught.value.hint and not (tmp_path / "out").exists()


def test_a_tokenizer_larger_than_the_model_is_refused(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model", vocab=320)
    tiny_tokenizer(400).save(folder)
    with pytest.raises(ModelError, match=r"has 400 tokens, the model's embedding 320 rows|tokenizer"):
        export(str(folder), tmp_path / "out", Options(format="gguf"))
