"""What Gemini's clients send. Names in camelCase or snake_case, and one object where a list is wanted, as Google's server
takes them.

https://ai.google.dev/api/generate-content#request-body, https://ai.google.dev/api/caching#Schema
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

MOST_CANDIDATES, MOST_TEXTS = 8, 100
"""Answers of one request; texts of one ``batchEmbedContents``, as Google's server has it."""
Json = dict[str, Any]
Int32 = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Listed = BeforeValidator(lambda value: [value] if isinstance(value, dict) else value)
"""The JSON form of protocol buffers: a lone object stands for a list of one."""


class Wire(BaseModel):
    """An object of the protocol; unknown names are refused, as Google's server does, and null says as much as nothing
    (https://protobuf.dev/programming-guides/json)."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _said(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value is not None}


class Blob(Wire):
    """A file within the request."""

    mime_type: str = Field(max_length=200, description="`image/png` and other pictures, or `text/plain`.")
    data: str = Field(description="Base64.")


class FunctionCall(Wire):
    """A call that the model made."""

    id: str | None = None
    name: str
    args: Json | None = None


class FunctionResponse(Wire):
    """What a function gave."""

    id: str | None = None
    name: str
    response: Json | None = None


class Part(Wire):
    """A part of a turn: one of text, a file, a call, a function's result."""

    text: str | None = None
    inline_data: Blob | None = None
    file_data: Json | None = Field(None, description="Refused: the server fetches nothing.")
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    thought: bool | None = Field(None, description="Parts that hold thoughts are left out.")
    thought_signature: str | None = None


class Content(Wire):
    """A turn."""

    role: Literal["user", "model", "function", "system", ""] | None = None
    parts: Annotated[list[Part], Listed] = []


class FunctionDeclaration(Wire):
    """A function that the model may call."""

    name: str = Field(min_length=1, max_length=128)
    description: str = ""
    parameters: Json | None = Field(None, description="Schema of the arguments, in Gemini's form.")
    parameters_json_schema: Json | None = Field(None, description="The same as a JSON schema.")
    response: Json | None = None
    response_json_schema: Any = None
    behavior: str | None = None


class ToolBox(Wire):
    """Functions. Tools that Google's server runs itself are not here."""

    function_declarations: Annotated[list[FunctionDeclaration], Listed] = Field([], max_length=128)


class CallingConfig(Wire):
    """Whether a function must be called."""

    mode: Literal["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"] = "AUTO"
    allowed_function_names: list[str] = []


class ToolConfig(Wire):
    """How tools are used."""

    function_calling_config: CallingConfig = CallingConfig()


class GenerationConfig(Wire):
    """How the answer is written. Left out: the likeliest token each time, as many as there is room for."""

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: float | None = Field(None, ge=0, lt=2**31)
    candidate_count: int | None = Field(None, ge=1, le=MOST_CANDIDATES)
    max_output_tokens: int | None = Field(None, ge=1, lt=2**31)
    stop_sequences: list[str] | None = Field(None, max_length=16)
    seed: Int32 | None = None
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    response_mime_type: Literal["text/plain", "application/json", "text/x.enum", ""] | None = None
    response_schema: Json | None = None
    response_json_schema: Json | None = None
    response_logprobs: bool | None = None
    logprobs: int | None = Field(None, ge=0, le=20)
    response_modalities: list[Literal["TEXT", "MODALITY_UNSPECIFIED"]] | None = None
    thinking_config: Json | None = Field(
        None, description="Taken and not looked at: a model here thinks as it was taught."
    )


class Ask(Wire):
    """`generateContent`."""

    model: str | None = Field(None, description="Not looked at: the path names the model.")
    contents: Annotated[list[Content], Listed] = Field(min_length=1)
    system_instruction: Content | None = None
    generation_config: GenerationConfig = GenerationConfig.model_validate({})
    safety_settings: list[Json] | None = Field(None, description="Taken and not looked at: nothing is filtered.")
    tools: Annotated[list[ToolBox], Listed] = []
    tool_config: ToolConfig = ToolConfig()


class CountAsk(Wire):
    """`countTokens`: turns, or a whole request."""

    model: str | None = None
    contents: Annotated[list[Content], Listed] = []
    generate_content_request: Ask | None = None


class EmbedAsk(Wire):
    """`embedContent`."""

    model: str | None = None
    content: Content
    task_type: str | None = Field(None, description="Taken and not looked at.")
    title: str | None = Field(None, description="Taken and not looked at.")
    output_dimensionality: int | None = Field(None, ge=1, description="Cut each vector behind so many numbers.")


class BatchEmbedAsk(Wire):
    """`batchEmbedContents`."""

    requests: Annotated[list[EmbedAsk], Listed] = Field(min_length=1, max_length=MOST_TEXTS)
