"""Long documents: split, merged, searched, translated in pieces, or refused; nothing lost, nothing silent."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sibao.core.errors import ContextOverflow
from sibao.core.types import GenerateOptions
from sibao.tasks import answer, generate, summarize, translate
from sibao.tasks._pieces import pieces, units
from sibao.tasks._search import Window, bm25, rank, terms, windows
from sibao.tasks.long import fits, run, run_many, stream

SHORT = GenerateOptions(max_tokens=30)
STORY = "".join(f"第{i}天下了雨，路上没有人。" for i in range(60))


def _document(prompt: str) -> str:
    return prompt.split("\n", 1)[1]


def test_a_short_text_takes_one_call(rule_model) -> None:
    model = rule_model(lambda p: "短", 1000)
    result = run(summarize.TASK, model, summarize.Inputs("一段短文。"), SHORT)
    assert (result.text, result.fields, result.notes) == ("短", {"pieces": 1}, ())
    assert len(model.prompts) == 1 and result.usage.completion_tokens == 1


def test_a_summary_reads_every_sentence_and_merges(rule_model) -> None:
    model = rule_model(lambda p: _document(p)[:12], 200)
    result = run(summarize.TASK, model, summarize.Inputs(STORY), SHORT)
    first = "".join(_document(p) for p in model.prompts[: result.fields["pieces"]])
    assert first == STORY
    assert result.fields["pieces"] > 3 and len(model.prompts) > result.fields["pieces"]
    assert f"in {result.fields['pieces']} pieces" in result.notes[0]
    assert len(result.text) <= 12 and result.usage.prompt_tokens == sum(map(len, model.prompts))


def test_the_answers_to_come_are_told_before_each_round(rule_model) -> None:
    rounds: list[int] = []
    model = rule_model(lambda p: _document(p)[:12], 200)
    result = run(summarize.TASK, model, summarize.Inputs(STORY), SHORT, expect=rounds.append)
    assert rounds[0] == result.fields["pieces"] and len(rounds) > 1 and sum(rounds) == len(model.prompts)


def test_a_model_that_does_not_shorten_ends_and_says_so(rule_model) -> None:
    model = rule_model(_document, 280)
    options = GenerateOptions(max_tokens=140)
    result = run(summarize.TASK, model, summarize.Inputs(STORY), options)
    assert result.text.replace("\n", "") == STORY
    assert any("no shorter" in note for note in result.notes)


def test_a_cut_answer_is_said(rule_model) -> None:
    model = rule_model(lambda p: "长" * 99, 200)
    result = run(summarize.TASK, model, summarize.Inputs(STORY), SHORT)
    assert result.finish_reason == "length" and any("limit of new tokens" in note for note in result.notes)


def test_translation_keeps_paragraphs_and_every_word(rule_model) -> None:
    text = "  One two three. Four five six.\n\n\nSeven eight nine ten. Eleven.\n\nTwelve.\n" * 3
    model = rule_model(lambda p: re.sub(r"\w+", "词", _document(p)), 100)
    result = run(translate.TASK, model, translate.Inputs(text, "zh"), SHORT)
    assert result.text.count("词") == 3 * 12 and result.fields["from"] == "en"
    assert re.findall(r"\n+", result.text) == re.findall(r"\n+", text.strip())
    assert result.fields["pieces"] == len(model.prompts) > 3


def test_small_pieces_on_request(rule_model) -> None:
    model = rule_model(lambda p: "词。", 1000)
    result = run(translate.TASK, model, translate.Inputs("One. Two. Three."), SHORT, piece_tokens=6)
    assert (result.text, result.fields["pieces"]) == ("词。词。词。", 3)


def test_a_sentence_longer_than_the_context_is_cut_and_said(rule_model) -> None:
    clause = "他走过了山，又走过了水，" * 30
    model = rule_model(lambda p: "x", 100)
    result = run(translate.TASK, model, translate.Inputs(clause), SHORT)
    assert "".join(map(_document, model.prompts)) == clause
    assert any("cut at clauses" in note for note in result.notes)
    model.prompts.clear()
    result = run(translate.TASK, model, translate.Inputs("山" * 300), SHORT)
    assert "".join(map(_document, model.prompts)) == "山" * 300
    assert any("cut at characters" in note for note in result.notes)


PASSAGE = STORY + "蔡伦改进了造纸术。" + STORY.replace("雨", "雪")


def test_an_answer_is_found_in_a_long_passage(rule_model) -> None:
    model = rule_model(lambda p: "蔡伦" if "蔡伦" in p else "没有人", 300)
    result = run(answer.TASK, model, answer.Inputs(PASSAGE, "谁改进了造纸术？"), SHORT)
    assert result.text == "蔡伦" and result.fields["start"] == PASSAGE.index("蔡伦")
    assert result.fields["sentence"] == "蔡伦改进了造纸术。" and result.fields["pieces"] > 4
    assert "windows" in result.notes[0] and len(model.prompts) == 4


def test_a_scorer_decides_between_answers(scoring_model) -> None:
    rule = lambda p: "蔡伦" if "蔡伦" in p else "没有人"  # noqa: E731
    inputs = answer.Inputs(PASSAGE, "谁改进了造纸术？")
    low = scoring_model(rule, 300, lambda a: -9.0 if a == "蔡伦" else -0.1)
    assert run(answer.TASK, low, inputs, SHORT).text == "没有人"
    high = scoring_model(rule, 300, lambda a: -0.1 if a == "蔡伦" else -9.0)
    assert run(answer.TASK, high, inputs, SHORT).text == "蔡伦"


def test_an_answer_outside_its_window_loses(rule_model) -> None:
    model = rule_model(lambda p: "李白" if "蔡伦" in p else "没有人", 300)
    result = run(answer.TASK, model, answer.Inputs(PASSAGE, "谁改进了造纸术？"), SHORT)
    assert result.text == "没有人"


def test_a_question_too_long_is_refused_with_the_numbers(rule_model) -> None:
    model = rule_model(lambda p: "x", 100)
    with pytest.raises(ContextOverflow, match="the model holds 100") as caught:
        run(answer.TASK, model, answer.Inputs(PASSAGE, "谁" * 200), SHORT)
    assert caught.value.got > 230 and "context" in caught.value.hint


def test_free_writing_is_refused_with_the_numbers_or_made_shorter_aloud(rule_model) -> None:
    model = rule_model(lambda p: "好", 100)
    with pytest.raises(ContextOverflow) as caught:
        run(generate.TASK, model, generate.Inputs("山" * 80), SHORT)
    assert (caught.value.got, caught.value.limit) == (110, 100)
    result = run(generate.TASK, model, generate.Inputs("山" * 80))
    assert result.notes == ("the prompt leaves room for 20 new tokens",) and model.options[-1].max_tokens == 20
    with pytest.raises(ContextOverflow):
        run(generate.TASK, model, generate.Inputs("山" * 90))


def test_many_keep_their_order_long_ones_among_short(rule_model) -> None:
    model = rule_model(lambda p: _document(p)[:5], 200)
    texts = ["甲说了话。", STORY, "乙也说了。"]
    results = run_many(summarize.TASK, model, [summarize.Inputs(text) for text in texts])
    assert [r.text for r in results[::2]] == ["甲说了话。", "乙也说了。"]
    assert results[0].fields["pieces"] == 1 < results[1].fields["pieces"]


def test_streaming_serves_what_fits_and_refuses_the_rest_at_once(rule_model) -> None:
    model = rule_model(lambda p: "短文", 200)
    deltas = list(stream(summarize.TASK, model, summarize.Inputs("一段。"), SHORT))
    assert "".join(d.text for d in deltas) == "短文" and deltas[-1].completion is not None
    assert not fits(summarize.TASK, model, summarize.Inputs(STORY), SHORT)
    with pytest.raises(ContextOverflow, match="holds 200"):
        stream(summarize.TASK, model, summarize.Inputs(STORY), SHORT)


def test_a_model_without_a_template_gets_the_plain_form_and_its_stops(rule_model) -> None:
    model = rule_model(lambda p: "词", 1000, has_template=False)
    result = run(translate.TASK, model, translate.Inputs("One.\n\nTwo."), SHORT)
    assert model.prompts == ["English: One.\nChinese:", "English: Two.\nChinese:"]
    assert model.options[0].stop == translate.TASK.stop and result.text == "词\n\n词"


TEXT = st.text(alphabet="ab 。，.!\n字我\u200d😀", max_size=150)


@given(TEXT, st.integers(1, 20))
def test_pieces_lose_nothing_and_fit(text: str, size: int) -> None:
    found = pieces(text, lambda t: not t.strip() or len(t.strip()) <= size)
    assert "".join(found.texts) == text
    assert all(len(piece.strip()) <= size for piece in found.texts)


@given(TEXT, st.integers(3, 40))
def test_every_sentence_is_in_a_window_and_windows_fit(text: str, size: int) -> None:
    check = lambda t: not t.strip() or len(t) <= size  # noqa: E731
    parts = units(text, check).texts
    found = windows(parts, check)
    assert all(check(window.text) and text[window.start :].startswith(window.text) for window in found)
    covered, starts = 0, [window.start for window in found]
    for window in found:
        assert window.start <= covered
        covered = max(covered, window.start + len(window.text))
    assert covered == len(text) and starts == sorted(set(starts))


def test_windows_overlap() -> None:
    parts = [f"Sentence {i}. " for i in range(20)]
    found = windows(parts, lambda t: len(t) <= 110)
    assert all(b.start < a.start + len(a.text) for a, b in itertools.pairwise(found))


def test_terms_are_words_and_pairs_of_characters() -> None:
    assert terms("Cai Lun 改进造纸术 in 105。") == ["cai", "lun", "改进", "进造", "造纸", "纸术", "in", "105"]
    assert terms("山") == ["山"]


def test_bm25_against_the_formula_by_hand() -> None:
    # two documents of length 2, term in one: idf = ln(1 + 1.5/1.5) = ln 2; tf part = 2.2 / 2.2 = 1
    assert bm25("paper", ["paper wood", "stone iron"]) == pytest.approx([0.6931471806, 0.0])
    assert bm25("paper", []) == []


def test_equal_windows_keep_the_order_of_the_passage() -> None:
    found = [Window("甲乙", 0), Window("丙丁", 2), Window("造纸", 4)]
    assert [w.start for w in rank("谁造纸", found)] == [4, 0, 2]
