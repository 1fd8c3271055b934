"""Encoders that are loaded by name: vectors, hidden words, labels, answers in passages; and what they refuse."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import TEXTS

import sibao
from sibao.core.errors import BadInput, ContextOverflow
from sibao.models.base import Keys
from sibao.models.folder import family_of, new_network, save_model
from sibao.providers._encoder import EncoderModel
from sibao.providers._spans import best_span
from sibao.text.reading import Window, windows
from sibao.text.tokenizer import Tokenizer
from sibao.text.wordpiece import train_wordpiece

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
         "max_position_embeddings": 48, "initializer_range": 0.3}  # fmt: skip
LABELS = {"id2label": {"0": "诗", "1": "news", "2": "其他"}}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_wordpiece(TEXTS * 3, 400, progress=False)


@pytest.fixture
def load(tokenizer: Tokenizer, tmp_path: Path) -> Any:
    """A function that writes a random encoder with a head and loads it by its folder's name."""

    def made(head: str, family: str = "Bert", **keys: Any) -> EncoderModel:
        said = {"vocab_size": tokenizer.vocab_size, "architectures": [family + head], **SIZES, **keys}
        module = family_of(family.lower())
        network = new_network(module.read(Keys(said)))
        network.initialize(0)
        save_model(network, tmp_path / head, family.lower(), extra={"pad_token_id": 0})
        tokenizer.save(tmp_path / head)
        model = sibao.load(str(tmp_path / head))
        assert isinstance(model, EncoderModel)
        return model

    return made


def test_vectors_are_the_mean_of_the_states_whatever_the_batch(load: Any) -> None:
    from transformers import AutoModel, AutoTokenizer

    model = load("Model")
    texts = ["春眠不觉晓", "The quick brown fox jumps over the lazy dog.", "I"]
    together = model.embed(texts)
    assert together == [pytest.approx(model.embed([text])[0], abs=1e-5) for text in texts]
    peer, cut = AutoModel.from_pretrained(model.name).eval(), AutoTokenizer.from_pretrained(model.name)
    with torch.no_grad():
        states = peer(**cut(texts[1], return_tensors="pt")).last_hidden_state[0]
    assert together[1] == pytest.approx(states.mean(dim=0).tolist(), abs=1e-5)
    assert model.embed([texts[1]], pooling="cls")[0] == pytest.approx(states[0].tolist(), abs=1e-5)


def test_each_mask_has_its_own_words(load: Any, tokenizer: Tokenizer) -> None:
    model = load("ForMaskedLM")
    first, second = model.fill("春[MASK]不觉[MASK]，fox", top=4)
    assert [len(first), len(second)] == [4, 4]
    assert all(a.probability >= b.probability for a, b in itertools.pairwise(first))
    assert first[0].text.startswith("春" + first[0].token.removeprefix("##") + "不觉[MASK]")
    assert second[0].text.startswith("春[MASK]不觉" + second[0].token.removeprefix("##"))
    with pytest.raises(BadInput, match=r"holds no \[MASK\]"):
        model.fill("春眠不觉晓")


def test_pseudo_scores_hide_one_token_at_a_time(load: Any, tokenizer: Tokenizer) -> None:
    model = load("ForMaskedLM")
    (scored,) = model.pseudo_score(["春眠不觉晓"])
    ids, total = [2, *tokenizer.encode("春眠不觉晓"), 3], 0.0
    for place in range(1, 6):
        row = torch.tensor([ids])
        row[0, place] = 4
        with torch.no_grad():
            chances = model.network.logits(model.network(row))[0, place].log_softmax(dim=-1)
        total += float(chances[ids[place]])
    assert scored.tokens == 5
    assert scored.loglikelihood == pytest.approx(total, abs=1e-4)


def test_labels_with_the_probabilities_of_all(load: Any) -> None:
    model = load("ForSequenceClassification", **LABELS)
    found = model.classify(["床前明月光", "The weather is fine today."])
    for one in found:
        assert list(one.probabilities) == ["诗", "news", "其他"]
        assert sum(one.probabilities.values()) == pytest.approx(1)
        assert one.probabilities[one.label] == one.probability == max(one.probabilities.values())
    many = load("ForSequenceClassification", **LABELS, problem_type="multi_label_classification")
    assert sum(many.classify(["床前明月光"])[0].probabilities.values()) != pytest.approx(1, abs=1e-3)
    result = sibao.generate("床前明月光", model=model)
    assert result.text == found[0].label


def test_tokens_with_labels(load: Any) -> None:
    model = load("ForTokenClassification", **LABELS)
    found = model.tag("我喜欢 books")
    assert [span.text for span, _ in found][:3] == ["我", "喜", "欢"]
    assert {label for _, label in found} <= {"诗", "news", "其他"}


@pytest.mark.parametrize("family", ["Bert", "ModernBert"])
def test_an_answer_stands_in_the_passage_however_long(family: str, load: Any) -> None:
    model = load("ForQuestionAnswering", family)
    context = "".join(TEXTS)
    span = model.spans("谁喜欢读书？", context, empty=False)
    assert span.windows > 3
    assert span.start is not None and context[span.start : span.end] == span.text != ""
    result = sibao.answer("谁喜欢读书？", context, model=model)
    assert result.fields["pieces"] == span.windows
    if result.text:
        assert result.fields["sentence"] in context


def _window(count: int) -> Window:
    return Window(
        [2, 9, 3, *range(10, 10 + count), 3], [0, 0, 0] + [1] * (count + 1), 3, [(i, i + 1) for i in range(count)]
    )


def test_the_best_span_is_that_of_a_search_over_all() -> None:
    context = "甲乙丙丁戊己庚辛"
    generator = torch.Generator().manual_seed(3)
    for _ in range(20):
        scores = torch.randn(12, 2, generator=generator)
        every = {(i, j): float(scores[3 + i, 0] + scores[3 + j, 1]) for i in range(8) for j in range(i, min(8, i + 3))}
        (start, end), best = max(every.items(), key=lambda item: item[1])
        found = best_span(context, [_window(8)], [scores], 3, empty=False)
        assert (found.start, found.end, found.text) == (start, end + 1, context[start : end + 1])
        nothing = float(scores[0].sum())
        assert (best_span(context, [_window(8)], [scores], 3, empty=True).text == "") is (nothing > best)


def test_no_answer_wins_only_where_no_window_holds_one() -> None:
    sure, unsure = torch.zeros(12, 2), torch.zeros(12, 2)
    sure[0], unsure[0] = 9.0, -9.0
    unsure[4] = 5.0
    parts = [_window(8), _window(8)]
    assert best_span("甲乙丙丁戊己庚辛", parts, [sure, unsure], 3, empty=True).text == "乙"
    none = best_span("甲乙丙丁戊己庚辛", parts, [sure, sure], 3, empty=True)
    assert (none.text, none.start, none.end, none.windows) == ("", None, None, 2)
    assert none.probability > 0.99


def test_a_second_segment_is_told_apart(load: Any, tokenizer: Tokenizer) -> None:
    from transformers import AutoModelForQuestionAnswering

    model = load("ForQuestionAnswering")
    question, context = "谁喜欢？", "我喜欢读书。"
    (part,) = windows(tokenizer, question, context, 48)
    with torch.no_grad():
        row = {"input_ids": torch.tensor([part.ids]), "token_type_ids": torch.tensor([part.types])}
        want = AutoModelForQuestionAnswering.from_pretrained(model.name).eval()(**row)
    best = best_span(context, [part], [torch.stack((want.start_logits[0], want.end_logits[0]), -1)], 30, empty=True)
    got = model.spans(question, context)
    assert (got.text, got.start) == (best.text, best.start)
    assert got.probability == pytest.approx(best.probability, abs=1e-5)


@pytest.mark.parametrize(("head", "can"), [("ForMaskedLM", "fill, pseudo_score, embed"), ("Model", "embed")])
def test_what_a_head_cannot_do_is_refused_with_what_it_can(head: str, can: str, load: Any) -> None:
    model = load(head)
    for call in (lambda: model.generate("春"), lambda: model.classify(["春"]), lambda: model.spans("谁？", "我。"),
                 lambda: sibao.translate("春", model=model), lambda: sibao.answer("谁？", "我。", model=model)):  # fmt: skip
        with pytest.raises(BadInput, match="cannot") as caught:
            call()
        assert caught.value.hint == f"it can: {can}"


def test_a_text_that_is_too_long_is_never_cut(load: Any) -> None:
    model = load("ForMaskedLM")
    for call in (model.embed, model.pseudo_score):
        with pytest.raises(ContextOverflow, match="the model holds 48"):
            call(["春" * 47])
    with pytest.raises(ContextOverflow):
        model.fill("[MASK]" + "春" * 60)
