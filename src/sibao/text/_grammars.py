"""What a user says of an answer's form, as a grammar of llguidance; what it cannot read is refused with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sibao.core.errors import BadInput, MissingPackage, UnknownName
from sibao.text._patience import SYMBOLS, patiently

WHITE = r"[ \n]{0,16}"
"""White space between the parts of a JSON text: enough to indent, too little for a model that writes nothing else."""
ITEMS = 20_000
"""Ways in which an answer may go on at once, at most (properties that are all optional, say)."""
HONOURED = (
    "type", "enum", "const", "properties", "required", "additionalProperties", "patternProperties", "minProperties",
    "maxProperties", "items", "prefixItems", "minItems", "maxItems", "pattern", "format", "minLength", "maxLength",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "anyOf", "allOf", "oneOf of parts that "
    "cannot both hold", "$ref within the schema",
)  # fmt: skip
"""Keywords of JSON Schema that an answer can be held to while it is written."""
_GROUPS = ("properties", "patternProperties", "$defs", "definitions", "anyOf", "allOf", "oneOf", "prefixItems")
_SINGLES = ("items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else")


def json_grammar(schema: Mapping[str, Any]) -> str:
    """The grammar of a JSON schema.

    Raises:
        BadInput: it cannot be compiled; the message names the place in it.
    """
    if not isinstance(schema, Mapping):
        raise BadInput(f"got a schema of type {type(schema).__name__}, wanted an object", hint='{"type": "object"}')
    try:
        text = _schema_text(schema)
    except (TypeError, ValueError, RecursionError) as error:  # values that JSON lacks, or too many levels
        raise BadInput(f"the schema cannot be written as JSON: {error}", hint="give plain JSON values") from None
    found = _fault(text)
    if found:
        place = "/".join(_place(dict(schema), found)) or "its top level"
        hint = "change or leave out this part"
        if "oneOf" in found:
            hint = "anyOf stands in for oneOf"
        elif "Unimplemented" in found:
            hint = f"leave it out and check the answer; what an answer can be held to: {', '.join(HONOURED)}"
        raise BadInput(f"the JSON schema cannot be used, at {place}: {' '.join(found.split())}", hint=hint)
    return text


def regex_grammar(pattern: str) -> str:
    """The grammar of a regex. Raises BadInput with the place where it cannot be compiled."""
    _must_be_text(pattern, "regex")
    text: str = _llguidance().grammar_from_regex(pattern)
    fault = _fault(text)
    if fault:
        shown = re.search(r"regex parse error:\n(.*?)\n( *)\^.*?\nerror: ([^\n]*)", fault, re.DOTALL)
        where = f" at character {len(shown[2]) - 4}" if shown and "\n" not in shown[1] else ""
        why = shown[3] if shown else fault.partition("\n")[0].rpartition("(in regex): ")[2]
        raise BadInput(f"the regex {pattern!r} cannot be used{where}: {why}", hint="Rust's syntax: docs.rs/regex")
    plain: str = _llguidance().grammar_from_regex(_plain_digits(pattern))
    return plain


def _plain_digits(pattern: str) -> str:
    r"""``\d`` as 0-9: who asks for a year wants no digits of other scripts, of which each version of Unicode has more.
    Where it stands among what may not come it keeps all of them."""
    out, inside, at = [], "", 0
    while at < len(pattern):
        part = pattern[at : at + 2] if pattern[at] == "\\" else pattern[at]
        if not inside and part == "[":
            inside = "[^" if pattern[at : at + 2] == "[^" else "["
            part = inside + "]" * (pattern[at + len(inside) : at + len(inside) + 1] == "]")  # first, it closes nothing
        elif part == "]":
            inside = ""
        digits = {"": "[0-9]", "[": "0-9"}.get(inside, part) if part == "\\d" else part
        out.append(digits)
        at += len(part)
    return "".join(out)


def lark_grammar(source: str) -> str:
    """A grammar as it was written. Raises BadInput with line and column where it cannot be compiled."""
    _must_be_text(source, "grammar")
    text: str = source if source.lstrip().startswith("{") else _llguidance().grammar_from_lark(source)
    fault = _fault(text)
    if fault:
        at = re.match(r"(?:at )?(\d+)\((\d+)\): (.*)", fault)
        where = f"the grammar cannot be used at line {at[1]}, column {at[2]}: {at[3]}" if at else ""
        raise BadInput(
            where or f"the grammar cannot be used: {fault.partition(chr(10))[0]}", hint='a rule "start" is the answer'
        )
    return text


def choice_grammar(choices: Sequence[str]) -> str:
    """The grammar of one of several texts. Raises BadInput: no choice, or an empty one."""
    if isinstance(choices, str) or not isinstance(choices, Sequence) or not choices:
        raise BadInput(f"choices is {choices!r}, wanted a list of at least one text", hint='["yes", "no"]')
    for number, text in enumerate(choices):
        if not isinstance(text, str) or not text:
            raise BadInput(f"choice {number} is {text!r}, wanted a text that is not empty", hint="leave it out")
    # one word for the lexer: rules would be followed one beside another
    return lark_grammar(
        "start: CHOICE\nCHOICE: " + " | ".join(json.dumps(text, ensure_ascii=False) for text in choices)
    )


def _openai_schema(value: Any) -> str:
    if not isinstance(value, Mapping) or "schema" not in value:
        raise BadInput(
            f"response_format has json_schema = {str(value)[:80]}, wanted an object with a schema",
            hint='{"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}',
        )
    return json_grammar(value["schema"])


_FORMS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "json_schema": ("json_schema", _openai_schema),
    "regex": ("regex", regex_grammar),
    "grammar": ("grammar", lark_grammar),
    "choice": ("choices", choice_grammar),
}


def format_grammar(response_format: Mapping[str, Any]) -> str | None:
    """The grammar of a ``response_format``; None where it allows any text.

    Raises:
        BadInput: an unknown type, a field that is missing, or what its grammar raises.
    """
    kind = response_format.get("type") if isinstance(response_format, Mapping) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return json_grammar({"type": "object"})
    if not isinstance(kind, str):
        raise BadInput(
            f"response_format is {str(response_format)[:80]}, wanted an object with a type",
            hint='{"type": "json_object"}',
        )
    if kind not in _FORMS:
        raise UnknownName("response_format", kind, ["text", "json_object", *_FORMS])
    field, make = _FORMS[kind]
    if field not in response_format:
        raise BadInput(f"response_format of type {kind!r} has no field {field!r}", hint=f"give {field}")
    return make(response_format[field])


def _must_be_text(value: object, what: str) -> None:
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"the {what} is {value!r}, wanted a text that is not empty", hint=f"give a {what}")


def _llguidance() -> Any:
    try:
        from llguidance import LLMatcher
    except ImportError:
        raise MissingPackage("llguidance", extra="constraints", purpose="a constrained answer") from None
    return LLMatcher


def _fault(text: str) -> str:
    """What is wrong with a grammar; empty where nothing is."""
    found: str = patiently(lambda: _llguidance().validate_grammar(text, limits=limits()))
    return found


def limits() -> Any:
    """How large a grammar may be. What one step may cost is bounded by the defaults: about 15 ms each for words and rules."""
    from llguidance import LLParserLimits

    return LLParserLimits(max_items_in_row=ITEMS, max_grammar_size=SYMBOLS)


def _schema_text(schema: Any) -> str:
    written = json.dumps(schema, allow_nan=False)
    made: str = _llguidance().grammar_from_json_schema(written, overrides={"whitespace_pattern": WHITE})
    return made


def _place(schema: dict[str, Any], fault: str) -> list[str]:
    """The way to the smallest part of a schema that has the same fault by itself, beside the root's definitions."""
    shared = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    way: list[str] = []
    part: Any = schema
    while True:
        for name, child in _children(part):
            if _fault(_schema_text({**child, **(shared if "$ref" in json.dumps(child) else {})})) == fault:
                way, part = [*way, *name], child
                break
        else:
            return way


def _children(schema: Mapping[str, Any]) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """The schemas directly inside a schema, with the way to each."""
    for group in _GROUPS:
        inside = schema.get(group)
        if isinstance(inside, Mapping | list):
            pairs = inside.items() if isinstance(inside, Mapping) else enumerate(inside)
            yield from (([group, str(name)], child) for name, child in pairs if isinstance(child, dict))
    for single in _SINGLES:
        if isinstance(schema.get(single), dict):
            yield [single], schema[single]
