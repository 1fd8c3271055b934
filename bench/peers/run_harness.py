"""lm-evaluation-harness with its HF back end: a four-choice task that is written for it here, or a task of bench/evaluate.py."""

from __future__ import annotations

import json
import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lm_eval
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager, get_task_dict
from protocol import Answer, serve, timed

TASK = """task: four
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: context
doc_to_choice: choices
target_delimiter: ""
doc_to_target: 0
metric_list: [{{metric: acc}}]
"""


class Runner:
    """One model. The task is made before the clock runs: only the evaluation is timed."""

    def __init__(self, folder: str, threads: int, precision: str) -> None:
        torch.set_num_threads(threads)
        dtype = {"fp32": "float32", "bf16": "bfloat16"}[precision]
        self.model = HFLM(pretrained=folder, device="cpu", dtype=dtype, batch_size=16)

    def about(self) -> Answer:
        """Version."""
        return {"version": f"lm-evaluation-harness {version('lm_eval')}", "weight_bytes": 0}

    def score(self, rows: list[tuple[str, list[str]]]) -> Answer:
        """The number of the likeliest choice of each row of (context, choices)."""
        with tempfile.TemporaryDirectory() as place:
            data = Path(place) / "rows.jsonl"
            lines = [json.dumps({"context": context, "choices": choices}) for context, choices in rows]
            data.write_text("\n".join(lines) + "\n", encoding="utf-8")
            (Path(place) / "four.yaml").write_text(TASK.format(data=data), encoding="utf-8")
            tasks = get_task_dict(["four"], TaskManager(include_path=place))
            seconds, found = timed(lambda: lm_eval.evaluate(self.model, tasks, log_samples=True, bootstrap_iters=0))
        samples = sorted(found["samples"]["four"], key=lambda one: one["doc_id"])
        scores = [[float(choice[0]) for choice in one["filtered_resps"]] for one in samples]
        return {"seconds": seconds, "choices": [row.index(max(row)) for row in scores]}

    def evaluate(self, place: str, name: str, batch: int) -> Answer:
        """The YAML task ``name`` in the folder ``place``, ``batch`` requests at once: replies row by row, and figures."""
        os.chdir(place)  # its files are named without a folder
        self.model.batch_size_per_gpu = batch
        tasks = get_task_dict([name], TaskManager(include_path=place, include_defaults=False))
        seconds, found = timed(lambda: lm_eval.evaluate(self.model, tasks, log_samples=True, bootstrap_iters=0))
        samples = sorted(found["samples"][name], key=lambda one: one["doc_id"])
        named = [k for k in found["results"][name] if k.endswith(",none") and "_stderr," not in k]
        figures = {k.removesuffix(",none"): found["results"][name][k] for k in named}
        replies = [
            [reply if isinstance(reply, str) else float(reply[0]) for (reply,) in one["resps"]] for one in samples
        ]
        return {"seconds": seconds, "replies": replies, "figures": figures}


def load(folder: str, threads: int, precision: str) -> dict[str, Any]:
    """The functions that may be asked for."""
    runner = Runner(folder, threads, precision)
    return {"about": runner.about, "score": runner.score, "evaluate": runner.evaluate}


if __name__ == "__main__":
    serve(load)
