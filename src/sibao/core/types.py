"""The nouns of the house: plain data that several floors pass to each other. No torch, no pydantic.

Every field says who fills it. Shapes of tensors never appear here: text and token ids only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypedDict, runtime_checkable

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled", "error"]
Language = Literal["zh", "en"]
Row = dict[str, Any]
"""One row of a data file, with the published field names."""


class Message(TypedDict):
    """One turn of a conversation, in the form that chat templates take."""

    role: Role
    content: str


Prompt = str | list[Message]
"""Raw text (taken as it stands) or messages (rendered by ``text.chat``)."""


def as_prompts(prompts: str | Sequence[Prompt]) -> list[Prompt]:
    """A string alone is one prompt, not a list of characters."""
    return [prompts] if isinstance(prompts, str) else list(prompts)


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn. Filled by the caller; read by ``engine.sampling`` and providers.

    ``temperature`` 0 is greedy. ``top_k`` 0, ``top_p`` 1 and ``min_p`` 0 switch a filter off.
    ``seed`` None draws a fresh one. ``logprobs`` is the number of alternatives reported beside each token.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    logprobs: int | None = None


@dataclass(frozen=True)
class GenerateOptions:
    """One call's options above the engine. ``stop`` holds strings; they are cut from the text."""

    max_tokens: int = 128
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Usage:
    """Tokens counted by the provider."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.prompt_tokens + other.prompt_tokens, self.completion_tokens + other.completion_tokens)


@dataclass(frozen=True)
class TokenLogprob:
    """One generated token with its natural-log probability and the alternatives asked for."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Delta:
    """A piece of streamed text (whole characters only). The last one carries ``completion``."""

    text: str
    completion: Completion | None = None


@dataclass(frozen=True)
class Completion:
    """One finished answer of a model. ``seconds`` is wall time, ``first_token_seconds`` the wait for the first token."""

    text: str
    finish_reason: FinishReason
    usage: Usage = Usage()
    seconds: float = 0.0
    first_token_seconds: float = 0.0
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class Scored:
    """Log-likelihood (natural log) of one continuation given its context.

    ``tokens`` is the number of continuation tokens, ``greedy`` whether each was the most likely one.
    """

    loglikelihood: float
    tokens: int
    greedy: bool


@runtime_checkable
class Model(Protocol):
    """Anything that can generate. Providers implement it; tasks and evaluation only see this."""

    name: str
    context: int
    """Tokens the model holds, prompt and answer together."""

    def generate(self, prompts: str | Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        """Complete every prompt; one completion per prompt, in order. A string alone is one prompt."""
        ...

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        """Complete one prompt piece by piece. Closing the iterator cancels the request."""
        ...

    def count(self, prompt: Prompt) -> int:
        """Tokens of the rendered prompt."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """A model whose token probabilities can be read."""

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Scored]:
        """Log-likelihood of each continuation after its context."""
        ...

    def score_text(self, texts: Sequence[str]) -> list[Scored]:
        """Rolling log-likelihood of whole texts: every token exactly once (see ``metrics.perplexity``)."""
        ...


@dataclass(frozen=True)
class Score:
    """One number with its interval and its signature: how it was made, so that it can be made again.

    ``low``/``high`` bound the interval of confidence ``level`` (None where none is defined); ``n`` counts the rows scored,
    ``missing`` those that could not be (never counted as wrong); ``chance`` is what guessing gives (None if unknown).
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    n: int = 0
    missing: int = 0
    chance: float | None = None
    signature: str = ""

    def to_json(self) -> dict[str, Any]:
        """The score object of the JSON contract."""
        return {
            "name": self.name, "value": self.value, "low": self.low, "high": self.high, "level": self.level,
            "n": self.n, "missing": self.missing, "chance": self.chance, "signature": self.signature,
        }  # fmt: skip
