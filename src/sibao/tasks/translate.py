"""Translate between Chinese and English, either way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sibao.core.errors import DataError
from sibao.core.types import Language, Message, Row
from sibao.tasks.base import Example, Target, Task, check_choice, check_text, target_field, text_field, user
from sibao.text.language import detect, other

LANGUAGES: tuple[Language, ...] = ("en", "zh")
# The instruction is written in the language of the source. Short: small models are trained on exactly these.
PROMPT = {"zh": "把下面的文字翻译成英文：\n{text}", "en": "Translate into Chinese:\n{text}"}
PLAIN = {"zh": "中文：{text}\n英文：", "en": "English: {text}\nChinese:"}


@dataclass(frozen=True)
class Inputs:
    """``to`` is the language wanted, ``source`` that of the text. Left empty, ``to`` is the language that the text is
    not in, and ``source`` the other one of the two."""

    text: str
    to: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        check_text("text", self.text)
        check_choice("to", self.to, ("", *LANGUAGES))
        check_choice("source", self.source, ("", *LANGUAGES))
        to = self.to or (other(_language(self.source)) if self.source else other(detect(self.text)))
        object.__setattr__(self, "to", to)
        object.__setattr__(self, "source", self.source or other(_language(to)))
        if self.source == to:
            raise DataError(f"got {to!r}, the language of the source, wanted the other one", field="to")


class Translate(Task[Inputs]):
    """zh→en and en→zh. A published row holds both sides; ``read(row, to="en")`` picks the direction."""

    name = "translate"
    version = "1"
    fields = Inputs
    metrics = ("bleu", "chrf")
    document = "text"
    strategy = "pieces"
    stop = ("\n\n", "\n中文：", "\nEnglish:")

    @property
    def examples(self) -> tuple[Example[Inputs], ...]:
        return EXAMPLES

    def read(self, row: Row, **options: Any) -> tuple[Inputs, Target | None]:
        """``{"translation": {"en", "zh"}}``; ``to`` defaults to ``en``. The target may be missing, the source not; several
        accepted translations are a list."""
        check_choice("to", options.get("to") or "en", LANGUAGES)
        to = _language(options.get("to") or "en")
        flat = {side: row[side] for side in LANGUAGES if side in row}  # a table with one column for each language
        pair = row.get("translation", flat or None)
        if not isinstance(pair, dict):
            raise DataError(f"got {type(pair).__name__}, wanted an object with 'en' and 'zh'", field="translation")
        inputs = Inputs(text_field(pair, other(to)), to)
        return inputs, target_field(pair, to)

    def training_pairs(self, row: Row) -> list[tuple[Inputs, str]]:
        """Both directions, zh→en first."""
        pairs = [self.read(row, to=to) for to in LANGUAGES]
        for inputs, value in pairs:
            if value is None:
                raise DataError("missing, a row to train on needs both sides", field=f"translation.{inputs.to}")
        return [(inputs, self.target(inputs, value)) for inputs, value in pairs if value is not None]

    def language(self, inputs: Inputs, references: Sequence[str]) -> Language:
        """The one translated into."""
        return _language(inputs.to)

    def messages(self, inputs: Inputs) -> list[Message]:
        return user(PROMPT[inputs.source].format(text=inputs.text))

    def plain(self, inputs: Inputs) -> str:
        return PLAIN[inputs.source].format(text=inputs.text)

    def source(self, inputs: Inputs) -> str:
        return inputs.text

    def kind(self, inputs: Inputs) -> str:
        return f"translation_{inputs.source}_to_{inputs.to}"

    def parse(self, text: str, inputs: Inputs) -> dict[str, Any]:
        return {"text": text.strip(), "from": inputs.source, "to": inputs.to}

    def max_tokens(self, inputs: Inputs) -> int:
        """About twice what a translation needs: a Chinese character makes up to two tokens of English, a letter of
        English half a token of Chinese."""
        return 32 + (2 * len(inputs.text) if inputs.source == "zh" else len(inputs.text) // 2)


def _language(name: str) -> Language:
    return "zh" if name == "zh" else "en"


_PAIR = {"translation": {"en": "I like reading.", "zh": "我喜欢读书。"}}
EXAMPLES = (
    Example("zh", _PAIR, Inputs("我喜欢读书。", "en"), "I like reading.",
            {"text": "I like reading.", "from": "zh", "to": "en"}, {"to": "en"}),
    Example("en", _PAIR, Inputs("I like reading.", "zh"), "我喜欢读书。",
            {"text": "我喜欢读书。", "from": "en", "to": "zh"}, {"to": "zh"}),
)  # fmt: skip
TASK = Translate()
