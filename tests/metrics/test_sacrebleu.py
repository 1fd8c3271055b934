"""BLEU and chrF against sacrebleu itself, the tokenizer choice, and speed."""

from __future__ import annotations

import random
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from sibao.core.errors import BadInput, UnknownName
from sibao.metrics import bleu, chrf, chrf_pp
from sibao.metrics._sacrebleu import reference_streams

TEXT = st.text(alphabet="ab c我你，. ", max_size=14)
ROWS = st.lists(st.tuples(TEXT, st.lists(TEXT, min_size=1, max_size=3)), min_size=1, max_size=5)
PEERS: list[Any] = [
    (bleu, lambda: BLEU(tokenize="char"), {"tokenizer": "char"}),
    (chrf, CHRF, {}),
    (chrf_pp, lambda: CHRF(word_order=2), {}),
]


@pytest.mark.parametrize(("module", "peer", "options"), PEERS, ids=["bleu", "chrf", "chrf_pp"])
@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_value_is_sacrebleus(module: Any, peer: Any, options: dict[str, str], rows: Any) -> None:
    hypotheses, references = [row[0] for row in rows], [row[1] for row in rows]
    rows_of_counts = module.row_statistics(hypotheses, references, **options)
    got = float(module.from_sums(rows_of_counts.sum(axis=0, keepdims=True))[0])
    assert got == pytest.approx(peer().corpus_score(hypotheses, reference_streams(references)).score, abs=1e-9)


@pytest.mark.parametrize(("module", "peer", "options"), PEERS, ids=["bleu", "chrf", "chrf_pp"])
def test_sentence_scores_are_sacrebleus(module: Any, peer: Any, options: dict[str, str]) -> None:
    hypotheses, references = bleu.WALK
    tool = peer()
    tool.effective_order = True
    wanted = [tool.sentence_score(text, accepted).score for text, accepted in zip(hypotheses, references, strict=True)]
    assert module.per_row(hypotheses, references, **options) == pytest.approx(wanted, abs=1e-9)


def test_sentence_bleu_of_the_chinese_pair() -> None:
    assert bleu.per_row(*bleu.WALK, language="zh") == pytest.approx([61.8027, 27.8900], abs=1e-4)


def test_interval_is_sacrebleus() -> None:
    hypotheses, references = bleu.DOG
    scores = BLEU().corpus_score(hypotheses, reference_streams(references), n_bootstrap=1000)
    ours = bleu.score(hypotheses, references)
    assert ours.high is not None and ours.low is not None
    assert (ours.high - ours.low) / 2 == pytest.approx(scores._ci, abs=0.1)


def test_signature_holds_sacrebleus_own() -> None:
    hypotheses, references = bleu.DOG
    tool = BLEU()
    tool.corpus_score(hypotheses, reference_streams(references))
    assert f"|{tool.get_signature().format()}|" in bleu.score(hypotheses, references).signature


def test_counts_of_the_chinese_pair() -> None:
    """86.4/65.0/50.0/37.5, lengths 22 and 24, brevity penalty .913."""
    sums = bleu.row_statistics(*bleu.WALK, language="zh").sum(axis=0)
    assert sums[:2].tolist() == [22, 24]
    assert (100 * sums[2:6] / sums[6:]).tolist() == pytest.approx([86.4, 65.0, 50.0, 37.5], abs=0.05)
    assert np.exp(1 - 24 / 22) == pytest.approx(0.913, abs=5e-4)


def test_second_pair_precisions() -> None:
    sums = bleu.row_statistics(*bleu.GPT, language="zh").sum(axis=0)
    assert (100 * sums[2:6] / sums[6:]).tolist() == pytest.approx([80.0, 44.4, 25.0, 14.3], abs=0.05)


def test_bleu_from_published_counts() -> None:
    """compute_bleu([9, 7, 5, 3], [10, 8, 6, 4], 11, 11) in sacrebleu's test_bleu.py."""
    counts = np.array([[11, 11, 9, 7, 5, 3, 10, 8, 6, 4]], dtype=np.float64)
    assert bleu.from_sums(counts)[0] == pytest.approx(83.75922397, abs=1e-7)


def test_fest_and_test_with_the_old_smoothing() -> None:
    """sacrebleu's test_bleu.py scores this pair with floor smoothing .01: the counts are ours."""
    ours, theirs, *counts = bleu.row_statistics(["this is a fest"], [["this is a test"]])[0].tolist()
    result = BLEU.compute_bleu(counts[:4], counts[4:], int(ours), int(theirs), smooth_method="floor", smooth_value=0.01)
    assert result.score / 100 == pytest.approx(0.2236068, abs=1e-7)


def test_chinese_tokens() -> None:
    tokens = BLEU(tokenize="zh").tokenizer("我用GPT-2写了3.14页，“很好”。")
    assert tokens == "我 用 GPT-2 写 了 3.14 页 ， “ 很 好 ” 。"


def test_space_tokenizers_on_chinese_are_refused_loudly() -> None:
    hypotheses, references = bleu.WALK
    assert BLEU(tokenize="13a").corpus_score(hypotheses, reference_streams(references)).score == 0
    for options in ({"tokenizer": "13a"}, {"tokenizer": "none"}, {"language": "en"}):
        with pytest.raises(BadInput, match="mostly Chinese") as caught:
            bleu.score(hypotheses, references, **options)
        assert "language='zh'" in caught.value.hint


def test_tokenizer_by_language() -> None:
    assert bleu.choose_tokenizer("zh-Hans", None, [["x"]]) == "zh"
    assert bleu.choose_tokenizer("en_GB", None, [["x"]]) == "13a"
    assert bleu.choose_tokenizer(None, None, [["我 love 你们大家"]]) == "zh"
    assert bleu.choose_tokenizer("fr", "13a", [["oui"]]) == "13a"
    with pytest.raises(BadInput, match="no default tokenizer for language 'fr'") as caught:
        bleu.choose_tokenizer("fr", None, [["oui"]])
    assert "13a" in caught.value.hint
    with pytest.raises(UnknownName, match="13b") as unknown:
        bleu.choose_tokenizer("en", "13b", [["yes"]])
    assert "13a" in unknown.value.hint
    with pytest.raises(BadInput, match="order 0"):
        bleu.score(["a"], [["a"]], order=0)


@pytest.mark.parametrize("module", [bleu, chrf, chrf_pp], ids=["bleu", "chrf", "chrf_pp"])
def test_a_thousand_rows_with_interval_take_seconds(module: Any) -> None:
    draw = random.Random(7)
    letters = "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年"
    references = [["".join(draw.choices(letters, k=40))] for _ in range(1000)]
    hypotheses = [accepted[0][:25] + "".join(draw.choices(letters, k=15)) for accepted in references]
    module.score(hypotheses[:2], references[:2], language="zh")  # load sacrebleu
    start = time.process_time()
    score = module.score(hypotheses, references, language="zh")
    assert time.process_time() - start < 3.0
    assert score.low is not None and score.high is not None and score.low < score.value < score.high
