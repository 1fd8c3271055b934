"""Functions told in words and read back."""

from __future__ import annotations

import json

import pytest

from sibao.core.errors import BadInput
from sibao.server._gemini_form import json_schema
from sibao.server._json_schema import closed
from sibao.server._tools import Call, Sieve, Tool, call_format, call_text, instruction, read_calls, tool

ADD = Tool("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}})
ONE = Call("add", {"a": 1})


def test_the_instruction_is_in_both_languages() -> None:
    for language, word in (("en", "Functions"), ("zh", "函数")):
        said = instruction([ADD], language)  # type: ignore[arg-type]
        assert word in said and json.dumps(ADD.shown(), ensure_ascii=False) in said and "<tool_call>{" in said


def test_calls_are_read_back() -> None:
    marked = call_text(ONE)
    assert read_calls(marked, [ADD]) == ("", [ONE])
    assert read_calls(f"Let me see. {marked}{marked}", [ADD]) == ("Let me see.", [ONE, ONE])
    assert read_calls('{"name": "add", "arguments": {"a": 1}}', [ADD]) == ("", [ONE])
    assert read_calls('{"name": "add"}', [ADD]) == ("", [Call("add", {})])
    for text in (
        "add(1)",
        "<tool_call>{</tool_call>",
        call_text(Call("sub", {})),
        '{"name": "add", "arguments": 1}',
        "[" * 9000,
    ):
        assert read_calls(text, [ADD]) == (text, [])


def test_nothing_but_a_call_is_left() -> None:
    import jsonschema

    schema = call_format([ADD, Tool("now")])["json_schema"]["schema"]
    jsonschema.validate({"name": "add", "arguments": {"a": 1}}, schema)
    jsonschema.validate({"name": "now", "arguments": {}}, schema)
    for wrong in ({"name": "sub", "arguments": {}}, {"name": "add", "arguments": {"b": 1}}, {"name": "now"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


@pytest.mark.parametrize(
    "text", ["a < b, <b>x</b>", "Hi <tool", "  \n", "{x}", f"so: {call_text(ONE)}", call_text(ONE)]
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_sieve_loses_nothing_and_shows_no_call(text: str, size: int) -> None:
    sieve = Sieve()
    shown = "".join(sieve.push(text[i : i + size]) for i in range(0, len(text), size))
    assert shown + sieve.held == text and "<tool_call>" not in shown
    if "<" not in text.replace("< b", "").replace("<b>", "").replace("</b>", "") and not text.strip().startswith("{"):
        assert not sieve.held.strip()


def test_gemini_s_schemas() -> None:
    given = {
        "type": "OBJECT", "nullable": True, "min_properties": "1",
        "properties": {
            "any_of": {"anyOf": [{"type": "STRING"}, {"type": "NUMBER", "format": "double"}]},
            "kind": {"type": "STRING", "enum": ["a"], "nullable": True, "example": "a"},
        },
        "propertyOrdering": ["kind", "any_of", "gone"],
    }  # fmt: skip
    found = json_schema(given)
    assert list(found["properties"]) == ["kind", "any_of"]
    assert found == {
        "minProperties": 1, "type": ["object", "null"],
        "properties": {
            "kind": {"type": ["string", "null"], "enum": ["a", None]},
            "any_of": {"anyOf": [{"type": "string"}, {"type": "number"}]},
        },
    }  # fmt: skip


def test_numbers_and_halves_of_pairs_that_no_text_holds() -> None:
    for bad in ("NaN", "Infinity", "1e999"):
        text = f'{{"name": "add", "arguments": {{"a": {bad}}}}}'
        assert read_calls(text, [ADD]) == (text, [])
    (call,) = read_calls(r'{"name": "add", "arguments": {"a": "\ud800x", "b": "\ud83d\ude00"}}', [ADD])[1]
    assert call.arguments == {"a": "\ufffdx", "b": "😀"} and call.text.encode()


def test_a_call_that_was_cut_off() -> None:
    begun = '{"name": "add", "arguments": {"a": 1'
    assert read_calls(begun, [ADD]) == (begun, [])
    (call,) = read_calls(begun, [ADD], must=True)[1]
    assert (call.name, call.text) == ("add", '{"a": 1')
    assert read_calls('{"name": "a', [ADD], must=True) == ("", [])
    assert read_calls(r'{"name": "\q", "arguments": {', [ADD], must=True) == ("", [])
    assert read_calls("I would rather not.", [ADD], must=True) == ("I would rather not.", [])


def test_arguments_are_an_object() -> None:
    assert tool("f", "", None).parameters == tool("f", "", {}).parameters == {"type": "object", "properties": {}}
    assert tool("f", "", {"properties": {"a": {}}}).parameters["type"] == "object"
    for kind in ("string", ["object", "null"]):
        with pytest.raises(BadInput, match="wanted 'object'"):
            tool("f", "", {"type": kind})


def test_schemas_refer_to_themselves_wherever_they_are() -> None:
    import jsonschema

    tree = {
        "type": "object",
        "properties": {"leaf": {"$ref": "#/$defs/leaf"}, "more": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["leaf"],
        "$defs": {"leaf": {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}},
    }
    fine = {"name": "grow", "arguments": {"leaf": {"n": 1}, "more": [{"leaf": {"n": 2}}]}}
    for tools in ([Tool("grow", "", tree)], [ADD, Tool("grow", "", tree)]):
        schema = call_format(tools)["json_schema"]["schema"]
        jsonschema.validate(fine, schema)
        for wrong in ({"leaf": {"n": 3}}, {"leaf": {"n": 1, "m": 1}}, {"leaf": {"n": 1}, "more": [{"leaf": {"n": 0}}]}):
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate({"name": "grow", "arguments": wrong}, schema)


def test_what_is_put_together_stays_open() -> None:
    parts = {"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}
    assert closed(parts) == parts
    either = {"properties": {"a": {}}, "anyOf": [{"properties": {"b": {}}}, {"required": ["a"]}]}
    assert closed(either) == either
    own = {"properties": {"a": {"properties": {}}}, "additionalProperties": {"type": "string"}}
    assert closed(own)["additionalProperties"] == {"type": "string"}
    assert closed(own)["properties"]["a"]["additionalProperties"] is False
