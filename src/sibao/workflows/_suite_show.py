"""What people see of suites: the list of them, previews of cost, and why a score is what it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sibao.core.config import settings
from sibao.evaluation.budget import Preview
from sibao.evaluation.conventions import CONVENTIONS
from sibao.evaluation.suite import Suite
from sibao.evaluation.suite_index import load_suite, suite_names

if TYPE_CHECKING:
    from rich.console import RenderableType

MEANING = {
    "acc": "greatest sum of log p", "acc_norm": "per character of the choice", "acc_bytes": "per UTF-8 byte",
    "acc_token": "per token", "acc_pmi": "less the choice without its question",
    "token_perplexity": "per token, disjoint windows: only within one tokenizer",
    "strided_token_perplexity": "per token, windows that overlap by half",
    "word_perplexity": "per word of the page", "byte_perplexity": "per UTF-8 byte of the page",
}  # fmt: skip


def suites_json() -> list[dict[str, Any]]:
    """Every suite with what is known of it."""
    return [
        {
            "name": suite.name, "area": suite.area, "languages": list(suite.languages), "about": dict(suite.about),
            "license": suite.license, "source": suite.source, "folder": suite.folder, "files": list(suite.files),
            "shots": suite.shots, "headline": suite.headline, "variants": list(suite.variants),
            "ran_on_real_data": suite.ran_on_real_data,
        }
        for suite in map(load_suite, suite_names())
    ]  # fmt: skip


def suite_list() -> RenderableType:
    """Every suite in two lines, by area, in the user's language; a table would break in a narrow window."""
    from rich.text import Text

    language = _language()
    text, area = Text(), ""
    for suite in sorted(map(load_suite, suite_names()), key=lambda s: (s.area, s.name)):
        if suite.area != area:
            area = suite.area
            text.append(f"\n{area}\n", style="bold")
        facts = [" ".join(suite.languages), f"{suite.shots} shots", suite.headline, suite.license]
        text.append(f"  {suite.name:<20}{_about(suite, language)}\n")
        text.append(f"  {'':<20}{' · '.join(facts)}\n", style="dim")
    return text


def _language() -> str:
    return settings().language if settings().language != "auto" else "en"


def _about(suite: Suite, language: str) -> str:
    about = dict(suite.about).get(language) or suite.about["en"]  # type: ignore[call-overload]
    unseen = {"en": " (not run on the real set)", "zh": "（未在真实数据上运行）"}[language]
    return str(about) + ("" if suite.ran_on_real_data else unseen)


def preview_table(model: str, found: Sequence[tuple[str, Preview]]) -> RenderableType:
    """What each suite would cost, and how small a difference of two models its rows show (4 times in 5)."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    currency = found[0][1].currency if found else ""
    table = Table(title=f"what it would cost, {currency} · {model}", title_justify="left", box=None)
    for name in ("suite", "rows", "expected", "95 %", "at most", "read", "written", "shows"):
        table.add_column(name, justify="left" if name == "suite" else "right", overflow="fold")
    for suite, p in found:
        table.add_row(
            suite, f"{p.rows:,}", _money(p.expected), f"{_money(p.low)} … {_money(p.high)}", _money(p.most),
            f"{p.tokens.prompt_tokens:,}", f"{p.tokens.completion_tokens:,}", f"{p.shows:.2g}",
        )  # fmt: skip
    pilot = sum(p.pilot for _, p in found)
    said = (
        f"From {pilot} rows that were asked; what they answered is kept. read, written: tokens of all rows. shows: the "
        "smallest difference between two models' rates that so many rows are likely to show (4 times in 5)."
    )
    return Group(table, Text(said))


def _money(value: float) -> str:
    return f"{value:.2f}" if value >= 100 else f"{value:.4f}" if value else "0"


def explanation(scores: Sequence[Any], explained: dict[str, Any]) -> list[RenderableType]:
    """The conventions side by side, and the border of prompt and answer."""
    from rich.table import Table
    from rich.text import Text

    shown = [s for s in scores if s.name in MEANING or s.name in CONVENTIONS]
    table = Table(title="one set of log-likelihoods, every convention", title_justify="left")
    for name in ("convention", "value", "95 % interval", "what it is"):
        table.add_column(name, overflow="fold")
    for s in shown:
        ends = "–" if s.low is None else f"{s.low:.4g} … {s.high:.4g}"
        table.add_row(s.name, f"{s.value:.4g}", ends, MEANING[s.name])
    border = explained.get("boundary")
    if not border or not border["requests"]:
        return [table]
    line = f"tokens change where prompt and answer meet in {border['differ']} of {border['requests']} requests"
    return [table, Text(line), *(Text(_case(case)) for case in border["cases"][:5])]


def _case(case: dict[str, Any]) -> str:
    apart, together = "|".join(case["apart"]), "|".join(case["together"])
    return f"  row {case['sample']}: …{case['context_end']!r} + {case['continuation']!r}: apart {apart!r}, together {together!r}"
