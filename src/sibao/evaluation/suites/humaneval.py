"""HumanEval: Python functions by their docstrings (Chen et al. 2021, arXiv 2107.03374). Generated code is run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from sibao.core.types import Prompt, Row, Score
from sibao.evaluation import sandbox
from sibao.evaluation.places import Place, field
from sibao.evaluation.sample import Judged, Outcome, Sample
from sibao.evaluation.suite import Rows, Setting
from sibao.evaluation.suites._options import refuse
from sibao.evaluation.writing import Exercise, WritingSuite

_BLOCK = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
_DOCSTRING = re.compile(r"(\"\"\"|''')(.*?)(?:>>>|\1)", re.DOTALL)
ASKED = "Complete this Python function. Answer with the whole function in one block of code."


class HumanEval(WritingSuite):
    """``pass@1`` of one greedy text: the function with the published tests behind it runs to its end.

    A model without a chat template goes on with the text of the function; one that has one is asked for it, and the first
    block of code counts. Programs run in ``evaluation.sandbox``, and only with ``--run-code``.
    """

    name = "humaneval"
    area = "accuracy"
    about = {
        "en": "Python functions by their docstrings; generated code is run",
        "zh": "按文档字符串写 Python 函数（运行生成的代码）",
    }
    license = "MIT"
    source = "https://github.com/openai/human-eval"
    folder = "humaneval"
    files = ("HumanEval.jsonl*",)
    headline = "pass@1"
    stop = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
    max_tokens = 512
    delimiter = ""

    def read(self, place: Place) -> Rows:
        """Rows of ``task_id``, ``prompt``, ``entry_point``, ``test``."""
        return Rows(list(place.rows(self.files[0])))

    def exercises(self, rows: Rows) -> list[Exercise]:
        """Published ids; the docstring's prose is the row's own text."""
        return [_exercise(row) for row in rows.test]

    def samples(self, rows: Rows, setting: Setting) -> list[Sample]:
        """One program a row.

        Raises:
            BadInput: programs may not run (``--run-code``).
        """
        sandbox.require(self.name)
        return super().samples(rows, setting)

    def context(self, exercise: Exercise, shots: Sequence[Exercise], setting: Setting) -> Prompt:
        """The function as it stands, or a turn that asks for it."""
        if not setting.chat:
            return exercise.prompt
        return [{"role": "user", "content": f"{ASKED}\n\n```python\n{exercise.prompt.strip()}\n```"}]

    def grade(self, exercise: Sample, text: str) -> Judged:
        """Whether the program passes; ``parsed`` says whether there was any code."""
        code = program(exercise.data["prompt"], exercise.data["entry_point"], text)
        ran = sandbox.run(f"{code}\n{exercise.data['test']}\ncheck({exercise.data['entry_point']})\n")
        values = {"pass@1": float(ran.passed), "parsed": float(bool(text.strip()))}
        return Judged(values, text, exercise.target)

    def report(self, outcomes: Sequence[Outcome]) -> list[Score]:
        """The signature says whether programs had a network."""
        net = "none" if sandbox.namespaces() else "open"
        return [replace(s, signature=f"{s.signature}|network:{net}") for s in super().report(outcomes)]


def program(prompt: str, name: str, text: str) -> str:
    """The function that a text gives: its first block of code, or the text, behind the prompt unless it defines the function
    itself (the prompt's imports and helpers then still stand before it)."""
    block = _BLOCK.search(text)
    code = block[1] if block else text
    if not re.search(rf"^(?:async )?def {re.escape(name)}\b", code, re.MULTILINE):
        return prompt + code
    before = re.split(rf"^def {re.escape(name)}\b", prompt, maxsplit=1, flags=re.MULTILINE)[0]
    return f"{before}\n{code}"


def _exercise(row: Row) -> Exercise:
    prompt, name = field(row, "prompt"), field(row, "entry_point")
    if f"def {name}(" not in prompt:
        refuse(row, "prompt", f"has no function {name}, which entry_point names")
    docstring = _DOCSTRING.search(prompt, prompt.rindex(f"def {name}("))
    data = {"entry_point": name, "test": field(row, "test")}
    accepted = (str(row.get("canonical_solution", "")),)
    text = docstring[2].strip() if docstring else ""
    return Exercise(field(row, "task_id"), prompt, accepted, data=data, text=text)


SUITE = HumanEval()
