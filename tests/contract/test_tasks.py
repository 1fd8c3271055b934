"""Every task keeps the contract of tasks.base; a new file is picked up by itself."""

from __future__ import annotations

import dataclasses

import pytest

from sibao.core.errors import BadInput, DataError, UnknownName
from sibao.providers.mock import load
from sibao.tasks.base import Example, Task, load_task, task_names
from sibao.tasks.forms.base import form_names, load_form
from sibao.tasks.long import finish, fits, run, run_many, stream

CASES = [
    pytest.param(load_task(name), example, id=f"{name}-{i}")
    for name in task_names()
    for i, example in enumerate(load_task(name).examples)
]


def test_the_tasks_are_there() -> None:
    assert {"generate", "translate", "answer", "summarize"} <= set(task_names())


@pytest.mark.parametrize("name", task_names())
def test_a_task_says_what_it_is(name: str) -> None:
    task = load_task(name)
    assert task.name == name and task.version
    assert {example.language for example in task.examples} == {"zh", "en"}
    assert dataclasses.is_dataclass(task.fields) and task.metrics
    assert not task.document or task.document in {f.name for f in dataclasses.fields(task.fields)}


@pytest.mark.parametrize(("task", "example"), CASES)
def test_examples_round_trip(task: Task, example: Example) -> None:
    inputs, value = task.read(example.row, **example.options)
    assert inputs == example.inputs
    assert value is not None and task.target(inputs, value) == example.completion
    assert task.parse(example.completion, inputs) == example.parsed
    assert example.completion in task.references(value)
    assert (inputs, example.completion) in task.training_pairs(example.row)


@pytest.mark.parametrize(("task", "example"), CASES)
def test_the_prompt_holds_every_input(task: Task, example: Example) -> None:
    document = getattr(example.inputs, task.document or task.main)
    messages = task.messages(example.inputs)
    content = messages[-1]["content"]
    assert messages[-1]["role"] == "user" and task.max_tokens(example.inputs) > 0
    if isinstance(content, str):
        assert document in content and document in task.plain(example.inputs)
        return
    assert tuple(part["image"] for part in content if part["type"] == "image") == document
    with pytest.raises(BadInput, match="cannot see"):
        task.plain(example.inputs)


@pytest.mark.parametrize(("task", "example"), CASES)
def test_it_runs_on_the_mock(task: Task, example: Example) -> None:
    model = load("echo")
    result = run(task, model, example.inputs)
    said = result.to_json()
    assert said["text"] and said["usage"]["prompt_tokens"] > 0 and said["seconds"] > 0
    assert [r.text for r in run_many(task, model, [example.inputs] * 2)] == [result.text] * 2
    assert fits(task, model, example.inputs)
    last = list(stream(task, model, example.inputs))[-1].completion
    assert last is not None and finish(task, example.inputs, last).text == result.text


@pytest.mark.parametrize("name", task_names())
@pytest.mark.parametrize(("value", "got"), [("", "empty"), ("  \n", "empty"), (7, "int"), (None, "NoneType")])
def test_a_bad_input_is_refused_by_name(name: str, value: object, got: str) -> None:
    task = load_task(name)
    field = task.document or task.main
    good = dataclasses.asdict(task.examples[0].inputs)
    with pytest.raises(DataError, match=rf"field '{field}': got {got}") as caught:
        task.inputs(**{**good, field: value})
    assert caught.value.field == field
    with pytest.raises(DataError, match="no such field"):
        task.inputs(**good, colour="red")
    good.pop(field)
    with pytest.raises(DataError, match=f"field '{field}': missing"):
        task.inputs(**good)


@pytest.mark.parametrize(("task", "example"), CASES)
def test_a_row_that_lacks_a_field_is_refused_by_name(task: Task, example: Example) -> None:
    with pytest.raises(DataError) as caught:
        task.read({"colour": "red"}, **example.options)
    assert caught.value.field
    targets = ("completion", "summary", "answers")
    bare = {key: value for key, value in example.row.items() if key not in targets}
    if bare != example.row:
        assert task.read(bare, **example.options)[1] is None
        with pytest.raises(DataError, match="without a target"):
            task.training_pairs(bare)


def test_a_wrong_task_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownName) as caught:
        load_task("translat")
    assert "translate" in caught.value.hint
    with pytest.raises(UnknownName):
        load_task("long")


@pytest.mark.parametrize("name", form_names())
def test_every_form_has_prompts_and_refuses_a_wrong_style(name: str) -> None:
    form = load_form(name)
    for style in ("", *form.styles):
        for language in ("zh", "en"):
            assert "秋天" in form.prompt("秋天", style, language)
    for language in ("zh", "en"):
        assert form.prompt("{x}", "", language).endswith("{x}")
    assert not form.check("").ok
    with pytest.raises(BadInput):
        form.check("text", "no such style")
