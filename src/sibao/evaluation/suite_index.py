"""From a suite's name to the suite: the file of ``evaluation/suites`` that is named so, or a user's YAML task."""

from __future__ import annotations

from pathlib import Path

from sibao.core.names import load_module, module_names
from sibao.evaluation.suite import Suite

PACKAGE = "sibao.evaluation.suites"


def suite_names() -> list[str]:
    """Every suite there is, by file name."""
    return module_names(PACKAGE)


def load_suite(name: str) -> Suite:
    """The suite of ``evaluation/suites/<name>.py``, or its variant ``<name>:<variant>``; ``user.yaml`` is read as a task of
    lm-evaluation-harness.

    Raises:
        UnknownName: no such suite, or no such variant of it; the nearest names are listed.
    """
    if Path(name).suffix in (".yaml", ".yml"):
        from sibao.evaluation.yaml_tasks import read_task

        return read_task(Path(name))
    base, _, variant = name.partition(":")
    suite: Suite = load_module(PACKAGE, base, "suite").SUITE
    return suite.as_variant(variant) if variant else suite
