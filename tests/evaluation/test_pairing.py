"""Two runs' rows side by side, and what changed between them."""

from __future__ import annotations

import random

import pytest

from sibao.core.errors import BadInput
from sibao.core.types import Score
from sibao.evaluation.changes import advise, counts, leading, metric_changes, row_changes
from sibao.evaluation.pairing import compare_pairs, is_corpus, metrics_of, pair_rows
from sibao.evaluation.statistics import compare, mcnemar_exact, sample_size
from sibao.metrics import bleu
from sibao.store.rows import ResultRow


def right(values: list[float | None], name: str = "acc") -> list[ResultRow]:
    """Rows that are right or wrong; None is missing."""
    return [
        ResultRow(n, "是" if v else "否", ["是"], {name: v})
        if v is not None
        else ResultRow(n, None, ["是"], {}, "timed out")
        for n, v in enumerate(values)
    ]


def test_rows_are_paired_by_number_and_missing_ones_stay_out_of_the_test() -> None:
    first, second = right([1.0, 0.0, None, 1.0, 0.0]), right([1.0, 1.0, 1.0, None, 0.0])
    pairs = pair_rows(first, second[:4])
    assert [p.first.row for p in pairs] == [0, 1, 2, 3] and [p.answered for p in pairs] == [True, True, False, False]
    compared = compare_pairs(pair_rows(first, second), "acc", corpus=False)
    assert compared is not None and compared.n == 3 and compared.difference == pytest.approx(1 / 3)


def test_other_data_are_refused_by_the_row_that_shows_it() -> None:
    other = [ResultRow(0, "是", ["不是"], {"acc": 1.0})]
    with pytest.raises(BadInput, match=r"row 0 is another row in each run: wanted \['是'\] in the one and \['不是'\]"):
        pair_rows(right([1.0]), other)
    assert len(pair_rows(right([1.0]), other, same_texts=False)) == 1
    with pytest.raises(BadInput, match="no row in common"):
        pair_rows(right([1.0]), [ResultRow(9, "", [], {})])


def test_right_or_wrong_rows_get_the_exact_mcnemar_test() -> None:
    first, second = right([0.0] * 9 + [1.0] * 2 + [1.0] * 20), right([1.0] * 9 + [0.0] * 2 + [1.0] * 20)
    compared = compare_pairs(pair_rows(first, second), "acc", corpus=False)
    assert compared is not None and compared.test == "exact McNemar"
    assert compared.p_value == pytest.approx(mcnemar_exact(9, 2)) == pytest.approx(0.0654, abs=1e-4)


def test_a_corpus_score_is_made_again_from_the_texts() -> None:
    said = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]
    other = ["A dog bit a man.", "It was not a surprise.", "The man bit him."]
    wanted = [["The dog bit the man."], ["It was not unexpected."], ["The man bit him first."]]
    rows = [
        [ResultRow(n, text, refs, {"bleu": 0.0}) for n, (text, refs) in enumerate(zip(texts, wanted, strict=True))]
        for texts in (other, said)
    ]
    compared = compare_pairs(pair_rows(*rows), "bleu", corpus=True)
    assert compared is not None
    real = bleu.score(said, wanted, language="en").value - bleu.score(other, wanted, language="en").value
    assert compared.difference == pytest.approx(real, abs=1e-9)
    assert is_corpus("bleu/en-zh", "suite:x|task:translate.v1|bleu|...") and not is_corpus("f1", "task:answer.v1|f1")
    assert not is_corpus("bleu", "suite:my_yaml|interval:t")


def test_every_metric_of_both_is_tested_and_adjusted_together() -> None:
    rng = random.Random(3)
    first = [
        ResultRow(n, "", ["x"], {"acc": float(rng.random() < 0.5), "acc_norm": 0.0, "tokens": 9.0}) for n in range(80)
    ]
    second = [
        ResultRow(r.row, "", ["x"], {"acc": r.metrics["acc"], "acc_norm": float(r.row % 4 == 0), "tokens": 3.0})
        for r in first
    ]
    pairs = pair_rows(first, second)
    assert metrics_of(pairs) == ["acc", "acc_norm"]
    scores = {"acc": Score("acc", 0.5, 0.4, 0.6, n=80, chance=0.45)}
    same, better = metric_changes(pairs, scores, scores)
    assert same.verdict == "not distinguishable" and better.verdict == "better"
    assert better.adjusted == pytest.approx(2 * better.comparison.p_value) and same.adjusted == 1.0
    assert same.at_chance("first") and not better.at_chance("second")
    assert same.advice is not None and same.advice.needed is None and better.advice is None


def test_advice_gives_rows_for_the_difference_and_the_smallest_that_would_show() -> None:
    a, b = [1.0, 0.0] * 20, [1.0, 0.0] * 18 + [1.0, 1.0, 0.0, 1.0]
    compared = compare(b, a)
    advice = advise(compared)
    assert advice.needed is not None and advice.needed > 40 and advice.detectable > abs(compared.difference)
    variance = ((compared.high - compared.low) / 2 / 1.959964) ** 2 * 40
    assert advice.needed == pytest.approx(sample_size(variance, compared.difference), abs=1)


def test_rows_change_by_the_leading_metric() -> None:
    pairs = pair_rows(right([1.0, 0.0, 1.0, 0.0, None]), right([1.0, 1.0, 0.0, 0.0, 1.0]))
    states = [c.state for c in row_changes(pairs, "acc")]
    assert states == ["both right", "gained", "lost", "both wrong", "missing"]
    assert counts(row_changes(pairs, "acc")) == {"lost": 1, "gained": 1, "both wrong": 1, "both right": 1, "missing": 1}
    graded = pair_rows(right([0.5, 0.5, 0.25], "f1"), right([0.75, 0.5, 0.1], "f1"))
    assert [c.state for c in row_changes(graded, "f1")] == ["gained", "same", "lost"]
    losses = pair_rows(right([2.5, 2.5], "perplexity"), right([3.0, 2.0], "perplexity"))
    assert [c.state for c in row_changes(losses, "perplexity")] == ["lost", "gained"]


def test_the_leading_metric() -> None:
    assert leading(["acc", "acc_norm"], "acc_norm") == "acc_norm" and leading(["bleu/en-zh", "chrf/en-zh"]) == "bleu"
    assert leading(["exact_match"], "acc") == "exact_match" and leading([]) == ""
