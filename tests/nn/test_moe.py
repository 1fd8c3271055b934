"""The mixture of experts against its formula, one token and one expert at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.contract.peers import read_shape

from sibao.nn.config import Experts
from sibao.nn.decoder import Decoder
from sibao.nn.moe import ExpertMLP


@pytest.fixture
def layer() -> ExpertMLP:
    model = Decoder(replace(read_shape("qwen3_moe"), initializer_range=0.5))
    model.initialize(0)
    return model.layers[0].mlp


@pytest.mark.parametrize("normalized", [True, False])
def test_a_token_is_the_sum_of_its_experts(layer: ExpertMLP, normalized: bool) -> None:
    layer.normalized = normalized
    x = torch.randn(2, 7, 32, generator=torch.Generator().manual_seed(0))
    got = layer(x)
    for row in range(2):
        for place in range(7):
            token = x[row, place]
            scores = layer.gate.weight @ token
            shares = scores.exp() / scores.exp().sum()
            best = sorted(range(5), key=lambda e: -shares[e].item())[:2]
            total = sum(shares[e] for e in best) if normalized else 1.0
            want = sum(shares[e] / total * layer.experts[e](token) for e in best)
            assert torch.allclose(got[row, place], want, atol=1e-5)


def test_an_expert_that_no_token_wants_learns_nothing(layer: ExpertMLP) -> None:
    with torch.no_grad():
        layer.gate.weight.copy_(torch.tensor([3.0, 2.0, 1.0, 0.0, -9.0])[:, None].expand(5, 32))
    layer(torch.ones(1, 4, 32)).sum().backward()
    learned = [any(p.grad is not None for p in e.parameters()) for e in layer.experts]
    assert learned == [True, True, False, False, False]


def test_layers_without_experts_are_plain() -> None:
    shape = read_shape("qwen3_moe")
    assert shape.experts == Experts(5, 2, 24, (0, 2))
    kinds = [type(layer.mlp).__name__ for layer in Decoder(shape).layers]
    assert kinds == ["ExpertMLP", "MLP", "ExpertMLP"]
