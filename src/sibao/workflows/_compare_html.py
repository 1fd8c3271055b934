"""A comparison of two runs as one HTML file."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

from sibao.core.paths import write_text
from sibao.core.types import Language, Score
from sibao.evaluation.changes import MetricChange, RowChange
from sibao.evaluation.pages import Cell, Column, Line, axis_of, both, escape, interval, page, table
from sibao.evaluation.subject import labelled
from sibao.store.rows import ResultRow
from sibao.store.runs import Run
from sibao.workflows._compare_words import (
    STATE_WORDS,
    VERDICT_WORDS,
    chance_of,
    number,
    p_text,
    remarks,
    score_text,
    step_text,
)
from sibao.workflows.compare import Compared

LONG = 400
"""Characters of a question that is folded up."""
METRICS = (
    Column("metric", "指标"),
    Column("verdict", "结论"),
    Column("difference", "差", number=True),
    Column("its 95 % interval", "差的 95 % 区间"),
    Column("p (Holm)", "p（Holm）", number=True),
    Column("first", "前一次", number=True),
    Column("second", "后一次", number=True),
    Column("chance", "瞎猜", number=True),
)


def report(found: Compared, language: Language = "en") -> str:
    """The whole page."""
    names = " → ".join(labelled(run.model, run.recipe) for run in (found.first, found.second))
    data = found.subject.described
    body = [
        f"<h1>{escape(names)}</h1>",
        f'<p class="soft">{escape(data)} · {both(f"{len(found.rows)} rows in both runs", f"两次共有 {len(found.rows)} 行")}</p>',
        _runs(found),
        f"<h2>{both('By metric', '按指标')}</h2>",
        _metrics(found),
        _notes(found),
        f"<h2>{both('Row by row', '逐行')}</h2>",
        _filters(found),
        _rows(found),
    ]
    return page(f"{names} · {data}", f"{names} · {data}", "\n".join(body), language)


def write_report(found: Compared, target: str | Path, language: Language = "en") -> Path:
    """Write the page; gives its path."""
    write_text(Path(target), report(found, language))
    return Path(target)


def _runs(found: Compared) -> str:
    items = "".join(
        f"<li>{both(en, zh)} <code>{escape(run.id)}</code> {escape(labelled(run.model, run.recipe))}, {escape(_day(run))}</li>"
        for run, en, zh in ((found.first, "first:", "前一次："), (found.second, "second:", "后一次："))
    )
    return f'<ul class="notes">{items}</ul>'


def _day(run: Run) -> str:
    return datetime.fromtimestamp(run.finished or run.started, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _metrics(found: Compared) -> str:
    known = any(chance_of(one) is not None for one in found.metrics)
    columns = METRICS if known else METRICS[:-1]
    lines = [Line(_metric(one)[: len(columns)]) for one in found.metrics]
    return table(
        columns, lines,
        "Second against first, paired by row; p-values adjusted by Holm for all metrics together. Dashed: no difference.",
        "后一次对前一次，逐行成对检验；p 值已按 Holm 法对全部指标一并校正。虚线处为没有差别。",
    )  # fmt: skip


def _metric(one: MetricChange) -> tuple[Cell, ...]:
    c = one.comparison
    axis = axis_of([c.low, c.high, 0.0])  # metrics have scales of their own
    words = VERDICT_WORDS[one.verdict]
    kind = {"better": "good", "worse": "bad"}.get(one.verdict, "soft")
    drawn = interval(c.difference, c.low, c.high, axis, mark=0.0)
    first, second = (math.nan if s is None else s.value for s in (one.first, one.second))
    return (
        Cell(escape(one.metric)),
        Cell(both(words["en"], words["zh"]), kind=f"verdict {kind}"),
        Cell(step_text(c.difference), c.difference),
        Cell(f"{drawn}{number(c.low)} … {number(c.high)}", c.low),
        Cell(escape(p_text(one.adjusted)), one.adjusted),
        Cell(_score(one.first), first),
        Cell(_score(one.second), second),
        Cell(number(chance_of(one)), math.nan if chance_of(one) is None else chance_of(one)),
    )  # fmt: skip


def _score(score: Score | None) -> str:
    value, _, ends = score_text(score).partition(" ")
    return escape(value) + (f'<br><span class="soft">{escape(ends)}</span>' if ends else "")


def _notes(found: Compared) -> str:
    lines = [both(words["en"], words["zh"]) for words in (*found.notes, *remarks(found.metrics))]
    tests = sorted({one.comparison.test for one in found.metrics})
    lines.append(both("tests: " + "; ".join(tests), "所用检验：" + "；".join(tests)))
    return f'<ul class="notes">{"".join(f"<li>{line}</li>" for line in lines)}</ul>'


def _filters(found: Compared) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" data-state="{escape(state)}"{_checked(found, state)}>'
        f"{both(STATE_WORDS[state]['en'], STATE_WORDS[state]['zh'])} ({count})</label>"
        for state, count in found.counts.items()
    )
    words = 'data-placeholder-en="words in the row" data-placeholder-zh="行内的词"'
    return (
        f'<div class="filters" hidden><fieldset><legend>{both(f"By {found.main}:", f"按 {found.main}：")}</legend>{boxes}'
        f'</fieldset><label>{both("Search", "查找")} <input type="search" id="search" {words}></label>'
        f'<span class="soft" id="shown" role="status" aria-live="polite"></span></div>'
    )


def _checked(found: Compared, state: str) -> str:
    """What changed is shown first; where nothing did, everything is."""
    changed = "lost" in found.counts or "gained" in found.counts
    return " checked" if not changed or state in ("lost", "gained") else ""


def _rows(found: Compared) -> str:
    asked = bool(found.questions)
    columns = [Column("row", "行", number=True), Column("state", "状态")]
    columns += [Column("question", "题目", sortable=False)] if asked else []
    columns += [Column("wanted", "标准答案", sortable=False)]
    columns += [Column("first", "前一次", sortable=False), Column("second", "后一次", sortable=False)]
    columns += [Column("change", "变化", number=True)]
    lines = [_row(found, change, asked) for change in found.rows]
    return table(columns, lines, f"All rows, by {found.main}", f"全部各行，按 {found.main}")


def _row(found: Compared, change: RowChange, asked: bool) -> Line:
    a, b = change.pair.first, change.pair.second
    words = STATE_WORDS[change.state]
    kind = {"gained": "good", "lost": "bad"}.get(change.state, "soft")
    cells = [Cell(str(a.row), a.row), Cell(both(words["en"], words["zh"]), change.state, f"state {kind}")]
    if asked:
        cells.append(Cell(_question(found.questions.get(a.row, "")), kind="text"))
    wanted = a.references or b.references
    cells.append(Cell("<br>".join(escape(text) for text in wanted), kind="text"))
    cells += [Cell(_answer(row, value), kind="text") for row, value in ((a, change.first), (b, change.second))]
    if change.first is None or change.second is None:
        cells.append(Cell("–", ""))
    else:
        step = change.second - change.first
        cells.append(Cell(step_text(step), step))
    return Line(cells, change.state)


def _question(text: str) -> str:
    if len(text) <= LONG:
        return escape(text)
    end = " ".join(text[-LONG // 2 :].split())
    end = end.partition(" ")[2] or end  # what is asked stands at the end; no half of a word before it
    return f"<details><summary>… {escape(end)}</summary>{escape(text)}</details>"


def _answer(row: ResultRow, value: float | None) -> str:
    if row.missing:
        return f'<span class="warn">{both("missing", "缺失")}: {escape(row.missing)}</span>'
    shown = escape(row.prediction) if row.prediction else f'<span class="soft">{both("(empty)", "（空）")}</span>'
    return shown + (f' <span class="soft">[{number(value)}]</span>' if value not in (None, 0.0, 1.0) else "")
