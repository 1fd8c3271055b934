"""Code: it parses (Python), or its brackets balance (other languages)."""

from __future__ import annotations

import ast
import re
import warnings
from typing import ClassVar

from sibao.tasks.forms.base import Form, FormReport, Prompts, report

PAIRS = {")": "(", "]": "[", "}": "{"}
_FENCE = re.compile(r"```[^\n]*\n(.*?)(?:\n```|\Z)", re.DOTALL)
# Strings and comments hide brackets: // and /* */ and # comments, '…' "…" `…` strings on a best guess.
_HIDDEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|#[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`", re.DOTALL
)
_FUNCTION = re.compile(r"\b(?:function|func|fn|def)\b|^[\w<>\[\]*&:, ]+\s[\w*&]+\s*\([^;{}()]*\)\s*\{", re.MULTILINE)


class Code(Form):
    """A function in a programming language; Python when no style is named."""

    name = "code"
    styles = ("python", "javascript", "java", "c", "go", "rust")
    prompts: ClassVar[Prompts] = {
        "": {"zh": "写一段 {style} 代码：\n{prompt}", "en": "Write {style} code:\n{prompt}"},
        "python": {"zh": "写一个 Python 函数：\n{prompt}", "en": "Write a Python function:\n{prompt}"},
    }

    def _kind(self, style: str) -> str:
        return style or "python"

    def check(self, text: str, style: str = "") -> FormReport:
        """Python is parsed (never run); for the others brackets are matched outside strings and comments."""
        fenced = _FENCE.search(text)
        source = fenced[1] if fenced else text
        return _check_python(source) if self._kind(self.style(style)) == "python" else _check_brackets(source)


def _check_python(source: str) -> FormReport:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in the text is the writer's, not ours
            tree = ast.parse(source.strip("\n"))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        line = getattr(fault, "lineno", None)
        return report([f"does not parse: {fault}"], language="python", line=line)
    nodes = list(ast.walk(tree))
    functions = sum(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) for n in nodes)
    problems = [] if tree.body else ["there is no statement"]
    return report(problems, language="python", functions=functions, statements=len(tree.body))


def _check_brackets(source: str) -> FormReport:
    bare = _HIDDEN.sub(lambda found: "\n" * found[0].count("\n"), source)
    problems: list[str] = [] if bare.strip() else ["there is no code"]
    stack: list[tuple[str, int]] = []
    for line, content in enumerate(bare.split("\n"), 1):
        for mark in content:
            if mark in PAIRS.values():
                stack.append((mark, line))
            elif mark in PAIRS and (not stack or stack.pop()[0] != PAIRS[mark]):
                return report([f"line {line}: {mark!r} closes nothing"], functions=len(_FUNCTION.findall(bare)))
    problems += [f"line {line}: {mark!r} is never closed" for mark, line in stack]
    return report(problems, functions=len(_FUNCTION.findall(bare)))


FORM = Code()
