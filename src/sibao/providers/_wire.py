"""What the wire formats of hosted models share: a question as a request, an answer as plain data, and who takes what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Protocol

from sibao.core.errors import BadInput
from sibao.core.types import FinishReason, GenerateOptions, Message, Prompt, Sampling, TokenLogprob, Usage
from sibao.providers._estimate import estimate

MOST_TOKENS = 1 << 40
"""Above it a number is no count of tokens."""
_PLAIN = Sampling()
_NAMES = (
    "top_k", "top_p", "min_p", "typical_p", "repetition_penalty", "presence_penalty", "frequency_penalty", "logit_bias",
    "min_tokens", "seed", "logprobs", "length_penalty", "num_return_sequences",
)  # fmt: skip


@dataclass(frozen=True)
class Ask:
    """One request: path behind the base URL, and body."""

    path: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Counts:
    """What a server says that it has counted; None where it does not say."""

    read: int | None = None
    written: int | None = None
    cached: int = 0

    @classmethod
    def of(cls, read: Any, written: Any, cached: Any) -> Counts:
        """From its numbers, whatever they are."""
        return cls(count(read), count(written), count(cached) or 0)

    def usage(self, prompt: Prompt, text: str) -> Usage:
        """What an answer took: what is not said is estimated, and no more comes from a cache than there is."""
        read = estimate(prompt) if self.read is None else self.read
        written = estimate(text) if self.written is None else self.written
        return Usage(read, written, min(self.cached, read))


def count(value: Any) -> int | None:
    """A number of tokens. A negative one would pay money back: it counts as none."""
    if not isinstance(value, int | float) or not isfinite(value) or value > MOST_TOKENS:
        return None
    return max(0, int(value))


@dataclass(frozen=True)
class Piece:
    """A whole answer, or a piece of a streamed one. ``counts`` None: not said (yet)."""

    text: str = ""
    finish: FinishReason | None = None
    counts: Counts | None = None
    logprobs: tuple[TokenLogprob, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise TypeError(f"the text is a {type(self.text).__name__}")


@dataclass(frozen=True)
class Takes:
    """What a provider's interface takes: names of ``Sampling``, forms of ``response_format`` (None: it is asked), the most
    stop strings (None: any number), and whether it sees pictures."""

    sampling: frozenset[str]
    forms: frozenset[str] | None = frozenset()
    stops: int | None = 4
    pictures: bool = True


class Wire(Protocol):
    """A wire format."""

    def ask(self, prompt: Prompt, options: GenerateOptions, *, stream: bool) -> Ask:
        """The request of a prompt. Raises BadInput for what the interface does not take."""
        ...

    def read(self, found: dict[str, Any]) -> Piece:
        """A whole answer. Any KeyError, TypeError ... says that it has another form."""
        ...

    def piece(self, found: dict[str, Any]) -> Piece:
        """One event of a streamed answer."""
        ...


def refuse_unknown(name: str, options: GenerateOptions, takes: Takes) -> None:
    """What an interface does not take is refused, not left out.

    Raises:
        BadInput: so; the message names it.
    """
    used = [n for n in _NAMES if getattr(options.sampling, n) != getattr(_PLAIN, n) and n not in takes.sampling]
    used += ["num_beams"] if (options.sampling.num_beams or 1) > 1 else []
    used += ["adapter"] if options.adapter is not None else []
    form = form_of(options)
    if form != "text" and takes.forms is not None and form not in takes.forms:
        used.append(f"response_format {form!r}")
    if used:
        raise BadInput(f"{name} does not know {', '.join(used)}", hint="leave it out, or take another model")
    if takes.stops is not None and len(options.stop) > takes.stops:
        raise BadInput(f"{name} takes {takes.stops} stop strings, got {len(options.stop)}", hint="give fewer")
    if options.max_tokens < 1:
        raise BadInput(f"max_tokens is {options.max_tokens}, at least 1 is needed")


def form_of(options: GenerateOptions) -> str:
    """The type of the ``response_format``; ``text`` where there is none.

    Raises:
        BadInput: it has none.
    """
    if options.response_format is None:
        return "text"
    kind = options.response_format.get("type")
    if not isinstance(kind, str):
        raise BadInput(
            f"response_format is {str(options.response_format)[:80]}, wanted an object with a type",
            hint='{"type": "json_object"}',
        )
    return kind


def turns(prompt: Prompt) -> list[Message]:
    """Messages; raw text is what a user says, since a hosted model has no other way to read it.

    Raises:
        BadInput: no messages, or one without role and content.
    """
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    if not prompt:
        raise BadInput("the prompt has no messages", hint="give at least one message")
    for message in prompt:
        if not isinstance(message, dict) or "content" not in message or not isinstance(message.get("role"), str):
            raise BadInput(f"got {str(message)[:80]!r}, wanted a message", hint='{"role": "user", "content": "..."}')
    return list(prompt)


@dataclass
class Heard:
    """A streamed answer so far."""

    text: str = ""
    finish: FinishReason | None = None
    counts: Counts = Counts()
    logprobs: list[TokenLogprob] = field(default_factory=list)

    def take(self, piece: Piece) -> None:
        """Account for a piece."""
        self.text += piece.text
        self.finish = piece.finish or self.finish
        self.counts = piece.counts or self.counts
        self.logprobs += piece.logprobs


def top_of(rows: Iterable[Any], word: str, value: str) -> tuple[tuple[str, float], ...]:
    """(token, log-probability) of rows with these two fields."""
    return tuple((str(row[word]), float(row[value])) for row in rows)
