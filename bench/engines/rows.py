"""Real rows for the works that read text: passages with questions, and titles of papers with four disciplines to choose from."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any

from engines.shapes import ROOT

READING = ROOT / "tests" / "data" / "reading"
SAMPLES = ROOT / "src" / "sibao" / "samples"


@cache
def passages(task: str) -> tuple[dict[str, Any], ...]:
    """Inputs of a task from rows of SQuAD and CMRC 2018 that belong to the tests: questions, or passages to shorten."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("squad.jsonl", "cmrc2018.jsonl"):
        for line in (READING / name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if task == "answer":
                found[row["context"] + row["question"]] = {"context": row["context"], "question": row["question"]}
            else:
                found[row["context"]] = {"text": row["context"]}
    return tuple(found.values())


def four_choices(count: int, seed: int) -> list[tuple[str, list[str]]]:
    """(context, choices) from the titles of `sibao demo`; the context holds five answered rows and ends with a line's end.

    The five are others with each seed, so that nothing read in an earlier run can be used again.
    """
    train, test = (
        [json.loads(line) for line in (SAMPLES / f"csl_category.{part}.jsonl").read_text(encoding="utf-8").splitlines()]
        for part in ("train", "test")
    )
    draw = random.Random(seed)
    names = sorted({row["completion"] for row in train})
    shots = "".join(f"{row['prompt']}\n{row['completion']}\n\n" for row in draw.sample(train, 5))
    rows = []
    for row in test[:count]:
        choices = [row["completion"], *draw.sample([name for name in names if name != row["completion"]], 3)]
        draw.shuffle(choices)
        rows.append((f"{shots}{row['prompt']}\n", choices))
    return rows
