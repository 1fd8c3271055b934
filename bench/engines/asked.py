"""What bench/evaluate.py asks: YAML tasks of lm-evaluation-harness over real rows, which Sibao reads as they stand.

Rows are titles of Chinese papers, drawn anew for each run, so that nothing read in an earlier one can be used again.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engines.rows import SAMPLES

NAME = "asked"
SHOTS = 200
"""Titles that only worked examples are drawn from."""
_HEAD = """task: asked
dataset_path: json
dataset_kwargs: {data_files: {train: train.jsonl, test: test.jsonl}}
training_split: train
test_split: test
"""
_CHOICE = (
    _HEAD
    + """output_type: multiple_choice
doc_to_text: "标题：{{title}}\\n学科："
doc_to_choice: choices
doc_to_target: label
target_delimiter: ""
fewshot_split: train
fewshot_config: {sampler: first_n}
num_fewshot: NUMBER
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
)
_WRITING = (
    _HEAD
    + """output_type: generate_until
doc_to_text: "标题：{{title}}\\n摘要："
doc_to_target: title
generation_kwargs: {until: ["\\n\\n\\n\\n"], max_gen_toks: NUMBER, do_sample: false}
metric_list: [{metric: exact_match}]
"""
)


@dataclass(frozen=True)
class Asked:
    """One line of the table. ``number``: worked examples, the same before every row, or new tokens of a text. ``rows`` are
    asked in each run."""

    name: str
    title: str
    task: str
    number: int
    rows: int
    wanted: float

    def write(self, place: Path, rows: int, seed: int) -> Path:
        """The task and its rows in a folder: other rows for each seed, until there are no more."""
        draw, titles = random.Random(f"{self.name}/{seed}"), shuffled()
        names = sorted({one["completion"] for one in titles})
        shots, pool = draw.sample(titles[:SHOTS], 8), titles[SHOTS:]
        first = seed % (len(pool) // rows) * rows
        place.mkdir(parents=True, exist_ok=True)
        _put(place / "train.jsonl", [_row(one, names, draw) for one in shots])
        _put(place / "test.jsonl", [_row(one, names, draw) for one in pool[first : first + rows]])
        (place / f"{NAME}.yaml").write_text(self.task.replace("NUMBER", str(self.number)), encoding="utf-8")
        return place


def works(rows: int, new: int = 64) -> tuple[Asked, ...]:
    """All of them."""
    return (
        Asked("choice-5", "four choices, five shots", _CHOICE, 5, rows, 5.0),
        Asked("choice-0", "four choices, no shots", _CHOICE, 0, rows, 3.0),
        Asked("write", f"texts of {new} tokens", _WRITING, new, max(4, rows // 3), 3.0),
    )


@cache
def shuffled() -> list[dict[str, Any]]:
    """All titles, in an order that has nothing to do with their discipline."""
    parts = [(SAMPLES / f"csl_category.{part}.jsonl").read_text(encoding="utf-8") for part in ("train", "test")]
    found = [json.loads(line) for part in parts for line in part.splitlines()]
    random.Random(0).shuffle(found)
    return found


def _row(one: dict[str, Any], names: list[str], draw: random.Random) -> dict[str, Any]:
    choices = [one["completion"], *draw.sample([name for name in names if name != one["completion"]], 3)]
    draw.shuffle(choices)
    title = one["prompt"].partition("\n")[2]
    return {"title": title, "choices": choices, "label": choices.index(one["completion"])}


def _put(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
