"""A choice as one HTML file: tables, plot and reasons; no outside host. ``fragment`` is its body, for other pages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from sibao.choosing.cells import cell_of
from sibao.core.errors import MissingPackage
from sibao.workflows._choose_plot import svg
from sibao.workflows._choose_result import Choice
from sibao.workflows._choose_show import columns, figure, reasons, state, title
from sibao.workflows._choose_words import shown, word

STYLE = """
:root{color-scheme:light dark;--ink:#1c1c1e;--paper:#fff;--soft:#5f6368;--line:#e3e3e6}
@media(prefers-color-scheme:dark){:root{--ink:#ececf1;--paper:#17181c;--soft:#a0a3ab;--line:#34363c}}
body{margin:0 auto;max-width:68rem;padding:1.5rem;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,"Noto Sans","Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif}
table{border-collapse:collapse;width:100%;font-size:.92rem}.scroll{overflow-x:auto}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{font-weight:600;color:var(--soft)}td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:2rem 0 .4rem}.soft{color:var(--soft)}tr.pick>*{font-weight:600;color:var(--ink)}
svg{max-width:100%;height:auto}svg text{fill:var(--ink)!important}
"""


def page(choice: Choice) -> str:
    """The whole page."""
    head = escape(title(choice))
    return (
        f'<!doctype html><html lang="{choice.language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{head}</title><style>{STYLE}</style></head>'
        f"<body>{fragment(choice)}</body></html>\n"
    )


def fragment(choice: Choice) -> str:
    """What stands in the page."""
    parts = [f"<h1>{escape(title(choice))}</h1>"]
    parts += [f"<p>{escape(line)}</p>" for line in reasons(choice)]
    parts.append(_plot(choice))
    if choice.table:
        parts.append(f"<div class=scroll>{_candidates(choice)}</div>")
    if choice.excluded:
        heads = [word(name, choice.language) for name in ("model", "limit", "wanted", "got", "source", "date")]
        rows = [
            [x.name, x.limit, x.wanted, x.got or word("unknown", choice.language), x.source, x.date]
            for x in choice.excluded
        ]
        parts.append(f"<h2>{escape(word('out', choice.language))}</h2><div class=scroll>{_table(heads, rows)}</div>")
    if choice.table:
        parts.append(f"<h2>{escape(word('sources', choice.language))}</h2><div class=scroll>{_sources(choice)}</div>")
    for section in choice.advice:
        lines = "".join(f"<li>{escape(line)}</li>" for line in section.lines)
        parts.append(f"<h2>{escape(section.question)}</h2><ul>{lines}</ul>")
    return "".join(parts)


def _plot(choice: Choice) -> str:
    try:
        drawn = svg(choice.table, choice.pick.front, choice.language)
    except MissingPackage:  # the page says all in its tables
        return ""
    return f"<figure>{drawn}</figure>" if drawn else ""


def _candidates(choice: Choice) -> str:
    keys = columns(choice)
    heads = "".join(f"<th scope=col>{escape(word(k, choice.language))}</th>" for k in ("model", *keys, "licence"))
    rows = []
    for name, cells in choice.table.items():
        kind = " class=pick" if name == choice.pick.name else ""
        numbers = "".join(f"<td class=n>{escape(text)}</td>" for text in (figure(key, cells) for key in keys))
        licence = escape(shown("licence", cell_of(cells, "licence")))
        rows.append(
            f"<tr{kind}><th scope=row>{escape(name)}</th>{numbers}<td>{licence}</td><td>{escape(state(choice, name))}</td></tr>"
        )
    return f"<table><thead><tr>{heads}<th></th></tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _sources(choice: Choice) -> str:
    heads = [word(name, choice.language) for name in ("model", "fact", "source", "date")]
    rows = []
    for name, cells in choice.table.items():
        for key in (*columns(choice), "licence"):
            cell = cell_of(cells, key)
            if cell.value is not None:
                note = f" ({cell.note})" if cell.note else ""
                rows.append([name, word(key, choice.language), cell.source + note, cell.date])
    return _table(heads, rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th scope=col>{escape(head)}</th>" for head in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
