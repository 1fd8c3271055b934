"""Runs in the environment of lm-evaluation-harness: the YAML tasks of a folder on a model's folder, and what it found as JSON.

    build/peers/harness/bin/python tests/evaluation/run_lm_eval.py MODEL TASKS PAGES OUT

PAGES is a JSON list of texts for its detokenizer of WikiText.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any


def digest(value: Any) -> str:
    """Twelve hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()[:12]


def run(model: str, tasks: str) -> dict[str, Any]:
    """Figures and replies of each task, and a digest of each row's requests."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    os.chdir(tasks)
    names = sorted(path.stem for path in Path(tasks).glob("[!_]*.yaml"))
    found = lm_eval.simple_evaluate(
        model="hf", model_args={"pretrained": model, "dtype": "float32"}, tasks=names, device="cpu", batch_size=8,
        task_manager=TaskManager(include_path=tasks, include_defaults=False), log_samples=True, bootstrap_iters=0,
    )  # fmt: skip
    return {name: {"results": figures(found["results"][name]), **replies(found["samples"][name])} for name in names}


def figures(results: dict[str, Any]) -> dict[str, float]:
    """Values by metric, and by filter where there are several."""
    named = {key: value for key, value in results.items() if "," in key and "_stderr," not in key}
    return {key.removesuffix(",none"): float(value) for key, value in named.items()}


def replies(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """The replies of each row once, though they are listed for each filter."""
    rows = sorted({one["doc_id"]: one for one in samples}.items())
    return {
        "requests": [digest([asked_as(arguments) for arguments in one["arguments"]]) for _, one in rows],
        "replies": [[plain(reply[0]) for reply in one["resps"]] for _, one in rows],
    }


def asked_as(arguments: Any) -> Any:
    """A request: [context, continuation], or the one text of it."""
    two = len(arguments) == 2 and isinstance(arguments[1], str)
    return list(arguments) if two else arguments[0]


def plain(reply: Any) -> Any:
    """A log-likelihood, [log-likelihood, greedy] or a text."""
    if isinstance(reply, str):
        return reply
    return [float(reply[0]), bool(reply[1])] if isinstance(reply, tuple | list) else float(reply)


def main() -> None:
    """See the module."""
    model, tasks, pages, out = sys.argv[1:]
    from lm_eval.tasks.wikitext.preprocess_wikitext import wikitext_detokenizer

    texts = [wikitext_detokenizer({"page": page}) for page in json.loads(Path(pages).read_text(encoding="utf-8"))]
    found = {"version": version("lm_eval"), "tasks": run(model, tasks), "detokenized": [digest(text) for text in texts]}
    Path(out).write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
