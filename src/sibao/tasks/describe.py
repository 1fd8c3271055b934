"""Describe pictures or a film, or answer a question about them. For models that see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sibao.core.errors import BadInput, DataError
from sibao.core.types import ImagePart, Message, Part, Row, TextPart, VideoPart
from sibao.tasks.base import Example, Target, Task, check_choice, check_text, text_field
from sibao.text.language import detect
from sibao.text.media import FRAMES, MAX_FRAMES

LANGUAGES = ("en", "zh")
PROMPT = {"zh": "描述这张图片。", "en": "Describe this picture."}
SEVERAL = {"zh": "描述这些图片。", "en": "Describe these pictures."}
FILM = {
    "zh": "这些画面取自一段视频，按时间先后排列。描述这段视频。",
    "en": "These are frames of a film, in order. Describe the film.",
}
QUESTION = {"zh": "看图回答问题。\n问题：{question}", "en": "Look and answer the question.\nQuestion: {question}"}

Picture = str | bytes
"""A path, a ``data:`` URL, or the bytes of a file."""


@dataclass(frozen=True)
class Inputs:
    """``images`` and ``video`` (a path; ``frames`` of it are looked at), one of them at least; ``question`` empty asks for
    a description; ``to`` is the language of prompt and answer (empty: that of the question, else English)."""

    images: tuple[Picture, ...] = ()
    video: str = ""
    question: str = ""
    to: str = ""
    frames: int = FRAMES

    def __post_init__(self) -> None:
        if self.images != () or not self.video:
            object.__setattr__(self, "images", _pictures(self.images))
        check_text("video", self.video, empty=True)
        check_text("question", self.question, empty=True)
        check_choice("to", self.to, ("", *LANGUAGES))
        if not isinstance(self.frames, int) or not 1 <= self.frames <= MAX_FRAMES:
            raise DataError(f"got {self.frames!r}, wanted 1 to {MAX_FRAMES}", field="frames")
        object.__setattr__(self, "to", self.to or detect(self.question or "en"))


def _pictures(value: object) -> tuple[Picture, ...]:
    """Each picture's path, URL or bytes; the object ``{"bytes", "path"}`` of data sets is one too."""
    if isinstance(value, str | Path | bytes | dict):
        value = (value,)
    if not isinstance(value, Sequence):
        raise DataError(f"got {type(value).__name__}, wanted paths of pictures", field="images")
    if not value:
        raise DataError("missing, wanted a picture or a film", field="images", hint="name an image file, or a video")
    found: list[Picture] = []
    for item in value:
        if isinstance(item, dict):
            item = item.get("bytes") or item.get("path")
        if not isinstance(item, str | Path | bytes):
            raise DataError(f"got {type(item).__name__}, wanted the path of a picture", field="images")
        if not isinstance(item, bytes):
            check_text("images", item := str(item))
        found.append(item)
    return tuple(found)


class Describe(Task[Inputs]):
    """The pictures stand before the words, as in the conversations that such models are trained on."""

    name = "describe"
    version = "1"
    fields = Inputs
    metrics = ("chrf", "accuracy")
    main = "images"

    @property
    def examples(self) -> tuple[Example[Inputs], ...]:
        return EXAMPLES

    def read(self, row: Row, **options: Any) -> tuple[Inputs, Target | None]:
        """``{"image" | "images" | "video", "text"}`` or ``{"image", "question", "answer"}``; ``caption`` may stand for
        ``text``. ``to`` defaults to the language of the target."""
        images = row.get("images", row.get("image", ()))
        asked = text_field(row, "question") if row.get("question") is not None else ""
        names = [name for name in ("answer", "text", "caption") if row.get(name) is not None]
        value = text_field(row, *names) if names else None
        to = options.pop("to", "") or (detect(value) if value else "")
        video = row.get("video") or ""
        return Inputs(images if images is not None else (), video, asked, to, **options), value

    def messages(self, inputs: Inputs) -> list[Message]:
        shown: list[Part] = [ImagePart(type="image", image=image) for image in inputs.images]
        if inputs.video:
            shown.append(VideoPart(type="video", video=inputs.video, frames=inputs.frames))
        return [{"role": "user", "content": [*shown, TextPart(type="text", text=_words(inputs))]}]

    def plain(self, inputs: Inputs) -> str:
        """Refused: bare text holds no picture.

        Raises:
            BadInput: always; a model without a chat template that sees renders the messages itself.
        """
        raise BadInput("this model cannot see: it reads bare text", hint="name a vision-language model with --model")

    def parse(self, text: str, inputs: Inputs) -> dict[str, Any]:
        return {"text": text.strip(), "to": inputs.to, "question": inputs.question}

    def max_tokens(self, inputs: Inputs) -> int:
        return 64 if inputs.question else 192


def _words(inputs: Inputs) -> str:
    if inputs.question:
        return QUESTION[inputs.to].format(question=inputs.question)
    if inputs.video:
        return FILM[inputs.to]
    return (SEVERAL if len(inputs.images) > 1 else PROMPT)[inputs.to]


_ZH = Inputs(("panda.png",), question="图里是什么动物？", to="zh")
_EN = Inputs(("apple.png",), to="en")
EXAMPLES = (
    Example("zh", {"image": "panda.png", "question": _ZH.question, "answer": "熊猫"}, _ZH, "熊猫",
            {"text": "熊猫", "to": "zh", "question": _ZH.question}),
    Example("en", {"image": "apple.png", "text": "A red apple."}, _EN, "A red apple.",
            {"text": "A red apple.", "to": "en", "question": ""}),
)  # fmt: skip
TASK = Describe()
