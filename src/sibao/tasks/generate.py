"""Generate: free text, a conversation's next turn, or a form of writing (``forms/<form>.py``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sibao.core.errors import DataError
from sibao.core.types import Message, Part, Row, TextPart, words
from sibao.tasks.base import Example, Target, Task, check_choice, check_text, text_field, user
from sibao.tasks.forms.base import load_form
from sibao.text.language import detect
from sibao.text.media import parts

ROLES = ("system", "user", "assistant")
FREE = "text"
"""The name of having no form."""


@dataclass(frozen=True)
class Inputs:
    """``form`` and ``style`` are empty for free text; ``language`` that of the instruction (empty: the prompt's);
    ``history`` the turns before the prompt, oldest first; ``pictures`` are shown before the prompt."""

    prompt: str
    form: str = ""
    style: str = ""
    language: str = ""
    history: tuple[Message, ...] = ()
    pictures: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        check_text("prompt", self.prompt)
        check_text("form", self.form, empty=True)
        check_text("style", self.style, empty=True)
        check_choice("language", self.language, ("", "en", "zh"))
        object.__setattr__(self, "form", "" if self.form == FREE else self.form)
        object.__setattr__(self, "history", tuple(_turn(turn) for turn in self.history))
        if self.form:
            object.__setattr__(self, "style", load_form(self.form).style(self.style))
        elif self.style:
            raise DataError(f"got {self.style!r} without a form", field="style", hint="name the form too, e.g. poem")


class Generate(Task[Inputs]):
    """Without a form the prompt goes to the model as it stands: one user message, or bare text where there is no
    template."""

    name = "generate"
    version = "1"
    fields = Inputs
    metrics = ("accuracy", "chrf")

    @property
    def examples(self) -> tuple[Example[Inputs], ...]:
        return EXAMPLES

    def read(self, row: Row, **options: Any) -> tuple[Inputs, Target | None]:
        """``{"prompt", "completion"}``, the same with ``form``, ``style`` and ``lang``, or ``{"messages"}``, where
        the last assistant turn is the target."""
        if row.get("messages") is not None:
            return _read_messages(row["messages"])
        names = {"form": "form", "style": "style", "lang": "language"}
        extra = {ours: row[theirs] for theirs, ours in names.items() if row.get(theirs) is not None}
        inputs = Inputs(text_field(row, "prompt"), **{**extra, **options})
        return inputs, text_field(row, "completion") if row.get("completion") is not None else None

    def training_pairs(self, row: Row) -> list[tuple[Inputs, str]]:
        """One pair, or one for every assistant turn of a conversation."""
        turns = row.get("messages")
        if not isinstance(turns, list | tuple):
            return super().training_pairs(row)
        ends = [i + 1 for i, turn in enumerate(turns) if _turn(turn)["role"] == "assistant"]
        if not ends:
            raise DataError("there is no assistant turn to learn", field="messages")
        pairs = [_read_messages(turns[:end]) for end in ends]
        return [(inputs, str(value)) for inputs, value in pairs]

    def messages(self, inputs: Inputs) -> list[Message]:
        if not inputs.pictures:
            return [*inputs.history, *user(_instruction(inputs))]
        content: list[Part] = [*inputs.pictures, TextPart(type="text", text=_instruction(inputs))]
        return [*inputs.history, {"role": "user", "content": content}]

    def plain(self, inputs: Inputs) -> str:
        if inputs.history:
            turns = self.messages(inputs)
            return "".join(f"{turn['role']}: {words(turn)}\n" for turn in turns) + "assistant:"
        if inputs.pictures:
            return words(self.messages(inputs)[0])  # which says that bare text holds no picture
        return _instruction(inputs) + ("\n" if inputs.form else "")

    def parse(self, text: str, inputs: Inputs) -> dict[str, Any]:
        """Free text is kept as it stands (white space too); a form is stripped and checked."""
        if not inputs.form:
            return {"text": text}
        text = text.strip("\n").rstrip()
        found = load_form(inputs.form).check(text, inputs.style)
        check = {"ok": found.ok, "problems": found.problems, "facts": found.facts}
        return {"text": text, "form": inputs.form, "style": inputs.style, "check": check}

    def max_tokens(self, inputs: Inputs) -> int:
        return load_form(inputs.form).max_tokens if inputs.form else 256


def _instruction(inputs: Inputs) -> str:
    if not inputs.form:
        return inputs.prompt
    language = detect(inputs.prompt) if not inputs.language else ("zh" if inputs.language == "zh" else "en")
    return load_form(inputs.form).prompt(inputs.prompt, inputs.style, language)


def _turn(turn: object) -> Message:
    """One checked turn of a conversation."""
    if not isinstance(turn, dict):
        raise DataError(f"got {type(turn).__name__}, wanted objects with 'role' and 'content'", field="messages")
    check_choice("messages.role", turn.get("role"), ROLES)
    content: Any = turn.get("content")
    if isinstance(content, list):
        return {"role": turn["role"], "content": parts(content)}
    check_text("messages.content", content)
    return {"role": turn["role"], "content": content}


def _read_messages(turns: object) -> tuple[Inputs, Target | None]:
    """A conversation up to its last user turn, and the assistant turn after it where there is one."""
    if not isinstance(turns, list | tuple) or not turns:
        raise DataError(f"got {type(turns).__name__}, wanted a list of turns", field="messages")
    checked = [_turn(turn) for turn in turns]
    value = words(checked.pop()) if checked[-1]["role"] == "assistant" else None
    if not checked or checked[-1]["role"] != "user":
        raise DataError("wanted a user turn before the answer", field="messages")
    last = parts(checked[-1]["content"])
    said = words({"role": "user", "content": [part for part in last if part["type"] == "text"]})
    pictures = tuple(part for part in last if part["type"] != "text")
    return Inputs(said, history=tuple(checked[:-1]), pictures=pictures), value


_HISTORY: tuple[Message, ...] = ({"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hello!"})
EXAMPLES = (
    Example("zh", {"prompt": "春天来了，", "completion": "花开了。"}, Inputs("春天来了，"), "花开了。",
            {"text": "花开了。"}),
    Example("en", {"form": "story", "prompt": "A fox sat by the road.", "completion": "It was cold. It went home."},
            Inputs("A fox sat by the road.", "story"), "It was cold. It went home.",
            {"text": "It was cold. It went home.", "form": "story", "style": "",
             "check": {"ok": True, "problems": [], "facts": {"sentences": 2, "paragraphs": 1}}}),
    Example("en", {"messages": [*_HISTORY, {"role": "user", "content": "Who are you?"},
                                {"role": "assistant", "content": "A small model."}]},
            Inputs("Who are you?", history=_HISTORY), "A small model.", {"text": "A small model."}),
)  # fmt: skip
TASK = Generate()
