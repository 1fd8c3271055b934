"""Forms that are large or deep: compiled, or refused in time, and never the end of the program."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from tests.tiny import tiny_tokenizer

from sibao.core.errors import BadInput
from sibao.text import _patience
from sibao.text import constraint as forms
from sibao.text._patience import patiently

TOKENS = tiny_tokenizer()


def greedy(constraint: forms.GrammarConstraint, most: int, pick: int = -1) -> str:
    """The first (or the last) token that may come, again and again; the end as late as can be."""
    ids: list[int] = []
    for _ in range(most):
        allowed = constraint.mask(ids).nonzero().flatten().tolist()
        going = [token for token in allowed if token not in TOKENS.eos_ids]
        if not going:
            break
        ids.append(going[pick])
    return TOKENS.decode(ids)


def test_a_long_chain_of_rules_does_not_end_the_program() -> None:
    chain = "start: r0\n" + "\n".join(f'r{i}: "春" r{i + 1}' for i in range(6000)) + '\nr6000: "z"'
    assert set(greedy(forms.grammar(chain, TOKENS), 12)) == {"春"}
    parts: dict[str, Any] = {
        f"a{i}": {"type": "object", "properties": {"p": {"$ref": f"#/$defs/a{i + 1}"}}, "required": ["p"]}
        for i in range(2500)
    }
    schema = {"$ref": "#/$defs/a0", "$defs": {**parts, "a2500": {"type": "null"}}}
    assert greedy(forms.json_schema(schema, TOKENS), 3, 0).startswith("{")


def test_what_is_larger_than_the_stack_is_refused() -> None:
    chain = "start: r0\n" + "\n".join(f'r{i}: "x" r{i + 1}' for i in range(26_000)) + '\nr26000: "z"'
    with pytest.raises(BadInput, match=r"grammar size .* too big"):
        forms.grammar(chain, TOKENS)


@pytest.mark.parametrize("count", [2, 2500])
def test_choices_may_be_many_and_one_the_beginning_of_another(count: int) -> None:
    choices = ["春", "春天", *(f"第{i}章" for i in range(count))]
    constraint, ends = forms.choice(choices, TOKENS), list(TOKENS.eos_ids)
    for text in (*choices[:2], choices[-1]):
        ids = TOKENS.encode(text)
        assert all(constraint.mask(ids[:i])[token] for i, token in enumerate(ids))
        assert constraint.mask(ids)[ends].all()
    assert constraint.mask(TOKENS.encode("春"))[TOKENS.encode("春天")[len(TOKENS.encode("春"))]]
    assert not constraint.mask([])[ends].any()


def test_an_object_may_have_many_properties() -> None:
    names = {f"p{i}": {"type": "integer"} for i in range(1500)}
    constraint = forms.json_schema({"type": "object", "properties": names, "additionalProperties": False}, TOKENS)
    ids = TOKENS.encode('{"p0":1,"p1499":2}')
    assert all(constraint.mask(ids[:i])[token] for i, token in enumerate(ids))
    wrong = TOKENS.encode('{"q')
    assert not constraint.mask(wrong[:-1])[wrong[-1]]


def test_what_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    with pytest.raises(BadInput, match=r"longer than 0\.01 seconds") as caught:
        patiently(never.wait, 0.01)
    never.set()
    assert "multipleOf" in caught.value.hint
    monkeypatch.setattr(_patience, "SECONDS", 0.0)
    with pytest.raises(BadInput, match="longer than 0 seconds"):
        forms.json_schema({"type": "integer", "multipleOf": 200_003}, TOKENS)


def test_what_the_work_gives_or_raises_comes_out() -> None:
    before = threading.stack_size()
    assert patiently(lambda: torch.ones(2).sum().item()) == 2
    for error in (BadInput("no"), TimeoutError("its own"), KeyError("a")):

        def fails(error: Exception = error) -> None:
            raise error

        with pytest.raises(type(error)) as caught:
            patiently(fails)
        assert caught.value is error
    assert threading.stack_size() == before


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "array", "uniqueItems": True}, "its top level"),
        ({"type": "object", "properties": {"名": {"not": {"type": "string"}}}}, "properties/名"),
        ({"type": "array", "items": {"type": "array", "contains": {"type": "integer"}}}, "items"),
        ({"if": {"type": "string"}, "then": {"minLength": 2}}, "its top level"),
    ],
)
def test_keywords_that_no_answer_can_be_held_to_are_refused_with_those_that_it_can(
    schema: dict[str, Any], place: str
) -> None:
    with pytest.raises(BadInput, match=f"cannot be used, at {place}: Unimplemented") as caught:
        forms.json_schema(schema, TOKENS)
    assert all(word in caught.value.hint for word in ("check the answer", "anyOf", "pattern", "minItems", "required"))


def test_one_of_is_followed_where_its_parts_exclude_each_other() -> None:
    apart = {"oneOf": [{"const": "春"}, {"type": "integer", "minimum": 0, "maximum": 5}]}
    constraint = forms.json_schema(apart, TOKENS)
    for text in ('"春"', "3"):
        ids = TOKENS.encode(text)
        assert all(constraint.mask(ids[:i])[token] for i, token in enumerate(ids))
    with pytest.raises(BadInput) as caught:
        forms.json_schema({"oneOf": [{"type": "integer"}, {"type": "number"}]}, TOKENS)
    assert caught.value.hint == "anyOf stands in for oneOf"
