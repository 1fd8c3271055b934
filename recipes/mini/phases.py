"""What a training run took, read from its folder: steps, tokens, hours, joules."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from baselines import run_at


@dataclass(frozen=True)
class Phase:
    """One run up to a step. ``energy`` is ``measured`` or ``estimated``, empty where the records do not say."""

    run: str
    recipe: dict[str, Any]
    steps: int
    tokens: int
    seconds: float
    joules: float
    energy: str = ""

    @property
    def name(self) -> str:
        """Pretraining, or fine-tuning where the run began from another model."""
        return "fine-tuning" if self.recipe["model"].get("base") else "pretraining"


def read(name: str) -> Phase:
    """The run ``FOLDER[@STEP]``: its log, or its checkpoint of that step where it is still there.

    Raises:
        SystemExit: no such run, or its log does not reach that step.
    """
    folder, step = run_at(name)
    try:
        recipe = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
        lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError as error:
        raise SystemExit(f"{folder} is no run of sibao pretrain or finetune: {error}") from None
    logged = {line["step"]: line for line in lines if "tokens" in line}  # a step done again after a kill: the later one
    last = max(logged) if step is None else step
    if last not in logged:
        raise SystemExit(f"{folder}: the log goes up to step {max(logged)}, not {last}")
    kept = folder / "checkpoints" / f"step-{last:06d}" / "state.json"
    if kept.is_file():
        seconds = json.loads(kept.read_text(encoding="utf-8"))["seconds"]
    else:
        seconds = _seconds([logged[s] for s in sorted(logged) if s <= last])
    end = logged[last]
    return Phase(folder.name, recipe, last, end["tokens"], seconds, end["joules"], _stored_energy(folder.name))


def _seconds(steps: list[dict[str, Any]]) -> float:
    """Time of the steps themselves (validation and checkpoints apart)."""
    before = [0, *(step["tokens"] for step in steps)]
    return sum((step["tokens"] - b) / step["tokens_per_second"] for step, b in zip(steps, before, strict=False))


def _stored_energy(run: str) -> str:
    from sibao.core.errors import SibaoError
    from sibao.store import runs

    try:
        return str(runs.get_run(run).result.get("energy", ""))
    except SibaoError:  # another machine's run, or another SIBAO_HOME
        return ""
