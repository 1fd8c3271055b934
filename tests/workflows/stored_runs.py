"""Recorded evaluations made by hand, as ``sibao evaluate`` leaves them in the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sibao.core.types import Score
from sibao.evaluation.reporting import interval_of
from sibao.metrics import chrf
from sibao.store.rows import ResultRow, add_rows
from sibao.store.runs import add_scores, create_run, finish_run

SUITE = {
    "suite": "mmlu", "data": "1a2b3c4d", "sample": False, "split": "test", "shots": 0, "chat": False, "limit": None, "seed": 0,
    "perturb": "", "precision": "auto",
}  # fmt: skip
SIGNED = "suite:mmlu.v1|data:1a2b3c4d|split:test|shots:{shots}|prompt:raw|interval:wilson|sibao:0.1.0"


def choices(model: str, right: Sequence[float | None], recipe: dict[str, Any] | None = None, **named: str) -> str:
    """A run of right and wrong answers (None: missing), with ``acc`` and a second convention that is always right."""
    made = SUITE | (recipe or {})
    run = create_run("evaluate", model, made)
    rows = [
        ResultRow(n, None, ["A"], {}, "the provider failed") if v is None
        else ResultRow(n, named.get(f"row{n}", "A" if v else "B"), ["A"], {"acc": v, "acc_norm": 1.0})
        for n, v in enumerate(right)
    ]  # fmt: skip
    add_rows(run, rows)
    values = [v for v in right if v is not None]
    low, high, _ = interval_of(values)
    signature = SIGNED.format(shots=made["shots"])
    score = Score(
        "acc", sum(values) / len(values), low, high, n=len(values), missing=len(right) - len(values), chance=0.25,
        signature=signature,
    )  # fmt: skip
    add_scores(run, [score, Score("acc_norm", 1.0, 0.9, 1.0, n=len(values), signature=signature)])
    finish_run(run, "done")
    return run


def translations(model: str, said: Sequence[str], wanted: Sequence[str], recipe: dict[str, Any]) -> str:
    """A run of the task ``translate`` with its chrF."""
    run = create_run("evaluate", model, {"task": "translate", "limit": None, "precision": "auto"} | recipe)
    accepted = [[text] for text in wanted]
    values = chrf.per_row(said, accepted)
    add_rows(
        run, [ResultRow(n, s, a, {"chrf": v}) for n, (s, a, v) in enumerate(zip(said, accepted, values, strict=True))]
    )
    score = chrf.score(said, accepted, language="en")
    signed = Score(
        "chrf", score.value, score.low, score.high, n=len(said), signature=f"task:translate.v1|{score.signature}"
    )
    add_scores(run, [signed])
    finish_run(run, "done")
    return run
