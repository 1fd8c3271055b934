"""Optimizers and schedules: who is trained by what, state that survives a file, and the shapes of the curves."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sibao.models.base import Keys
from sibao.models.folder import family_of
from sibao.nn.decoder import Decoder
from sibao.nn.lora import add_lora
from sibao.training.optim import load_state_tensors, make_optimizers, set_rate, state_tensors
from sibao.training.recipe import OptimizerSection, ScheduleSection
from sibao.training.schedule import factor


def section(**keys: Any) -> OptimizerSection:
    return OptimizerSection.model_validate(keys)


def new_model(family: str = "qwen2") -> Decoder:
    model = Decoder(family_of(family).read(Keys(family_of(family).TINY)))
    model.initialize(0)
    return model


def groups(optimizer: torch.optim.Optimizer, model: Decoder) -> list[tuple[set[str], float, float]]:
    names = {id(p): n for n, p in model.named_parameters()}
    return [({names[id(p)] for p in g["params"]}, g["lr"], g["weight_decay"]) for g in optimizer.param_groups]


def test_adamw_trains_everything_and_spares_vectors() -> None:
    model = new_model()
    (optimizer,) = make_optimizers(model, section(name="adamw", lr=0.1, adam_lr=0.5, weight_decay=0.2))
    (matrices, lr, decay), (vectors, _, none) = groups(optimizer, model)
    assert (lr, decay, none) == (0.1, 0.2, 0.0)  # adam_lr is for muon only
    assert vectors == {n for n, p in model.named_parameters() if p.dim() == 1}
    assert matrices | vectors == {n for n, _ in model.named_parameters()}


def test_muon_takes_the_matrices_of_the_layers() -> None:
    model = new_model()
    adam, muon = make_optimizers(model, section(name="muon", lr=0.1, adam_lr=0.5))
    (matrices, lr, _), _ = groups(adam, model)
    assert (matrices, lr) == ({"embed_tokens.weight"}, 0.5)
    ((inner, lr, _),) = groups(muon, model)
    assert lr == 0.1
    assert inner == {n for n, p in model.named_parameters() if n.startswith("layers.") and p.dim() == 2}


def test_muon_on_adapters_alone() -> None:
    model = new_model()
    add_lora(model, ["q_proj"], 2, 4)
    (muon,) = make_optimizers(model, section(name="muon"))
    assert len(muon.param_groups[0]["params"]) == 4


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_state_survives_a_file(name: str, tmp_path: Path) -> None:
    models = [new_model(), new_model()]
    optimizers = [make_optimizers(m, section(name=name, lr=0.01)) for m in models]

    def step(which: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for parameter in models[which].parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        for optimizer in optimizers[which]:
            optimizer.step()

    step(0, 1)
    step(0, 2)
    save_file(state_tensors(optimizers[0]), tmp_path / "state.safetensors")
    models[1].load_state_dict(models[0].state_dict())
    load_state_tensors(optimizers[1], load_file(tmp_path / "state.safetensors"))
    step(0, 3)
    step(1, 3)
    for one, two in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, two)
    saved, again = state_tensors(optimizers[0]), state_tensors(optimizers[1])
    assert saved.keys() == again.keys() and all(torch.equal(saved[k], again[k]) for k in saved)


def test_rates_are_factors_on_the_base() -> None:
    optimizers = make_optimizers(new_model(), section(name="muon", lr=0.1, adam_lr=0.5))
    set_rate(optimizers, 0.5)
    set_rate(optimizers, 0.1)
    assert [g["lr"] for o in optimizers for g in o.param_groups] == pytest.approx([0.05, 0.05, 0.01])


def curve(**keys: Any) -> list[float]:
    schedule = ScheduleSection.model_validate(keys)
    return [factor(schedule, step) for step in range(schedule.steps)]


def test_cosine() -> None:
    rates = curve(name="cosine", steps=110, warmup=10, min_ratio=0.1)
    assert rates[:11] == pytest.approx([*(i / 10 for i in range(1, 11)), 1.0])
    assert rates[60] == pytest.approx(0.55)  # half way down
    assert rates[35] == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)
    assert rates[-1] == pytest.approx(0.1, abs=1e-3)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_warm_up_stable_decay() -> None:
    rates = curve(name="wsd", steps=100, warmup=5, decay=0.2, min_ratio=0.0)
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert set(rates[5:81]) == {1.0}
    assert rates[80:] == pytest.approx([i / 20 for i in range(20, 0, -1)])
    longer = curve(name="wsd", steps=200, warmup=5, decay=0.2, min_ratio=0.0)
    assert longer[:81] == rates[:81]  # the stable phase can be prolonged


@pytest.mark.parametrize("name", ["cosine", "wsd"])
@pytest.mark.parametrize(
    "keys", [{"warmup": 0}, {"warmup": 50}, {"warmup": 0, "decay": 0.0}, {"warmup": 0, "decay": 1.0}]
)
def test_odd_shapes_stay_between_nothing_and_all(name: str, keys: dict[str, Any]) -> None:
    assert all(0 < rate <= 1 for rate in curve(name=name, steps=20, **keys))
