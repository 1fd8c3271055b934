"""Published rows are read, both directions, all spellings; faults are named."""

from __future__ import annotations

import pytest

from sibao.core.errors import DataError
from sibao.tasks import answer, generate, summarize, translate

PAIR = {"translation": {"en": "Good morning.", "zh": "早上好。"}}
PASSAGE = {"context": "Paper was made in China.", "question": "Where was paper made?"}


def test_translation_gives_both_directions_to_train_on() -> None:
    pairs = translate.TASK.training_pairs(PAIR)
    assert [(inputs.source, inputs.to, inputs.text, target) for inputs, target in pairs] == [
        ("zh", "en", "早上好。", "Good morning."),
        ("en", "zh", "Good morning.", "早上好。"),
    ]
    prompts = [translate.TASK.messages(inputs)[0]["content"] for inputs, _ in pairs]
    assert prompts == ["把下面的文字翻译成英文：\n早上好。", "Translate into Chinese:\nGood morning."]


def test_translation_finds_its_direction() -> None:
    assert translate.Inputs("早上好。").to == "en"
    assert translate.Inputs("Good morning.").to == "zh"
    assert translate.Inputs("abc", source="zh").to == "en"
    with pytest.raises(DataError, match="field 'to': got 'zh', the language of the source"):
        translate.Inputs("早上好。", "zh", "zh")
    with pytest.raises(DataError, match=r"field 'to': got 'fr', wanted  or en or zh|field 'to': got 'fr'"):
        translate.Inputs("早上好。", "fr")


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({}, "translation"),
        ({"translation": "x"}, "translation"),
        ({"translation": {"en": "x"}}, "zh"),
        ({"translation": {"zh": 3, "en": "x"}}, "zh"),
    ],
)
def test_translation_names_the_missing_side(row: dict[str, object], field: str) -> None:
    with pytest.raises(DataError) as caught:
        translate.TASK.read(row, to="en")
    assert caught.value.field == field


def test_a_table_with_a_column_for_each_language() -> None:
    inputs, target = translate.TASK.read({"en": "Good morning.", "zh": "早上好。"}, to="en")
    assert (inputs.text, target) == ("早上好。", "Good morning.")


def test_a_one_sided_translation_cannot_be_trained_on() -> None:
    with pytest.raises(DataError):
        translate.TASK.training_pairs({"translation": {"zh": "早上好。"}})


@pytest.mark.parametrize(
    "answers", [{"text": ["China", "in China", "China"]}, [{"text": "China"}, {"text": "in China"}]]
)
def test_squad_answers_in_both_spellings(answers: object) -> None:
    inputs, value = answer.TASK.read({**PASSAGE, "answers": answers})
    assert value is not None and answer.TASK.references(value) == ["China", "in China"]
    assert answer.TASK.target(inputs, value) == "China"


def test_a_question_without_an_answer() -> None:
    inputs, value = answer.TASK.read({**PASSAGE, "answers": {"text": []}})
    assert value == () and answer.TASK.references(value) == [""]
    assert answer.TASK.target(inputs, value) == "unanswerable"
    assert answer.TASK.parse("unanswerable.", inputs) == {"text": "", "start": None, "sentence": None}


@pytest.mark.parametrize("answers", ["China", {"text": "China"}, {"text": [3]}, {"text": [""]}, {"start": 1}])
def test_wrong_answers_are_refused(answers: object) -> None:
    with pytest.raises(DataError, match=r"answers\.text"):
        answer.TASK.read({**PASSAGE, "answers": answers})


def test_an_answer_knows_its_place_and_its_sentence() -> None:
    inputs = answer.Inputs("First one. Then Cai Lun came. Last.", "Who?")
    assert answer.TASK.parse(" Cai Lun\nQuestion: x", inputs) == {
        "text": "Cai Lun", "start": 16, "sentence": "Then Cai Lun came.",
    }  # fmt: skip
    assert answer.TASK.parse("Nobody", inputs)["start"] is None


@pytest.mark.parametrize("name", ["document", "article", "text"])
def test_summaries_by_every_name(name: str) -> None:
    inputs, value = summarize.TASK.read({name: "A long text.", "summary": "Short."})
    assert (inputs.text, value) == ("A long text.", "Short.")


def test_a_conversation_teaches_every_answer() -> None:
    turns = [{"role": r, "content": c} for r, c in zip(["system", *["user", "assistant"] * 2], "sabcd", strict=True)]
    pairs = generate.TASK.training_pairs({"messages": turns})
    assert [(generate.TASK.messages(inputs), target) for inputs, target in pairs] == [
        (turns[:2], "b"),
        (turns[:4], "d"),
    ]
    assert generate.TASK.read({"messages": turns[:4]})[1] is None


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([], "wanted a list of turns"),
        ("hello", "wanted a list of turns"),
        (["hello"], "wanted objects"),
        ([{"role": "robot", "content": "x"}], "got 'robot'"),
        ([{"role": "user", "content": ""}], "empty"),
        ([{"role": "assistant", "content": "x"}], "user turn"),
    ],
)
def test_a_bad_conversation_is_refused(turns: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        generate.TASK.read({"messages": turns})


def test_a_form_row_builds_its_prompt() -> None:
    row = {"form": "poem", "style": "wuyan", "prompt": "月", "completion": "x", "lang": "zh"}
    inputs, _ = generate.TASK.read(row)
    assert generate.TASK.messages(inputs)[0]["content"] == "写一首五言诗：月"
    assert generate.TASK.plain(inputs) == "写一首五言诗：月\n"
    english = generate.Inputs("moon", "poem", "五言")
    assert generate.TASK.plain(english).startswith("Write a Chinese poem")
    assert generate.Inputs("x", "text") == generate.Inputs("x")
    with pytest.raises(DataError, match="without a form"):
        generate.Inputs("x", style="五言")


def test_free_text_is_kept_as_it_stands() -> None:
    assert generate.TASK.plain(generate.Inputs(" a\n")) == " a\n"
    assert generate.TASK.parse("  x \n", generate.Inputs("a")) == {"text": "  x \n"}
