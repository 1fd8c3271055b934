"""Sources and answers in batches, spans cut out of text, and the loss of both."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.tiny import TEXTS

from sibao.core.errors import ConfigError
from sibao.models.base import Keys
from sibao.models.folder import family_of
from sibao.nn.seq2seq import Seq2Seq
from sibao.text.pack import PackWriter, TokenFile
from sibao.text.sentinels import sentinel_ids, train_source_target
from sibao.training.batches import IGNORE, Batches
from sibao.training.objectives import seq2seq, span_corruption
from sibao.training.pairs import Ids, PairRows, batch_of
from sibao.training.spans import SpanRows, SpanRule

IDS = Ids(pad=0, start=0, end=1)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> TokenFile:
    """90 pairs of very different lengths; the first token of each source is its number + 10."""
    folder = tmp_path_factory.mktemp("pairs") / "train"
    tokenizer = train_source_target(TEXTS, 400, sentinels=30)
    rng = np.random.default_rng(0)
    made = []
    for number in range(90):
        source = [number + 10, *rng.integers(5, 90, rng.integers(0, 60)).tolist(), 1]
        answer = [*rng.integers(5, 90, rng.integers(1, 40)).tolist(), 1]
        made.append((source + answer, [0] * len(source) + [1] * len(answer)))
    PackWriter(folder, tokenizer).write(made)
    return TokenFile(folder)


def numbers(rows: PairRows, first: int, count: int) -> list[int]:
    return [int(n) - 10 for n in rows.rows(first, count).sources[:, 0]]


def test_an_epoch_holds_each_pair_once_and_follows_the_seed(pairs: TokenFile) -> None:
    rows = PairRows(pairs, IDS, 3, group=8)
    first, second = numbers(rows, 0, 90), numbers(rows, 90, 90)
    assert Counter(first) == Counter(second) == Counter(range(90))
    assert first != second
    assert numbers(PairRows(pairs, IDS, 3, group=8), 40, 70) == (first + second)[40:110]
    assert numbers(PairRows(pairs, IDS, 4, group=8), 0, 90) != first
    assert numbers(PairRows(pairs, IDS, 3, group=0), 0, 90) == list(range(90))


def test_the_rows_of_a_step_are_alike_in_length(pairs: TokenFile) -> None:
    """Against rows in random order, at least a third of the padding goes."""

    def padding(group: int, order: list[int]) -> int:
        lengths = pairs.lengths[order]
        return sum(int((chunk.max() - chunk).sum()) for chunk in np.split(lengths[:88], 11))

    sorted_rows, plain = numbers(PairRows(pairs, IDS, 3, group=8), 0, 90), np.random.default_rng(1).permutation(90)
    assert padding(8, sorted_rows) < padding(8, plain.tolist()) * 2 / 3


def test_a_batch_says_what_each_side_reads() -> None:
    batch = batch_of([([7, 8, 1], [5, 1]), ([9, 1], [4, 6, 1])], Ids(pad=0, start=3, end=1))
    assert batch.sources.tolist() == [[7, 8, 1], [9, 1, 0]]
    assert batch.mask.tolist() == [[True, True, True], [True, True, False]]
    assert batch.read.tolist() == [[3, 5, 0], [3, 4, 6]]
    assert batch.targets.tolist() == [[5, 1, IGNORE], [4, 6, 1]]
    assert (batch.size, batch.target_tokens) == (10, 5)
    one, two = batch.split(1)
    assert (one.sources.tolist(), two.sources.tolist(), two.targets.tolist()) == ([[7, 8, 1]], [[9, 1]], [[4, 6, 1]])
    assert batch.bytes_of(torch.arange(10)) == 5 + 1 + 4 + 6 + 1


def test_the_loss_is_that_of_every_row_alone() -> None:
    model = Seq2Seq(family_of("marian").read(Keys(family_of("marian").TINY | {"init_std": 0.3}))).eval()
    model.initialize(0)
    some = [([7, 8, 11, 12, 0], [5, 0]), ([9, 0], [4, 6, 13, 0])]
    ids = Ids(96, 96, 0)
    for smoothing in (0.0, 0.1):
        batch = batch_of(some, ids, smoothing)
        want = torch.zeros(())
        for source, answer in some:
            read = torch.tensor([[96, *answer[:-1]]])
            logits = model.logits(model(torch.tensor([source]), torch.ones(1, len(source), dtype=torch.bool), read))
            log = F.log_softmax(logits[0], -1)
            wanted = log[torch.arange(len(answer)), torch.tensor(answer)]
            want = want - ((1 - smoothing) * wanted + smoothing * log.mean(-1)).sum()
        assert seq2seq.loss_sum(model, batch).item() == pytest.approx(want.item(), rel=1e-5)
    assert span_corruption.loss_sum is seq2seq.loss_sum


def rule(sentinels: int = 40) -> SpanRule:
    return SpanRule(0.15, 3.0, tuple(range(1000, 1000 + sentinels)), IDS)


def test_cut_spans_put_back_are_the_text() -> None:
    text, seen = np.arange(100, 420), set()
    for seed in range(200):
        source, answer = rule().cut(text, np.random.default_rng(seed))
        assert source[-1] == answer[-1] == 1
        spans: dict[int, list[int]] = {}
        for token in answer[:-1]:
            if token >= 1000:
                spans[token] = []
            else:
                spans[max(spans)].append(token)
        assert list(spans) == list(range(1000, 1000 + len(spans))), "sentinels in their order, each once"
        assert spans.pop(max(spans)) == [], "the last one ends the answer (figure 2 of the paper)"
        assert all(spans.values())
        back = [word for token in source[:-1] for word in spans.get(token, [token])]
        assert back == text.tolist()
        seen.add(tuple(source))
    assert len(seen) == 200


def test_as_much_is_cut_out_as_was_asked_for() -> None:
    lengths: list[int] = []
    for seed in range(300):
        source, answer = rule().cut(np.arange(100, 500), np.random.default_rng(seed))
        marks = [i for i, token in enumerate(answer) if token >= 1000]
        lengths += [b - a - 1 for a, b in pairwise(marks)]
        assert len(answer) - len(marks) - 1 == 60  # 15 % of 400
        assert len([t for t in source if t >= 1000]) == 20
    assert np.mean(lengths) == 3.0 and max(lengths) > 8 and min(lengths) == 1


def test_a_source_is_filled_to_its_length() -> None:
    for length in (16, 64, 200):
        raw = rule().raw_length(length)
        source, _ = rule().cut(np.arange(2000, 2000 + raw), np.random.default_rng(0))
        longer, _ = rule().cut(np.arange(2000, 2001 + raw), np.random.default_rng(0))
        assert len(source) <= length < len(longer)
    with pytest.raises(ConfigError, match="the tokenizer has 5 sentinels"):
        rule(5).raw_length(200)


def test_texts_too_short_to_cut_are_kept() -> None:
    assert rule().cut(np.array([7]), np.random.default_rng(0)) == ([7, 1], [1000, 1])
    source, answer = rule().cut(np.array([7, 8]), np.random.default_rng(0))
    assert (source, answer) == ([7, 1000, 1], [1000, 8, 1001, 1])


def test_span_rows_follow_their_number_alone(tmp_path: Path) -> None:
    tokenizer = train_source_target(TEXTS, 420, sentinels=30)
    documents = [[1, *tokenizer.encode(text), 1] for text in TEXTS * 6]
    PackWriter(tmp_path / "text", tokenizer).write((ids, None) for ids in documents)
    file, cut = TokenFile(tmp_path / "text"), SpanRule(0.15, 3.0, sentinel_ids(tokenizer), IDS)

    def rows() -> SpanRows:
        return SpanRows(Batches(file, cut.raw_length(32), 5, whole=False), cut, 5)

    whole, again = rows().rows(0, 40), rows()
    for row in (0, 7, 39):
        one = again.rows(row, 1)
        assert torch.equal(one.sources[0], whole.sources[row, : one.sources.shape[1]])
        assert torch.equal(one.targets[0], whole.targets[row, : one.targets.shape[1]])
    epoch = rows().texts.epoch_rows()
    assert not torch.equal(rows().rows(0, 1).sources, rows().rows(epoch, 1).sources)
    assert torch.equal(rows().at([3]).sources, rows().at([3]).sources)
    assert whole.bytes_of(torch.ones(420)) == 0
    assert whole.sources.shape[1] <= 32


def test_the_tokenizer_has_t5s_marks_and_ends_every_text(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = train_source_target(TEXTS, 450, sentinels=100)
    assert (tokenizer.pad_id, tokenizer.eos_ids, tokenizer.has_template) == (0, (1,), False)
    assert sentinel_ids(tokenizer) == tuple(range(2, 102))
    tokenizer.save(tmp_path)
    for text in (*TEXTS, "", "<extra_id_0> typed"):
        assert tokenizer.encode_source(text)[-1] == 1 and tokenizer.decode(tokenizer.encode_source(text)) == text
    assert AutoTokenizer.from_pretrained(tmp_path)(TEXTS[0]).input_ids == tokenizer.encode_source(TEXTS[0])
    assert "chat_template" not in json.loads((tmp_path / "tokenizer_config.json").read_text())
