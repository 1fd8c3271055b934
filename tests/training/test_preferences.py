"""Preferences: the loss against the paper and Transformers' logits, the order of pairs, what is counted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.tiny import tiny_folder, tiny_tokenizer

from sibao.core.errors import BadInput
from sibao.models.folder import load_model
from sibao.text.pack import PackWriter, TokenFile
from sibao.training.batches import IGNORE
from sibao.training.loss import cross_entropy_sum, token_log_probs
from sibao.training.objectives import dpo
from sibao.training.preferences import Preferences, Tally, Terms

PAIRS = [
    (([5, 9, 33, 60, 2], [0, 0, 1, 1, 1]), ([5, 9, 41, 2], [0, 0, 1, 1])),
    (([7, 8, 20, 2], [0, 0, 1, 1]), ([7, 8, 21, 22, 23, 24, 2], [0, 0, 1, 1, 1, 1, 1])),
    (([70, 30, 31, 32, 2], [0, 1, 1, 1, 1]), ([70, 33, 2], [0, 1, 1])),
]


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    PackWriter(tmp_path / "tokens", tiny_tokenizer()).write(text for pair in PAIRS for text in pair)
    return TokenFile(tmp_path / "tokens")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_folder(tmp_path / "model")


def by_hand(folder: Path, ids: list[int], mask: list[int]) -> float:
    """Summed log-probability of the marked tokens, one text at a time, from the logits of Transformers."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        table = model(torch.tensor([ids])).logits[0].log_softmax(dim=-1)
    return sum(float(table[i - 1, ids[i]]) for i in range(1, len(ids)) if mask[i])


@pytest.mark.parametrize(
    "terms",
    [Terms(0.3), Terms(0.3, label_smoothing=0.2), Terms(0.5, preference_loss="ipo"), Terms(2, 0, "sigmoid", True)],
)
def test_the_loss_is_the_one_of_the_papers(folder: Path, file: TokenFile, terms: Terms) -> None:
    reference = np.array([[-11.0, -12.5], [-9.0, -30.0], [-14.0, -6.0]], np.float32)
    tally = Tally()
    batch = Preferences(file, 0, terms, tally, reference=reference, shuffle=False).of([0, 1, 2])
    want, margins = 0.0, []
    for pair, before in zip(PAIRS, reference.tolist(), strict=True):
        gains = [by_hand(folder, *text) - r for text, r in zip(pair, before, strict=True)]
        if terms.length_normalized:
            gains = [gain / sum(mask) for gain, (_, mask) in zip(gains, pair, strict=True)]
        h = gains[0] - gains[1]
        margins.append(h)
        if terms.preference_loss == "ipo":
            want += (h - 1 / (2 * terms.beta)) ** 2
        else:  # as TRL writes it
            e, logits = terms.label_smoothing, torch.tensor(h)
            loss = -F.logsigmoid(terms.beta * logits) * (1 - e) - F.logsigmoid(-terms.beta * logits) * e
            want += float(loss)
    got = dpo.loss_sum(load_model(folder), batch)
    assert got.item() == pytest.approx(want, rel=1e-4)
    figures = tally.figures()
    assert figures["accuracy"] == pytest.approx(sum(h > 0 for h in margins) / 3)
    assert figures["margin"] == pytest.approx(terms.beta * sum(margins) / 3, rel=1e-3, abs=1e-4)
    assert tally.figures() == {}, "the tally was not emptied"


def test_a_model_against_itself_loses_log_two_a_pair(folder: Path, file: TokenFile) -> None:
    model = load_model(folder)
    blank = Preferences(file, 0, Terms(), Tally(), shuffle=False)
    with torch.no_grad():
        reference = dpo.log_probs(model, blank.of([0, 1, 2])).numpy()
    batch = Preferences(file, 0, Terms(), Tally(), reference=reference).rows(0, 3)
    assert dpo.loss_sum(model, batch).item() == pytest.approx(3 * math.log(2), rel=1e-5)


def test_split_and_whole_are_the_same(folder: Path, file: TokenFile) -> None:
    model, source = load_model(folder), Preferences(file, 1, Terms(), Tally())
    batch = source.rows(0, 3)
    parts = batch.split(2)
    assert [p.target_tokens for p in parts] == [2, 1]
    assert sum(dpo.loss_sum(model, p).item() for p in parts) == pytest.approx(
        dpo.loss_sum(model, batch).item(), rel=1e-5
    )


def test_gradients_reach_the_weights_as_if_nothing_were_made_again(folder: Path, file: TokenFile) -> None:
    model = load_model(folder)
    batch = Preferences(file, 0, Terms(), Tally(), shuffle=False).of([0])
    dpo.loss_sum(model, batch).backward()
    got = model.lm_head.weight.grad
    assert got is not None
    got = got.clone()
    model.zero_grad()
    kept = batch.targets.view(2, -1) != IGNORE
    table = model.logits(model(batch.ids.view(2, -1))).log_softmax(dim=-1)
    chosen = table.gather(-1, batch.targets.view(2, -1).clamp(min=0)[..., None])[..., 0] * kept
    (-F.logsigmoid(0.1 * (chosen[0].sum() - chosen[1].sum()))).backward()
    assert torch.allclose(got, model.lm_head.weight.grad, atol=1e-5)


def test_token_log_probs_are_the_cross_entropy() -> None:
    torch.manual_seed(0)
    hidden, weight, targets = torch.randn(1, 50, 8), torch.randn(40, 8), torch.randint(0, 40, (1, 50))
    each = token_log_probs(hidden[0], weight, targets[0])
    assert -each.sum().item() == pytest.approx(cross_entropy_sum(hidden, weight, targets).item(), rel=1e-5)
    capped = token_log_probs(hidden[0], weight, targets[0], softcap=3.0)
    logits = 3.0 * torch.tanh(hidden[0] @ weight.T / 3.0)
    assert torch.allclose(capped, -F.cross_entropy(logits, targets[0], reduction="none"), atol=1e-5)


def test_each_epoch_holds_every_pair_once_in_an_order_of_its_own(file: TokenFile) -> None:
    source = Preferences(file, 5, Terms(), Tally())
    first = [source.rows(i, 1).ids[0, 0, 0].item() for i in range(60)]
    assert all(sorted(first[i : i + 3]) == [5, 7, 70] for i in range(0, 60, 3))
    assert len({tuple(first[i : i + 3]) for i in range(0, 60, 3)}) > 1
    again = Preferences(file, 5, Terms(), Tally()).rows(7, 4)
    assert torch.equal(again.ids[:, 0, 0], torch.tensor(first[7:11]))


def test_an_odd_number_of_texts_is_refused(tmp_path: Path) -> None:
    PackWriter(tmp_path / "odd", tiny_tokenizer()).write([PAIRS[0][0]])
    with pytest.raises(BadInput, match="holds 1 documents"):
        Preferences(TokenFile(tmp_path / "odd"), 0, Terms(), Tally())
