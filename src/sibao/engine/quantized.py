"""A decoder in eight or four bits on PyTorch's own operators: what the kernels compute, where there is no compiler."""

from __future__ import annotations

from torch import nn

from sibao.nn.decoder import Decoder
from sibao.nn.integer import HeadEmbedding, IntegerLinear, quantize
from sibao.nn.lora import bias_of, linear_layers, weight_of
from sibao.nn.norm import OffsetRMSNorm, RMSNorm

QUANTIZED = ("int8", "int4")
"""Precisions whose weights are whole numbers."""
KEPT = (nn.Embedding, nn.LayerNorm, RMSNorm, OffsetRMSNorm)
ROUTER = ".mlp.gate"
"""End of the name of what sends tokens to experts: few weights that decide much; they stay as they are."""


def quantize_network(decoder: Decoder, precision: str) -> Decoder:
    """The same model with its linear layers in whole numbers; ``decoder`` stays as it is.

    A tied embedding is read from the vocabulary matrix, which is in eight bits also where ``precision`` is ``int4``. All
    else is float32. Layers that are in that precision already keep their codes.
    """
    made = Decoder(decoder.config)  # its own memory is never touched: everything in it is replaced
    made.tied = {}
    for name, layer in linear_layers(decoder).items():
        holder, _, leaf = name.rpartition(".")
        setattr(made.get_submodule(holder), leaf, _quantized(name, layer, precision))
    for name, module in decoder.named_modules():
        if isinstance(module, KEPT):
            for key, parameter in module.named_parameters(recurse=False):
                kept = nn.Parameter(parameter.detach().float(), requires_grad=False)
                setattr(made.get_submodule(name), key, kept)
    head: nn.Module = made.lm_head
    if decoder.config.tie_word_embeddings and isinstance(head, IntegerLinear):
        setattr(made, "embed_tokens", HeadEmbedding(head))  # noqa: B010 - the type of another module
    return made.eval()


def precision_of(name: str, precision: str) -> str:
    """The precision of one linear layer of a decoder in ``precision``: the vocabulary matrix is never in four bits."""
    return "int8" if name == "lm_head" and precision == "int4" else precision


def _quantized(name: str, layer: nn.Module, precision: str) -> nn.Module:
    if name.endswith(ROUTER):
        plain = nn.Linear(1, 1, bias=False)
        plain.weight = nn.Parameter(weight_of(layer).float(), requires_grad=False)
        return plain
    wanted = precision_of(name, precision)
    if isinstance(layer, IntegerLinear) and layer.precision == wanted:
        return layer
    return IntegerLinear(quantize(weight_of(layer), wanted), bias_of(layer))
