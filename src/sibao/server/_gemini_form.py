"""The form of an answer: Gemini's schemas (a part of OpenAPI 3.0's) as JSON schemas.

https://ai.google.dev/api/caching#Schema
"""

from __future__ import annotations

from typing import Any

from sibao.core.errors import BadInput
from sibao.server._gemini_schema import GenerationConfig
from sibao.server._json_schema import closed

_SAME = {
    "description", "title", "enum", "required", "minItems", "maxItems", "minLength", "maxLength", "minProperties",
    "maxProperties", "minimum", "maximum", "pattern", "const", "additionalProperties",
}  # fmt: skip
_WHOLE = {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}
"""Numbers that may stand in quotes: the JSON form of protocol buffers writes int64 so."""
_FORMATS = {"date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}
_SNAKE = {
    "any_of": "anyOf", "min_items": "minItems", "max_items": "maxItems", "min_length": "minLength",
    "max_length": "maxLength", "min_properties": "minProperties", "max_properties": "maxProperties",
    "property_ordering": "propertyOrdering", "additional_properties": "additionalProperties",
}  # fmt: skip
_TYPES = {"string", "number", "integer", "boolean", "array", "object", "null"}
_DROPPED = {"type", "nullable", "format", "propertyOrdering", "properties", "items", "anyOf", "example", "default"}


def response_format(config: GenerationConfig) -> dict[str, Any] | None:
    """The form that a request asks for; None where it asks for none.

    Raises:
        BadInput: a schema without its MIME type, two schemas, or one that is none.
    """
    mime, own, plain = config.response_mime_type, config.response_schema, config.response_json_schema
    if own is not None and plain is not None:
        raise BadInput("responseSchema and responseJsonSchema are both set", hint="leave out one of them")
    if mime not in ("application/json", "text/x.enum"):
        if own is not None or plain is not None:
            raise BadInput("a schema needs responseMimeType application/json or text/x.enum")
        return None
    schema = closed(json_schema(own)) if own is not None else plain
    if mime == "text/x.enum":
        choices = (schema or {}).get("enum")
        if not isinstance(choices, list) or not choices or not all(isinstance(one, str) for one in choices):
            raise BadInput("text/x.enum needs a schema with an enum of texts")
        return {"type": "choice", "choices": choices}
    if schema is None:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"schema": schema}}


def json_schema(given: Any) -> dict[str, Any]:
    """The JSON schema of a Gemini schema.

    Raises:
        BadInput: it is none, or has a type that does not exist.
    """
    if not isinstance(given, dict):
        raise BadInput(f"got {type(given).__name__} as a schema, wanted an object")
    said: dict[str, Any] = {
        _SNAKE.get(str(name), str(name)): value for name, value in given.items() if value is not None
    }
    for name in said:
        if name not in _SAME | _DROPPED:
            raise BadInput(f"a schema has {name[:80]!r}, which is not read", hint="send it as responseJsonSchema")
    found = {name: _number(name, value) for name, value in said.items() if name in _SAME}
    if said.get("format") in _FORMATS:
        found["format"] = said["format"]
    if "properties" in said:
        found["properties"] = _properties(said["properties"], said.get("propertyOrdering"))
    if "items" in said:
        found["items"] = json_schema(said["items"])
    if "anyOf" in said:
        found["anyOf"] = [json_schema(one) for one in _listed(said["anyOf"], "anyOf")]
    return found | _type(said, found)


def _type(said: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The type in small letters; a value that may be missing is that or null."""
    name = said.get("type")
    if name is None or name == "TYPE_UNSPECIFIED":
        return {}
    if not isinstance(name, str) or name.lower() not in _TYPES:
        raise BadInput(
            f"a schema has the type {str(name)[:80]!r}", hint="STRING, NUMBER, INTEGER, BOOLEAN, ARRAY, OBJECT"
        )
    if not said.get("nullable"):
        return {"type": name.lower()}
    more = {"enum": [*_listed(found["enum"], "enum"), None]} if "enum" in found else {}
    return {"type": [name.lower(), "null"], **more}


def _properties(given: Any, order: Any) -> dict[str, Any]:
    """In the order that is asked for: an answer is written in this order."""
    if not isinstance(given, dict):
        raise BadInput(f"got {type(given).__name__} as properties of a schema, wanted an object")
    first = [name for name in _listed(order or [], "propertyOrdering") if isinstance(name, str) and name in given]
    return {name: json_schema(given[name]) for name in dict.fromkeys([*first, *given])}


def _listed(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadInput(f"got {type(value).__name__} as {name} of a schema, wanted a list")
    return value


def _number(name: str, value: Any) -> Any:
    return int(value) if name in _WHOLE and isinstance(value, str) and value.isdecimal() else value
