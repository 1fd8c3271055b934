"""Which of two answers is better, by a judge that is asked in both orders: only a win in both is a win."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sibao.core.types import Completion, Prompt, Score
from sibao.evaluation._judge_prompts import PREFER
from sibao.evaluation._judge_replies import read_choice
from sibao.evaluation.asking import Failed
from sibao.evaluation.judge import Judge
from sibao.metrics._intervals import wilson

Winner = Literal["a", "b", "tie", ""]
CHOICES = ("A", "B", "tie")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "better": {"type": "string", "enum": list(CHOICES)}},
    "required": ["reason", "better"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Pair:
    """Two answers to one prompt."""

    prompt: str
    a: str
    b: str


@dataclass(frozen=True)
class Preference:
    """``winner``: the answer that won in both orders; "tie" where both said so or the orders contradict each other; "" where a
    reply held no verdict, which ``missing`` explains. ``by_place``: the same place won twice, whatever stood there."""

    winner: Winner
    by_place: bool = False
    reasons: tuple[str, str] = ("", "")
    missing: str = ""


def prefer(judge: Judge, pairs: Sequence[Pair]) -> list[Preference]:
    """The preference in each pair, in order; every pair is put twice."""
    forward = judge.ask([_prompt(judge, p, p.a, p.b) for p in pairs], 0, SCHEMA)
    backward = judge.ask([_prompt(judge, p, p.b, p.a) for p in pairs], 0, SCHEMA)
    return [_preference(one, other) for one, other in zip(forward, backward, strict=True)]


def summary(judge: Judge, preferences: Sequence[Preference]) -> list[Score]:
    """``wins_a``, ``wins_b``, ``ties`` and ``order_bias`` (the same place won twice): shares of the pairs with two verdicts."""
    done = [p for p in preferences if p.winner]
    counts = Counter(p.winner for p in done)
    hits = {
        "wins_a": counts["a"], "wins_b": counts["b"], "ties": counts["tie"], "order_bias": sum(p.by_place for p in done),
    }  # fmt: skip
    missing = len(preferences) - len(done)
    signature = f"{judge.signature}|both orders|interval:wilson"
    if not done:
        return [Score(name, float("nan"), missing=missing, signature=signature) for name in hits]
    ends = {name: wilson(count, len(done)) for name, count in hits.items()}
    return [
        Score(name, count / len(done), *ends[name], 0.95, len(done), missing, signature=signature)
        for name, count in hits.items()
    ]


def _prompt(judge: Judge, pair: Pair, first: str, second: str) -> Prompt:
    language = judge.setting.language
    criteria = judge.rubric.criteria[language]
    text = PREFER[language].format(criteria=criteria, prompt=pair.prompt, first=first, second=second)
    return [{"role": "user", "content": text}]


def _preference(forward: Completion | Failed, backward: Completion | Failed) -> Preference:
    read = []
    for reply in (forward, backward):
        found = None if isinstance(reply, Failed) else read_choice(reply.text, CHOICES)
        if found is None:
            why = reply.why if isinstance(reply, Failed) else f"no verdict in the reply: {reply.text[:80]!r}"
            return Preference("", missing=why)
        read.append(found)
    (one, first_reason), (other, second_reason) = read
    reasons = (first_reason, second_reason)
    if one == "tie" or other == "tie":
        return Preference("tie", False, reasons)
    if one == other:
        return Preference("tie", True, reasons)
    return Preference("a" if one == "A" else "b", False, reasons)
