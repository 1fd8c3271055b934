"""What ``/v1/responses`` is sent. https://platform.openai.com/docs/api-reference/responses"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from sibao.core.errors import BadInput
from sibao.core.types import Sampling
from sibao.server._openai_form import MOST_TOP, Bool, Float, Form, Int, Json, Word, warmth_of
from sibao.server._openai_messages_form import (
    MOST_MESSAGES,
    MOST_PARTS,
    MOST_TOOLS,
    AnyMessage,
    AssistantMessage,
    CalledFunction,
    FunctionForm,
    ImagePart,
    ImageURL,
    Name,
    NamedFunction,
    NamedTool,
    ObjectFormat,
    RefusalPart,
    SystemMessage,
    TextFormat,
    TextPart,
    ToolCallIn,
    ToolMessage,
    UserMessage,
    inline_picture,
    schema_format,
)

LOGPROBS = "message.output_text.logprobs"


class InputText(Form):
    """Words; ``output_text``: those of an answer from before."""

    type: Literal["input_text", "output_text"]
    text: str
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None


class InputImage(Form):
    """A picture, in the URL itself."""

    type: Literal["input_image"]
    image_url: Annotated[str, AfterValidator(inline_picture)]
    detail: Literal["auto", "low", "high"] | None = None


Part = Annotated[InputText | RefusalPart | InputImage, Field(discriminator="type")]


class InputMessage(Form):
    """A turn of the conversation."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: str | Annotated[list[Part], Field(min_length=1, max_length=MOST_PARTS)]
    id: Word | None = None
    status: Word | None = None
    phase: Word | None = None


class InputCall(Form):
    """A call that the model made before."""

    type: Literal["function_call"]
    call_id: Word
    name: Name
    arguments: str
    id: Word | None = None
    status: Word | None = None


class InputResult(Form):
    """What a function gave."""

    type: Literal["function_call_output"]
    call_id: Word
    output: str | Annotated[list[InputText], Field(min_length=1, max_length=MOST_PARTS)]
    id: Word | None = None
    status: Word | None = None


def _kind(value: Any) -> str:
    found = value.get("type", "message") if isinstance(value, dict) else getattr(value, "type", "message")
    return found if isinstance(found, str) else ""


Item = Annotated[
    Annotated[InputMessage, Tag("message")]
    | Annotated[InputCall, Tag("function_call")]
    | Annotated[InputResult, Tag("function_call_output")],
    Discriminator(_kind),
]


class FunctionTool(FunctionForm):
    """A function that the model may call."""

    type: Literal["function"]


class ChosenFunction(Form):
    """The function that must be called."""

    type: Literal["function"]
    name: Name


class SchemaText(Form):
    """JSON of a schema."""

    type: Literal["json_schema"]
    name: Word = "answer"
    description: str | None = None
    schema_: Json = Field(alias="schema")
    strict: Bool | None = None


class TextOptions(Form):
    """The form of the answer."""

    format: Annotated[TextFormat | ObjectFormat | SchemaText, Field(discriminator="type")] | None = None
    verbosity: Literal["medium"] | None = None


class Reasoning(Form):
    """Only that none is wanted."""

    effort: Literal["none"] | None = None
    summary: None = None


class Obfuscation(Form):
    """Of a stream."""

    include_obfuscation: Bool | None = Field(None, description="Taken; nothing is padded.")


class ResponseForm(Form):
    """A conversation to be continued. Nothing is kept: each request brings all of it."""

    model: Word | None = Field(None, description="One of `GET /v1/models`; null: the first one served.")
    input: str | Annotated[list[Item], Field(min_length=1, max_length=MOST_MESSAGES)]
    instructions: str | None = Field(None, description="What the model is told to be.")
    max_output_tokens: Annotated[Int, Field(ge=1)] | None = Field(
        None, description="Most new tokens; null: as many as the context leaves, 4096 at most."
    )
    temperature: Annotated[Float, Field(ge=0, le=2)] | None = Field(None, description="0 is greedy; null: 1.")
    top_p: Annotated[Float, Field(gt=0, le=1)] | None = None
    text: TextOptions | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=MOST_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenFunction | None = None
    top_logprobs: Annotated[Int, Field(ge=0, le=MOST_TOP)] | None = None
    include: list[Literal["message.output_text.logprobs", "reasoning.encrypted_content"]] | None = None
    stream: Bool | None = None
    stream_options: Obfuscation | None = None
    previous_response_id: Word | None = Field(None, description="Refused: nothing is kept.")
    store: Bool | None = Field(None, description="Taken; the answer says false: nothing is kept.")
    truncation: Literal["disabled"] | None = Field(None, description="What does not fit is refused, never cut.")
    reasoning: Reasoning | None = None
    background: Literal[False] | None = None
    parallel_tool_calls: Bool | None = None
    max_tool_calls: Int | None = None
    metadata: Json | None = Field(None, description="Given back.")
    service_tier: Word | None = None
    user: str | None = None
    prompt_cache_key: Word | None = None
    prompt_cache_retention: Word | None = None
    safety_identifier: Word | None = None

    def messages(self) -> list[AnyMessage]:
        """The conversation, as chat has it.

        Raises:
            BadInput: a part of it is to come from an answer that was not kept.
        """
        if self.previous_response_id is not None:
            raise BadInput("previous_response_id is set, and this server keeps no answers", hint="send the whole input")
        found: list[AnyMessage] = []
        if self.instructions is not None:
            found.append(SystemMessage(role="system", content=self.instructions))
        if isinstance(self.input, str):
            return [*found, UserMessage(role="user", content=self.input)]
        for item in self.input:
            before = found[-1] if found else None
            if isinstance(item, InputCall) and isinstance(before, AssistantMessage):
                before.tool_calls = [*(before.tool_calls or []), _call(item)]
            else:
                found.append(_message(item))
        return found

    def shape(self) -> dict[str, Any] | None:
        """The form of the answer, as the engine takes it."""
        form = None if self.text is None else self.text.format
        if form is None or form.type == "text":
            return None
        return (
            schema_format(form.schema_, strict=form.strict) if isinstance(form, SchemaText) else {"type": "json_object"}
        )

    def sampling(self) -> Sampling:
        """How tokens are drawn."""
        wanted = self.top_logprobs if self.top_logprobs is not None or LOGPROBS not in (self.include or ()) else 0
        warmth = 1.0 if self.temperature is None else warmth_of(self.temperature)
        return Sampling(temperature=warmth, top_p=1.0 if self.top_p is None else float(self.top_p), logprobs=wanted)

    @property
    def choice(self) -> str | NamedTool | None:
        """``tool_choice`` as chat has it."""
        if isinstance(self.tool_choice, ChosenFunction):
            return NamedTool(type="function", function=NamedFunction(name=self.tool_choice.name))
        return self.tool_choice


def _call(item: InputCall) -> ToolCallIn:
    return ToolCallIn(id=item.call_id, function=CalledFunction(name=item.name, arguments=item.arguments))


def _message(item: InputMessage | InputCall | InputResult) -> AnyMessage:
    if isinstance(item, InputCall):
        return AssistantMessage(role="assistant", tool_calls=[_call(item)])
    if isinstance(item, InputResult):
        output = item.output if isinstance(item.output, str) else [_text(part) for part in item.output]
        return ToolMessage(role="tool", content=output, tool_call_id=item.call_id)
    if item.role == "user":
        content = item.content if isinstance(item.content, str) else [_part(part) for part in item.content]
        return UserMessage(role="user", content=content)
    said = item.content if isinstance(item.content, str) else _texts(item.content)
    if item.role == "assistant":
        return AssistantMessage(role="assistant", content=said if isinstance(said, str) else [*said])
    return SystemMessage(role=item.role, content=said)


def _part(part: Part) -> TextPart | ImagePart:
    if not isinstance(part, InputImage):
        return _text(part)
    return ImagePart(type="image_url", image_url=ImageURL(url=part.image_url, detail=part.detail))


def _text(part: InputText | RefusalPart) -> TextPart:
    return TextPart(type="text", text=part.text)


def _texts(parts: Sequence[Part]) -> list[TextPart]:
    found = [_text(part) for part in parts if not isinstance(part, InputImage)]
    if len(found) < len(parts):
        raise BadInput("a picture stands in a message that is not the user's", hint="put it into a user's message")
    return found
