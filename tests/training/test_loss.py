"""The chunked cross-entropy against torch's on all logits, and gradient accumulation that changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from tests.training.test_batches import open_file

from sibao.models.base import Keys
from sibao.models.folder import family_of
from sibao.nn.decoder import Decoder
from sibao.training import loss
from sibao.training.batches import IGNORE, Batches
from sibao.training.objectives import causal, sft


def inputs(ignored: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(3, 11, 8, generator=generator, requires_grad=True)
    weight = torch.randn(29, 8, generator=generator, requires_grad=True)
    targets = torch.randint(0, 29, (3, 11), generator=generator)
    targets[torch.rand(3, 11, generator=generator) < ignored] = IGNORE
    return hidden, weight, targets


@pytest.mark.parametrize("chunk", [1, 7, 2048])
@pytest.mark.parametrize("ignored", [0.0, 0.4, 1.0])
def test_it_is_torch_s_cross_entropy(chunk: int, ignored: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "CHUNK", chunk)
    hidden, weight, targets = inputs(ignored)
    (loss.cross_entropy_sum(hidden, weight, targets) / 5).backward()
    got, d_hidden, d_weight = loss.cross_entropy_sum(hidden, weight, targets), hidden.grad, weight.grad
    hidden.grad = weight.grad = None
    want = F.cross_entropy((hidden @ weight.T).flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum")
    (want / 5).backward()
    assert torch.allclose(got, want, rtol=1e-6)
    assert torch.allclose(d_hidden, hidden.grad, atol=1e-6)
    assert torch.allclose(d_weight, weight.grad, atol=1e-6)


def test_a_frozen_vocabulary_gets_no_gradient() -> None:
    hidden, weight, targets = inputs(0.2)
    loss.cross_entropy_sum(hidden, weight.detach(), targets).backward()
    assert hidden.grad is not None and weight.grad is None
    with torch.no_grad():
        assert loss.cross_entropy_sum(hidden, weight, targets) > 0


def test_all_logits_are_never_held(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    softmax = F.log_softmax

    def spy(logits: torch.Tensor, **options: int) -> torch.Tensor:
        sizes.append(len(logits))
        return softmax(logits, **options)

    monkeypatch.setattr(loss, "CHUNK", 10)
    monkeypatch.setattr(loss.F, "log_softmax", spy)
    loss.cross_entropy_sum(*inputs(0.0))
    assert sizes == [10, 10, 10, 3]


@pytest.mark.parametrize("masked", [False, True])
def test_micro_batches_change_neither_loss_nor_gradients(masked: bool, tmp_path: Path) -> None:
    documents = [[(7 * i + j) % 97 for j in range(3 + i % 11)] for i in range(60)]
    batches = Batches(open_file(documents, tmp_path, mask=masked), 24, 0, whole=masked)
    whole = batches.rows(0, 8)
    results = []
    for micro in (8, 3, 1):
        model = Decoder(family_of("qwen3").read(Keys(family_of("qwen3").TINY)))
        model.initialize(0)
        total = 0.0
        for part in whole.split(micro):
            value = (sft if masked else causal).loss_sum(model, part) / whole.target_tokens
            value.backward()
            total += value.item()
        results.append((total, torch.cat([p.grad.flatten() for p in model.parameters()])))
    for total, gradient in results[1:]:
        assert total == pytest.approx(results[0][0], rel=1e-6)
        assert (gradient - results[0][1]).abs().max() <= 1e-6
    assert results[0][1].abs().max() > 1e-3
