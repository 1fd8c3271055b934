"""What each precision costs `mini` in quality: perplexity on its held-out texts, and bytes of its weights.

    python bench/precision.py [--limit N]     # the table
    python bench/precision.py --write         # docs/quantize.md with the table in it

The texts are those of the card of `mini` (`recipes/mini/prepare.py` writes them to build/mini), or any files of rows.
"""

from __future__ import annotations

import argparse
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pages import put

from sibao.core.config import settings
from sibao.core.progress import progress
from sibao.evaluation.likelihood import likelihoods
from sibao.providers.load import load
from sibao.text.readers import read_numbered
from sibao.text.rows import text_of

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "quantize.md"
TEXTS = [ROOT / "build" / "mini" / f"valid.{language}.jsonl" for language in ("en", "zh")]
PRECISIONS = ("fp32", "bf16", "int8", "int4")


@dataclass(frozen=True)
class Cell:
    """One precision on one file."""

    perplexity: float
    tokens: int


def measure(model: Any, file: Path, limit: int | None, title: str) -> Cell:
    """Perplexity by token of a file's texts."""
    texts = [text_of(row, file=str(file), line=number) for number, row in read_numbered(file)][:limit]
    with progress(len(texts), title, unit="text") as bar:
        found = likelihoods(model, texts, bar.advance)
    tokens = sum(one.tokens for one in found)
    return Cell(math.exp(-sum(one.loglikelihood for one in found) / tokens), tokens)


def weight_bytes(model: Any) -> int:
    """Memory of the weights that the engine computes with."""
    kept = getattr(model.engine.runner, "weights", None)
    return sum(p.nbytes for p in model.engine.model.parameters()) if kept is None else int(kept.nbytes)


def table(model: str, files: list[Path], limit: int | None) -> list[str]:
    """The table in Markdown; changes are against the first precision."""
    rows, first = [], {}
    for precision in PRECISIONS:
        loaded = load(model, precision=precision, threads=settings().threads)
        cells = []
        for file in files:
            cell = measure(loaded, file, limit, f"{precision} {file.name}")
            base = first.setdefault(file, cell)
            change = "" if base is cell else f" ({cell.perplexity / base.perplexity - 1:+.2%})"
            cells.append(f"{cell.perplexity:.3f}{change}")
        rows.append((precision, f"{weight_bytes(loaded) / 1e6:.1f} MB", *cells))
    head = ("precision", "weights", *(f"`{file.name}`, {first[file].tokens:,} tokens" for file in files))
    lines = [head, ("---",) * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def main() -> None:
    """Measure and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="files of texts")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--limit", type=int, help="texts of each file")
    parser.add_argument("--write", action="store_true", help="write docs/quantize.md instead of printing")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    lines = table(args.model, args.files or TEXTS, args.limit)
    if args.write:
        put(PAGE, "precision", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
