"""Markdown for the card of `mini`: scores beside their baselines, and where it loses."""

from __future__ import annotations

import math
from typing import Any

Row = dict[str, Any]
LABELS = {
    "bits_per_byte": "bits per byte", "chrf": "chrF", "bleu": "BLEU", "exact_match": "exact match", "f1": "F1",
    "rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougel": "ROUGE-L", "form": "form kept",
}  # fmt: skip
RATES = ("prefill_tokens_per_second", "decode_tokens_per_second", "decode_16_tokens_per_second")


def number(value: float | None) -> str:
    """Three decimals below ten, fewer above; a dash for what is not known."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1000 else f"{value:,.0f}"


def interval(score: Row) -> str:
    """A score with its interval."""
    if score["low"] is None:
        return number(score["value"])
    return f"{number(score['value'])} ({number(score['low'])} to {number(score['high'])})"


def against(rival: Row | None) -> str:
    """A baseline's score, and what mini is against it."""
    if rival is None:
        return "–"
    test = rival["comparison"]
    if test is None:
        return interval(rival["score"])
    p = "p < 0.001" if test["p_value"] < 0.001 else f"p = {test['p_value']:.2g}"
    return f"{number(rival['score']['value'])}: {test['verdict']}, {p}"


def table(head: list[str], rows: list[list[str]], left: int) -> str:
    """A Markdown table; the first ``left`` columns are text, the others are set to the right."""
    ruler = ["---" if i < left else "--:" for i in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ruler, *rows])


def scores(part: Row | None) -> str:
    """The table of a part, or why there is none."""
    if part is None or "missing" in part:
        return f"Not measured: {'not run' if part is None else part['missing']}."
    rivals = list(dict.fromkeys(name for line in part["lines"] for name in line["baselines"]))
    rows = [
        [line["data"], line["language"], LABELS.get(line["score"]["name"], line["score"]["name"]),
         interval(line["score"]), rows_of(line["score"]), *(against(line["baselines"].get(name)) for name in rivals)]
        for line in part["lines"]
    ]  # fmt: skip
    return table(["data", "language", "score", "mini", "rows", *rivals], rows, left=3)


def rows_of(score: Row) -> str:
    """Rows scored, and those that could not be."""
    return f"{score['n']}" + (f" (+{score['missing']} missing)" if score["missing"] else "")


def losses(parts: dict[str, Row]) -> str:
    """Plain sentences: every baseline that mini does not beat."""
    found: dict[str, list[str]] = {"worse": [], "not distinguishable": []}
    for name, part in parts.items():
        for line in part.get("lines", []):
            label = LABELS.get(line["score"]["name"], line["score"]["name"])
            for rival, its in line["baselines"].items():
                verdict = (its["comparison"] or {}).get("verdict")
                if verdict in found:
                    values = f"{number(line['score']['value'])} against {number(its['score']['value'])}"
                    where = f"{name.replace('_', ' ')}, {line['data']}, {line['language']}"
                    found[verdict].append(f"- {where}: {label} {values} of {rival}")
    if not any(found.values()):
        return "Against none of the baselines above."
    titles = {"worse": "Worse than:", "not distinguishable": "Not to be told apart from:"}
    return "\n\n".join(f"{titles[kind]}\n\n" + "\n".join(items) for kind, items in found.items() if items)


def speed(part: Row | None, facts: Row) -> str:
    """Speed, memory and size."""
    size = [["weights on disk", f"{facts['weight_bytes'] / 1e6:.1f} MB ({facts['dtype']})"],
            ["whole folder", f"{facts['folder_bytes'] / 1e6:.1f} MB"]]  # fmt: skip
    if part is None or "missing" in part:
        note = "not run" if part is None else part["missing"]
        return table(["", ""], [*size, ["speed", f"not measured: {note}"]], left=2)
    rows = [
        [f"reading a prompt of {part['prompt_tokens']} tokens", f"{number(part[RATES[0]])} tokens/s"],
        ["writing, one stream", f"{number(part[RATES[1]])} tokens/s"],
        [f"writing, {part['streams']} streams at once", f"{number(part[RATES[2]])} tokens/s"],
        ["first token, model in memory, 16-token prompt", f"{number(1000 * part['first_token_seconds'])} ms"],
        ["import and load", f"{number(part['load_seconds'])} s"],
        ["peak memory of the process", f"{part['peak_memory_bytes'] / 2**20:.0f} MiB"],
    ]
    where = f"{part['cpu']}, {part['threads']} threads, fp32, torch {part['torch']}, best of {part['repeats']}."
    return table(["", ""], [*rows, *size], left=2) + f"\n\n{where}"


def samples(parts: dict[str, Row], longest: int = 300) -> str:
    """What went in and what came out, as it is."""
    blocks = []
    for name, part in parts.items():
        for group, rows in part.get("samples", {}).items():
            for row in rows[:1]:
                shown = [f"in: {cut(row['input'], longest)}", f"out: {cut(row['output'], longest)}"]
                if row.get("reference"):
                    shown.append(f"wanted: {cut(row['reference'], longest)}")
                blocks.append(f"**{name} · {group}**\n\n```text\n" + "\n".join(shown).replace("```", "'''") + "\n```")
    return "\n\n".join(blocks) or "None."


def cut(text: str, longest: int) -> str:
    """The text, or its beginning with a mark that there is more."""
    return text if len(text) <= longest else text[:longest] + " […]"
