"""What a config.json alone says of a model: its parameters, counted one by one, without any memory for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from sibao.core.errors import MissingPackage, ModelError
from sibao.models.folder import new_network
from sibao.nn.config import DecoderConfig
from sibao.nn.quantized import in_stack
from sibao.nn.seq2seq_config import Seq2SeqConfig

KINDS = {"DecoderConfig": "decoder", "EncoderConfig": "encoder", "Seq2SeqConfig": "encoder-decoder"}


@dataclass(frozen=True)
class Shape:
    """A model's sizes. Parameters that are another one's memory (a tied vocabulary) count once.

    ``config`` is None for a model of Transformers that Sibao has no network for. ``active``: parameters that one token
    passes through (a mixture of experts uses some of them). ``looked_up``: of these, tables that a token reads one row of.
    ``stacked``: parameters of the linear layers inside the stack, which quantisation changes; ``stacked_rows``: their
    rows. ``cached``: numbers that the cache of keys and values keeps for each token. ``largest``: numbers of the largest
    tensor. ``context``: tokens the model holds.
    """

    family: str
    kind: str
    config: Any
    parameters: int
    active: int
    looked_up: int
    stacked: int
    stacked_rows: int
    cached: int
    largest: int
    context: int
    layers: int

    def weight_bytes(self, precision: str) -> int:
        """Bytes of the weights. ``int8``: linear layers of the stack and the vocabulary matrix in 8 bits, with a step and a
        sum for each row; ``int4``: those of the stack in 4 bits with a bfloat16 for each 32 weights; norms and biases in 32
        bits, an embedding of its own in 16. ``nf4``: linear layers of the stack in 4.127 bits (arXiv 2305.14314), the rest
        in 16."""
        if precision in ("int8", "int4"):
            layers = self.stacked + 8 * self.stacked_rows if precision == "int8" else self.stacked * 9 // 16
            rows = self.config.vocab_size if isinstance(self.config, DecoderConfig) else 0
            head = rows * self.config.hidden_size if rows else 0
            left = self.parameters - self.stacked - head - self.looked_up
            return layers + head + 8 * rows + 2 * self.looked_up + 4 * left
        if precision == "nf4":
            return nf4_bytes(self.stacked) + 2 * (self.parameters - self.stacked)
        return self.parameters * {"fp32": 4, "bf16": 2, "fp16": 2}[precision]

    def read_bytes(self, precision: str) -> int:
        """Bytes of the weights that one token passes through."""
        if precision in ("int8", "int4"):
            idle = (self.parameters - self.active) * (16 if precision == "int8" else 9) // 16
            return self.weight_bytes(precision) - 2 * self.looked_up - idle
        return (self.active - self.looked_up) * {"fp32": 4, "bf16": 2, "fp16": 2}[precision]


def nf4_bytes(numbers: int) -> int:
    """4 bits each, 8 for each block of 64, 32 for each 256 blocks."""
    return numbers // 2 + numbers // 64 + numbers // 4096


def read_shape(family: str, config: Any) -> Shape:
    """The sizes of a network of that config."""
    with torch.device("meta"):
        network = new_network(config)
    named = dict(network.named_parameters())  # a shared one stands here once
    experts = getattr(config, "experts", None)
    idle = sum(p.numel() for n, p in named.items() if ".experts." in n)
    unused = idle - idle * experts.per_token // experts.count if experts else 0
    stack = [p for n, p in named.items() if p.dim() == 2 and in_stack(n) and "relative_bias" not in n]
    tied = {*network.tied.values()}
    tables = sum(p.numel() for n, p in named.items() if "embed_" in n and p.dim() == 2 and n not in tied)
    return Shape(
        family=family,
        kind=KINDS[type(config).__name__],
        config=config,
        parameters=sum(p.numel() for p in named.values()),
        active=sum(p.numel() for p in named.values()) - unused,
        looked_up=tables,
        stacked=sum(p.numel() for p in stack),
        stacked_rows=sum(p.shape[0] for p in stack),
        cached=_cached(config),
        largest=max(p.numel() for p in named.values()),
        context=config.max_position_embeddings,
        layers=_layers(config),
    )


def _cached(config: Any) -> int:
    """Keys and values of one token in all layers; an encoder-decoder keeps those of each source token too (the same again)."""
    if isinstance(config, DecoderConfig):
        return 2 * config.num_hidden_layers * config.key_size
    if isinstance(config, Seq2SeqConfig):
        return 2 * config.decoder_layers * config.decoder_heads * config.head_dim
    return 0


def _layers(config: Any) -> int:
    if isinstance(config, Seq2SeqConfig):
        return (config.encoder_layers + config.decoder_layers) // 2
    return int(config.num_hidden_layers)


def with_layers(config: Any, layers: int) -> Any:
    """The same model, so many layers deep. Experts become one feed-forward of the size that a token passes through."""
    if isinstance(config, Seq2SeqConfig):
        return replace(config, encoder_layers=layers, decoder_layers=layers)
    if isinstance(config, DecoderConfig):
        width = config.intermediate_size
        if config.experts is not None:
            width = config.experts.per_token * config.experts.intermediate_size
        windowed = None if config.windowed_layers is None else config.windowed_layers[:layers]
        return replace(
            config, num_hidden_layers=layers, windowed_layers=windowed, experts=None, intermediate_size=width
        )
    return replace(config, num_hidden_layers=layers, windowed=config.windowed[:layers])


def read_foreign(data: dict[str, Any]) -> Shape:
    """The sizes of a family that only Transformers knows; its parameters are counted on its own network.

    Raises:
        MissingPackage: Transformers is not installed. ModelError: it does not know the family either.
    """
    name = str(data.get("model_type"))
    try:
        import transformers
    except ImportError:
        raise MissingPackage("transformers", extra="hf", purpose=f"a model of the family {name!r}") from None
    try:
        config = transformers.AutoConfig.for_model(**data)
        with torch.device("meta"):
            network = transformers.AutoModel.from_config(config, trust_remote_code=False)
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError) as error:
        raise ModelError(f"neither Sibao nor Transformers makes a model of this config.json: {error}") from None
    text = config.get_text_config()
    heads = getattr(text, "num_attention_heads", 0) or 1
    keys = getattr(text, "num_key_value_heads", None) or heads
    width = getattr(text, "head_dim", None) or getattr(text, "hidden_size", 0) // heads
    layers = int(getattr(text, "num_hidden_layers", 0) or 0)
    named = dict(network.named_parameters())
    total = sum(p.numel() for p in named.values())
    stack = [p for n, p in named.items() if p.dim() == 2 and in_stack(n)]
    return Shape(
        family=name, kind="transformers", config=None, parameters=total, active=total, looked_up=0,
        stacked=sum(p.numel() for p in stack), stacked_rows=sum(p.shape[0] for p in stack),
        cached=2 * layers * keys * width, largest=max(p.numel() for p in named.values()),
        context=int(getattr(text, "max_position_embeddings", 0) or 0), layers=layers,
    )  # fmt: skip
