"""A corpus and a recipe that train in a second, and real processes that run them."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import sibao
from sibao.training.recipe import Recipe, parse_recipe

WORDS = [
    *("the", "old", "man", "looked", "at", "a", "small", "house", "by", "river", "and", "said", "nothing", "more"),
    *("春天", "的", "山", "水", "月", "明", "人", "家", "风", "雨", "夜", "来", "花", "落"),
]
RUN = """
import sys
from sibao.core.errors import SibaoError
from sibao.training.recipe import read_recipe
from sibao.workflows.pretrain import pretrain, resume
try:
    verb, what = sys.argv[1:]
    result = pretrain(read_recipe(what), quiet=True) if verb == "new" else resume(what, quiet=True)
except SibaoError as error:
    print(error.message, "|", error.hint, file=sys.stderr)
    sys.exit(error.exit_code)
print(result.status)
"""


def write_corpus(path: Path, documents: int = 120, seed: int = 0) -> Path:
    """Documents of 5 to 60 random words, as JSON lines."""
    rng = random.Random(seed)
    rows = [{"text": " ".join(rng.choices(WORDS, k=rng.randint(5, 60)))} for _ in range(documents)]
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return path


def recipe_data(corpus: Path, **sections: dict[str, Any]) -> dict[str, Any]:
    """A recipe as a dictionary; sections given replace single keys of the ones here."""
    data: dict[str, Any] = {
        "model": {
            "family": "qwen3",
            "config": {
                "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
                "head_dim": 16, "intermediate_size": 48, "max_position_embeddings": 64, "tie_word_embeddings": True,
            },
        },
        "tokenizer": {"vocab_size": 320},
        "data": {"train": [str(corpus)], "valid_fraction": 0.1, "sequence_length": 32},
        "optimizer": {"name": "muon", "lr": 0.01},
        "schedule": {"steps": 12, "warmup": 3},
        "run": {"name": "small", "seed": 3, "rows": 4, "micro_rows": 2, "eval_every": 4, "save_every": 3, "threads": 1},
    }  # fmt: skip
    for name, keys in sections.items():
        data[name] = {**data.get(name, {}), **keys}
    return data


def small_recipe(corpus: Path, **sections: dict[str, Any]) -> Recipe:
    """The same, checked."""
    return parse_recipe(recipe_data(corpus, **sections))


def write_recipe(path: Path, data: dict[str, Any]) -> Path:
    """A TOML file of a recipe (JSON values are TOML values here)."""
    lines = []
    for name, section in data.items():
        lines.append(f"[{name}]")
        for key, value in section.items():
            if isinstance(value, dict):
                value = "{ " + ", ".join(f"{k} = {json.dumps(v)}" for k, v in value.items()) + " }"
                lines.append(f"{key} = {value}")
            else:
                lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def start(verb: str, what: str, home: Path) -> subprocess.Popen[str]:
    """``new RECIPE`` or ``resume RUN`` in a process of its own."""
    source = str(Path(sibao.__file__).parents[1])
    environment = os.environ | {"SIBAO_HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONPATH": source}
    return subprocess.Popen(
        [sys.executable, "-c", RUN, verb, what],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(verb: str, what: str, home: Path) -> tuple[int, str, str]:
    """The same to its end: exit code, standard output and error."""
    process = start(verb, what, home)
    out, err = process.communicate(timeout=120)
    return process.returncode, out.strip(), err


def run_folder(home: Path) -> Path:
    """The one run of a home."""
    (folder,) = (home / "runs").iterdir()
    return folder


def logged(home: Path) -> list[dict[str, Any]]:
    """What ``log.jsonl`` says, without the clock."""
    entries = [json.loads(line) for line in (run_folder(home) / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{k: v for k, v in e.items() if k not in ("tokens_per_second", "joules")} for e in entries]
