"""What ``/v1/responses`` answers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from sibao.core.types import Completion
from sibao.core.types import Usage as Used
from sibao.server._openai_ask import new_id, now
from sibao.server._openai_chat_out import ContentLogprob, logprobs_of
from sibao.server._openai_form import CachedDetails, Told
from sibao.server._openai_responses_form import ResponseForm
from sibao.server._tools import Call

Status = Literal["in_progress", "completed", "incomplete"]


class OutputText(Told):
    """Words of the answer."""

    type: Literal["output_text"] = "output_text"
    text: str
    annotations: list[Any] = Field(default=[])
    logprobs: list[ContentLogprob] = Field(default=[])


class OutputMessage(Told):
    """What the model says."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    status: Status
    content: list[OutputText]


class OutputCall(Told):
    """A call that the model asks for."""

    id: str
    type: Literal["function_call"] = "function_call"
    status: Status
    call_id: str
    name: str
    arguments: str


class Incomplete(Told):
    """Why an answer is not finished."""

    reason: Literal["max_output_tokens", "content_filter"]


class ReasoningDetails(Told):
    """Of the answer's tokens."""

    reasoning_tokens: int = 0


class ResponseUsage(Told):
    """Tokens of a request."""

    input_tokens: int
    input_tokens_details: CachedDetails
    output_tokens: int
    output_tokens_details: ReasoningDetails
    total_tokens: int


class ResponseOut(Told):
    """The answer."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: Status
    error: None = None
    incomplete_details: Incomplete | None = None
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, Any]
    model: str
    output: list[OutputMessage | OutputCall]
    parallel_tool_calls: bool = False
    previous_response_id: None = None
    store: Literal[False] = False
    temperature: float
    text: dict[str, Any]
    tool_choice: Any
    tools: list[dict[str, Any]]
    top_p: float
    truncation: Literal["disabled"] = "disabled"
    usage: ResponseUsage | None = None
    user: str | None = None


def begun(model: str, form: ResponseForm) -> ResponseOut:
    """An answer that has nothing in it yet."""
    how = form.sampling()
    plain: Any = {"mode": "json", "by_alias": True, "exclude_none": True}
    text = (
        {"format": {"type": "text"}} if form.text is None or form.text.format is None else form.text.model_dump(**plain)
    )
    chosen = form.tool_choice or "auto"
    return ResponseOut(
        id=new_id("resp_"), created_at=now(), status="in_progress", instructions=form.instructions,
        max_output_tokens=form.max_output_tokens, metadata=form.metadata or {}, model=model, output=[],
        temperature=how.temperature, top_p=how.top_p, text=text, user=form.user,
        parallel_tool_calls=bool(form.parallel_tool_calls),
        tool_choice=chosen if isinstance(chosen, str) else chosen.model_dump(),
        tools=[tool.model_dump(**plain) | {"strict": bool(tool.strict)} for tool in form.tools or ()],
    )  # fmt: skip


def finished(response: ResponseOut, completion: Completion, output: list[OutputMessage | OutputCall]) -> ResponseOut:
    """The same answer, at its end."""
    reason = completion.finish_reason
    incomplete = {"stop": None, "length": Incomplete(reason="max_output_tokens")}
    details = incomplete.get(reason, Incomplete(reason="content_filter"))
    status: Status = "completed" if details is None else "incomplete"
    for item in output:
        item.status = status
    update = {"status": status, "incomplete_details": details, "output": output, "usage": _usage(completion.usage)}
    return response.model_copy(update=update)


def message(text: str, completion: Completion) -> OutputMessage:
    """An answer's words."""
    scores = logprobs_of(completion.logprobs).content or []
    return OutputMessage(id=new_id("msg_"), status="completed", content=[OutputText(text=text, logprobs=scores)])


def call(called: Call) -> OutputCall:
    """An answer's call."""
    return OutputCall(
        id=new_id("fc_"), status="completed", call_id=new_id("call_"), name=called.name, arguments=called.text
    )


def _usage(used: Used) -> ResponseUsage:
    return ResponseUsage(
        input_tokens=used.prompt_tokens, output_tokens=used.completion_tokens,
        input_tokens_details=CachedDetails(cached_tokens=used.cached_tokens), output_tokens_details=ReasoningDetails(),
        total_tokens=used.prompt_tokens + used.completion_tokens,
    )  # fmt: skip
