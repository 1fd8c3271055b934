"""Low-rank adapters: no change at the start, merged equals adapted, and only they learn."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sibao.core.errors import BadInput
from sibao.models.base import Keys
from sibao.models.folder import family_of
from sibao.nn.decoder import Decoder
from sibao.nn.lora import LoRALinear, adapted, add_lora, merge_lora

IDS = torch.arange(20)[None]


@pytest.fixture
def model() -> Decoder:
    model = Decoder(family_of("qwen3").read(Keys(family_of("qwen3").TINY | {"initializer_range": 0.3})))
    model.initialize(0)
    return model.eval()


def spread(model: Decoder) -> None:
    """Adapters that change something."""
    torch.manual_seed(0)
    for layer in adapted(model).values():
        nn.init.normal_(layer.lora_B, std=0.3)


def test_a_new_adapter_changes_nothing(model: Decoder) -> None:
    before = model(IDS)
    names = add_lora(model, ["q_proj", "down_proj"], 4, 8)
    assert names == [f"layers.{i}.{n}" for i in (0, 1) for n in ("self_attn.q_proj", "mlp.down_proj")]
    assert torch.equal(model(IDS), before)


def test_the_change_is_the_formula() -> None:
    torch.manual_seed(0)
    base = nn.Linear(6, 5)
    layer = LoRALinear(base, 2, alpha=6)
    nn.init.normal_(layer.lora_B)
    x = torch.randn(3, 6)
    want = x @ base.weight.T + base.bias + 6 / 2 * (x @ layer.lora_A.T @ layer.lora_B.T)
    assert torch.allclose(layer(x), want, atol=1e-6)
    assert not torch.allclose(layer(x), base(x), atol=1e-2)


def test_merged_is_adapted(model: Decoder) -> None:
    plain = model(IDS)
    names = set(model.state_dict())
    add_lora(model, ["q_proj", "v_proj", "up_proj"], 4, 8)
    spread(model)
    changed = model(IDS)
    merge_lora(model)
    assert set(model.state_dict()) == names and not adapted(model)
    assert torch.allclose(model(IDS), changed, atol=1e-4)
    assert not torch.allclose(plain, changed, atol=1e-2)


def test_only_the_adapter_learns(model: Decoder) -> None:
    add_lora(model, ["q_proj"], 4, 8)
    learning = [n for n, p in model.named_parameters() if p.requires_grad]
    assert learning == [f"layers.{i}.self_attn.q_proj.lora_{m}" for i in (0, 1) for m in "AB"]
    model(IDS).sum().backward()
    assert {n for n, p in model.named_parameters() if p.grad is not None} == set(learning)


def test_dropout_is_for_training_only() -> None:
    layer = LoRALinear(nn.Linear(64, 64), 4, 8, dropout=0.5)
    nn.init.normal_(layer.lora_B)
    x = torch.ones(1, 64)
    layer.train()
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


@pytest.mark.parametrize("targets", [["q_projection"], ["q_proj", "q_projection"], ["lm_head", "q_projection"]])
def test_an_unknown_layer_is_named(model: Decoder, targets: list[str]) -> None:
    with pytest.raises(BadInput, match=r"no layer named .*q_projection to adapt") as caught:
        add_lora(model, targets, 4, 8)
    assert caught.value.hint == "layers: down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj"
    assert not adapted(model) and all(p.requires_grad for p in model.parameters())
