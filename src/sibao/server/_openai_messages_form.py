"""Messages, functions and answer formats as OpenAI's clients send them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from sibao.core.errors import BadInput
from sibao.server._json_schema import closed
from sibao.server._openai_form import Bool, Form, Json, Word
from sibao.server._tools import Tool, tool

MOST_MESSAGES, MOST_PARTS, MOST_TOOLS = 4096, 256, 128
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]


def inline_picture(url: str) -> str:
    """Refuse a picture that would have to be fetched."""
    if not url.startswith("data:image/"):
        raise ValueError("pictures are taken as data:image/...;base64 URLs only; this server fetches nothing")
    return url


class RefusalPart(Form):
    """Why the model would not answer, in a turn from before."""

    type: Literal["refusal"]
    refusal: str

    @property
    def text(self) -> str:
        """As the model reads it."""
        return self.refusal


class TextPart(Form):
    """Words."""

    type: Literal["text"]
    text: str


class ImageURL(Form):
    """A picture, in the URL itself."""

    url: Annotated[str, AfterValidator(inline_picture)]
    detail: Literal["auto", "low", "high"] | None = Field(None, description="Taken; the model decides.")


class ImagePart(Form):
    """A picture."""

    type: Literal["image_url"]
    image_url: ImageURL


Texts = str | Annotated[list[TextPart], Field(min_length=1, max_length=MOST_PARTS)]
Said = (
    str
    | Annotated[
        list[Annotated[TextPart | RefusalPart, Field(discriminator="type")]], Field(min_length=1, max_length=MOST_PARTS)
    ]
)
Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]
Parts = Annotated[list[Part], Field(min_length=1, max_length=MOST_PARTS)]


class SystemMessage(Form):
    """What the model is told to be."""

    role: Literal["system", "developer"]
    content: Texts
    name: Word | None = None


class UserMessage(Form):
    """What is asked."""

    role: Literal["user"]
    content: str | Parts
    name: Word | None = Field(default=None, description="Taken; chat templates know no names.")


class CalledFunction(Form):
    """A function and its arguments, a JSON object as text."""

    name: Name
    arguments: str


class ToolCallIn(Form):
    """A call that the model made before."""

    id: Word
    type: Literal["function"] = "function"
    function: CalledFunction


class AssistantMessage(Form):
    """What the model said before."""

    role: Literal["assistant"]
    content: Said | None = None
    name: Word | None = None
    refusal: str | None = None
    annotations: list[Any] | None = Field(default=None, description="Taken; the model does not read them.")
    tool_calls: Annotated[list[ToolCallIn], Field(max_length=MOST_TOOLS)] | None = None


class ToolMessage(Form):
    """What a function gave."""

    role: Literal["tool"]
    content: Texts
    tool_call_id: Word
    name: Word | None = Field(default=None, description="Taken; the call has it.")


AnyMessage = Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


class FunctionForm(Form):
    """A function that the model may call."""

    name: Name
    description: str | None = None
    parameters: Json | None = Field(None, description="JSON schema of its arguments.")
    strict: Bool | None = Field(None, description="Taken; a call that must come always keeps to the schema.")


class ToolForm(Form):
    """A function that the model may call."""

    type: Literal["function"]
    function: FunctionForm


class NamedFunction(Form):
    """A function's name."""

    name: Name


class NamedTool(Form):
    """The function that must be called."""

    type: Literal["function"]
    function: NamedFunction


class SchemaForm(Form):
    """A JSON schema."""

    name: Word = "answer"
    description: str | None = None
    schema_: Json | None = Field(None, alias="schema")
    strict: Bool | None = Field(
        None,
        description="The answer always keeps to the schema; true: objects have no properties that it does not name.",
    )


class TextFormat(Form):
    """Free text."""

    type: Literal["text"]


class ObjectFormat(Form):
    """Any JSON object."""

    type: Literal["json_object"]


class SchemaFormat(Form):
    """JSON of a schema."""

    type: Literal["json_schema"]
    json_schema: SchemaForm


Format = Annotated[TextFormat | ObjectFormat | SchemaFormat, Field(discriminator="type")]


def schema_format(schema: dict[str, Any] | None, *, strict: bool | None = None) -> dict[str, Any]:
    """An answer that keeps to a schema; a ``strict`` one names all properties that there may be.

    Raises:
        BadInput: there is none.
    """
    if schema is None:
        raise BadInput("response_format has no schema", hint="put the JSON schema into json_schema.schema")
    return {"type": "json_schema", "json_schema": {"schema": closed(schema) if strict else schema}}


def tools_of(forms: Sequence[FunctionForm] | None) -> list[Tool]:
    """Functions as the model is told of them.

    Raises:
        BadInput: two of one name, or arguments that are no object.
    """
    found = [tool(one.name, one.description or "", one.parameters) for one in forms or ()]
    if len({one.name for one in found}) < len(found):
        raise BadInput("two tools have one name", hint="give each its own")
    return found
