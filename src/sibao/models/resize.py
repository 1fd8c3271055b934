"""A model with more, or fewer, tokens in its vocabulary."""

from __future__ import annotations

from dataclasses import fields, replace

import torch
from torch import Tensor, nn

from sibao.core.errors import BadInput, ModelError
from sibao.nn.network import Network

_NAMES = (
    "embed_tokens.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "shared.weight",
    "lm_head.weight", "output.weight", "output.bias", "final_logits_bias",
)  # fmt: skip
"""Tensors with an entry for every token, in any network: along the first dim, or the last of ``final_logits_bias``."""
_SIZES = ("vocab_size", "decoder_vocab_size")


@torch.no_grad()
def resize_vocabulary(model: Network, size: int) -> None:
    """Give the vocabulary ``size`` entries, in place; the config says so afterwards.

    New entries are the mean of the old ones, so that new tokens begin neither likely nor unlikely (Hewitt 2021, "Initializing
    New Word Embeddings"); Transformers draws them around the same mean. Tied matrices stay tied.

    Raises:
        BadInput: fewer than one entry. ModelError: two vocabularies of different size (Marian has such models).
    """
    if size < 1:
        raise BadInput(f"a vocabulary of {size} entries", hint="wanted at least 1")
    sizes = {f.name: getattr(model.config, f.name) for f in fields(model.config) if f.name in _SIZES}
    if len(set(sizes.values())) != 1:
        raise ModelError(f"the model reads one vocabulary and writes another ({sizes}); they cannot be resized as one")
    labels = getattr(model.config, "head", "masked") != "masked"  # then the output is not the vocabulary
    for name in _NAMES:
        if name in model.tied or (labels and name.startswith("output.")):
            continue
        holder = _holder(model, name)
        tensor = getattr(holder, name.rpartition(".")[2], None) if holder is not None else None
        if isinstance(tensor, Tensor):
            _replace(holder, name.rpartition(".")[2], tensor, size)
    model.tie()
    model.config = replace(model.config, **dict.fromkeys(sizes, size))


def _holder(model: nn.Module, name: str) -> nn.Module | None:
    """The module that keeps a tensor of that name, if the network has one."""
    found: nn.Module | None = model
    for part in name.split(".")[:-1]:
        found = getattr(found, part, None)
    return found


def _replace(holder: nn.Module | None, leaf: str, tensor: Tensor, size: int) -> None:
    changed = resized(tensor.detach().mT, size).mT if leaf == "final_logits_bias" else resized(tensor.detach(), size)
    if isinstance(tensor, nn.Parameter):
        setattr(holder, leaf, nn.Parameter(changed.contiguous(), requires_grad=tensor.requires_grad))
    else:
        setattr(holder, leaf, changed.contiguous())
    if isinstance(holder, nn.Embedding):
        holder.num_embeddings = size
    elif isinstance(holder, nn.Linear):
        holder.out_features = size


def resized(rows: Tensor, size: int) -> Tensor:
    """The first ``size`` rows; what lacks is filled with the mean of all, taken in float32."""
    if size <= len(rows):
        return rows[:size].clone()
    mean = rows.float().mean(dim=0, keepdim=True).to(rows.dtype)
    return torch.cat((rows, mean.expand(size - len(rows), *rows.shape[1:])))
