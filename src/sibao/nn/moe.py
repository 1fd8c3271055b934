"""A feed-forward layer of which each token uses only a part: mixture of experts (arXiv 1701.06538; arXiv 2401.04088)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from sibao.nn.config import DecoderConfig, Experts
from sibao.nn.linear import Linear
from sibao.nn.mlp import MLP


class ExpertMLP(nn.Module):
    """y = Σ over the k experts with the largest softmax(W x) of that weight times expert(x) (arXiv 2401.04088, section 2.1)."""

    def __init__(self, config: DecoderConfig, experts: Experts) -> None:
        super().__init__()
        self.per_token, self.normalized = experts.per_token, experts.normalized
        self.gate = Linear(config.hidden_size, experts.count, bias=False)
        one = replace(config, intermediate_size=experts.intermediate_size)
        self.experts = nn.ModuleList(MLP(one) for _ in range(experts.count))
        self.whole = False
        """Whether experts compute all rows, also those of tokens that did not choose them: then the shape of their
        products, and so their rounding, does not depend on the tokens beside."""

    def forward(self, x_BTD: Tensor) -> Tensor:
        x_ND = x_BTD.reshape(-1, x_BTD.shape[-1])
        shares_NX = torch.softmax(self.gate(x_ND), dim=-1, dtype=torch.float32)
        weights_Nk, chosen_Nk = shares_NX.topk(self.per_token, dim=-1)
        if self.normalized:
            weights_Nk = weights_Nk / weights_Nk.sum(dim=-1, keepdim=True)
        weights_Nk = weights_Nk.to(x_ND.dtype)
        y_ND = torch.zeros_like(x_ND)
        # in the order of the experts, so that a token's sum does not depend on the tokens beside it
        for number in chosen_Nk.unique().tolist():
            token, place = torch.where(chosen_Nk == number)
            expert = self.experts[number]
            y = expert(x_ND)[token] if self.whole else expert(x_ND[token])
            part = y * weights_Nk[token, place, None]
            y_ND = y_ND.index_add(0, token, part.to(y_ND.dtype))
        return y_ND.view_as(x_BTD)
