"""Optimizers: AdamW (fused), or Muon for the matrices inside the layers with AdamW for everything else."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sibao.training.recipe import OptimizerSection


def make_optimizers(model: nn.Module, section: OptimizerSection) -> list[torch.optim.Optimizer]:
    """The optimizers of a run, over the parameters that require a gradient. Vectors (norms, biases) do not decay.

    Muon orthogonalises the momentum of each matrix (Jordan et al. 2024); its rate is rescaled to AdamW's update size
    (arXiv 2502.16982, eq. 4), so that one number suits both.
    """
    trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    inner = [p for n, p in trained if p.dim() == 2 and "layers." in n] if section.name == "muon" else []
    taken = {id(p) for p in inner}
    rest = [p for _, p in trained if id(p) not in taken]
    rate = (section.adam_lr if section.name == "muon" else None) or section.lr
    groups = [
        {"params": [p for p in rest if p.dim() >= 2], "weight_decay": section.weight_decay},
        {"params": [p for p in rest if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizers: list[torch.optim.Optimizer] = []
    if rest:
        optimizers.append(
            torch.optim.AdamW([g for g in groups if g["params"]], lr=rate, betas=section.betas, fused=True)
        )
    if inner:
        optimizers.append(
            torch.optim.Muon(inner, lr=section.lr, weight_decay=section.weight_decay, adjust_lr_fn="match_rms_adamw")
        )
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["base_lr"] = group["lr"]
    return optimizers


def set_rate(optimizers: list[torch.optim.Optimizer], scale: float) -> None:
    """Set every group's rate to ``scale`` times its base."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * scale


def state_tensors(optimizers: list[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """All optimizer state as named tensors: ``{optimizer}.{parameter}.{name}``."""
    flat: dict[str, Tensor] = {}
    for i, optimizer in enumerate(optimizers):
        for number, state in optimizer.state_dict()["state"].items():
            for name, value in state.items():
                flat[f"{i}.{number}.{name}"] = (
                    value.detach().contiguous() if isinstance(value, Tensor) else torch.tensor(value)
                )
    return flat


def load_state_tensors(optimizers: list[torch.optim.Optimizer], flat: dict[str, Tensor]) -> None:
    """The inverse of ``state_tensors``; hyper-parameters stay those of the recipe."""
    for i, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in flat.items():
            which, number, name = key.split(".", 2)
            if int(which) == i:
                state.setdefault(int(number), {})[name] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
