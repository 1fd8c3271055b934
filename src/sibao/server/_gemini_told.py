"""The forms of Gemini's answers, for the page of all routes.

https://ai.google.dev/api/generate-content#generatecontentresponse, https://ai.google.dev/api/embeddings
"""

from __future__ import annotations

from typing import Any, Literal

from sibao.server._gemini_schema import Wire


class CalledOut(Wire):
    """A call that the model makes."""

    name: str
    args: dict[str, Any]


class PartOut(Wire):
    """Words, or a call."""

    text: str | None = None
    function_call: CalledOut | None = None


class ContentOut(Wire):
    """What the model says."""

    parts: list[PartOut]
    role: Literal["model"]


class TokenOut(Wire):
    """A token and the natural logarithm of its probability."""

    token: str
    log_probability: float


class TopOut(Wire):
    """The likeliest tokens at one place."""

    candidates: list[TokenOut]


class LogprobsOut(Wire):
    """Of each token that was written."""

    chosen_candidates: list[TokenOut]
    top_candidates: list[TopOut]


class CandidateOut(Wire):
    """One answer, or a piece of it."""

    content: ContentOut
    index: int
    finish_reason: Literal["STOP", "MAX_TOKENS", "OTHER"] | None = None
    avg_logprobs: float | None = None
    logprobs_result: LogprobsOut | None = None


class UsageOut(Wire):
    """Tokens read and written."""

    prompt_token_count: int
    candidates_token_count: int
    total_token_count: int
    cached_content_token_count: int | None = None


class AnswerOut(Wire):
    """`generateContent`."""

    candidates: list[CandidateOut]
    usage_metadata: UsageOut | None = None
    model_version: str
    response_id: str


class CountOut(Wire):
    """`countTokens`."""

    total_tokens: int


class VectorOut(Wire):
    """The vector of one text."""

    values: list[float]


class EmbedOut(Wire):
    """`embedContent`."""

    embedding: VectorOut


class BatchEmbedOut(Wire):
    """`batchEmbedContents`."""

    embeddings: list[VectorOut]


class ModelCard(Wire):
    """A model that is served."""

    name: str
    base_model_id: str
    version: str
    display_name: str
    description: str
    supported_generation_methods: list[str]
    temperature: float
    max_temperature: float
    input_token_limit: int | None = None
    output_token_limit: int | None = None


class ModelsPage(Wire):
    """A list of them."""

    models: list[ModelCard]
    next_page_token: str | None = None


class StatusOut(Wire):
    """What went wrong."""

    code: int
    message: str
    status: str


class ErrorOut(Wire):
    """Any failure."""

    error: StatusOut


ERRORS: dict[int | str, dict[str, Any]] = {"4XX": {"model": ErrorOut}, "5XX": {"model": ErrorOut}}
SHOWN: dict[str, Any] = {"responses": ERRORS, "response_model_exclude_unset": True}
"""Of every route that answers at once."""
