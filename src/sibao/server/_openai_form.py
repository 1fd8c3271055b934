"""What OpenAI's endpoints have in common: bounded types, settings of sampling, and the usage that is told.

Fields that are not known are refused, for they might change the answer; known ones that change nothing here are taken.
https://platform.openai.com/docs/api-reference
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sibao.core.errors import BadInput
from sibao.core.types import GenerateOptions, Sampling
from sibao.core.types import Usage as Used

MOST_N, MOST_TOP, MOST_STOPS, MOST_PROMPTS = 16, 20, 16, 2048
COLDEST = 1e-6
Int = Annotated[int, Field(strict=True)]
Float = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Bool = Annotated[bool, Field(strict=True)]
Word = Annotated[str, Field(max_length=1000)]
Ids = Annotated[list[Annotated[int, Field(strict=True, ge=0, lt=1 << 31)]], Field(min_length=1)]


Json = dict[str, Any]
"""Any JSON object."""


class Form(BaseModel):
    """A body, or a part of one, that is sent. Null says as much as nothing, also for a field that is not known here: clients
    send back messages with all fields that theirs has."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _said(cls, given: Any) -> Any:
        if not isinstance(given, dict) or None not in given.values():
            return given
        known = cls.model_fields.keys() | {field.alias for field in cls.model_fields.values()}
        return {name: value for name, value in given.items() if value is not None or name in known}


class Told(BaseModel):
    """A body, or a part of one, that is answered."""


class ErrorDetail(Told):
    """What went wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorOut(Told):
    """A failure in OpenAI's form."""

    error: ErrorDetail


ERRORS: dict[int | str, dict[str, Any]] = {"4XX": {"model": ErrorOut}, "5XX": {"model": ErrorOut}}


class StreamOptions(Form):
    """How a stream is told."""

    include_usage: Bool | None = Field(None, description="A last chunk without choices has the usage.")
    include_obfuscation: Bool | None = Field(None, description="Taken; nothing is padded.")


class SamplingForm(Form):
    """How tokens are drawn. The last six are Sibao's own, as vLLM and llama.cpp name them."""

    model: Word | None = Field(None, description="One of `GET /v1/models`; null: the first one served.")
    temperature: Annotated[Float, Field(ge=0, le=2)] | None = Field(
        None, description="0 is greedy; null: 1, as OpenAI's."
    )
    top_p: Annotated[Float, Field(gt=0, le=1)] | None = Field(None, description="1 is off.")
    n: Annotated[Int, Field(ge=1, le=MOST_N)] | None = Field(
        None, description="Answers to each prompt; of a search its best texts, at most `num_beams`."
    )
    stop: Word | Annotated[list[Word], Field(max_length=MOST_STOPS)] | None = Field(
        None, description="Strings that end the answer; they are not part of it."
    )
    seed: Annotated[Int, Field(ge=-(1 << 63), lt=1 << 63)] | None = Field(
        None, description="The same seed, the same answer."
    )
    presence_penalty: Annotated[Float, Field(ge=-2, le=2)] | None = Field(None, description="0 is off.")
    frequency_penalty: Annotated[Float, Field(ge=-2, le=2)] | None = Field(None, description="0 is off.")
    logit_bias: Annotated[dict[str, Annotated[Float, Field(ge=-100, le=100)]], Field(max_length=1024)] | None = Field(
        None, description="By token id, what is added to its score; -100 forbids it."
    )
    stream: Bool | None = Field(None, description="Answer in server-sent events.")
    stream_options: StreamOptions | None = Field(None, description="Only with `stream`.")
    user: str | None = Field(None, description="Taken; changes nothing.")
    top_k: Annotated[Int, Field(ge=0, le=1 << 20)] | None = Field(None, description="0 is off.")
    min_p: Annotated[Float, Field(ge=0, le=1)] | None = Field(None, description="0 is off.")
    typical_p: Annotated[Float, Field(gt=0, le=1)] | None = Field(None, description="1 is off.")
    repetition_penalty: Annotated[Float, Field(ge=0.01, le=100)] | None = Field(None, description="1 is off.")
    min_tokens: Annotated[Int, Field(ge=0, le=1 << 20)] | None = Field(
        None, description="No end before so many tokens."
    )
    num_beams: Annotated[Int, Field(ge=1, le=16)] | None = Field(None, description="Above 1: beam search.")

    def sampling(self, *, logprobs: int | None = None, number: int = 0) -> Sampling:
        """The settings of the ``number``-th of ``n`` answers.

        Raises:
            BadInput: ``stream_options`` without ``stream``, or a bias of what is no token id.
        """
        if self.stream_options is not None and not self.stream:
            raise BadInput("stream_options is set without stream", hint='say "stream": true')
        names = ("top_p", "presence_penalty", "frequency_penalty", "top_k", "min_p", "typical_p", "repetition_penalty",
                 "min_tokens", "num_beams")  # fmt: skip
        given: dict[str, Any] = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        seed = None if self.seed is None else (self.seed + number) % (1 << 63)
        usual = 0.0 if (self.num_beams or 1) > 1 else 1.0
        warmth = usual if self.temperature is None else warmth_of(self.temperature)
        return Sampling(temperature=warmth, seed=seed, logprobs=logprobs, logit_bias=self._bias(), **given)

    @property
    def stops(self) -> tuple[str, ...]:
        """Stop strings; empty ones stop nothing."""
        found = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(word for word in found if word)

    def options(
        self, tokens: int, sampling: Sampling, response_format: dict[str, Any] | None = None
    ) -> GenerateOptions:
        """All that one answer is made with."""
        return GenerateOptions(tokens, sampling, self.stops, response_format)

    def _bias(self) -> tuple[tuple[int, float], ...]:
        found: dict[int, float] = {}
        for token, bias in (self.logit_bias or {}).items():
            if not (token.isascii() and token.isdigit() and len(token) < 10):
                raise BadInput(f"logit_bias names {token[:40]!r}, wanted a token id", hint='for example {"50": -100}')
            found[int(token)] = float(bias)
        return tuple(found.items())


def warmth_of(temperature: float) -> float:
    """A temperature; one so low that scores divided by it are no numbers any more is greedy."""
    return 0.0 if temperature < COLDEST else float(temperature)


class CachedDetails(Told):
    """Of the prompt's tokens."""

    cached_tokens: int = Field(0, description="Known from an earlier request, and not read again.")


class UsageOut(Told):
    """Tokens of a request; of `n` answers the prompt counts once."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedDetails

    @classmethod
    def of(cls, used: Used) -> UsageOut:
        """As counted."""
        total = used.prompt_tokens + used.completion_tokens
        cached = CachedDetails(cached_tokens=used.cached_tokens)
        return cls(
            prompt_tokens=used.prompt_tokens, completion_tokens=used.completion_tokens, total_tokens=total,
            prompt_tokens_details=cached,
        )  # fmt: skip


Finish = Literal["stop", "length", "tool_calls", "content_filter"]


def finish_of(reason: str, *, called: bool = False) -> Finish:
    """OpenAI's word for why an answer ended; a hosted model that ends with "error" has held something back.

    Args:
        called: it ended with the call of a function, a whole one.
    """
    if called:
        return "tool_calls"
    return "stop" if reason == "stop" else "length" if reason == "length" else "content_filter"
