"""Answer a question from a passage (extractive reading, SQuAD and its Chinese kin)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sibao.core.errors import DataError
from sibao.core.types import Language, Message, Row
from sibao.tasks.base import Example, Target, Task, check_text, text_field, user
from sibao.text.language import detect
from sibao.text.split import sentences

PROMPT = {
    "zh": "阅读短文，回答问题。\n{context}\n问题：{question}",
    "en": "Read the passage and answer the question.\n{context}\nQuestion: {question}",
}
PLAIN = {"zh": "{context}\n问题：{question}\n答案：", "en": "{context}\nQuestion: {question}\nAnswer:"}
UNANSWERABLE = {"zh": "无法回答", "en": "unanswerable"}
"""What the model says where the passage holds no answer (SQuAD 2.0 rows with an empty list of answers)."""


@dataclass(frozen=True)
class Inputs:
    """A passage and a question about it."""

    context: str
    question: str

    def __post_init__(self) -> None:
        check_text("context", self.context)
        check_text("question", self.question)


class Answer(Task[Inputs]):
    """The instruction is in the language of the passage, as the answer is taken from it."""

    name = "answer"
    version = "1"
    fields = Inputs
    metrics = ("exact_match", "f1")
    document = "context"
    strategy = "search"
    stop = ("\n",)

    @property
    def examples(self) -> tuple[Example[Inputs], ...]:
        return EXAMPLES

    def read(self, row: Row, **options: Any) -> tuple[Inputs, Target | None]:
        """``{"context", "question", "answers": {"text": [...]}}``, or ``answers`` as SQuAD JSON lists them."""
        inputs = Inputs(text_field(row, "context"), text_field(row, "question"))
        return inputs, _answers(row["answers"]) if row.get("answers") is not None else None

    def messages(self, inputs: Inputs) -> list[Message]:
        return user(PROMPT[detect(inputs.context)].format(context=inputs.context, question=inputs.question))

    def plain(self, inputs: Inputs) -> str:
        return PLAIN[detect(inputs.context)].format(context=inputs.context, question=inputs.question)

    def source(self, inputs: Inputs) -> str:
        """As T5 was trained on SQuAD (arXiv 1910.10683, appendix D.15)."""
        return f"question: {inputs.question} context: {inputs.context}"

    def kind(self, inputs: Inputs) -> str:
        return "question_answering"

    def language(self, inputs: Inputs, references: Sequence[str]) -> Language:
        """That of the passage: "NBA" and "2008" are Chinese answers where they stand in Chinese text."""
        return detect(inputs.context)

    def target(self, inputs: Inputs, value: Target) -> str:
        return super().target(inputs, value or UNANSWERABLE[detect(inputs.context)])

    def parse(self, text: str, inputs: Inputs) -> dict[str, Any]:
        """``start`` is the offset of the first place where the answer stands in the passage (None where it does not),
        ``sentence`` the sentence around it. "Unanswerable" gives an empty text."""
        text = text.strip().split("\n")[0].strip()
        if text.rstrip("。.").lower() in UNANSWERABLE.values():
            text = ""
        start = inputs.context.find(text) if text else -1
        found = start >= 0
        return {
            "text": text,
            "start": start if found else None,
            "sentence": sentence_at(inputs.context, start) if found else None,
        }

    def max_tokens(self, inputs: Inputs) -> int:
        return 64


def _answers(value: object) -> tuple[str, ...]:
    """Distinct accepted answers, in order; empty for a question that the passage does not answer."""
    if isinstance(value, dict):
        value = value.get("text")
    if not isinstance(value, list | tuple):
        raise DataError(f"got {type(value).__name__}, wanted a list of texts", field="answers.text")
    texts: list[Any] = [item.get("text") if isinstance(item, dict) else item for item in value]
    for text in texts:
        check_text("answers.text", text)
    return tuple(dict.fromkeys(texts))


def sentence_at(context: str, start: int) -> str:
    """The sentence of a passage around a character."""
    end = 0
    for sentence in sentences(context):
        end += len(sentence)
        if start < end:
            return sentence.strip()
    return ""


_ZH = Inputs("造纸术在汉代发明。蔡伦改进了它。", "谁改进了造纸术？")
_EN = Inputs("Paper was invented in China. Cai Lun improved it.", "Who improved paper?")
EXAMPLES = (
    Example("zh", {"context": _ZH.context, "question": _ZH.question, "answers": {"text": ["蔡伦"]}},
            _ZH, "蔡伦", {"text": "蔡伦", "start": 9, "sentence": "蔡伦改进了它。"}),
    Example("en", {"context": _EN.context, "question": _EN.question, "answers": [{"text": "Cai Lun"}]},
            _EN, "Cai Lun", {"text": "Cai Lun", "start": 29, "sentence": "Cai Lun improved it."}),
)  # fmt: skip
TASK = Answer()
