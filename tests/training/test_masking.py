"""What is hidden: the right share, in the right way, whole words, never control tokens, always the same for a row."""

from __future__ import annotations

import pytest
import torch
from tests.training.small import WORDS

from sibao.text.pack import PackWriter, TokenFile
from sibao.text.tokenizer import Tokenizer
from sibao.text.wordpiece import train_wordpiece
from sibao.training.batches import IGNORE, Batches
from sibao.training.masking import MaskedRows, MaskRule

LENGTH = 64


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_wordpiece([" ".join(WORDS)] * 3, 300, progress=False)


@pytest.fixture(scope="module")
def file(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> TokenFile:
    """200 documents of words of three tokens each (the first begins the word)."""
    folder = tmp_path_factory.mktemp("tokens") / "train"
    generator = torch.Generator().manual_seed(0)

    def examples():  # type: ignore[no-untyped-def]
        for _ in range(200):
            count = int(torch.randint(2, 19, (1,), generator=generator))
            ids = torch.randint(5, tokenizer.vocab_size, (3 * count,), generator=generator).tolist()
            yield [2, *ids, 3], [1, *([1, 0, 0] * count), 1]

    PackWriter(folder, tokenizer).write(examples())
    return TokenFile(folder)


def masked(file: TokenFile, tokenizer: Tokenizer, *, seed: int = 1, share: float = 0.15) -> MaskedRows:
    rule = MaskRule(4, tokenizer.special_ids, tokenizer.vocab_size, share)
    return MaskedRows(Batches(file, LENGTH, seed, whole=True), rule, seed)


def test_fifteen_in_a_hundred_of_which_eighty_ten_ten(file: TokenFile, tokenizer: Tokenizer) -> None:
    rows = masked(file, tokenizer)
    plain = Batches(file, LENGTH, 1, whole=True).rows(0, 600)
    batch = rows.rows(0, 600)
    hidden = batch.targets != IGNORE
    free = (plain.documents >= 0) & (plain.ids > 4)
    assert bool((hidden <= free).all()), "padding and control tokens are never hidden"
    assert (hidden.sum() / free.sum()).item() == pytest.approx(0.15, abs=0.01)
    assert torch.equal(batch.targets[hidden], plain.ids[hidden])
    assert torch.equal(batch.ids[~hidden], plain.ids[~hidden])
    now = batch.ids[hidden]
    assert (now == 4).float().mean().item() == pytest.approx(0.8, abs=0.02)
    same = (now == plain.ids[hidden]).float().mean().item()
    assert same == pytest.approx(0.1 + 0.1 / tokenizer.vocab_size, abs=0.02)
    assert not bool(((now < 4) & (now != plain.ids[hidden])).any()), "no control token is put in"


def test_whole_words_or_none(file: TokenFile, tokenizer: Tokenizer) -> None:
    batch = masked(file, tokenizer, share=0.3).rows(0, 40)
    places = (batch.targets != IGNORE).int()
    # positions of words inside a document: 1..3, 4..6 …; all three are hidden or none
    word = (batch.positions - 1) // 3
    for r in range(40):
        for document in range(int(batch.documents[r].max()) + 1):
            for w in range(30):
                inside = (batch.documents[r] == document) & (word[r] == w) & (batch.positions[r] > 0)
                inside &= places[r].bool() | (batch.ids[r] > 4)
                if inside.sum() == 3:
                    assert int(places[r][inside].sum()) in (0, 3)


def test_a_row_hides_the_same_whenever_it_is_asked_for(file: TokenFile, tokenizer: Tokenizer) -> None:
    rows = masked(file, tokenizer)
    whole = rows.rows(0, 12)
    parts = [masked(file, tokenizer).rows(first, 3) for first in (0, 3, 6, 9)]
    assert torch.equal(whole.ids, torch.cat([p.ids for p in parts]))
    assert torch.equal(whole.targets, torch.cat([p.targets for p in parts]))
    assert torch.equal(rows.at([5, 2]).ids, torch.cat((rows.at([5]).ids, rows.at([2]).ids)))


def test_every_epoch_and_every_seed_hides_others(file: TokenFile, tokenizer: Tokenizer) -> None:
    rows = masked(file, tokenizer)
    epoch = Batches(file, LENGTH, 1, whole=True).epoch_rows()
    assert not torch.equal(rows.rows(0, 5).targets, rows.rows(epoch, 5).targets)
    assert not torch.equal(rows.at([0]).targets, masked(file, tokenizer, seed=2).at([0]).targets)


def test_micro_batches_are_the_rows(file: TokenFile, tokenizer: Tokenizer) -> None:
    batch = masked(file, tokenizer).rows(0, 7)
    parts = batch.split(3)
    assert [len(p.ids) for p in parts] == [3, 3, 1]
    assert sum(p.target_tokens for p in parts) == batch.target_tokens
    mask = batch.mask
    assert mask is not None and mask.shape == (7, LENGTH, LENGTH)
    assert bool((mask == mask.transpose(1, 2)).all())
