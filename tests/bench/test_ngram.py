"""The n-gram baseline: counts checked by hand, probabilities that sum to one, and the rows a run has seen."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from bench.ngram import NGram, discounts, documents_of, first_tokens, main, seen_rows
from hypothesis import example, given, settings
from hypothesis import strategies as st

V = 5
Documents = list[list[int]]


def model_of(documents: Documents, order: int) -> NGram:
    tokens, starts = documents_of([[0, *d, 0] for d in documents])
    return NGram(tokens, starts, V, order)


def probabilities(model: NGram, history: list[int]) -> np.ndarray:
    """p(w | history) of every token; the history opens a document."""
    return np.array([math.exp(-model.nats(*documents_of([[0, *history, w]]))[-1]) for w in range(V)])


def test_bigrams_by_hand() -> None:
    # documents: ^ 1 2 $ and ^ 1 1 $; too few counts for the formula: one discount, n1 / (n1 + 2 n2)
    model = model_of([[1, 2], [1, 1]], 2)
    # bigrams: ^1 twice; 12, 2$, 11, 1$ once: n1 = 4, n2 = 1, D = 4/6
    # kinds of token before: 1 has {^, 1} = 2; 2 has {1} = 1; $ has {2, 1} = 2: n1 = 1, n2 = 2, D = 1/5
    unigram = [(2 - 0.2) / 5, (2 - 0.2) / 5, (1 - 0.2) / 5, 0, 0]
    unigram = [p + (3 * 0.2 / 5) / V for p in unigram]
    d = 4 / 6
    after_1 = [(1 - d) / 3 + d * unigram[0], (1 - d) / 3 + d * unigram[1], (1 - d) / 3 + d * unigram[2]]
    after_1 += [d * unigram[3], d * unigram[4]]
    assert probabilities(model, [1]) == pytest.approx(after_1, rel=1e-5)
    assert probabilities(model, []) == pytest.approx(
        [d / 2 * p + ((2 - d) / 2 if w == 1 else 0) for w, p in enumerate(unigram)], rel=1e-5
    )
    assert probabilities(model, [3]) == pytest.approx(unigram, rel=1e-5)  # 3 was never seen: all is left to the unigram


def test_discounts_by_formula() -> None:
    counts = np.repeat([1, 2, 3, 4, 9], [40, 16, 9, 6, 3])
    y = 40 / 72
    assert discounts(counts) == pytest.approx((1 - 2 * y * 16 / 40, 2 - 3 * y * 9 / 16, 3 - 4 * y * 6 / 9))
    assert discounts(np.array([1, 1, 2])) == pytest.approx((0.5, 0.5, 0.5))
    assert discounts(np.array([7])) == (0.5, 0.5, 0.5)


@settings(max_examples=60, deadline=None)
@example([[]], 5, [1, 2, 3])
@given(
    st.lists(st.lists(st.integers(1, V - 1), max_size=12), min_size=1, max_size=8),
    st.integers(1, 5),
    st.lists(st.integers(1, V - 1), max_size=6),
)
def test_probabilities_sum_to_one(documents: Documents, order: int, history: list[int]) -> None:
    p = probabilities(model_of(documents, order), history)
    assert p.sum() == pytest.approx(1, abs=1e-5)
    assert (p > 0).all()


def reference(documents: Documents, order: int, text: list[int]) -> list[float]:
    """The same model written out with dictionaries, one history at a time."""
    start = "^"
    grams: dict[tuple[object, ...], int] = {}
    for d in documents:
        sequence = [start, *d, 0]
        for k in range(1, order + 1):
            for i in range(len(sequence) - k + 1):
                gram = tuple(sequence[i : i + k])
                grams[gram] = grams.get(gram, 0) + 1
    adjusted: dict[tuple[object, ...], int] = {}
    for gram, count in grams.items():
        if gram != (start,):
            before = sum(1 for g in grams if len(g) == len(gram) + 1 and g[1:] == gram)
            adjusted[gram] = count if len(gram) == order or gram[0] == start else before
    cut = {k: discounts(np.array([c for g, c in adjusted.items() if len(g) == k])) for k in range(1, order + 1)}

    def p(history: tuple[object, ...], w: int) -> float:
        shorter = p(history[1:], w) if history else 1 / V
        here = {g[-1]: c for g, c in adjusted.items() if g[:-1] == history and len(g) == len(history) + 1}
        total = sum(here.values())
        if not total:
            return shorter
        d = cut[len(history) + 1]
        taken = sum(d[min(c, 3) - 1] for c in here.values() if c)
        own = here.get(w, 0)
        return (own - (d[min(own, 3) - 1] if own else 0)) / total + taken / total * shorter

    sequence: list[object] = [start, *text, 0]
    return [p(tuple(sequence[max(0, i - order + 1) : i]), sequence[i]) for i in range(1, len(sequence))]  # type: ignore[arg-type]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_it_is_the_model_written_out(order: int) -> None:
    rng = np.random.default_rng(order)
    documents = [rng.choice([1, 1, 1, 2, 2, 3], size=rng.integers(0, 15)).tolist() for _ in range(40)]
    model = model_of(documents, order)
    for text in ([1, 2, 3, 4, 1, 1], [], [2, 2, 2, 1, 3]):
        got = np.exp(-model.nats(*documents_of([[0, *text, 0]])))[1:]
        assert got == pytest.approx(reference(documents, order, text), rel=1e-4)


def test_rows_seen_and_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    from tests.training.small import small_recipe, write_corpus

    from sibao.text.pack import TokenFile
    from sibao.training.batches import Batches
    from sibao.workflows.pretrain import pretrain

    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    corpus = write_corpus(tmp_path / "corpus.jsonl")
    result = pretrain(small_recipe(corpus, schedule={"steps": 4}), quiet=True)
    file = TokenFile(result.folder / "tokens" / "train")
    batch = Batches(file, 32, 3, whole=False).rows(0, 16)
    tokens, starts = seen_rows(result.folder / "tokens" / "train", 32, 3, 16)
    # the same targets, counted; the openings of documents are nobody's
    want = np.bincount(batch.targets[batch.targets >= 0].numpy(), minlength=320)
    predicted = np.delete(tokens, starts[:-1])
    assert np.bincount(predicted, minlength=320).tolist() == want.tolist()
    everything, borders = seen_rows(result.folder / "tokens" / "train", 32, 3, 10**6)
    assert len(file.tokens) - 32 <= len(everything) <= len(file.tokens)
    assert first_tokens(everything, borders, 50)[1][-1] == 50

    assert main([str(result.folder), "--order", "2"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert seen["tokens"] == len(tokens)
    assert main([str(result.folder), "--order", "2", "--rows", "1000000"]) == 0
    more = json.loads(capsys.readouterr().out)
    assert 0 < more["bits_per_byte"]["valid"] < seen["bits_per_byte"]["valid"]
    assert main([str(result.folder), "--order", "3", "--valid", str(corpus)]) == 0
    assert list(json.loads(capsys.readouterr().out)["bits_per_byte"]) == ["corpus.jsonl"]
