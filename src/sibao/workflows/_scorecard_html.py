"""A scorecard as one HTML file: no outside host, light and dark, Chinese or English at a press."""

from __future__ import annotations

from html import escape

from sibao.core.types import Language
from sibao.evaluation.scorecard import SECTIONS, Cell, Scorecard
from sibao.workflows._scorecard_plot import plots
from sibao.workflows._scorecard_words import number, remarks, shown_interval, shown_value, word

LANGUAGES: tuple[Language, ...] = ("en", "zh")
STYLE = """
:root{color-scheme:light dark;--ink:#1c1c1e;--paper:#fff;--soft:#5f6368;--line:#e3e3e6;--bar:#1f6f8b;--warn:#b54708}
@media(prefers-color-scheme:dark){:root{--ink:#ececf1;--paper:#17181c;--soft:#a0a3ab;--line:#34363c;--bar:#6cc3de;--warn:#f0a35b}}
body{margin:0 auto;max-width:62rem;padding:1.5rem;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,"Noto Sans","Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif}
h1{font-size:1.6rem;margin:.2rem 0}h2{font-size:1.1rem;margin:2rem 0 .4rem}
.soft{color:var(--soft)}.warn{color:var(--warn)}table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{font-weight:600;color:var(--soft)}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.scroll{overflow-x:auto}svg{max-width:100%;height:auto}svg text{fill:var(--ink)!important}
summary{cursor:pointer}code{font-size:.8rem;overflow-wrap:anywhere}
.en,.zh{display:none}body[data-language=en] .en,body[data-language=zh] .zh{display:revert}
button{font:inherit;color:inherit;background:none;border:1px solid var(--line);border-radius:.4rem;
padding:.2rem .7rem;cursor:pointer}
button:focus-visible{outline:2px solid var(--bar)}
"""
SCRIPT = """
document.getElementById('language').addEventListener('click',()=>{const b=document.body;
b.dataset.language=b.dataset.language==='en'?'zh':'en';document.documentElement.lang=b.dataset.language})
"""


def page(card: Scorecard, language: Language = "en") -> str:
    """The whole page; ``language`` is the one it opens in."""
    bodies = "".join(f'<div class="{one}">{_body(card, one)}</div>' for one in LANGUAGES)
    title = escape(f"{word('scorecard', language)} · {card.model}")
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title><style>{STYLE}</style>'
        f'</head><body data-language="{language}"><button id="language" type="button">中文 / English</button>{bodies}'
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _body(card: Scorecard, language: Language) -> str:
    head = f"{word('precision', language)} {card.precision} · {card.machine} · {card.date}"
    parts = [f"<h1>{escape(word('scorecard', language))} · {escape(card.model)}</h1><p class=soft>{escape(head)}</p>"]
    parts += [f"<figure>{svg}</figure>" for svg in plots(card, language).values()]
    parts.append(f"<p class=soft>{escape(word('legend', language))}</p>")
    for section, titles in SECTIONS.items():
        cells = card.section(section)
        if cells:
            parts.append(f"<h2>{escape(titles[language])}</h2><div class=scroll>{_table(cells, language)}</div>")
    return "".join(parts)


def _table(cells: list[Cell], language: Language) -> str:
    heads = "".join(
        f"<th scope=col{' class=n' if name in ('value', 'rows', 'chance') else ''}>{escape(word(name, language))}</th>"
        for name in ("figure", "value", "interval", "rows", "chance", "source")
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(_row(c, language) for c in cells)}</tbody></table>"


def _row(cell: Cell, language: Language) -> str:
    notes = "; ".join(remarks(cell, language))
    source = escape(f"{cell.source}, {cell.date}" if cell.date else cell.source)
    source += f" <span class=warn>{escape(notes)}</span>" if notes else ""
    if cell.signature:
        how = escape(word("how", language))
        source += f"<details><summary class=soft>{how}</summary><code>{escape(cell.signature)}</code></details>"
    return (
        f"<tr><th scope=row>{escape(cell.name)}</th><td class=n>{escape(shown_value(cell))}</td>"
        f"<td>{escape(shown_interval(cell))}</td><td class=n>{cell.n or ''}</td><td class=n>{number(cell.chance)}</td>"
        f"<td>{source}</td></tr>"
    )
