"""Batches: which token is whose target, in which order, and that documents never see each other."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import tiny_tokenizer

from sibao.core.errors import BadInput
from sibao.models.base import Keys
from sibao.models.folder import family_of
from sibao.nn.decoder import Decoder
from sibao.text.pack import PackWriter, TokenFile
from sibao.training.batches import IGNORE, Batch, Batches

Documents = list[list[int]]
LENGTHS = st.lists(st.integers(1, 23), min_size=3, max_size=12).filter(lambda n: sum(n) >= 40)


def numbered(lengths: list[int]) -> Documents:
    """Documents in which every token is another one, so that each can be followed."""
    ids = iter(range(400))
    return [[next(ids) for _ in range(n)] for n in lengths]


def open_file(documents: Documents, folder: str | Path, mask: bool = False) -> TokenFile:
    examples = [(d, [i % 2 for i in range(len(d))] if mask else None) for d in documents]
    PackWriter(Path(folder) / "train", tiny_tokenizer()).write(examples)
    return TokenFile(Path(folder) / "train")


def pairs(batch: Batch) -> Counter[tuple[int, int]]:
    """Every (token, target) with loss."""
    kept = batch.targets != IGNORE
    return Counter(zip(batch.ids[kept].tolist(), batch.targets[kept].tolist(), strict=True))


def successors(documents: Documents) -> Counter[tuple[int, int]]:
    return Counter((a, b) for d in documents for a, b in itertools.pairwise(d))


@settings(max_examples=20, deadline=None)
@given(LENGTHS, st.integers(0, 5))
def test_stream_every_token_is_a_target_once_an_epoch(lengths: list[int], seed: int) -> None:
    documents = numbered(lengths)
    with tempfile.TemporaryDirectory() as folder:
        file = open_file(documents, folder)
        for shuffle in (True, False):
            batches = Batches(file, 16, seed, whole=False, shuffle=shuffle)
            rows = batches.epoch_rows()
            seen = pairs(batches.rows(0, rows))
            assert rows == (sum(lengths) // 16 if shuffle else -(-sum(lengths) // 16))
            # never twice, never across a border; what the last, unfilled row would hold waits for another epoch
            assert max(seen.values()) == 1 and not seen - successors(documents)
            left = sum((successors(documents) - seen).values())
            assert left <= sum(lengths) % 16 if shuffle else left == 0


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(2, 16), min_size=1, max_size=20), st.integers(0, 5))
def test_whole_every_document_once_and_never_cut(lengths: list[int], seed: int) -> None:
    documents = numbered(lengths)
    with tempfile.TemporaryDirectory() as folder:
        batches = Batches(open_file(documents, folder, mask=True), 16, seed, whole=True)
        batch = batches.rows(0, batches.epoch_rows())
    found = []
    for row in range(len(batch.ids)):
        numbers = batch.documents[row]
        for number in range(int(numbers.max()) + 1):
            at = numbers == number
            found.append(batch.ids[row][at].tolist())
            assert batch.positions[row][at].tolist() == list(range(int(at.sum())))
        padding = numbers == -1
        assert bool((batch.targets[row][padding] == IGNORE).all())
        assert not padding.any() or padding.int().argmax() == int((~padding).sum())  # at the end of the row
    assert sorted(found) == sorted(documents)
    wanted = Counter((a, b) for d in documents for i, (a, b) in enumerate(itertools.pairwise(d)) if (i + 1) % 2)
    assert pairs(batch) == wanted


@settings(max_examples=10, deadline=None)
@given(LENGTHS, st.integers(0, 3), st.booleans(), st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_rows_are_a_function_of_their_number(lengths: list[int], seed: int, whole: bool, asked: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = open_file(numbered(lengths), folder)
        length = 23 if whole else 16
        straight = Batches(file, length, seed, whole=whole).rows(0, 64)
        jumping = Batches(file, length, seed, whole=whole)
        for first in asked:  # in any order, over the ends of epochs
            batch = jumping.rows(first, 4)
            for name in ("ids", "targets", "positions", "documents"):
                assert torch.equal(getattr(batch, name), getattr(straight, name)[first : first + 4])


def test_each_epoch_and_seed_has_its_own_order(tmp_path: Path) -> None:
    file = open_file(numbered([8] * 40), tmp_path)
    one, two = (Batches(file, 32, seed, whole=False) for seed in (1, 2))
    rows = one.epoch_rows()
    first, second = one.rows(0, rows).ids, one.rows(rows, rows).ids
    assert sorted(first.flatten().tolist()) == sorted(second.flatten().tolist())
    assert not torch.equal(first, second)
    assert not torch.equal(first, two.rows(0, rows).ids)
    still = Batches(file, 32, 1, whole=False, shuffle=False)
    assert still.rows(0, rows).ids.flatten().tolist() == list(range(320))


def test_late_rows_cost_no_more_than_early_ones(tmp_path: Path) -> None:
    batches = Batches(open_file(numbered([8] * 40), tmp_path), 32, 1, whole=False)
    batches.rows(500, 4)
    before = batches.plan.cache_info().misses
    for row in range(500, 540):
        batches.rows(row, 4)
    assert batches.plan.cache_info().misses - before <= 6  # one for each epoch begun, not one for each before it


def test_validation_rows_are_spread_over_all_of_them(tmp_path: Path) -> None:
    batches = Batches(open_file(numbered([8] * 40), tmp_path), 32, 1, whole=False, shuffle=False)
    assert batches.spread(3) == [0, 3, 6]
    assert batches.spread(100) == list(range(10))
    assert torch.equal(batches.at([3, 6]).ids[1], batches.rows(6, 1).ids[0])


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("family", ["qwen3", "gpt2", "mistral"])
def test_packed_documents_are_computed_as_if_alone(family: str, whole: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    documents = [rng.integers(0, 97, n).tolist() for n in (5, 12, 3, 17, 9, 2, 14, 8)]
    batches = Batches(open_file(documents, tmp_path), 24, 0, whole=whole)
    batch = batches.rows(0, batches.epoch_rows())
    model = Decoder(family_of(family).read(Keys(family_of(family).TINY | {"initializer_range": 0.3})))
    model.initialize(0)
    with torch.no_grad():
        packed = model.logits(model(batch.ids, batch.positions, mask=batch.mask))
        for row in range(len(batch.ids)):
            for number in range(int(batch.documents[row].max()) + 1):
                at = batch.documents[row] == number
                alone = model.logits(model(batch.ids[row][at][None]))[0]
                assert (packed[row][at] - alone).abs().max() <= 1e-4


def test_one_document_a_row_needs_no_mask(tmp_path: Path) -> None:
    batches = Batches(open_file(numbered([64, 64]), tmp_path), 32, 0, whole=False)
    assert batches.rows(0, 4).mask is None
    mixed = Batches(open_file(numbered([20, 44]), tmp_path), 32, 0, whole=False, shuffle=False)
    assert mixed.rows(0, 2).mask is not None
    assert [b.mask is None for b in mixed.rows(0, 2).split(1)] == [True, False]


def test_split_loses_nothing(tmp_path: Path) -> None:
    batches = Batches(open_file(numbered([11] * 20), tmp_path), 32, 0, whole=False)
    whole = batches.rows(0, 6)
    parts = whole.split(4)
    assert [len(p.ids) for p in parts] == [4, 2]
    assert pairs(parts[0]) + pairs(parts[1]) == pairs(whole)
    assert sum(p.target_tokens for p in parts) == whole.target_tokens


def test_data_that_cannot_fill_rows_are_refused(tmp_path: Path) -> None:
    file = open_file(numbered([20, 5]), tmp_path)
    with pytest.raises(BadInput, match=r"a row of 20 tokens does not fit data.sequence_length 16"):
        Batches(file, 16, 0, whole=True)
    with pytest.raises(BadInput, match=r"the data hold 25 tokens, fewer than one row of 32") as caught:
        Batches(file, 32, 0, whole=False).rows(0, 1)
    assert "lower data.sequence_length" in caught.value.hint
    assert Batches(file, 32, 0, whole=False, shuffle=False).rows(0, 1).target_tokens == 23
