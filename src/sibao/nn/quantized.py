"""Linear layers whose weight is kept in four bits: NormalFloat with double quantisation (QLoRA, arXiv 2305.14314, section 3).

Each block of 64 weights is divided by its largest magnitude and rounded to the nearest of 16 levels; the magnitudes
themselves are kept as 8-bit floats around their mean, with one float for every 256 of them: 4 + 8/64 + 32/(64·256) =
4.127 bits a weight. The weight exists in full only while its layer computes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK, GROUP = 64, 256
LEVELS = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip
"""Quantiles of a normal distribution, zero among them (appendix E of the paper)."""
_TABLE = torch.tensor(LEVELS)
_PAIRS = torch.stack([_TABLE.repeat_interleave(16), _TABLE.repeat(16)], dim=1)
"""[256, 2]: the two levels of each byte, high half first."""
_BORDERS = (_TABLE[1:] + _TABLE[:-1]) / 2
_FLOAT8 = torch.float8_e4m3fn


class NF4Linear(nn.Module):
    """y = x Wᵀ + b with W in NF4. Gradients flow through it to ``x``; the weight itself does not learn.

    Args:
        linear: the layer to quantise, weight [out, in]; any float precision.
    """

    codes: Tensor
    scale_codes: Tensor
    scale_steps: Tensor
    scale_mean: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach(), requires_grad=False)
        blocks = _padded(linear.weight.detach().float().reshape(-1), BLOCK)  # [blocks, 64]
        largest = blocks.abs().amax(dim=1)
        for name, tensor in zip(("scale_codes", "scale_steps", "scale_mean"), _quantize_scales(largest), strict=True):
            self.register_buffer(name, tensor)
        scales = self._scales().clamp(min=torch.finfo(torch.float32).tiny)
        levels = torch.bucketize(blocks / scales[:, None], _BORDERS.to(blocks.device)).to(torch.uint8).view(-1, 2)
        self.register_buffer("codes", levels[:, 0] << 4 | levels[:, 1])

    def _scales(self) -> Tensor:
        """The largest magnitude of each block, float32 [blocks]."""
        steps = self.scale_steps.repeat_interleave(GROUP)[: len(self.scale_codes)]
        return (self.scale_codes.view(_FLOAT8).float() * steps + self.scale_mean).clamp(min=0)

    def dequantized(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """The weight [out, in] that the codes stand for."""
        blocks = F.embedding(self.codes.int(), _PAIRS.to(self.codes.device)).view(-1, BLOCK) * self._scales()[:, None]
        flat = blocks.view(-1)[: self.out_features * self.in_features]
        return flat.view(self.out_features, self.in_features).to(dtype)

    @property
    def weight_bytes(self) -> int:
        """Memory of the weight."""
        return sum(t.nbytes for t in (self.codes, self.scale_codes, self.scale_steps, self.scale_mean))

    def forward(self, x: Tensor) -> Tensor:
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        y: Tensor = _Product.apply(x.to(dtype), self)
        return y if self.bias is None else y + self.bias.to(dtype)


class _Product(torch.autograd.Function):
    """x Wᵀ that keeps neither W nor x for the way back: W is made again from its codes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: NF4Linear) -> Tensor:
        ctx.layer = layer
        return F.linear(x, layer.dequantized(x.dtype))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] @ ctx.layer.dequantized(grads[0].dtype), None


def _padded(flat: Tensor, size: int) -> Tensor:
    """A vector as rows of ``size``, zeros at the end."""
    return F.pad(flat, (0, -len(flat) % size)).view(-1, size)


def _quantize_scales(largest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """8-bit floats around the mean, as bytes [blocks]; the step of each group of 256; the mean."""
    mean = largest.mean()
    groups = _padded(largest - mean, GROUP)
    steps = groups.abs().amax(dim=1) / torch.finfo(_FLOAT8).max
    codes = (groups / steps.clamp(min=torch.finfo(torch.float32).tiny)[:, None]).to(_FLOAT8)
    return codes.view(torch.uint8).view(-1)[: len(largest)].clone(), steps, mean


def quantize_layers(model: nn.Module) -> list[str]:
    """Replace the linear layers inside the model's stacks of layers; embeddings and heads keep their precision.

    Returns:
        the dotted names of the replaced layers.
    """
    names = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and in_stack(n)]
    for name in names:
        holder, _, leaf = name.rpartition(".")
        parent = model.get_submodule(holder)
        setattr(parent, leaf, NF4Linear(getattr(parent, leaf)))
    return names


def round_layers(model: nn.Module, dtype: torch.dtype) -> None:
    """Keep the weights of the linear layers inside the stacks in ``dtype``, everything else in float32.

    For frozen layers under autocast to ``dtype`` this changes no product: autocast would round the same weight at every
    use, and keep the rounded copy for the way back.
    """
    layers = {n for n, m in model.named_modules() if isinstance(m, nn.Linear) and in_stack(n)}
    for name, parameter in model.named_parameters():
        holder, _, leaf = name.rpartition(".")
        parameter.data = parameter.data.to(dtype if leaf == "weight" and holder in layers else torch.float32)


def freeze_base(model: nn.Module, base_precision: str, precision: str) -> None:
    """Bring a base model into the form that an adapter is trained on.

    Args:
        base_precision: ``nf4``, ``fp32``, or ``auto``: layers in bfloat16 where ``precision``, that of the run, is bf16.
    """
    if base_precision == "nf4":
        quantize_layers(model)
    half = precision == "bf16" and base_precision == "auto"
    round_layers(model, torch.bfloat16 if half else torch.float32)


def in_stack(name: str) -> bool:
    """Whether a dotted name is inside a numbered layer."""
    return any(part.isdigit() for part in name.split("."))
