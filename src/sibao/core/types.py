"""The nouns of the house: plain data that several floors pass to each other. No torch, no pydantic.

Every field says who fills it. Shapes of tensors never appear here: text and token ids only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, Protocol, TypedDict, runtime_checkable

from sibao.core.errors import BadInput

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled", "error"]
BROKEN_OFF: frozenset[FinishReason] = frozenset({"cancelled", "error"})
"""How an answer ends that did not come to its end: where answers are scored it is missing, not wrong."""
Language = Literal["zh", "en"]
Row = dict[str, Any]
"""One row of a data file, with the published field names."""


class TextPart(TypedDict):
    """Words within a turn that has several parts."""

    type: Literal["text"]
    text: str


class ImagePart(TypedDict):
    """A picture within a turn: a file's path, a ``data:`` URL, or the bytes of a file. ``text.media`` opens it."""

    type: Literal["image"]
    image: str | bytes


class ImageURL(TypedDict):
    """Where OpenAI's form keeps a picture: a ``data:`` URL (others are not fetched)."""

    url: str


class ImageURLPart(TypedDict):
    """A picture in OpenAI's form."""

    type: Literal["image_url"]
    image_url: ImageURL


class VideoPart(TypedDict):
    """A film: its path, and how many frames of it are looked at."""

    type: Literal["video"]
    video: str
    frames: NotRequired[int]


Part = TextPart | ImagePart | ImageURLPart | VideoPart
Content = str | list[Part]
"""What a turn says: words, or words and pictures in their order."""


class Message(TypedDict):
    """One turn of a conversation, in the form that chat templates take."""

    role: Role
    content: Content


def words(message: Message) -> str:
    """The text of a turn, for a reader without eyes; parts stand one a line.

    Raises:
        BadInput: the turn holds a picture or a film.
    """
    content = message["content"]
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for part in content:
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise BadInput(
                f"got {str(part)[:80]!r}, wanted a part of a message", hint='{"type": "text", "text": "..."}'
            )
        if part["type"] != "text":
            raise BadInput(
                f"the prompt holds a part of type {part['type']!r}, and this model cannot see: it reads text only",
                hint="name a vision-language model, for example transformers:FOLDER",
            )
        texts.append(part["text"])
    return "\n".join(texts)


Prompt = str | list[Message]
"""Raw text (taken as it stands) or messages (rendered by ``text.chat``)."""


def as_prompts(prompts: str | Sequence[Prompt]) -> list[Prompt]:
    """A string alone is one prompt, not a list of characters."""
    return [prompts] if isinstance(prompts, str) else list(prompts)


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn. Filled by the caller; read by ``engine.sampling`` and providers.

    ``temperature`` 0 is greedy. ``top_k`` 0, ``top_p`` 1, ``min_p`` 0 and ``typical_p`` 1 switch a filter off.
    ``repetition_penalty`` (1: off) counts prompt and answer; ``presence_penalty`` and ``frequency_penalty`` (0: off) the
    answer alone. ``logit_bias`` holds (token id, what is added to its logit), each id once. No stop token comes before
    ``min_tokens`` tokens. ``seed`` None draws a fresh one. ``logprobs`` is the number of alternatives reported beside
    each token. ``num_beams`` above 1 is beam search (``engine.beam``), whose texts compete at their log-probability
    divided by their length to the power of ``length_penalty``; None leaves both to the model (a translator's own;
    otherwise 1). ``num_return_sequences``: so many of the best texts of a search are told, at most as many as its beams;
    the first is the answer, the rest are ``Completion.others``.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    logprobs: int | None = None
    num_beams: int | None = None
    length_penalty: float | None = None
    typical_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    min_tokens: int = 0
    num_return_sequences: int = 1

    @property
    def needs_steps(self) -> tuple[str, ...]:
        """Names of the settings in use that hold for one token after another, and so not in beam search."""
        plain = Sampling()
        names = ("presence_penalty", "frequency_penalty", "logit_bias", "min_tokens")
        return tuple(name for name in names if getattr(self, name) != getattr(plain, name))


@dataclass(frozen=True)
class GenerateOptions:
    """One call's options above the engine. ``stop`` holds strings; they are cut from the text.

    ``response_format`` gives the answer a form, as OpenAI's API writes it: ``{"type": "json_object"}``,
    ``{"type": "json_schema", "json_schema": {"schema": {...}}}``, and besides these ``{"type": "regex", "regex": "..."}``,
    ``{"type": "grammar", "grammar": "..."}`` (Lark) and ``{"type": "choice", "choices": [...]}``. An answer that ended
    with "stop" has that form (a stop string may cut it); one that ended with "length" is its beginning.

    ``adapter`` is the folder of a LoRA adapter that this call's answers are written with, beside the loaded model.
    """

    max_tokens: int = 128
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    response_format: Mapping[str, Any] | None = None
    adapter: str | None = None


@dataclass(frozen=True)
class Usage:
    """Tokens counted by the provider. ``cached_tokens``: of the prompt, known from an earlier request; usages that
    differ in it alone are equal, for it says what else was asked, not how long the answer is."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = field(default=0, compare=False)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
        )


@dataclass(frozen=True)
class TokenLogprob:
    """One generated token with its natural-log probability and the alternatives asked for."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Delta:
    """A piece of streamed text (whole characters only). The last one carries ``completion``.

    ``logprobs``: of the tokens since the piece before, where they were asked for and the provider tells them on the way.
    """

    text: str
    completion: Completion | None = None
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class Completion:
    """One finished answer of a model. ``seconds`` is wall time, ``first_token_seconds`` the wait for the first token.

    Of a beam search ``search_score`` is the text's log-probability over its length to the ``length_penalty``, and
    ``others`` are the next best texts, where ``num_return_sequences`` asked for them; each counts its own tokens.
    """

    text: str
    finish_reason: FinishReason
    usage: Usage = Usage()
    seconds: float = 0.0
    first_token_seconds: float = 0.0
    logprobs: tuple[TokenLogprob, ...] = ()
    search_score: float | None = None
    others: tuple[Completion, ...] = ()

    @property
    def taken(self) -> Usage:
        """Tokens of all its texts; the prompt counts once."""
        return self.usage + Usage(0, sum(other.usage.completion_tokens for other in self.others))


@dataclass(frozen=True)
class Scored:
    """Log-likelihood (natural log) of one continuation given its context.

    ``tokens`` is the number of continuation tokens, ``greedy`` whether each was the most likely one.
    """

    loglikelihood: float
    tokens: int
    greedy: bool


@dataclass(frozen=True)
class Labelled:
    """A text's label as a classifier sees it. ``probabilities`` holds every label's."""

    label: str
    probability: float
    probabilities: dict[str, float]


@dataclass(frozen=True)
class Filled:
    """A token that may stand where a mask stands, with its probability and the whole text with it put in."""

    token: str
    probability: float
    text: str


@dataclass(frozen=True)
class Span:
    """A stretch of a passage that answers a question: characters [start, end) and their text, with a probability among
    the best candidates. Empty, from None to None, where the passage holds no answer. ``windows`` were read."""

    text: str
    start: int | None
    end: int | None
    probability: float
    windows: int = 1


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


@dataclass(frozen=True)
class SourceForm:
    """How an encoder-decoder wants what it reads; a model that has one names it ``source_form``. Its ``context`` holds
    for source and answer each.

    ``prefixes``: words before the source, by kind of work (see ``tasks.base.Task.kind``); ``piece_tokens``: tokens of
    text that it translates well at once (None: as many as it holds).
    """

    prefixes: dict[str, str] = field(default_factory=dict)
    piece_tokens: int | None = None


@runtime_checkable
class Scorer(Protocol):
    """A model whose token probabilities can be read."""

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Scored]:
        """Log-likelihood of each continuation after its context."""
        ...

    def score_text(self, texts: Sequence[str]) -> list[Scored]:
        """Rolling log-likelihood of whole texts: every token exactly once (see ``metrics.perplexity``)."""
        ...


@runtime_checkable
class Head(Protocol):
    """A model that does not write: ``can`` names the methods that its head makes possible."""

    name: str
    can: tuple[str, ...]

    def classify(self, texts: Sequence[str]) -> list[Labelled]:
        """The label of each text."""
        ...

    def spans(self, question: str, context: str) -> Span:
        """The stretch of the passage that answers the question."""
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
