"""Tasks of lm-evaluation-harness in YAML, as suites: the prompts, the requests and the figures that it would have.

What is read and what is refused: docs/evaluate.md. Tests hold it against the real program.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sibao.evaluation.suite import RequestSuite
from sibao.evaluation.yaml_config import TaskFile, read_config
from sibao.evaluation.yaml_kinds import Choices, Target, Text, Writing, YamlSuite

_KINDS: dict[str, type[YamlSuite]] = {
    "multiple_choice": Choices,
    "loglikelihood": Target,
    "loglikelihood_rolling": Text,
    "generate_until": Writing,
}
_LOWER = ("perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte", "brier_score")


def read_task(path: Path) -> RequestSuite:
    """The suite that a YAML task describes.

    Raises:
        BadInput: something in it that is not read, by key; code is never run.
        UnknownName: a key, metric or filter that is not known; the nearest ones are listed.
    """
    task = read_config(path)
    kind = _KINDS[task.output]
    names = [metric.name for metric in task.metrics]
    facts: dict[str, Any] = {
        "name": task.name, "version": task.version, "folder": task.files.folder,
        "files": tuple(dict.fromkeys([*task.files.of(task.split), *_shot_files(task)])), "shots": task.shots.number,
        "headline": _headline(task, names), "higher_is_better": names[0] not in _LOWER,
        "source": path.name,
    }  # fmt: skip
    made: type[YamlSuite] = type(f"{kind.__name__}:{task.name}", (kind,), facts)
    return made(task)


def _headline(task: TaskFile, names: list[str]) -> str:
    several = task.output == "generate_until" and len(task.pipelines) > 1
    return f"{names[0]},{task.pipelines[0].name}" if several else names[0]


def _shot_files(task: TaskFile) -> tuple[str, ...]:
    return () if task.shots.split is None or task.shots.rows else task.files.of(task.shots.split)
