"""What every metric shares: checks of the input, the choice of language, the signature, and test cases as data."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sibao.core.errors import BadInput
from sibao.core.types import Language, Score
from sibao.metrics._intervals import t_interval

Input = Literal["text", "likelihood"]
HAN = re.compile("[㐀-䶿一-鿿豈-﫿\U00020000-\U0003ffff]")


@dataclass(frozen=True)
class Case:
    """A known value: ``score(*arguments, **options).value`` is ``expected`` within ``tolerance``.

    ``tolerance`` is wider than 1e-4 only where the source prints fewer digits. ``source`` says who computed the value.
    """

    arguments: tuple[Any, ...]
    expected: float
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    tolerance: float = 1e-4


def check_texts(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Refuse what cannot be scored row by row.

    Raises:
        BadInput: no rows, different lengths, a row without references, a flat list of references, or no text.
    """
    if isinstance(hypotheses, str) or isinstance(references, str):
        raise BadInput(
            "got one string, wanted a list of hypotheses and a list of reference lists",
            hint="pass [hypothesis] and [[reference]]",
        )
    if len(hypotheses) != len(references):
        raise BadInput(
            f"got {len(hypotheses)} hypotheses and references for {len(references)} rows, wanted as many of each",
            hint="references go by row: references[i] lists every accepted text of row i",
        )
    if not len(hypotheses):
        raise BadInput(
            "got no rows, a score needs at least one", hint="check the filter or the file that gave the rows"
        )
    for row, (hypothesis, accepted) in enumerate(zip(hypotheses, references, strict=True)):
        _check_row(row, hypothesis, accepted)


def _check_row(row: int, hypothesis: object, accepted: object) -> None:
    if not isinstance(hypothesis, str):
        raise BadInput(
            f"hypothesis {row} is {type(hypothesis).__name__}, wanted a string",
            hint="leave rows without an answer out and count them as missing",
        )
    if isinstance(accepted, str) or not isinstance(accepted, Sequence):
        raise BadInput(
            f"the references of row {row} are {type(accepted).__name__}, wanted a list of strings",
            hint="with one reference a row, pass [[text] for text in references]",
        )
    if not accepted or not all(isinstance(text, str) for text in accepted):
        raise BadInput(
            f"row {row} has no reference, or one that is not a string", hint="give every row a reference text"
        )


def mostly_chinese(references: Sequence[Sequence[str]]) -> bool:
    """Whether more than half of the letters of all references are Han characters."""
    text = "".join(piece for accepted in references for piece in accepted)
    letters = sum(map(str.isalpha, text))
    return letters > 0 and len(HAN.findall(text)) > letters / 2


def primary_language(language: str) -> str:
    """``zh-CN``, ``zh_Hans`` and ``ZH`` are ``zh``."""
    return re.split("[-_]", language.strip().lower())[0]


def resolve_language(language: str | None, references: Sequence[Sequence[str]]) -> Language:
    """The language whose normalisation applies: the given one, else the one that most reference letters are written in.

    Raises:
        BadInput: a language other than Chinese and English, or English for references that are mostly Chinese
            (rules made for spaces and a-z score Chinese near zero without a word).
    """
    chinese = mostly_chinese(references)
    if language is None:
        return "zh" if chinese else "en"
    code = primary_language(language)
    if code == "zh":
        return "zh"
    if code != "en":
        raise BadInput(
            f"got language {language!r}, this metric knows zh and en", hint="use chrf, which needs no language"
        )
    if chinese:
        raise BadInput("got language 'en', but the references are mostly Chinese", hint="pass language='zh'")
    return "en"


def reference_count(references: Sequence[Sequence[str]]) -> str:
    """References per row, or ``var`` where rows differ."""
    counts = {len(accepted) for accepted in references}
    return str(counts.pop()) if len(counts) == 1 else "var"


def signature(name: str, *parts: str, **fields: object) -> str:
    """``name|key:value|...|sibao:VERSION``; ``parts`` are taken as they stand (another tool's own signature)."""
    pairs = [f"{key}:{value}" for key, value in fields.items()]
    # By name: the package itself reaches up to the workflows, which no floor below may import.
    version = importlib.import_module("sibao").__version__
    return "|".join([name, *pairs, *parts, f"sibao:{version}"])


def mean_score(name: str, values: Sequence[float], how: str, *, scale: float = 1.0, level: float = 0.95) -> Score:
    """The mean of per-row values in 0..scale, with Student's t interval (none for a single row)."""
    value = math.fsum(values) / len(values)
    interval = t_interval(values, level=level, bounds=(0.0, scale))
    low, high = interval if interval else (None, None)
    return Score(name=name, value=value, low=low, high=high, level=level, n=len(values), signature=how)
