"""GGUF files read back with the ``gguf`` package: metadata, order and values of the tensors, the tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from tests.gguf_models import ARCHITECTURES, FAMILIES, gguf_folder, pieces_tokenizer
from tests.tiny import tiny_tokenizer
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from sibao.models.folder import load_model
from sibao.text.tokenizer import SPLIT
from sibao.workflows._export_gguf import TYPES
from sibao.workflows.export import Options, export

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


def exported(path: Path, family: str, precision: str = "fp32", **extra: Any) -> tuple[Path, gguf.GGUFReader]:
    """The model's folder and its GGUF file."""
    folder = gguf_folder(path / "model", family, **extra)
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
    arch = ARCHITECTURES.get(family, family)
    assert field(reader, "general.architecture") == arch and field(reader, "general.name") == "out"
    assert field(reader, "general.type") == "model" and field(reader, "general.file_type") == 0
    wanted = {
        "context_length": 128, "embedding_length": 32, "block_count": c.num_hidden_layers,
        "feed_forward_length": c.intermediate_size, "attention.head_count": 4,
        "attention.head_count_kv": c.num_key_value_heads, "vocab_size": 400,
    }  # fmt: skip
    if family == "gpt2":
        wanted["attention.layer_norm_epsilon"] = pytest.approx(1e-5)
    else:
        wanted |= {"attention.layer_norm_rms_epsilon": pytest.approx(1e-6), "rope.freq_base": c.rope_theta}
        size = c.head_dim
        wanted |= {"attention.key_length": size, "attention.value_length": size, "rope.dimension_count": size}
    assert {key: field(reader, f"{arch}.{key}") for key in wanted} == wanted


def test_keys_of_what_only_some_models_have(tmp_path: Path) -> None:
    wanted: dict[str, dict[str, Any]] = {
        "mixtral": {"expert_count": 4, "expert_used_count": 2},
        "qwen3_moe": {"expert_count": 5, "expert_used_count": 2, "expert_feed_forward_length": 24},
        "gemma2": {"attn_logit_softcapping": 5.0, "final_logit_softcapping": 10.0, "attention.sliding_window": 16},
        "gemma3_text": {"rope.freq_base": 5000.0, "rope.freq_base_swa": 100.0, "attention.sliding_window": 16,
                        "attn_logit_softcapping": None, "final_logit_softcapping": None},
        "phi3": {"attention.sliding_window": None, "expert_count": None, "rope.freq_base_swa": None},
    }  # fmt: skip
    for family, keys in wanted.items():
        _, reader = exported(tmp_path / family, family)
        arch = ARCHITECTURES.get(family, family)
        assert {key: field(reader, f"{arch}.{key}") for key in keys} == keys


@pytest.mark.parametrize("family", FAMILIES)
def test_every_tensor_is_one_that_llama_cpp_knows(family: str, tmp_path: Path) -> None:
    folder, reader = exported(tmp_path, family)
    arch = next(a for a, name in gguf.MODEL_ARCH_NAMES.items() if name == ARCHITECTURES.get(family, family))
    layers = load_model(folder).config.num_hidden_layers
    kinds = [gguf.TENSOR_NAMES[kind] for kind in gguf.MODEL_TENSORS[arch]]
    names = {t.name.rpartition(".")[0] for t in reader.tensors}
    assert names <= {kind.format(bid=i) for kind in kinds for i in range(layers)}
    optional: tuple[str, ...] = ("output.", "rope_", "attn_rot_embd")
    if family == "phi3":
        optional += ("attn_q.", "attn_k.", "attn_v.")  # joined in attn_qkv
    if ARCHITECTURES.get(family, family) == "llama":
        optional += ("ffn_gate.", "ffn_up.", "ffn_down.") if family == "mixtral" else ("_exps", "_inp")
    missing = {kind.format(bid=i) for kind in kinds for i in range(layers)} - names
    assert [m for m in missing if not any(o in f"{m}." for o in optional)] == []


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
        "attn_k_norm": "self_attn.k_norm", "post_attention_norm": "attention_output_norm", "ffn_gate_inp": "mlp.gate",
        "post_ffw_norm": "mlp_output_norm",
    }  # fmt: skip
    ends = {"token_embd": "embed_tokens", "position_embd": "embed_positions", "output_norm": "norm"}
    for name, got in found.items():
        place, _, kind = name.rpartition(".")
        layer, what = place.split(".")[1:] if place.startswith("blk.") else ("", "")
        at = f"layers.{layer}"
        if what == "attn_qkv":
            want = torch.cat([state[f"{at}.self_attn.{p}_proj.{kind}"] for p in "qkv"])
        elif family == "phi3" and what == "ffn_up":
            want = torch.cat([state[f"{at}.mlp.{p}_proj.{kind}"] for p in ("gate", "up")])
        elif what.endswith("_exps"):
            count = got.shape[0]
            want = torch.stack([state[f"{at}.mlp.experts.{e}.{what[4:-5]}_proj.{kind}"] for e in range(count)])
        elif what:
            want = state[f"{at}.{block[what]}.{kind}"]
            if what in ("attn_q", "attn_k") and ARCHITECTURES.get(family, family) == "llama":
                want = rows_by_hand(want, 4 if what == "attn_q" else 2)
        else:
            want = state[f"{ends[place]}.{kind}"]
        if family.startswith("gemma") and name.endswith("norm.weight"):
            want = want + 1  # kept as the distance from 1
        assert np.array_equal(got, want.numpy()), name
    # in two layers: weight and bias, three in one; three and two in one; three kinds of four or five experts
    fewer = {"gpt2": 2 * 2 * 2, "phi3": 2 * 3, "mixtral": 2 * 3 * 3, "qwen3_moe": 2 * 3 * 4}.get(family, 0)
    assert len(found) == len(state) - 1 - fewer  # the output is the embedding


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
    folder = gguf_folder(tmp_path / "model", "mistral", sliding_window=48)
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


def test_longrope_keeps_both_sets_of_factors(tmp_path: Path) -> None:
    short, long = [1.0, 1.25, 1.5, 2.0], [2.0, 4.0, 8.0, 16.0]
    rope = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": short, "long_factor": long}
    extra = {"rope_parameters": rope, "max_position_embeddings": 256, "original_max_position_embeddings": 128}
    folder = gguf_folder(tmp_path / "model", "phi3", **extra)
    done = export(str(folder), tmp_path / "out", Options(format="gguf"))
    reader = gguf.GGUFReader(next((tmp_path / "out").glob("*.gguf")))
    found = tensors(reader)
    assert found["rope_factors_short.weight"].tolist() == short and found["rope_factors_long.weight"].tolist() == long
    assert field(reader, "phi3.rope.scaling.original_context_length") == field(reader, "phi3.context_length") == 128
    assert field(reader, "phi3.rope.scaling.attn_factor") == pytest.approx((1 + 1 / 7) ** 0.5)  # log 2 / log 128
    assert "promises 128 tokens, the length of LongRoPE's short factors" in done.notes[0]


def test_a_vocabulary_of_pieces(tmp_path: Path) -> None:
    tokenizer = pieces_tokenizer("llama")
    _, reader = exported(tmp_path, "llama", tokenizer=tokenizer)
    assert field(reader, "tokenizer.ggml.model") == "llama" and field(reader, "tokenizer.ggml.pre") == "default"
    assert len(field(reader, "tokenizer.ggml.scores")) == tokenizer.vocab_size == field(reader, "llama.vocab_size")
    assert field(reader, "tokenizer.ggml.add_space_prefix") is True and field(reader, "tokenizer.ggml.add_bos_token")
