"""The result of ``sibao check`` for people: the examples with their colours, then a table of what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sibao.text.tokenizer import Tokenizer
from sibao.workflows._check_types import Backend, Finding, Kind, Sample

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
            lines += [f"{what}: {text}" for what, text in (("wanted", finding.wanted), ("hint", finding.hint)) if text]
        table.add_row(f"{mark} {word}", finding.name, "\n".join(lines), style=color if finding.status != "ok" else None)
    return table


@dataclass
class CheckReport:
    """All that was found about one model."""

    model: str
    kind: Kind = "unknown"
    findings: list[Finding] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    backends: list[Backend] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    tokenizer: Tokenizer | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing disagrees."""
        return all(finding.status != "fail" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The check object of the JSON contract."""
        return {
            "ok": self.ok,
            "kind": self.kind,
            "findings": [asdict(f) for f in self.findings],
            "samples": [{"source": s.source, "tokens": self._tokens(s)} for s in self.samples],
            "backends": [asdict(b) for b in self.backends],
            "not_checked": self.not_checked,
        }

    def _tokens(self, sample: Sample) -> list[dict[str, Any]]:
        if self.tokenizer is None:
            return []
        name = self.tokenizer.backend.id_to_token
        pairs = zip(sample.ids, sample.mask, strict=True)
        return [{"id": i, "token": name(i), "loss": bool(loss)} for i, loss in pairs]

    def render(self) -> RenderableType:
        """For a terminal."""
        from rich.console import Group
        from rich.text import Text

        parts: list[RenderableType] = [Text(f"{self.model}: {self.kind}", style="bold")]
        for sample in self.samples:
            learned = f"{sum(sample.mask)} of {len(sample.ids)} tokens carry loss, those in {OPEN} {CLOSE}"
            parts.append(Text(f"\n{sample.source}: {learned}"))
            if self.tokenizer is not None:
                parts.append(colored(self.tokenizer, sample))
        answers = [Text(f"  {b.name}: {b.text!r}") for b in self.backends if b.token_ids or b.text]
        parts += [Text("\none prompt, answered greedily:"), *answers] if answers else []
        parts += [Text(""), findings_table(self.findings)]
        parts += [Text(f"– not checked: {line}", style="dim") for line in self.not_checked]
        wrong = [f.name for f in self.findings if f.status == "fail"]
        if wrong:
            parts.append(Text(f"\n✗ {len(wrong)} disagree: {', '.join(wrong)}", style="bold red"))
        else:
            parts.append(Text("\n✓ the same model on every back end that was asked", style="bold green"))
        return Group(*parts)
