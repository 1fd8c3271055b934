"""Low-rank adapters (LoRA, arXiv 2106.09685, eq. 3): y = W x + (alpha / r) · B A x, with W frozen."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sibao.core.errors import BadInput


class LoRALinear(nn.Module):
    """A linear layer with a trainable low-rank change beside its frozen weight.

    Args:
        base: the layer, weight [out, in]. rank: r. alpha: numerator of the scale alpha / r.
        dropout: on the input of the low-rank path only.
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float, dropout: float = 0.0) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        device = base.weight.device
        self.lora_A = nn.Parameter(torch.empty(rank, base.in_features, dtype=torch.float32, device=device))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank, dtype=torch.float32, device=device))
        nn.init.kaiming_uniform_(self.lora_A, a=5**0.5)
        self.scale, self.dropout = alpha / rank, dropout

    def forward(self, x: Tensor) -> Tensor:
        low = F.dropout(x, self.dropout, self.training) if self.dropout else x
        low = F.linear(F.linear(low.to(self.lora_A.dtype), self.lora_A), self.lora_B)
        return self.base(x) + (self.scale * low).to(x.dtype)

    def merged(self) -> nn.Linear:
        """The plain layer with the change added into its weight."""
        with torch.no_grad():
            change = self.scale * (self.lora_B.float() @ self.lora_A.float())
            self.base.weight.copy_((self.base.weight.float() + change).to(self.base.weight.dtype))
        return self.base


def adapted(model: nn.Module) -> dict[str, LoRALinear]:
    """Every adapted layer by its dotted name."""
    return {name: m for name, m in model.named_modules() if isinstance(m, LoRALinear)}


def add_lora(model: nn.Module, targets: list[str], rank: int, alpha: float, dropout: float = 0.0) -> list[str]:
    """Wrap every linear layer whose last name is in ``targets``; freeze all else.

    The vocabulary matrix ``lm_head`` is not offered: it may be tied to the embedding, and the loss reads its weight.

    Raises:
        BadInput: a target that no layer carries.

    Returns:
        the dotted names of the wrapped layers.
    """
    linear = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n != "lm_head"]
    known = {n.rsplit(".", 1)[-1] for n in linear}
    if missing := set(targets) - known:
        raise BadInput(
            f"no layer named {', '.join(sorted(missing))} to adapt", hint=f"layers: {', '.join(sorted(known))}"
        )
    names = [n for n in linear if n.rsplit(".", 1)[-1] in targets]
    model.requires_grad_(False)
    for name in names:
        parent = model.get_submodule(name.rpartition(".")[0])
        leaf = name.rpartition(".")[2]
        setattr(parent, leaf, LoRALinear(getattr(parent, leaf), rank, alpha, dropout))
    return names


def merge_lora(model: nn.Module) -> None:
    """Replace every adapted layer by its merged plain layer."""
    for name, layer in adapted(model).items():
        setattr(model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], layer.merged())
