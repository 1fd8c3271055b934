"""What a form of writing is: a prompt in two languages and a checker.

A form is a file: ``forms/<form>.py`` holds ``FORM``. The checker looks at form only (line lengths, syntax, bars that
add up); it says nothing about whether the writing is good.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sibao.core.errors import UnknownName
from sibao.core.names import load_module, module_names
from sibao.core.types import Language

PACKAGE = "sibao.tasks.forms"
Prompts = dict[str, dict[Language, str]]


@dataclass(frozen=True)
class FormReport:
    """``ok`` when there is no problem; ``problems`` are sentences for the writer, ``facts`` what was counted."""

    ok: bool
    problems: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def report(problems: list[str], **facts: Any) -> FormReport:
    """A report that is ok exactly when nothing is wrong."""
    return FormReport(not problems, problems, facts)


class Form(ABC):
    """One form. ``styles`` is closed; ``""`` (no style) always goes. ``aliases`` are other spellings of styles."""

    name: ClassVar[str]
    styles: ClassVar[tuple[str, ...]] = ()
    aliases: ClassVar[dict[str, str]] = {}
    prompts: ClassVar[Prompts]
    """Style to prompt by language; ``""`` serves the styles that have none of their own. Holds ``{prompt}``, may
    hold ``{style}``."""
    max_tokens: ClassVar[int] = 256

    def style(self, name: str) -> str:
        """The style's own name.

        Raises:
            UnknownName: not a style of this form.
        """
        name = self.aliases.get(name.lower(), name)
        if name and name not in self.styles:
            raise UnknownName(f"style of {self.name}", name, self.styles)
        return name

    def prompt(self, text: str, style: str, language: Language) -> str:
        """The user message that asks for this form."""
        style = self.style(style)
        kind = self._kind(style)
        return self.prompts.get(kind, self.prompts[""])[language].format(prompt=text, style=style)

    def _kind(self, style: str) -> str:
        """Which entry of ``prompts`` serves a style."""
        return style

    @abstractmethod
    def check(self, text: str, style: str = "") -> FormReport:
        """Whether ``text`` has this form."""


def form_names() -> list[str]:
    """Every form there is, by file name."""
    return module_names(PACKAGE)


def load_form(name: str) -> Form:
    """The form of ``forms/<name>.py``.

    Raises:
        UnknownName: no such form; the nearest names are listed.
    """
    form: Form = load_module(PACKAGE, name, "form").FORM
    return form
