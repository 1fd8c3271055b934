"""Runs in the environment of lm-evaluation-harness: YAML tasks on a model behind OpenAI's completions, and what it found as JSON.

build/peers/harness/bin/python tests/server/run_lm_eval_served.py URL MODEL TOKENIZER TASKS OUT NAME...
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "evaluation"))


def main() -> None:
    """See the module."""
    url, model, tokenizer, tasks, out, *names = sys.argv[1:]
    import lm_eval
    from lm_eval.tasks import TaskManager
    from run_lm_eval import figures, replies  # type: ignore[import-not-found]

    os.chdir(tasks)
    how = {
        "model": model,
        "base_url": f"{url}/v1/completions",
        "tokenizer": tokenizer,
        "max_length": 511,
        "num_concurrent": 4,
    }
    found = lm_eval.simple_evaluate(
        model="local-completions", model_args=how, tasks=names, log_samples=True, bootstrap_iters=0,
        task_manager=TaskManager(include_path=tasks, include_defaults=False),
    )  # fmt: skip
    told = {name: {"results": figures(found["results"][name]), **replies(found["samples"][name])} for name in names}
    Path(out).write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
