"""The loss of finished runs on held-out rows, as it falls, beside what the frequencies of the tokens alone give.

    sibao pretrain recipes/bert.toml        # and t5.toml, marian.toml: any run of `sibao pretrain`
    python bench/objectives.py RUN RUN …    # --write puts the table into docs/training.md

The baseline guesses each target of the held-out rows by how often it is a target of training rows (one added to each
count), without looking at anything around it. A model that learned nothing else from its text ends there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from pages import put

from sibao.core.errors import BadInput
from sibao.text.pack import TokenFile
from sibao.text.tokenizer import Tokenizer
from sibao.training.batches import IGNORE, RowSource
from sibao.training.recipe import Recipe
from sibao.workflows._pretraining import Files
from sibao.workflows._run import find_run, resumed_recipe
from sibao.workflows.pretrain import KINDS

PAGE = Path(__file__).parents[1] / "docs" / "training.md"
COUNTED = 4000
"""Training rows whose targets are counted."""
SHARES = (0.25, 0.5, 0.75, 1.0)
"""The loss is shown after these shares of the steps."""


def counts(source: RowSource, rows: int, vocabulary: int) -> torch.Tensor:
    """How often each token is a target of so many rows, float64 [V]."""
    found = torch.zeros(vocabulary, dtype=torch.float64)
    numbers = source.spread(rows)
    for first in range(0, len(numbers), 64):
        targets = source.at(numbers[first : first + 64]).targets  # type: ignore[attr-defined]
        found += torch.bincount(targets[targets != IGNORE], minlength=vocabulary)
    return found


def frequencies(recipe: Recipe, folder: Path) -> float:
    """Nats of a held-out target under the frequencies of training targets."""
    tokenizer = Tokenizer.load(folder / "tokenizer")
    files = Files(TokenFile(folder / "tokens" / "train"), TokenFile(folder / "tokens" / "valid"))
    train, valid = KINDS[recipe.objective.name].sources(recipe, tokenizer, files)
    if valid is None:
        raise BadInput(f"{folder} has no held-out rows", hint="name data.valid in the recipe")
    shares = counts(train, COUNTED, tokenizer.vocab_size) + 1
    held = counts(valid, recipe.run.eval_rows, tokenizer.vocab_size)
    return float(-(held * (shares / shares.sum()).log()).sum() / held.sum())


def losses(folder: Path, steps: int) -> list[float]:
    """Held-out loss after each of the shares of the steps: the nearest evaluation."""
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    found = {row["step"]: row["valid_loss"] for row in rows if "valid_loss" in row}
    if steps not in found:
        raise BadInput(f"{folder} has not been evaluated at its last step, {steps}", hint="let the run end")
    return [found[min(found, key=lambda step, at=share * steps: abs(step - at))] for share in SHARES]


def line(run: str) -> str:
    """One run as a row of the table."""
    _, folder = find_run(run)
    recipe = resumed_recipe(folder, None, None)
    steps = recipe.schedule.steps
    tokens = [json.loads(row) for row in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    read = max(row.get("tokens", 0) for row in tokens)
    curve = " | ".join(f"{loss:.2f}" for loss in losses(folder, steps))
    return (
        f"| {recipe.run.name} | {recipe.objective.name} | {steps:,} | {read / 1e6:.1f} M "
        f"| {frequencies(recipe, folder):.2f} | {curve} |"
    )


def main() -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--write", action="store_true", help="put the table into docs/training.md")
    given = parser.parse_args()
    head = "| recipe | objective | steps | positions read | frequencies alone | " + " | ".join(
        f"after {share:.0%}" for share in SHARES
    )
    lines = [f"{head} |", "|" + "---|" * (5 + len(SHARES)), *map(line, given.runs)]
    print("\n".join(lines))
    if given.write:
        put(PAGE, "objectives", lines)


if __name__ == "__main__":
    main()
