"""Low-rank adapters beside frozen weights.

LoRA (arXiv 2106.09685, eq. 3): y = W x + s · B A x, with s = alpha / r, or alpha / √r (rsLoRA, arXiv 2312.03732).
DoRA (arXiv 2402.09353, eq. 5): the sum W + s B A gives the direction of each output only; its length is learned apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sibao.core.errors import BadInput
from sibao.nn.integer import IntegerLinear
from sibao.nn.linear import Linear
from sibao.nn.quantized import NF4Linear


@dataclass(frozen=True)
class LoraSpec:
    """Rank r, numerator of the scale, dropout on the input of the low-rank path, and which variant."""

    rank: int
    alpha: float
    dropout: float = 0.0
    dora: bool = False
    rslora: bool = False

    @property
    def scale(self) -> float:
        """s in the equations."""
        return self.alpha / (self.rank**0.5 if self.rslora else self.rank)


class LoRALinear(nn.Module):
    """A linear layer with a trainable low-rank change beside its frozen weight.

    Args:
        base: the layer, weight [out, in]. shared: ``lora_A`` [r, in] of another layer that a checkpoint keeps as one
            with this: one matrix of the checkpoint has one A.
    """

    def __init__(
        self, base: nn.Linear | NF4Linear | IntegerLinear, spec: LoraSpec, shared: nn.Parameter | None = None
    ) -> None:
        super().__init__()
        self.base, self.spec = base.requires_grad_(False), spec
        kept = base.buffers() if isinstance(base, NF4Linear | IntegerLinear) else base.parameters()
        device = next(kept).device
        if shared is None:
            shared = nn.Parameter(torch.empty(spec.rank, base.in_features, dtype=torch.float32, device=device))
            nn.init.kaiming_uniform_(shared, a=5**0.5)
        self.lora_A = shared
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, spec.rank, dtype=torch.float32, device=device))
        self.magnitude = nn.Parameter(self._weight().norm(dim=1)) if spec.dora else None
        self._kept: tuple[tuple[int, ...], Tensor] | None = None

    def _weight(self) -> Tensor:
        """The frozen weight, float32 [out, in]."""
        return weight_of(self.base).float()

    def _sum(self) -> Tensor:
        """W + s B A, float32 [out, in], without gradient."""
        with torch.no_grad(), torch.autocast(self.lora_A.device.type, enabled=False):
            return self._weight() + self.spec.scale * (self.lora_B.float() @ self.lora_A.float())

    def stretch(self, magnitude: Tensor) -> Tensor:
        """Learned length over present length of each output, [out]; the latter counts as a constant (section 4.3).

        It is kept while the model answers, until a weight changes: making it costs as much as reading W.
        """
        if self.training or torch.is_grad_enabled():
            return magnitude / self._sum().norm(dim=1)
        state = tuple(p._version for p in (self.lora_A, self.lora_B, magnitude))
        if self._kept is None or self._kept[0] != state:
            self._kept = state, magnitude / self._sum().norm(dim=1)
        return self._kept[1]

    def train(self, mode: bool = True) -> LoRALinear:
        """As in PyTorch; what was kept for answering is made anew."""
        self._kept = None
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        low = F.dropout(x, self.spec.dropout, self.training) if self.spec.dropout else x
        low = F.linear(F.linear(low.to(self.lora_A.dtype), self.lora_A), self.lora_B)
        whole: Tensor = self.base(x) + (self.spec.scale * low).to(x.dtype)
        if self.magnitude is None:
            return whole
        stretch, bias = self.stretch(self.magnitude).to(whole.dtype), self.base.bias
        return stretch * whole if bias is None else stretch * (whole - bias) + bias

    @torch.no_grad()
    def whole(self) -> Tensor:
        """The weight with the change added, float32 [out, in]."""
        weight = self._sum()
        if self.magnitude is not None:
            weight *= (self.magnitude / weight.norm(dim=1))[:, None]
        return weight

    def merged(self) -> nn.Linear:
        """The plain layer with the change added into its weight; a quantised one comes back in float32."""
        with torch.no_grad():
            weight = self.whole()
            if isinstance(self.base, nn.Linear):
                self.base.weight.copy_(weight.to(self.base.weight.dtype))
                return self.base
            plain = Linear(self.base.in_features, self.base.out_features, bias=False)
            plain.weight = nn.Parameter(weight, requires_grad=False)
            plain.register_parameter("bias", self.base.bias)
            return plain


def adapted(model: nn.Module) -> dict[str, LoRALinear]:
    """Every adapted layer by its dotted name."""
    return {name: m for name, m in model.named_modules() if isinstance(m, LoRALinear)}


def linear_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Every linear layer by its dotted name, adapted or not, the insides of adapted ones left out."""
    kinds = (nn.Linear, NF4Linear, IntegerLinear, LoRALinear)
    return {n: m for n, m in model.named_modules() if isinstance(m, kinds) and not n.endswith(".base")}


def weight_of(layer: nn.Module) -> Tensor:
    """What a linear layer, adapted or not, multiplies with: [out, in], as it is kept or in float32."""
    if isinstance(layer, LoRALinear):
        return layer.whole()
    if isinstance(layer, NF4Linear | IntegerLinear):
        return layer.dequantized()
    weight: Tensor = layer.get_parameter("weight")
    return weight.detach()


def bias_of(layer: nn.Module) -> Tensor | None:
    """The bias of a linear layer, adapted or not."""
    bias: Tensor | None = getattr(layer.base if isinstance(layer, LoRALinear) else layer, "bias", None)
    return bias


def wrap(model: nn.Module, groups: Sequence[Sequence[str]], spec: LoraSpec) -> None:
    """Adapt the layers of these dotted names; layers of one group share their A. All else stays as it is."""
    for group in groups:
        shared: nn.Parameter | None = None
        for name in group:
            holder, _, leaf = name.rpartition(".")
            parent = model.get_submodule(holder)
            layer = LoRALinear(getattr(parent, leaf), spec, shared)
            shared = layer.lora_A
            setattr(parent, leaf, layer)


def add_lora(model: nn.Module, targets: list[str], rank: int, alpha: float, dropout: float = 0.0) -> list[str]:
    """Plain LoRA on every linear layer whose last name is in ``targets``; freeze all else.

    The vocabulary matrix ``lm_head`` is not offered: it may be tied to the embedding, and the loss reads its weight.

    Raises:
        BadInput: a target that no layer carries.

    Returns:
        the dotted names of the wrapped layers.
    """
    linear = [n for n in linear_layers(model) if n != "lm_head"]
    known = {n.rsplit(".", 1)[-1] for n in linear}
    if missing := set(targets) - known:
        raise BadInput(
            f"no layer named {', '.join(sorted(missing))} to adapt", hint=f"layers: {', '.join(sorted(known))}"
        )
    names = [n for n in linear if n.rsplit(".", 1)[-1] in targets]
    model.requires_grad_(False)
    wrap(model, [[n] for n in names], LoraSpec(rank, alpha, dropout))
    return names


def merge_lora(model: nn.Module) -> None:
    """Replace every adapted layer by its merged plain layer."""
    for name, layer in adapted(model).items():
        setattr(model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], layer.merged())
