"""What pretraining is worth: fine-tuning from `mini` beside the same shape from random weights, on the same rows.

    python bench/transfer.py [--model NAME] [--rows 100,1000,0] [--limit 400] [--json]

The task is that of `sibao demo`: of 13 disciplines, which one is a Chinese paper from, by its title. Both sides train all
weights with the same recipe, rows, order and number of steps; both answer the same test titles, so that they can be
compared in pairs. About a quarter of an hour on two cores for the three sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).resolve().parents[1] / "src" / "sibao" / "samples"
TRAIN, TEST = SAMPLES / "csl_category.train.jsonl", SAMPLES / "csl_category.test.jsonl"
ALL = 0


def same_shape(model: str, folder: Path, seed: int) -> Path:
    """A model folder with the config and tokenizer of ``model`` and random weights."""
    from sibao.models.folder import new_network, read_config
    from sibao.models.names import resolve
    from sibao.text.tokenizer import Tokenizer
    from sibao.workflows.pretrain import write_folder

    source = resolve(model).folder
    family, config = read_config(source)
    network = new_network(config)
    network.initialize(seed)
    write_folder(network, Tokenizer.load(source), family, folder)
    return folder


def trained(base: str, rows: int, steps: int, rate: float, seed: int) -> str:
    """Folder of ``base`` after fine-tuning on so many rows (0: all), the same ones for the same seed."""
    from sibao.training.recipe import parse_recipe
    from sibao.workflows.finetune import finetune

    file: dict[str, Any] = {"path": str(TRAIN), "task": "generate"} | ({"rows": rows} if rows else {})
    recipe = {
        "model": {"base": base},
        "data": {"train": [file], "valid_fraction": 0, "sequence_length": 256, "too_long": "skip"},
        "objective": {"name": "sft"},
        "optimizer": {"lr": rate, "betas": [0.9, 0.99], "weight_decay": 0.01},
        "schedule": {"steps": steps, "warmup": min(10, steps)},
        "run": {"name": "transfer", "seed": seed, "rows": 4, "micro_rows": 4, "save_every": steps},
    }
    return str(finetune(parse_recipe(recipe), quiet=True).model)


def measure(model: str, random: str, rows: int, steps: int, options: argparse.Namespace) -> dict[str, Any]:
    """One line of the table: accuracy of both sides with its 95 % interval, and whether they differ."""
    from sibao.workflows.evaluate import evaluate

    ours, theirs = (trained(base, rows, steps, options.lr, options.seed) for base in (model, random))
    found = evaluate(
        ours, task="generate", data=[str(TEST)], compare=theirs, limit=options.limit, max_tokens=8, quiet=True
    )
    sides = {}
    for name, scores in (("pretrained", found.scores), ("random", found.baseline_scores)):
        score = next(s for s in scores if s.name == "accuracy")
        sides[name] = {"accuracy": score.value, "low": score.low, "high": score.high, "n": score.n}
    compared = found.comparison["accuracy"]
    return {"rows": rows or "all", "steps": steps, **sides, "p_value": compared.p_value, "verdict": compared.verdict}


def shown(line: dict[str, Any]) -> str:
    """A row of a Markdown table."""
    sides = [
        f"{side['accuracy']:.3f} [{side['low']:.3f}, {side['high']:.3f}]"
        for side in (line["pretrained"], line["random"])
    ]
    return f"| {line['rows']} | {line['steps']} | {' | '.join(sides)} | {line['p_value']:.2g} | {line['verdict']} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--rows", default=f"100,1000,{ALL}", help="numbers of training rows; 0 for all")
    parser.add_argument("--steps", default="60,150,250", help="optimizer steps for each of them")
    parser.add_argument("--limit", type=int, default=400, help="test rows")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sizes = list(zip(map(int, options.rows.split(",")), map(int, options.steps.split(",")), strict=True))
    with tempfile.TemporaryDirectory() as home:
        os.environ["SIBAO_HOME"] = home
        random = str(same_shape(options.model, Path(home) / "random", options.seed))
        if not options.json:
            print(
                f"| rows | steps | from {options.model} | same shape, random | p | verdict |\n|---|---|---|---|---|---|"
            )
        lines = []
        for rows, steps in sizes:
            lines.append(measure(options.model, random, rows, steps, options))
            if not options.json:
                print(shown(lines[-1]), flush=True)
    if options.json:
        print(json.dumps({"model": options.model, "lines": lines}, ensure_ascii=False))


if __name__ == "__main__":
    main()
