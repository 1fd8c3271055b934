"""Summarize a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sibao.core.types import Message, Row
from sibao.tasks.base import Example, Target, Task, check_text, target_field, text_field, user
from sibao.text.language import detect

PROMPT = {"zh": "概括下面的文字：\n{text}", "en": "Summarize:\n{text}"}
PLAIN = {"zh": "{text}\n摘要：", "en": "{text}\nSummary:"}


@dataclass(frozen=True)
class Inputs:
    """The text to be made short."""

    text: str

    def __post_init__(self) -> None:
        check_text("text", self.text)


class Summarize(Task[Inputs]):
    """The instruction and the summary are in the language of the text."""

    name = "summarize"
    version = "1"
    fields = Inputs
    metrics = ("rouge1", "rouge2", "rougel", "chrf")
    document = "text"
    strategy = "merge"
    stop = ("\n\n",)

    @property
    def examples(self) -> tuple[Example[Inputs], ...]:
        return EXAMPLES

    def read(self, row: Row, **options: Any) -> tuple[Inputs, Target | None]:
        """``{"document" | "article" | "text", "summary"}``; several accepted summaries are a list."""
        inputs = Inputs(text_field(row, "document", "article", "text"))
        return inputs, target_field(row, "summary")

    def messages(self, inputs: Inputs) -> list[Message]:
        return user(PROMPT[detect(inputs.text)].format(text=inputs.text))

    def plain(self, inputs: Inputs) -> str:
        return PLAIN[detect(inputs.text)].format(text=inputs.text)

    def source(self, inputs: Inputs) -> str:
        return inputs.text

    def kind(self, inputs: Inputs) -> str:
        return "summarization"

    def parse(self, text: str, inputs: Inputs) -> dict[str, Any]:
        return {"text": text.strip(), "pieces": 1}

    def max_tokens(self, inputs: Inputs) -> int:
        """A summary is shorter than its text; 160 tokens hold about 110 English words or 200 Chinese characters."""
        return min(160, 16 + len(inputs.text))


EXAMPLES = (
    Example("zh", {"document": "今天上午下了大雨，学校取消了运动会，改到下周举行。", "summary": "运动会因雨推迟。"},
            Inputs("今天上午下了大雨，学校取消了运动会，改到下周举行。"), "运动会因雨推迟。",
            {"text": "运动会因雨推迟。", "pieces": 1}),
    Example("en", {"article": "It rained all morning, so the school moved its sports day to next week.",
                   "summary": "Rain delays sports day."},
            Inputs("It rained all morning, so the school moved its sports day to next week."),
            "Rain delays sports day.", {"text": "Rain delays sports day.", "pieces": 1}),
)  # fmt: skip
TASK = Summarize()
