"""The words of a choice, in Chinese and English; numbers as both write them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sibao.choosing.cells import Cell
from sibao.choosing.limits import shown_bytes, shown_count
from sibao.core.types import Language

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "model": "model", "quality": "quality", "cost": "cost / 1000", "latency": "latency", "speed": "speed",
        "memory": "memory", "parameters": "parameters", "energy": "energy", "licence": "licence", "availability": "",
        "first_token": "first token", "state": "", "limit": "limit", "wanted": "wanted", "got": "found", "source": "source",
        "date": "date", "fact": "fact", "out": "out, before or at the start of the race", "unknown": "nobody says",
        "title": "choice · {task} · {metric} · run {run}", "title_advice": "choice · {task}",
        "dropped": "dropped after {rows} rows: {winner} is better by {difference:.3f}",
        "stays": "in the race to the end", "stays_front": "in the race to the end · Pareto front", "front": "Pareto front",
        "pick": "Pick: {name}", "no_pick": "No pick: no model keeps the limits.", "no_race": "No pick: nothing was raced.",
        "by_race": "It is better than every other on these rows. All that this race says holds together with probability {sure}.",
        "by_weights": "Not distinguishable in quality on these rows: {rivals}. Among them the weights decide: {weights}.",
        "by_measure": "Not distinguishable in quality on these rows: {rivals}. Nor do weights decide; this one measured best.",
        "by_all": "The highest weighted sum: {weights}.", "by_one": "It alone keeps the limits; nothing was raced.",
        "unused": "Without effect, as not known for all or the same for all: {keys}.",
        "ended_rows": "The race ended with the rows ({rows}).", "ended_budget": "The race ended with the money.",
        "ended_one": "The race ended when one was left.",
        "tokens": "Tokens: {tokens:,}, which is {share:.0%} of asking everyone everything ({full:,.0f}).",
        "spans": "If {key} counted for more or less (all models, the other weights in proportion): {spans}.",
        "always": "Whatever {keys} may count, on the weights alone it would be {name}.", "all": "all", "and": ", ",
        "missing": "{name}: {missing} of {asked} rows have no answer; they count neither as right nor as wrong.",
        "sources": "where the figures come from", "estimated": "estimated",
    },
    "zh": {
        "model": "模型", "quality": "质量", "cost": "每千次费用", "latency": "延迟", "speed": "速度", "memory": "内存",
        "parameters": "参数", "energy": "能耗", "licence": "许可", "availability": "", "first_token": "首词元", "state": "",
        "limit": "限制", "wanted": "要求", "got": "实际", "source": "来源", "date": "日期", "fact": "项目",
        "out": "赛前或开赛时出局", "unknown": "没有资料",
        "title": "选择 · {task} · {metric} · 运行 {run}", "title_advice": "选择 · {task}",
        "dropped": "第 {rows} 行后淘汰：{winner} 高出 {difference:.3f}",
        "stays": "赛到最后", "stays_front": "赛到最后 · 帕累托前沿", "front": "帕累托前沿",
        "pick": "选 {name}", "no_pick": "没有可选：没有模型符合限制。", "no_race": "没有可选：没有比赛。",
        "by_race": "它在这些数据上优于其他每一个。本次比赛的所有结论同时成立的概率为 {sure}。",
        "by_weights": "在这些数据上质量无法区分：{rivals}。由权重在其中决定：{weights}。",
        "by_measure": "在这些数据上质量无法区分：{rivals}。权重也分不出高下，取实测最好的一个。",
        "by_all": "加权总分最高：{weights}。", "by_one": "只有它符合限制，没有比赛。",
        "unused": "不起作用的权重（并非人人已知，或完全相同）：{keys}。",
        "ended_rows": "数据用完，比赛结束（{rows} 行）。", "ended_budget": "预算用完，比赛结束。",
        "ended_one": "只剩一个，比赛结束。",
        "tokens": "词元：{tokens:,}，为全部模型跑完全部数据（{full:,.0f}）的 {share:.0%}。",
        "spans": "若 {key} 的分量改变（全部模型，其余权重按比例）：{spans}。",
        "always": "无论 {keys} 占多少，单看权重都会选 {name}。",
        "all": "全部", "and": "、",
        "missing": "{name}：{asked} 行中有 {missing} 行没有回答；既不算对也不算错。",
        "sources": "数字的来源", "estimated": "估算",
    },
}  # fmt: skip
_LONG_PATH = re.compile(r"(?:~|\.{1,2})?/(?:[^/+ ]+/)+([^/+ ]+/[^/+ ]+)(?=$|[+ ])")
COLUMNS = ("quality", "cost", "latency", "speed", "memory", "parameters", "energy")
"""Figures of the table, in its order."""


def word(name: str, language: Language) -> str:
    """A word or sentence."""
    return WORDS[language][name]


def shown(key: str, cell: Cell) -> str:
    """A figure as people read it; a dash where nobody knows."""
    number = cell.number
    if number is None:
        return str(cell.value) if isinstance(cell.value, str) else "–"
    if key in ("memory", "disk"):
        return shown_bytes(number) if number else "–"
    if key == "parameters":
        return shown_count(number)
    if key == "quality":
        return f"{number:.3f}" if cell.low is None else f"{number:.3f} ({cell.low:.3f} … {cell.high:.3f})"
    unit = {"latency": " s", "first_token": " s", "speed": " tok/s", "energy": " J"}.get(
        key, f" {cell.unit.partition(' ')[0]}"
    )
    return f"{number:.3g}{unit}"


def percent(share: float) -> str:
    """A share of 1."""
    return f"{100 * share:.0f} %"


def short(names: Iterable[str]) -> dict[str, str]:
    """Names as tables show them: of a path its last two parts, unless two names would then look the same."""
    found = {name: _LONG_PATH.sub(r"…/\1", name) for name in names}
    return found if len(set(found.values())) == len(found) else {name: name for name in found}
