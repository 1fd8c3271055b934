"""What ``sibao check`` looks at and what it finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sibao.core.errors import DataError, SibaoError, UnknownName
from sibao.core.types import Message
from sibao.nn.config import DecoderConfig
from sibao.nn.encoder_config import EncoderConfig
from sibao.nn.seq2seq_config import Seq2SeqConfig
from sibao.text.tokenizer import Tokenizer

Status = Literal["ok", "warn", "fail"]
Kind = Literal["decoder", "encoder", "encoder-decoder", "unknown"]
KINDS: dict[type, Kind] = {DecoderConfig: "decoder", EncoderConfig: "encoder", Seq2SeqConfig: "encoder-decoder"}
"""What network each kind of shape is of."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``wanted`` and ``hint`` say what it should be and what to do; empty when it is ok."""

    name: str
    status: Status
    got: str
    wanted: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Sample:
    """One worked example as training sees it: token ids, and 1 in ``mask`` where the token carries loss."""

    source: str
    ids: list[int]
    mask: list[int]
    conversation: list[Message] = field(default_factory=list)
    """The messages behind it; empty for a plain prompt or a document."""
    prompts: list[list[int]] = field(default_factory=list)
    """What inference would read before each answer."""


@dataclass(frozen=True)
class Difference:
    """The first token that two back ends choose differently. A gap is the best logit less the second best; None where
    the back end does not tell."""

    place: int
    token: int | None
    text: str
    gap: float | None
    other_token: int | None
    other_text: str
    other_gap: float | None


@dataclass(frozen=True)
class Backend:
    """What one back end answered to the prompt, beside the engine of this process, without a cache. An encoder answers
    in numbers alone."""

    name: str
    token_ids: list[int]
    text: str
    max_difference: float | None = None
    """Largest difference of any logit (for a server, of any log-probability, or the distance of two embeddings of
    length 1); None where it does not tell them."""
    tolerance: float | None = None
    difference: Difference | None = None


Found = tuple[Finding, Backend | None]
"""A comparison, and what the other back end answered where it did."""


@dataclass
class Subject:
    """A model folder and what its small files say; ``family`` and ``shape`` stay None while config.json cannot be used."""

    name: str
    folder: Path
    adapter: Path | None
    config: dict[str, Any] = field(default_factory=dict)
    generation: dict[str, Any] = field(default_factory=dict)
    family: str | None = None
    shape: Any = None
    tokenizer: Tokenizer | None = None
    is_foreign: bool = False
    foreign: Kind = "unknown"
    """Whether only Transformers has its network, and what that is."""

    @property
    def kind(self) -> Kind:
        """What its network is."""
        return KINDS.get(type(self.shape), self.foreign)


def verdict(name: str, faults: Sequence[str], fine: str, wanted: str, hint: str) -> Finding:
    """Failed with these faults; ``fine`` is what is said where there is none."""
    if not faults:
        return Finding(name, "ok", fine)
    return Finding(name, "fail", "; ".join(faults[:5]), wanted, hint)


def id_list(value: Any) -> list[int]:
    """The token ids of a config's value: a number, a list of numbers, or nothing."""
    values = value if isinstance(value, list) else [value]
    return [v for v in values if isinstance(v, int) and not isinstance(v, bool)]


def shown(tokenizer: Tokenizer, ids: Iterable[int | None]) -> str:
    """Ids with their names: ``2 <|im_end|>, 0 <|endoftext|>``."""
    return ", ".join(f"{i} {tokenizer.backend.id_to_token(i)}" for i in ids if i is not None) or "none"


def guarded(name: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings of a step; one that breaks on the model is a failed check of that name, never a crash.

    Raises:
        DataError, UnknownName: the user's own files and names; they are no fault of the model.
    """
    try:
        yield from findings
    except (DataError, UnknownName):
        raise
    except SibaoError as error:
        yield Finding(name, "fail", error.message, hint=error.hint)
    except Exception as error:  # a file that is not what it says: of the wrong type somewhere
        yield Finding(name, "fail", f"{type(error).__name__}: {error}", hint="the model's files are of another form")
