"""Pictures as inputs of a task: rows, prompts in both languages, and what cannot see says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sibao.core.errors import BadInput, DataError
from sibao.core.types import words
from sibao.providers.load import load
from sibao.tasks.describe import TASK, Inputs
from sibao.tasks.generate import TASK as GENERATE
from sibao.tasks.long import run
from sibao.text.rows import kind_of, text_of


def test_the_prompt_is_in_the_language_of_the_answer() -> None:
    for inputs, said in [
        (Inputs(("a.png",), to="zh"), "描述这张图片。"),
        (Inputs(("a.png", "b.png"), to="zh"), "描述这些图片。"),
        (Inputs(("a.png",)), "Describe this picture."),
        (Inputs(("a.png",), question="这是什么？"), "看图回答问题。\n问题：这是什么？"),
        (Inputs(("a.png",), question="What is it?", to="zh"), "看图回答问题。\n问题：What is it?"),
    ]:
        *shown, last = TASK.messages(inputs)[0]["content"]
        assert last == {"type": "text", "text": said}
        assert shown == [{"type": "image", "image": name} for name in inputs.images]


def test_a_film_goes_with_its_frames() -> None:
    inputs = TASK.inputs(video="walk.mp4", frames=4)
    assert inputs.images == ()
    assert TASK.messages(inputs)[0]["content"][0] == {"type": "video", "video": "walk.mp4", "frames": 4}
    with pytest.raises(DataError, match="field 'frames': got 0"):
        TASK.inputs(video="walk.mp4", frames=0)


def test_rows_of_data_sets() -> None:
    bytes_row = {"image": {"bytes": b"\x89PNG", "path": None}, "caption": "一只熊猫。"}
    inputs, value = TASK.read(bytes_row)
    assert inputs == Inputs((b"\x89PNG",), to="zh") and value == "一只熊猫。"
    inputs, value = TASK.read({"images": ["a.png", "b.png"], "question": "Same?", "answer": "no"})
    assert inputs == Inputs(("a.png", "b.png"), question="Same?") and value == "no"
    assert TASK.read({"video": "a.mp4", "text": "A walk."})[0].video == "a.mp4"
    with pytest.raises(DataError, match="field 'images': missing"):
        TASK.read({"text": "nothing to see"})
    with pytest.raises(DataError, match="field 'images': got int"):
        TASK.read({"image": 7, "text": "x"})


def test_rows_with_pictures_are_recognised() -> None:
    assert (
        kind_of({"image": "a.png", "text": "x"})
        == kind_of({"image": "a.png", "question": "?", "answer": "y"})
        == "picture"
    )
    assert text_of({"image": "a.png", "question": "什么？", "answer": "熊猫"}) == "什么？\n熊猫"
    assert kind_of({"text": "x"}) == "text"
    with pytest.raises(DataError, match="field 'image': wanted the path of a picture, got int"):
        kind_of({"image": 3, "text": "x"})


def test_a_model_that_reads_only_says_that_it_cannot_see(qwen_folder: Path) -> None:
    with pytest.raises(BadInput, match="cannot see"):
        run(TASK, load(str(qwen_folder)), Inputs(("a.png",)))


def test_a_conversation_may_hold_pictures() -> None:
    image = {"type": "image", "image": "a.png"}
    row = {"messages": [{"role": "user", "content": [{"type": "text", "text": "这是什么？"}, image]}]}
    inputs, value = GENERATE.read(row)
    assert value is None and inputs.prompt == "这是什么？"
    content = GENERATE.messages(inputs)[0]["content"]
    assert content == [image, {"type": "text", "text": "这是什么？"}]
    with pytest.raises(BadInput, match="cannot see"):
        GENERATE.plain(inputs)
    only = {"messages": [{"role": "user", "content": [{"type": "text", "text": "你好"}]}]}
    assert GENERATE.messages(GENERATE.read(only)[0]) == [{"role": "user", "content": "你好"}]
    with pytest.raises(DataError, match="wanted a part of a message"):
        GENERATE.read({"messages": [{"role": "user", "content": [{"type": "smell"}]}]})


def test_words_of_parts() -> None:
    assert words({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}) == "a\nb"
    with pytest.raises(BadInput, match="part of type 'video', and this model cannot see"):
        words({"role": "user", "content": [{"type": "video", "video": "a.mp4"}]})
    with pytest.raises(BadInput, match="wanted a part"):
        words({"role": "user", "content": ["a"]})  # type: ignore[list-item]


def test_training_on_a_picture_is_refused_by_name(qwen_folder: Path, tmp_path: Path) -> None:
    from sibao.text.tokenizer import Tokenizer
    from sibao.training.recipe import DataFile
    from sibao.workflows._examples import Examples
    from sibao.workflows._training_rows import TrainingRows

    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"image": "a.png", "text": "一只熊猫。"}, ensure_ascii=False) + "\n", encoding="utf-8")
    rows = TrainingRows([DataFile(path=str(path))], 0)
    examples = Examples(Tokenizer.load(qwen_folder), rows, 64, "error")
    with pytest.raises(DataError, match=r"rows\.jsonl:1: a row with a picture cannot be trained on"):
        list(examples.rendered(quiet=True))
