"""What ``/v1/chat/completions`` is sent. https://platform.openai.com/docs/api-reference/chat"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from sibao.core.errors import BadInput
from sibao.server._openai_form import MOST_TOP, Bool, Int, Json, SamplingForm, Word
from sibao.server._openai_messages_form import (
    MOST_MESSAGES,
    MOST_TOOLS,
    AnyMessage,
    Format,
    NamedTool,
    SchemaFormat,
    ToolForm,
    schema_format,
)


class ChatForm(SamplingForm):
    """A conversation to be continued."""

    messages: Annotated[list[AnyMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    max_tokens: Annotated[Int, Field(ge=1)] | None = Field(None, description="The older name of the next.")
    max_completion_tokens: Annotated[Int, Field(ge=1)] | None = Field(
        None, description="Most new tokens; null: as many as the context leaves, 4096 at most."
    )
    logprobs: Bool | None = Field(None, description="Tell each token's log-probability.")
    top_logprobs: Annotated[Int, Field(ge=0, le=MOST_TOP)] | None = Field(
        None, description="And the likeliest beside it."
    )
    response_format: Format | None = None
    tools: Annotated[list[ToolForm], Field(max_length=MOST_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = Field(
        None, description="Null: `auto` where there are tools."
    )
    parallel_tool_calls: Bool | None = Field(None, description="Taken; a call that must come is one.")
    modalities: list[Literal["text"]] | None = None
    reasoning_effort: Literal["none"] | None = None
    verbosity: Literal["medium"] | None = None
    metadata: Json | None = Field(None, description="Taken; kept nowhere.")
    store: Bool | None = Field(None, description="Taken; nothing is kept.")
    service_tier: Word | None = Field(None, description="Taken; there is one.")
    prediction: Json | None = Field(None, description="Taken; it changes no answer.")
    prompt_cache_key: Word | None = Field(None, description="Taken; beginnings are shared anyway.")
    prompt_cache_retention: Word | None = Field(None, description="Taken.")
    safety_identifier: Word | None = Field(None, description="Taken.")

    @property
    def tokens(self) -> int | None:
        """Most new tokens, where one of the two fields says so.

        Raises:
            BadInput: they contradict each other.
        """
        one, other = self.max_tokens, self.max_completion_tokens
        if one is not None and other is not None and one != other:
            raise BadInput(f"max_tokens is {one} and max_completion_tokens {other}", hint="leave out max_tokens")
        return one if other is None else other

    @property
    def wanted_logprobs(self) -> int | None:
        """Alternatives beside each token; None: no log-probabilities.

        Raises:
            BadInput: alternatives without log-probabilities.
        """
        if self.top_logprobs is not None and not self.logprobs:
            raise BadInput("top_logprobs is set without logprobs", hint='say "logprobs": true')
        return (self.top_logprobs or 0) if self.logprobs else None

    def shape(self) -> dict[str, Any] | None:
        """``response_format`` as the engine takes it."""
        form = self.response_format
        if form is None or form.type == "text":
            return None
        if isinstance(form, SchemaFormat):
            return schema_format(form.json_schema.schema_, strict=form.json_schema.strict)
        return {"type": "json_object"}
