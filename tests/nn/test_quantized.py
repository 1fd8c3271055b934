"""Four-bit weights: the levels of the paper, memory as promised, and gradients that are those of the dequantised layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sibao.models.base import Keys
from sibao.models.folder import family_of
from sibao.nn.decoder import Decoder
from sibao.nn.quantized import LEVELS, NF4Linear, quantize_layers


def layer(rows: int = 64, columns: int = 96, bias: bool = False) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(columns, rows, bias=bias)


def test_the_levels_are_quantiles_of_a_normal_distribution() -> None:
    """Appendix E is made by equation 4: half the levels from the negative side, half from the positive, both ends ±1."""
    normal, offset = torch.distributions.Normal(0.0, 1.0), 0.9677083
    above = normal.icdf(torch.linspace(offset, 0.5, 9)[:-1])
    below = -normal.icdf(torch.linspace(offset, 0.5, 8)[:-1])
    made = torch.cat([above, torch.zeros(1), below]).sort().values
    assert torch.allclose(made / made.max(), torch.tensor(LEVELS), atol=1e-5)


def test_weights_on_the_levels_come_back_as_they_were() -> None:
    """One scale for all blocks: nothing is lost anywhere."""
    linear = layer(4, 64)
    places = torch.stack([torch.randperm(64) % 16 for _ in range(4)])
    with torch.no_grad():
        linear.weight.copy_(0.25 * torch.tensor(LEVELS)[places])
    assert torch.allclose(NF4Linear(linear).dequantized(), linear.weight, atol=1e-7)


def test_each_weight_goes_to_the_nearest_level_of_its_block() -> None:
    linear = layer(64, 64)
    quantized = NF4Linear(linear)
    back = quantized.dequantized()
    scales = back.abs().amax(dim=1, keepdim=True)  # 64 columns: a row is a block
    distance = (linear.weight[..., None] / scales[..., None] - torch.tensor(LEVELS)).abs().min(dim=-1).values
    assert torch.allclose((linear.weight - back).abs() / scales, distance, atol=1e-5)
    largest = linear.weight.abs().amax(dim=1, keepdim=True)
    assert ((scales - largest).abs() / largest).max() < 0.01, "double quantisation changed the scales too much"
    assert (linear.weight - back).norm() / linear.weight.norm() < 0.12


def test_memory_is_little_more_than_four_bits() -> None:
    quantized = NF4Linear(layer(512, 512))
    bits = 8 * quantized.weight_bytes / 512**2
    assert bits == pytest.approx(4.127, abs=0.001)
    assert sum(b.nbytes for b in quantized.buffers()) == quantized.weight_bytes


@pytest.mark.parametrize(("rows", "columns"), [(3, 5), (7, 64), (65, 33)])
def test_any_size(rows: int, columns: int) -> None:
    linear = layer(rows, columns, bias=True)
    quantized = NF4Linear(linear)
    x = torch.randn(2, columns)
    assert torch.allclose(quantized(x), x @ quantized.dequantized().T + linear.bias, atol=1e-6)


def test_gradients_flow_to_the_input_only() -> None:
    quantized = NF4Linear(layer(bias=True))
    x = torch.randn(3, 96, requires_grad=True)
    quantized(x).square().sum().backward()
    got, x.grad = x.grad, None
    (x @ quantized.dequantized().T + quantized.bias).square().sum().backward()
    assert torch.allclose(got, x.grad, atol=1e-5)
    assert not any(p.requires_grad for p in quantized.parameters())


def test_nothing_of_the_size_of_the_weight_is_kept_for_the_way_back() -> None:
    kept: list[int] = []
    quantized, x = NF4Linear(layer(256, 256)), torch.randn(1, 256, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        quantized(x).sum()
    assert all(size < 256 * 256 for size in kept)


def test_autocast_computes_in_its_precision() -> None:
    quantized = NF4Linear(layer(bias=True))
    with torch.autocast("cpu", torch.bfloat16):
        assert quantized(torch.randn(2, 96)).dtype == torch.bfloat16


def test_a_model_keeps_its_embeddings_and_head() -> None:
    model = Decoder(family_of("llama").read(Keys(family_of("llama").TINY)))
    model.initialize(0)
    ids = torch.arange(12)[None]
    before = model(ids)
    names = quantize_layers(model)
    assert len(names) == 14 and all(n.startswith("layers.") for n in names)
    assert isinstance(model.lm_head, nn.Linear) and not isinstance(model.get_submodule(names[0]), nn.Linear)
    assert 0 < (model(ids) - before).norm() / before.norm() < 0.2


def test_zeros_stay_zeros() -> None:
    linear = layer()
    nn.init.zeros_(linear.weight)
    assert torch.equal(NF4Linear(linear).dequantized(), linear.weight)
