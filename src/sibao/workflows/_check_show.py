"""The result of ``sibao check`` for people: the examples with their colours, then a table of what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sibao.text.tokenizer import Tokenizer
from sibao.workflows._check_types import Backend, Finding, Sample

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

MARKS = {"ok": ("✓", "ok", "green"), "warn": ("!", "warn", "yellow"), "fail": ("✗", "FAIL", "bold red")}
LOSS, NO_LOSS = "bold green", "dim"
OPEN, CLOSE, BORDER = "⟦", "⟧", "│"
"""What stands around tokens with loss, and between tokens; colours are on top of that."""
SHOWN_TOKENS = 400
"""Tokens of one example that are shown; ``--json`` has all of them."""


def pieces(tokenizer: Tokenizer, sample: Sample) -> Iterator[tuple[str, int]]:
    """Text and mask of the tokens, one by one; tokens that only together make a character stay together."""
    done = ""
    for number, loss in enumerate(sample.mask):
        # decoded with what stands before: some tokenizers drop the space of a token that stands alone
        text = tokenizer.decode(sample.ids[: number + 1], skip_special=False)
        last = number + 1 == len(sample.ids) or sample.mask[number + 1] != loss
        if last or not text.endswith("\ufffd"):
            yield text[len(done) :], loss
            done = text


def colored(tokenizer: Tokenizer, sample: Sample) -> Text:
    """The example as one text: what carries loss is green and stands in ⟦ ⟧."""
    from rich.text import Text

    out = Text()
    before = 0
    for number, (text, loss) in enumerate(pieces(tokenizer, sample)):
        if number >= SHOWN_TOKENS:
            out.append(f" … {len(sample.ids)} tokens in all")
            break
        if loss != before:
            out.append(OPEN if loss else CLOSE)
        elif number:
            out.append(BORDER, style="dim")
        # the line break itself, so that the lines of the template stay lines
        out.append(text.replace("\r", "\\r"), style=LOSS if loss else NO_LOSS)
        before = loss
    if before:
        out.append(CLOSE)
    return out


def findings_table(findings: Sequence[Finding]) -> Table:
    """One line for each thing that was looked at; what to do stands below what is wrong."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        mark, word, color = MARKS[finding.status]
        lines = [finding.got]
        if finding.status != "ok":
            lines += [f"wanted: {finding.wanted}"] * bool(finding.wanted) + [f"hint: {finding.hint}"] * bool(
                finding.hint
            )
        table.add_row(f"{mark} {word}", finding.name, "\n".join(lines), style=color if finding.status != "ok" else None)
    return table


def report(
    title: str,
    tokenizer: Tokenizer | None,
    samples: Sequence[Sample],
    findings: Sequence[Finding],
    backends: Sequence[Backend],
    not_checked: Sequence[str],
) -> RenderableType:
    """Everything, top to bottom."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text(title, style="bold")]
    for sample in samples:
        head = f"\n{sample.source}: {sum(sample.mask)} of {len(sample.ids)} tokens carry loss, those in {OPEN} {CLOSE}"
        parts.append(Text(head))
        if tokenizer is not None:
            parts.append(colored(tokenizer, sample))
    if backends:
        parts.append(Text("\none prompt, answered greedily:"))
        parts += [Text(f"  {b.name}: {b.text!r}") for b in backends if b.token_ids or b.text]
    parts += [Text(""), findings_table(findings)]
    parts += [Text(f"– not checked: {line}", style="dim") for line in not_checked]
    wrong = [f.name for f in findings if f.status == "fail"]
    if wrong:
        parts.append(Text(f"\n✗ {len(wrong)} disagree: {', '.join(wrong)}", style="bold red"))
    else:
        parts.append(Text("\n✓ the same model on every back end that was asked", style="bold green"))
    return Group(*parts)
