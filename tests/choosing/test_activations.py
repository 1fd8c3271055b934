"""Bytes counted on tensors without memory are those that real tensors take."""

from __future__ import annotations

import pytest
import torch

from sibao.choosing.activations import MAPPED, Counter, trained_numbers, training_step
from sibao.choosing.shapes import Shape, read_shape, with_layers
from sibao.models.base import Keys
from sibao.models.folder import family_of, new_network
from sibao.nn.config import DecoderConfig, Experts
from sibao.nn.lora import add_lora
from sibao.nn.seq2seq_config import Seq2SeqConfig
from sibao.training.loss import cross_entropy_sum

CONFIG = DecoderConfig(
    vocab_size=500, hidden_size=64, num_hidden_layers=5, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
    intermediate_size=160, max_position_embeddings=256, qk_norm=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def shape() -> Shape:
    """A small Qwen3."""
    return read_shape("qwen3", CONFIG)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("rows", [1, 4])
def test_a_step_is_what_a_real_step_is(shape: Shape, precision: str, rows: int) -> None:
    model = new_network(CONFIG).train()
    model.initialize(0)
    ids = torch.randint(0, 500, (rows, 64), generator=torch.Generator().manual_seed(0))
    with Counter() as counter:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = cross_entropy_sum(model(ids), model.lm_head.weight, ids)
        loss.backward()
    assert training_step(shape, "full", precision, rows, 64).peak == pytest.approx(counter.peak, rel=0.05)


def test_large_tensors_lie_outside_the_heap() -> None:
    with Counter() as counter:
        small, large = torch.empty(1000), torch.empty(MAPPED // 4)
        assert (counter.peak, counter.heap) == (4000 + MAPPED, 4000)
        del large
        more = torch.empty(2 * MAPPED // 4)
    assert (counter.peak, counter.heap) == (4000 + 2 * MAPPED, 4000)
    assert (small.nbytes, more.nbytes) == (4000, 2 * MAPPED)


def test_frozen_layers_in_bf16_keep_no_rounded_copies(shape: Shape) -> None:
    lora, full = (training_step(shape, method, "bf16", 1, 16) for method in ("lora", "full"))
    assert lora.heap == lora.forward < full.forward - 1.5 * shape.stacked


def test_adapters_train_as_many_numbers_as_they_have(shape: Shape) -> None:
    model = new_network(CONFIG)
    add_lora(model, ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"], 8, 16.0)
    real = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained_numbers(shape, "lora", 8) == real
    assert trained_numbers(shape, "dora", 8) > real
    assert trained_numbers(shape, "full") == shape.parameters


def test_a_mixture_of_experts_uses_a_part_of_its_parameters() -> None:
    experts = Experts(count=8, per_token=2, intermediate_size=32, layers=(0, 1, 2, 3, 4))
    config = DecoderConfig(**{**vars(CONFIG), "experts": experts})
    shape = read_shape("qwen3_moe", config)
    one = 3 * 64 * 32
    assert shape.parameters == sum(p.numel() for p in new_network(config).parameters())
    assert shape.parameters - shape.active == 5 * 6 * one
    assert training_step(shape, "full", "fp32", 1, 32).peak > 0


@pytest.mark.parametrize("family", ["bert", "modernbert", "t5", "marian", "gemma2", "mixtral", "phi3", "gpt2"])
def test_every_kind_of_network_is_counted(family: str) -> None:
    config = family_of(family).read(Keys({**family_of(family).TINY}))
    shape = read_shape(family, config)
    real = new_network(config)
    assert shape.parameters == sum(p.numel() for p in real.parameters())
    assert shape.looked_up < shape.active <= shape.parameters and shape.stacked < shape.parameters
    step = training_step(shape, "lora", "bf16", 2, 16)
    assert 0 < step.peak < training_step(shape, "lora", "bf16", 8, 16).peak
    if isinstance(config, Seq2SeqConfig):
        assert with_layers(config, 1).decoder_layers == 1
