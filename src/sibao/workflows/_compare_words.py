"""The words of a comparison, in both languages; and figures as they are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sibao.core.types import Language, Score
from sibao.evaluation.changes import Advice, MetricChange, RowChange, State
from sibao.evaluation.statistics import Verdict
from sibao.store.runs import Run

Words = dict[Language, str]

STATE_WORDS: dict[State, Words] = {
    "lost": {"en": "lost", "zh": "退步"},
    "gained": {"en": "gained", "zh": "进步"},
    "both wrong": {"en": "both wrong", "zh": "都错"},
    "both right": {"en": "both right", "zh": "都对"},
    "same": {"en": "same", "zh": "相同"},
    "missing": {"en": "missing", "zh": "缺失"},
}
VERDICT_WORDS: dict[Verdict, Words] = {
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


def step_text(difference: float) -> str:
    """A difference with its sign; no difference has none."""
    return f"{difference:+.4g}" if difference else "0"


def p_text(p: float) -> str:
    """Two significant digits, never a bare 0."""
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"


def chance_of(one: MetricChange) -> float | None:
    """What guessing gives, from whichever run says so."""
    return next((s.chance for s in (one.second, one.first) if s is not None and s.chance is not None), None)


def notes_of(
    first: Run, second: Run, asked: Sequence[str], rows: Sequence[RowChange], untested: bool = False
) -> list[Words]:
    """What else differs between two runs, and what stands out of the tests; ``untested``: rows are in clusters that the tests
    do not know of."""
    found: list[Words] = [
        {"en": f"asked otherwise: {line} (first and second run)", "zh": f"提问方式不同：{line}（前一次与后一次）"}
        for line in asked
    ]
    if first.version != second.version:
        versions = first.version, second.version
        found.append({
            "en": f"by different versions of Sibao: {' and '.join(versions)}", "zh": f"所用四宝版本不同：{'、'.join(versions)}",
        })  # fmt: skip
    reasons = Counter(reason for row in rows for reason in {row.pair.first.missing, row.pair.second.missing} if reason)
    gone = sum(row.state == "missing" for row in rows)
    if gone:
        why = f" ({reasons.most_common(1)[0][0]})" if reasons else ""
        found.append({
            "en": f"{gone} of {len(rows)} rows are missing in one run or both and stand out of the tests{why}",
            "zh": f"{len(rows)} 行中有 {gone} 行至少在一次里缺失，不参与检验{why}",
        })  # fmt: skip
    if untested:
        found.append({
            "en": "rows come in clusters that were not kept; the tests take rows as independent: p-values may be too small",
            "zh": "各行成组相关，而这两次评测没有存下分组，检验把各行当作独立，p 值可能偏小",
        })  # fmt: skip
    return found


def remarks(metrics: Sequence[MetricChange]) -> list[Words]:
    """What a reader should know of the figures: which are no better than guessing, how many rows would do, ideal values."""
    found: list[Words] = []
    for which, en, zh in (("first", "first run", "前一次"), ("second", "second run", "后一次")):
        names = [one.metric for one in metrics if one.at_chance(which)]  # type: ignore[arg-type]
        if names:
            found.append({
                "en": f"the {en} is not distinguishable from guessing by {', '.join(names)}",
                "zh": f"{zh}的结果与瞎猜分不出高下：{'、'.join(names)}",
            })  # fmt: skip
    alike = [one for one in metrics if one.advice is not None and not one.advice.detectable]
    if alike:
        names, n = [one.metric for one in alike], min(one.comparison.n for one in alike)
        found.append({
            "en": f"the two runs agree on all {n} rows by {', '.join(names)}",
            "zh": f"全部 {n} 行两次都一样：{'、'.join(names)}",
        })  # fmt: skip
    for one in metrics:
        found += _of_metric(one, len(metrics))
    return found


def _of_metric(one: MetricChange, tests: int) -> list[Words]:
    found: list[Words] = []
    if one.direction.ideal is not None:
        ideal = number(one.direction.ideal)
        found.append({
            "en": f"{one.metric}: best is {ideal}, neither more nor less",
            "zh": f"{one.metric}：{ideal} 最好，高了低了都不好",
        })  # fmt: skip
    if one.advice is None or not one.advice.detectable:
        return found
    if one.comparison.p_value < 1 - one.comparison.level:
        p = p_text(one.comparison.p_value)
        found.append({
            "en": f"{one.metric}: by itself p is {p}, but {tests} metrics were tested, and one of so many often is so small",
            "zh": f"{one.metric}：单看 p 是 {p}，但一共检验了 {tests} 个指标，其中一个这么小并不稀奇",
        })  # fmt: skip
    return [*found, _advice(one, one.advice)]


def _advice(one: MetricChange, advice: Advice) -> Words:
    n = one.comparison.n
    least = number(advice.detectable)
    en = f"{one.metric}: with these {n} rows a difference of {least} would be found in 80 of 100 tries"
    zh = f"{one.metric}：用这 {n} 行，差别要有 {least} 才能十次里发现八次"
    if advice.needed is not None:
        en += f"; one as large as this ({one.comparison.difference:+.4g}) needs about {advice.needed:,} rows"
        zh += f"；像现在这么大的差别（{one.comparison.difference:+.4g}）大约需要 {advice.needed:,} 行"
    return {"en": en, "zh": zh}
