"""The raw samples as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engines.limit import Limits, multiplied
from engines.plan import GUESSING, WANTED, Job, Variant, jobs
from engines.quiet import ALLOWED
from engines.shapes import folder_of, vocabulary
from engines.works import Scale, Work

Results = dict[str, dict[str, Any]]
"""By ``SHAPE/WORK``: the limits of the run, the day, and the cells."""
COLUMNS = {"transformers": "Transformers", "llama": "llama.cpp", "ctranslate2": "CTranslate2", "openvino": "OpenVINO GenAI",
           "harness": "lm-evaluation-harness"}  # fmt: skip
HEAD = ("model", "work", "Sibao's weights", "Sibao", "of the limit", *COLUMNS.values(), "wanted", "notes")


def table(results: Results) -> list[str]:
    """Lines of the table, then what it was measured with; empty without results."""
    rows = [row for job in jobs() for work in job.works for row in _rows(job, work, results)]
    if not rows:
        return []
    lines = ["| " + " | ".join(cells) + " |" for cells in (HEAD, ("---",) * len(HEAD), *rows)]
    return ["", *lines, "", *_words(results), ""]


def _rows(job: Job, work: Work, results: Results) -> Iterator[tuple[str, ...]]:
    """One line for each form of Sibao's weights."""
    found = results.get(f"{job.shape.name}/{work.name}")
    for own in (v for v in job.variants if found and v.peer == "sibao" and v.name in found["cells"]):
        assert found is not None
        cells = found["cells"]
        mine = cells[own.name]
        weights = f"{own.weights} {own.label}".strip()
        figure = f"{number(mine['median'])} {work.unit}" if "median" in mine else f"not run: {mine['not_run']}"
        peers = (_peers(column, own, job, cells, _alone(job, work, results)) for column in COLUMNS)
        wanted = WANTED.get((job.shape.name, work.name, weights), "")
        share = _share(job, work, found, mine)
        yield job.shape.title, work.title, weights, figure, share, *peers, wanted, _notes(own, mine, cells)


def _peers(column: str, own: Variant, job: Job, cells: dict[str, Any], alone: dict[str, Any]) -> str:
    """The peer's figures, each with how many times as fast Sibao is."""
    said = []
    for variant in job.variants:
        cell = cells.get(variant.name)
        fair = own.small == variant.small or variant.peer in ("transformers", "harness")
        if cell is None or variant.peer != column or not fair:
            continue
        said.append(_ratio(variant.weights, cell, cells[own.name]))
        if variant.name in alone:
            said.append("one by one " + _ratio(variant.weights, alone[variant.name], cells[own.name]))
    return "; ".join(said) or "–"


def _ratio(weights: str, cell: dict[str, Any], mine: dict[str, Any]) -> str:
    if "median" not in cell:
        return f"{weights} not run: {cell['not_run']}"
    times = f" (**{mine['median'] / cell['median']:.2f}×**)" if "median" in mine else ""
    return f"{weights} {number(cell['median'])}{times}"


def _alone(job: Job, work: Work, results: Results) -> dict[str, Any]:
    """Transformers' cells for one stream, beside those for many: users of it often ask one by one."""
    if work.name != "decode-16":
        return {}
    cells = results.get(f"{job.shape.name}/decode-1", {}).get("cells", {})
    return {name: cell for name, cell in cells.items() if cell["peer"] == "transformers"}


def _share(job: Job, work: Work, found: dict[str, Any], mine: dict[str, Any]) -> str:
    """Sibao's figure as a share of what memory or arithmetic would allow."""
    rows = work.rows(Scale())
    if not rows or "median" not in mine:
        return "–"
    limits = Limits(**found["limits"])
    prompt, new = multiplied(folder_of(job.shape), vocabulary(job.shape))
    numbers = prompt if work.name == "prompt" else new
    return f"{mine['median'] / limits.rate(rows, mine['weight_bytes'], numbers, mine['weights']):.0%}"


def _notes(own: Variant, mine: dict[str, Any], cells: dict[str, Any]) -> str:
    """What a reader of the line should know."""
    notes = [mine.get("note", "")]
    plain = cells.get(own.name.removesuffix(f" {GUESSING}"), {})
    if own.label == GUESSING and "median" in plain and "median" in mine:
        notes.append(f"**{mine['median'] / plain['median']:.2f}×** itself without")
    if (check := mine.get("check", {})) and check["different"]:
        notes.append(f"{check['different']} of {check['of']} checked tokens differ by rounding ({check['gap']:.1g})")
    if (same := mine.get("same", {})) and own.weights == "fp32":
        notes.append(f"{same['count']} of {same['of']} answers as {same['as']}")
    noise = max((one["noise"] for cell in cells.values() for one in cell.get("samples", [])), default=0.0)
    if noise > ALLOWED:
        notes.append(f"others used up to {noise:.0%} of a core")
    return "; ".join(filter(None, notes))


def number(value: float) -> str:
    """Three figures, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _words(results: Results) -> Iterator[str]:
    """Machine, versions, limits and days."""
    versions = sorted({c["version"] for found in results.values() for c in found["cells"].values() if "version" in c})
    yield f"With {'; '.join(versions)}."
    for run in sorted({found["run"] for found in results.values()}):
        names = [name for name, found in results.items() if found["run"] == run]
        one = results[names[0]]
        limits = Limits(**one["limits"])
        rates = ", ".join(f"{form} {rate / 1e9:.0f}" for form, rate in limits.operations.items())
        yield ""
        yield (
            f"Run of {run} ({', '.join(names)}): {one['machine']}, {one['threads']} threads, medians of {one['samples']}; memory "
            f"{limits.read / 1e9:.1f} GB/s reading, {limits.triad / 1e9:.1f} GB/s triad; matrix products {rates} Gop/s."
        )
