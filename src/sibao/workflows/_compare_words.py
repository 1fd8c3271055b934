"""The words of a comparison, in both languages; and figures as they are shown."""

from __future__ import annotations

from sibao.core.types import Language, Score
from sibao.evaluation.changes import MetricChange, State, Verdict

STATE_WORDS: dict[State, dict[Language, str]] = {
    "lost": {"en": "lost", "zh": "退步"},
    "gained": {"en": "gained", "zh": "进步"},
    "both wrong": {"en": "both wrong", "zh": "都错"},
    "both right": {"en": "both right", "zh": "都对"},
    "same": {"en": "same", "zh": "相同"},
    "missing": {"en": "missing", "zh": "缺失"},
}
VERDICT_WORDS: dict[Verdict, dict[Language, str]] = {
    "better": {"en": "better", "zh": "更好"},
    "worse": {"en": "worse", "zh": "更差"},
    "more": {"en": "more", "zh": "更高"},
    "less": {"en": "less", "zh": "更低"},
    "not distinguishable": {"en": "not distinguishable", "zh": "分不出高下"},
}


def number(value: float | None) -> str:
    """Four significant digits; a dash for what is not known."""
    return "–" if value is None else f"{value:.4g}"


def score_text(score: Score | None) -> str:
    """``0.61 (0.58 … 0.64)``."""
    if score is None:
        return "–"
    return number(score.value) + (f" ({number(score.low)} … {number(score.high)})" if score.low is not None else "")


def p_text(p: float) -> str:
    """Two significant digits, never a bare 0."""
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"


def chance_of(one: MetricChange) -> float | None:
    """What guessing gives, from whichever run says so."""
    return next((s.chance for s in (one.second, one.first) if s is not None and s.chance is not None), None)


def remarks(one: MetricChange) -> list[dict[Language, str]]:
    """What a reader should know of a metric: at chance, how many rows would do, an ideal value."""
    found: list[dict[Language, str]] = []
    for which, en, zh in (("first", "first run", "前一次"), ("second", "second run", "后一次")):
        if one.at_chance(which):  # type: ignore[arg-type]
            found.append({
                "en": f"{one.metric}: the {en} is not distinguishable from guessing ({number(chance_of(one))})",
                "zh": f"{one.metric}：{zh}的结果与瞎猜（{number(chance_of(one))}）分不出高下",
            })  # fmt: skip
    if one.direction.ideal is not None:
        ideal = number(one.direction.ideal)
        found.append({
            "en": f"{one.metric}: best is {ideal}, neither more nor less",
            "zh": f"{one.metric}：{ideal} 最好，高了低了都不好",
        })  # fmt: skip
    if one.advice is not None:
        found.append(_advice(one))
    return found


def _advice(one: MetricChange) -> dict[Language, str]:
    n, least = one.comparison.n, number(one.advice.detectable if one.advice else None)
    needed = one.advice.needed if one.advice else None
    en = f"{one.metric}: with these {n} rows a difference of {least} would be found in 80 of 100 tries"
    zh = f"{one.metric}：用这 {n} 行，差别要有 {least} 才能十次里发现八次"
    if needed is not None:
        en += f"; one as large as this ({one.comparison.difference:+.4g}) needs about {needed:,} rows"
        zh += f"；像现在这么大的差别（{one.comparison.difference:+.4g}）大约需要 {needed:,} 行"
    return {"en": en, "zh": zh}
