"""What each precision costs `mini` in quality: perplexity on its held-out texts, with the bytes of its weights and of what
is kept of each token.

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
from sibao.engine.runner import BLOCK
from sibao.evaluation.likelihood import likelihoods
from sibao.providers.load import load
from sibao.text.readers import read_numbered
from sibao.text.rows import text_of

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "quantize.md"
TEXTS = [ROOT / "build" / "mini" / f"valid.{language}.jsonl" for language in ("en", "zh")]
WAYS = (
    ("fp32", "fp32"), ("fp32", "bf16"), ("fp32", "int8"), ("bf16", "bf16"), ("int8", "bf16"), ("int8", "int8"),
    ("int4", "bf16"), ("int4", "int8"),
)  # fmt: skip
"""Precisions of the weights, and of keys and values."""


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


def token_bytes(model: Any) -> float:
    """Memory of the keys and values of one token."""
    runner = model.engine.runner
    return float(runner.block_bytes(runner.config, runner.weights.precision, runner.kv_cache) / BLOCK)


def table(model: str, files: list[Path], limit: int | None) -> list[str]:
    """The table in Markdown; changes are against the first row."""
    rows, first = [], {}
    for precision, kv_cache in WAYS:
        loaded = load(model, precision=precision, kv_cache=kv_cache, threads=settings().threads)
        cells = []
        for file in files:
            cell = measure(loaded, file, limit, f"{precision}, {kv_cache}: {file.name}")
            base = first.setdefault(file, cell)
            change = "" if base is cell else f" ({cell.perplexity / base.perplexity - 1:+.2%})"
            cells.append(f"{cell.perplexity:.3f}{change}")
        sizes = f"{weight_bytes(loaded) / 1e6:.1f} MB", f"{token_bytes(loaded) / 1e3:.1f} kB"
        rows.append((precision, kv_cache, *sizes, *cells))
    head = (
        "weights",
        "keys and values",
        "all weights",
        "kept of a token",
        *(f"`{file.name}`, {first[file].tokens:,} tokens" for file in files),
    )
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
