"""Robustness: the same questions in slightly other form, with the same ids, so that a paired test can compare the two runs.

What a suite asks is changed, never what is right. Worked examples keep their words; how they are put changes with the rest.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sibao.core.errors import BadInput, UnknownName
from sibao.core.types import Language
from sibao.evaluation.choice import LETTERS, ChoiceSuite, Question
from sibao.evaluation.suite import RequestSuite, Rows
from sibao.evaluation.typos import mistyped, other_width
from sibao.evaluation.writing import Exercise, WritingSuite

PERTURBATIONS: dict[str, dict[Language, str]] = {
    "typos": {
        "en": "slips of the keyboard in the question: letters swapped, left out, doubled",
        "zh": "题干中的错别字：同音字替换或相邻字对调",
    },
    "options": {
        "en": "the options turned round by a drawn number of places, the letters where they were",
        "zh": "选项轮换位置，字母顺序不变",
    },
    "paraphrase": {"en": "another instruction and layout, the same question", "zh": "换一种说法与版式提问，题目不变"},
    "punctuation": {"en": "half-width punctuation in full width and back", "zh": "题干标点全角与半角互换"},
}
"""What each changes, for people."""
LEADS: dict[Language, tuple[str, ...]] = {
    "en": ("Please deal with the following.", "Here is what you are asked to do.", "Read this carefully, then go on."),
    "zh": ("请完成下面的内容。", "以下是需要你处理的内容。", "请仔细阅读，然后作答。"),
}
"""Lines for prompts whose form is a suite's own."""
LAYOUTS: dict[Language, tuple[tuple[str, str, str], ...]] = {
    "en": (
        ("Question: {}", "({}) {}", "The correct option is"),
        ("Here is a question.\n{}\nPick one of these:", "{}) {}", "My choice:"),
        ("{}\nChoices:", "{}: {}", "Correct answer:"),
    ),
    "zh": (
        ("问题：{}", "（{}）{}", "正确选项是"),
        ("请看下面的题目。\n{}\n请从下列选项中选择：", "{}：{}", "我的选择："),
        ("{}\n选项：", "{}、{}", "正确答案："),
    ),
}
"""(question, option, answer) of lettered questions in the usual form."""
_FIXED_ORDER = re.compile(
    r"above|below|以上|以下|上述|\b(?:both|neither)\b|\b[A-G] (?:and|or) [A-G]\b|[A-G]\s?[和或与、]\s?[A-G]", re.I
)
"""Options that speak of other options: turned round they would say something else."""
Change = Callable[[Any, random.Random], Any]


def perturb(suite: RequestSuite, name: str, seed: int = 0) -> RequestSuite:
    """The suite with every question (or prompt) perturbed; what is drawn depends on ``seed``, the name and the row's id alone.

    Raises:
        UnknownName: not one of ``PERTURBATIONS``.
        BadInput: a suite without questions or prompts, or one in which this would change what is right.
    """
    if name not in PERTURBATIONS:
        raise UnknownName("perturbation", name, PERTURBATIONS)
    if not isinstance(suite, ChoiceSuite | WritingSuite):
        raise BadInput(f"{suite.name} has no questions to perturb", hint="leave out --perturb")
    if name == "paraphrase":
        return _paraphrased(suite, seed)
    if isinstance(suite, WritingSuite):
        return _changed(suite, "exercises", _exercise_change(suite, name), f"{seed}:{name}")
    return _changed(suite, "questions", _question_change(suite, name), f"{seed}:{name}")


def _changed(suite: RequestSuite, method: str, change: Change, draw: str) -> RequestSuite:
    """The suite with a change to each row that ``method`` gives; worked examples (the split "shots") stay."""
    plain = getattr(type(suite), method)

    def changed(self: Any, rows: Rows) -> list[Any]:
        found = plain(self, rows)
        return found if rows.split == "shots" else [change(one, random.Random(f"{draw}:{one.id}")) for one in found]

    return _with(suite, {method: changed})


def _with(suite: RequestSuite, methods: dict[str, Any]) -> RequestSuite:
    """A copy whose class has these methods instead; all else that the suite's class does stays."""
    kind: type[RequestSuite] = type(type(suite).__name__, (type(suite),), methods)
    made = object.__new__(kind)
    made.__dict__.update(suite.__dict__)
    return made


def _question_change(suite: ChoiceSuite, name: str) -> Change:
    if name == "options":
        if not suite.lettered or type(suite).judge is not ChoiceSuite.judge:
            raise BadInput(
                f"{suite.name} does not show lettered options that could change places", hint="leave out options"
            )
        return turned
    slip = _slips(name)
    return lambda q, draw: replace(q, text=slip(q.text, draw), passage=slip(q.passage, draw) if q.passage else "")


def turned(question: Question, draw: random.Random) -> Question:
    """The options moved round, so that the right one stands elsewhere; kept where an option speaks of others."""
    count = len(question.options)
    if count < 2 or any(_FIXED_ORDER.search(option) for option in question.options):
        return question
    by = draw.randrange(1, count)
    options = tuple(question.options[(place + by) % count] for place in range(count))
    return replace(question, options=options, gold=tuple((one - by) % count for one in question.gold))


def _exercise_change(suite: WritingSuite, name: str) -> Change:
    if name == "options":
        raise BadInput(f"{suite.name} has no options that could change places", hint="leave out options")
    slip = _slips(name)

    def change(exercise: Exercise, draw: random.Random) -> Exercise:
        own = exercise.text or exercise.prompt
        return replace(exercise, prompt=exercise.prompt.replace(own, slip(own, draw), 1))

    return change


def _slips(name: str) -> Callable[[str, random.Random], str]:
    return mistyped if name == "typos" else lambda text, _: other_width(text)


def _paraphrased(suite: ChoiceSuite | WritingSuite, seed: int) -> RequestSuite:
    """One other form for the whole run, worked examples included, drawn by the seed."""
    if isinstance(suite, WritingSuite):
        if type(suite).context is not WritingSuite.context:
            raise BadInput(f"{suite.name} has no instruction to put otherwise", hint="leave out paraphrase")
        return _with(suite, {"head": lambda self, one: _led(seed, one.language, type(suite).head(self, one))})
    if suite.lettered and type(suite).prompt is ChoiceSuite.prompt:
        return _with(suite, {"prompt": lambda self, question: _laid_out(seed, question)})
    return _with(suite, {"head": lambda self, one: _led(seed, one.language, type(suite).head(self, one))})


def _led(seed: int, language: Language, head: str) -> str:
    lead = LEADS[language][seed % len(LEADS[language])]
    return f"{lead}\n{head}" if head else lead


def _laid_out(seed: int, question: Question) -> str:
    asked, option, answer = LAYOUTS[question.language][seed % len(LAYOUTS[question.language])]
    lines = [question.passage] if question.passage else []
    lines.append(asked.format(question.text))
    lines += [option.format(letter, text) for letter, text in zip(LETTERS, question.options, strict=False)]
    return "\n".join([*lines, answer])
