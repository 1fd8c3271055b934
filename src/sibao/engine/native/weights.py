"""A decoder's weights as the kernels read them: by name in one dictionary, which may lie in a file that is memory-mapped.

``layers.0.mlp.down_proj.int8`` holds packed panels, ``….scale`` and ``….offset`` what goes with them; ``….weight`` is a
flat weight, the checkpoint's own memory. Norms, biases and tables are float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from sibao.engine.native.library import ROTATIONS, Layer, Matrix, Model, Norm, library
from sibao.engine.native.panels import PANEL, Tensors, aligned, pack_codes
from sibao.engine.quantized import QUANTIZED, precision_of
from sibao.nn.config import DecoderConfig
from sibao.nn.decoder import Decoder
from sibao.nn.integer import IntegerLinear
from sibao.nn.lora import bias_of, linear_layers, weight_of
from sibao.nn.norm import OffsetRMSNorm, RMSNorm
from sibao.nn.rope import rope_table
from sibao.nn.seq2seq_config import Seq2SeqConfig

KINDS = {"fp32": 0, "bf16": 1, "int8": 2, "int4": 3}
"""``Kind`` of matrix.h by the name of a precision."""
LARGEST_HEAD = 512
ACTIVATIONS = {"silu": 0, "gelu_tanh": 1, "gelu": 2, "relu": 3}
NORMS = (RMSNorm, OffsetRMSNorm, nn.LayerNorm)


def unsupported(config: DecoderConfig | Seq2SeqConfig) -> str:
    """Why the kernels do not compute this shape; empty where they do."""
    if isinstance(config, DecoderConfig) and config.experts is not None:
        return "it is a mixture of experts"
    if config.head_dim > LARGEST_HEAD:
        return f"its heads have {config.head_dim} dims, more than {LARGEST_HEAD}"
    return ""


def pack(weight: Tensor, precision: str, threads: int) -> Tensors:
    """A weight [n, k] in panels of 32 outputs (see matrix.h): ``{precision: bytes}``, for int8 also scale and offset."""
    n, k = weight.shape
    whole, kind = -(-n // PANEL), KINDS[precision]
    half = weight.dtype == torch.bfloat16
    source = (weight if half else weight.float()).detach().contiguous()
    out: Tensors = {precision: aligned(whole * library().sibao_panel_bytes(kind, k))}
    if precision == "int8":
        out |= {"scale": torch.zeros(whole * PANEL), "offset": torch.zeros(whole * PANEL, dtype=torch.int32)}
    extra = [out[name].data_ptr() if name in out else None for name in ("scale", "offset")]
    library().sibao_pack(kind, source.data_ptr(), half, n, k, out[precision].data_ptr(), *extra, threads)
    return out


def tensors_of(decoder: Decoder, precision: str, packed: bool, threads: int) -> Iterator[tuple[str, Tensor]]:
    """The weights of a decoder, one layer after another.

    Args:
        precision: of the layers; ``int4`` keeps head and embedding in eight bits.
        packed: panels also of float and bfloat16 weights. Else those stay where they are, and panels are made in the
            processor's cache each time: right for large weights, which come from memory at any rate.
    """
    yield from linear_tensors(decoder, precision, packed, threads)
    for name, module in decoder.named_modules():
        if isinstance(module, nn.Embedding) and name in embeddings(decoder.config, precision):
            yield f"{name}.weight", embedding_tensor(module.weight, name == "embed_tokens")
        elif isinstance(module, NORMS):
            yield from norm_tensors(name, module)


def linear_tensors(network: nn.Module, precision: str, packed: bool, threads: int) -> Iterator[tuple[str, Tensor]]:
    """The linear layers of any network; see ``tensors_of``."""
    for name, layer in linear_layers(network).items():
        weight, bias, wanted = weight_of(layer), bias_of(layer), precision_of(name, precision)
        if isinstance(layer, IntegerLinear) and layer.precision == wanted:
            yield from ((f"{name}.{key}", value) for key, value in pack_codes(layer.coded).items())
        elif packed or wanted in QUANTIZED:
            yield from ((f"{name}.{key}", value) for key, value in pack(weight, wanted, threads).items())
        else:
            yield f"{name}.weight", weight.to(torch.float32 if wanted == "fp32" else torch.bfloat16).contiguous()
        if bias is not None:
            yield f"{name}.bias", whole_panels(bias)


def norm_tensors(name: str, module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """A norm's numbers in float32, as what is multiplied with and added."""
    weight = module.get_parameter("weight").detach().float()
    yield f"{name}.weight", weight + 1.0 if isinstance(module, OffsetRMSNorm) else weight
    if isinstance(module, nn.LayerNorm):
        yield f"{name}.bias", module.bias.detach().float()


def embedding_tensor(weight: Tensor, half: bool) -> Tensor:
    """An embedding in float32, or as it is where it is in bfloat16 and may stay so (``half``)."""
    weight = weight.detach()
    return (weight if half and weight.dtype == torch.bfloat16 else weight.float()).contiguous()


def embeddings(config: DecoderConfig, precision: str) -> list[str]:
    """Embeddings that have numbers of their own: in whole numbers a tied one is read from the head's packed weight."""
    shared = config.tie_word_embeddings and precision in QUANTIZED
    return ["embed_tokens"] * (not shared) + ["embed_positions"] * (config.positions == "learned")


def whole_panels(bias: Tensor) -> Tensor:
    """A bias with room for whole panels, float32."""
    return torch.nn.functional.pad(bias.detach().float(), (0, -len(bias) % PANEL)).contiguous()


class Book:
    """Tensors as the kernels are told of them: by address. It keeps them alive.

    Args:
        tensors: as ``tensors_of`` gives them, by name.
    """

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors

    @property
    def nbytes(self) -> int:
        """Memory of the weights."""
        return sum(t.nbytes for t in self.tensors.values())

    def matrix(self, name: str, n: int, k: int) -> Matrix:
        """A weight [n, k], packed or flat; an empty one where there is none of that name."""
        tensors = self.tensors
        kind = next((k for k in KINDS if f"{name}.{k}" in tensors), None)
        flat = kind is None and f"{name}.weight" in tensors
        if kind is None and not flat:
            return Matrix()
        if flat:
            kind = "bf16" if tensors[f"{name}.weight"].dtype == torch.bfloat16 else "fp32"
        data = tensors[f"{name}.weight" if flat else f"{name}.{kind}"]
        beside = (f"{name}.{part}" for part in ("scale", "offset", "bias"))
        return Matrix(KINDS[str(kind)], n, k, int(flat), data.data_ptr(), *map(self.at, beside))

    def norm(self, name: str) -> Norm:
        """A norm; an empty one where there is none of that name."""
        return Norm(self.at(f"{name}.weight"), self.at(f"{name}.bias"))

    def at(self, name: str) -> int | None:
        """Where a tensor lies."""
        tensor = self.tensors.get(name)
        return None if tensor is None else tensor.data_ptr()


class Weights(Book):
    """The kernels' ``Model`` of a decoder. ``layers``: its parts, whose place in the cache is still to be set."""

    def __init__(self, config: DecoderConfig, precision: str, tensors: Tensors) -> None:
        super().__init__(tensors)
        self.config, self.precision = config, precision
        self._tables = _tables(config)
        self.layers = (Layer * config.num_hidden_layers)(*map(self._layer, range(config.num_hidden_layers)))
        self.model = self._model()

    def _matrix(self, name: str) -> Matrix:
        return self.matrix(name, *_sizes(self.config)[name.rpartition(".")[2]])

    def _layer(self, number: int) -> Layer:
        config, at = self.config, f"layers.{number}"
        local = config.windowed(number)
        norms = ("input_layernorm", "attention_output_norm", "post_attention_layernorm", "mlp_output_norm")
        query_key = (f"{at}.self_attn.{name}" for name in ("q_norm", "k_norm"))
        feed = [f"{at}.mlp.{name}" for name in (("gate_proj",) if config.gated_mlp else ()) + ("up_proj",)]
        return Layer(
            *(self.norm(f"{at}.{name}") for name in norms),
            *map(self.norm, query_key),
            (Matrix * 3)(*(self._matrix(f"{at}.self_attn.{c}_proj") for c in "qkv")),
            self._matrix(f"{at}.self_attn.o_proj"),
            (Matrix * 2)(*map(self._matrix, feed)),
            self._matrix(f"{at}.mlp.down_proj"),
            config.sliding_window or 0 if local else 0,
            int(local and config.local_rope_theta is not None),
        )

    def _model(self) -> Model:
        c = self.config
        scalar = c.query_pre_attn_scalar
        embedding = self.tensors.get("embed_tokens.weight")
        return Model(
            layers=c.num_hidden_layers, D=c.hidden_size, H=c.num_attention_heads, K=c.num_key_value_heads, E=c.head_dim,
            N=c.intermediate_size, vocab=c.vocab_size, rotated=c.rotary_size if c.positions == "rope" else 0,
            norm_kind=int(c.norm == "layer"), activation=ACTIVATIONS[c.activation], gated=int(c.gated_mlp),
            norm_eps=c.norm_eps, scale=(scalar or c.head_dim) ** -0.5, attention_cap=c.attention_softcap or 0.0,
            logit_cap=c.logit_softcap or 0.0, embedding_scale=c.hidden_size**0.5 if c.scaled_embeddings else 1.0,
            tied_head=int(embedding is None), layer=self.layers, embedding=self.at("embed_tokens.weight"),
            positions=self.at("embed_positions.weight"), last=self.norm("norm"), head=self._matrix("lm_head"),
            half_embedding=is_half(embedding),
            **{name: t.data_ptr() for name, t in zip(ROTATIONS, self._tables, strict=False)},
        )  # fmt: skip


def is_half(tensor: Tensor | None) -> int:
    """Whether it is there and in bfloat16."""
    return int(tensor is not None and tensor.dtype == torch.bfloat16)


def _sizes(c: DecoderConfig) -> dict[str, tuple[int, int]]:
    """Outputs and inputs of each kind of linear layer."""
    D, N = c.hidden_size, c.intermediate_size
    return {
        "q_proj": (c.query_size, D), "k_proj": (c.key_size, D), "v_proj": (c.key_size, D), "o_proj": (D, c.query_size),
        "gate_proj": (N, D), "up_proj": (N, D), "down_proj": (D, N), "lm_head": (c.vocab_size, D),
    }  # fmt: skip


def _tables(c: DecoderConfig) -> list[Tensor]:
    """Cosines and sines of all positions, of the layers without and (where they differ) with a window."""
    if c.positions != "rope":
        return []
    sizes = c.rotary_size, c.max_position_embeddings
    found: list[Any] = [*rope_table(*sizes, c.rope_theta, c.rope_scaling)]
    if c.local_rope_theta is not None:
        found += rope_table(*sizes, c.local_rope_theta)
    return found
