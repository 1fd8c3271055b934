"""Does the race of `sibao choose` pick right, and what does it save? Simulated models whose truth is known.

    python bench/choose.py [--races N] [--rows N] [--seed N]   # the table
    python bench/choose.py --write                             # docs/choose.md with the table in it

Every race draws its rows anew; a token stands for one answer, so that the share of tokens is the share of answers.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist, median, quantiles

import numpy as np
from numpy.typing import NDArray
from pages import put

from sibao.choosing.need import classify
from sibao.choosing.race import race
from sibao.choosing.race_result import Plan, RaceResult, Reply
from sibao.core.progress import progress

ROOT = Path(__file__).resolve().parent.parent
PAGE, NEEDS = ROOT / "docs" / "choose.md", ROOT / "tests" / "data" / "needs" / "needs.jsonl"
Table = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Table]
"""A generator and a number of rows -> values [models, rows]."""
APART, EQUAL = (0.80, 0.70, 0.60, 0.50, 0.40), (0.80, 0.80, 0.60, 0.50, 0.40)


def independent(rates: Sequence[float]) -> Draw:
    """Right or wrong, each model on its own: the hardest case for telling two apart."""
    return lambda rng, rows: (rng.random((len(rates), rows)) < np.array(rates)[:, None]).astype(np.float64)


def correlated(rates: Sequence[float], share: float = 0.6) -> Draw:
    """Right or wrong, with rows that are hard for all: ``share`` of what decides is common to the models."""
    cuts = np.array([NormalDist().inv_cdf(rate) for rate in rates])[:, None]

    def draw(rng: np.random.Generator, rows: int) -> Table:
        common, own = rng.standard_normal(rows), rng.standard_normal((len(rates), rows))
        return ((share**0.5 * common + (1 - share) ** 0.5 * own) < cuts).astype(np.float64)

    return draw


def graded(means: Sequence[float], spread: float = 2.0) -> Draw:
    """Values between 0 and 1, as F1 has: Beta-distributed around a mean that rows move up and down for all."""
    centres = np.log(np.array(means) / (1 - np.array(means)))[:, None]

    def draw(rng: np.random.Generator, rows: int) -> Table:
        around = 1 / (1 + np.exp(-(centres + rng.standard_normal(rows))))
        return rng.beta(spread * around, spread * (1 - around))

    return draw


@dataclass(frozen=True)
class Setting:
    """One line of the table. ``tied``: how many of the first models are equally good."""

    name: str
    draw: Draw
    tied: int = 1


SETTINGS = (
    Setting("right or wrong, independent: .80 .70 .60 .50 .40", independent(APART)),
    Setting("the best two equal: .80 .80 .60 .50 .40", independent(EQUAL), tied=2),
    Setting("right or wrong, hard rows hard for all: .80 .70 .60 .50 .40", correlated(APART)),
    Setting("the same with the best two equal", correlated(EQUAL), tied=2),
    Setting("graded like F1, means near .76 .65 .56 .48 .41", graded((0.80, 0.69, 0.58, 0.48, 0.39))),
    Setting("all five equal: .60", independent((0.60,) * 5), tied=5),
)


@dataclass(frozen=True)
class Outcome:
    """Of many races: shares of those with a wrong pick and with several survivors, and shares of tokens."""

    wrong: float
    undecided: float
    tokens: list[float]
    seconds: float


def one(values: Table, seed: int, delta: float) -> RaceResult:
    """A race over drawn values."""
    names = [str(k) for k in range(len(values))]
    return race(
        names, lambda name, rows: Reply(values[int(name), list(rows)].tolist(), len(rows)), values.shape[1],
        Plan(delta=delta, seed=seed),
    )  # fmt: skip


def simulate(setting: Setting, races: int, rows: int, seed: int, delta: float, quiet: bool = False) -> Outcome:
    """Many races of one setting. A pick is wrong where a best model was dropped."""
    rng, begun = np.random.default_rng(seed), time.perf_counter()
    wrong = undecided = 0
    tokens = []
    with progress(races, setting.name, unit="race", quiet=quiet) as bar:
        for number in range(races):
            found = one(setting.draw(rng, rows), number, delta)
            left = set(found.survivors)
            wrong += not {str(k) for k in range(setting.tied)} <= left
            undecided += not found.distinguishable
            tokens.append(found.tokens / found.full_tokens)
            bar.advance()
    return Outcome(wrong / races, undecided / races, tokens, time.perf_counter() - begun)


def table(races: int, rows: int, seed: int, delta: float) -> list[str]:
    """The table in Markdown."""
    lines = [
        "| five models | wrong pick | not distinguishable | median tokens | nine in ten below |",
        "|---|---|---|---|---|",
    ]
    for setting in SETTINGS:
        found = simulate(setting, races, rows, seed, delta)
        most = quantiles(found.tokens, n=10)[-1]
        lines.append(
            f"| {setting.name} | {found.wrong:.1%} | {found.undecided:.1%} | {median(found.tokens):.1%} | {most:.1%} |"
        )
    lines += [
        "",
        f"{races:,} races each over {rows:,} rows, delta {delta}, seed {seed}; tokens as a share of the full evaluation's.",
    ]
    return lines


def needs() -> list[str]:
    """How many labelled needs get the right task, by language."""
    rows = [json.loads(line) for line in NEEDS.read_text(encoding="utf-8").splitlines()]
    lines = ["| needs | right | wrong task | unclear instead of a task |", "|---|---|---|---|"]
    for language, title in (("zh", "Chinese"), ("en", "English")):
        part = [row for row in rows if row["language"] == language]
        found = [(row["task"], classify(row["need"]).task) for row in part]
        unclear = sum(got == "unclear" != want for want, got in found)
        wrong = sum(got not in (want, "unclear") for want, got in found)
        lines.append(f"| {title} | {len(part) - unclear - wrong} of {len(part)} | {wrong} | {unclear} |")
    return lines


def main() -> None:
    """Simulate and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--races", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--delta", type=float, default=0.05)
    parser.add_argument("--write", action="store_true", help="write docs/choose.md instead of printing")
    args = parser.parse_args()
    lines = table(args.races, args.rows, args.seed, args.delta)
    told = needs()
    if args.write:
        put(PAGE, "simulation", lines)
        put(PAGE, "needs", told)
    print("\n".join([*lines, "", *told]))


if __name__ == "__main__":
    main()
