"""``sibao demo``: the main job with the embedded model, on real text: the four tasks, an adapter, a measured gain."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console

from sibao.core.system import peak_memory_bytes
from sibao.core.types import GenerateOptions, Model, Sampling
from sibao.providers.load import load
from sibao.tasks import long
from sibao.tasks.base import load_task
from sibao.training.recipe import parse_recipe
from sibao.workflows._models import Opening
from sibao.workflows._tables import scorecard_table
from sibao.workflows.evaluate import EvaluationResult, evaluate
from sibao.workflows.finetune import finetune

if TYPE_CHECKING:
    from sibao.workflows._choose_result import Choice

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
WRITING = Sampling(temperature=0.8, top_p=0.9, repetition_penalty=1.1, seed=7)
"""Free writing is drawn; the other tasks are greedy."""


def demo(*, quiet: bool = False, model: str = "mini") -> dict[str, Any]:
    """Run everything and return it as one object; what is written appears on stdout as it is made (``quiet``: nothing).

    The adapter stays in the run's folder, whose name is printed. A signal in training (SIGTERM, Ctrl-C) ends the demo there:
    the run is kept and can be resumed, and the object holds what was done.
    """
    out: TextIO | None = None if quiet else sys.stdout
    loaded = load(model)
    shown = [_job(loaded, job, out) for job in json.loads((SAMPLES / "demo.json").read_text(encoding="utf-8"))]
    _say(out, "\n== Train an adapter: which discipline is a Chinese paper from? (3,000 titles, 13 disciplines)\n")
    recipe = tomllib.loads((SAMPLES / "finetune.toml").read_text(encoding="utf-8"))
    recipe["model"]["base"] = model
    recipe["data"]["train"] = [str(SAMPLES / name) for name in recipe["data"]["train"]]
    trained = finetune(parse_recipe(recipe), quiet=quiet)
    if trained.model is None:
        _say(out, f"\nStopped while training. Nothing is lost: sibao finetune --resume {trained.run}\n")
        return {"tasks": shown, "training": trained.to_json()}
    name = f"{model}+{trained.model}"
    _say(out, "\n== Measure it on 400 titles that it did not train on, before and after\n")
    result = evaluate(
        name, task="generate", data=[str(SAMPLES / "csl_category.test.jsonl")], compare=model, max_tokens=8,
        how=Opening(cache=False), quiet=quiet,
    )  # fmt: skip
    if out is not None:
        Console(file=out).print(result.render())
        Console(file=out).print(scorecard_table(_scorecard(name, result, trained.joules)))
    decided = _choose(model, name)
    if out is not None:
        from sibao.workflows._choose_show import show

        _say(out, "\n== Choose: mini, mini with the adapter, or mini in int8? A race on the same titles\n\n")
        Console(file=out).print(show(decided))
        _say(out, f"\nThe adapter is yours: sibao generate --model '{name}' '这篇论文属于哪个学科门类？\\n…'\n")
    return {
        "tasks": shown, "training": trained.to_json(), "evaluation": result.to_json(),
        "scorecard": _scorecard(name, result, trained.joules), "choice": decided.to_json(),
    }  # fmt: skip


def _choose(model: str, adapted: str) -> Choice:
    """The decision among the model, the model with its adapter, and the model in 8 bits."""
    from sibao.workflows._choose_ask import Ask
    from sibao.workflows._choose_cells import Candidate
    from sibao.workflows.choose import choose

    candidates = (Candidate(model), Candidate(adapted), Candidate(model, "int8"))
    rows = (str(SAMPLES / "csl_category.test.jsonl"),)
    return choose(Ask(candidates=candidates, data=rows, task="generate", metric="accuracy", max_tokens=8), quiet=True)


def _say(out: TextIO | None, text: str) -> None:
    if out is not None:
        out.write(text)
        out.flush()


def _job(model: Model, job: dict[str, Any], out: TextIO | None) -> dict[str, Any]:
    """Do one sample, showing the text as it comes."""
    task = load_task(job["task"])
    inputs = task.inputs(**job["inputs"])
    _say(out, f"\n== {_title(job)}\n{_given(job['inputs'])}\n→ ")
    free = job["task"] == "generate"
    options = GenerateOptions(max_tokens=96 if free else 64, sampling=WRITING if free else Sampling())
    text = ""
    for delta in long.stream(task, model, inputs, options):
        text += delta.text
        _say(out, delta.text)
        last = delta.completion
    _say(out, f"\n  (reference: {job['reference']})\n" if "reference" in job else "\n")
    if last is None:
        return {**job, "text": text}
    speed = last.usage.completion_tokens / last.seconds if last.seconds else 0.0
    _say(out, f"  {last.usage.completion_tokens} tokens, {speed:.0f} tokens/s\n")
    return {**job, "text": text, "seconds": last.seconds, "completion_tokens": last.usage.completion_tokens}


def _title(job: dict[str, Any]) -> str:
    inputs = job["inputs"]
    what = {"form": inputs.get("form"), "style": inputs.get("style"), "to": inputs.get("to")}
    return f"{job['task']} " + " ".join(f"--{k} {v}" for k, v in what.items() if v)


def _given(inputs: dict[str, str]) -> str:
    return "\n".join(inputs[k] for k in ("context", "question", "text", "prompt") if k in inputs)


def _scorecard(name: str, result: EvaluationResult, training_joules: float) -> dict[str, Any]:
    """What is known of the adapted model after the demo."""
    accuracy = next(s for s in result.scores if s.name == "accuracy")
    before = next(s for s in result.baseline_scores if s.name == "accuracy")
    compared = result.comparison["accuracy"]
    return {
        "model": name, "accuracy": accuracy.to_json(), "before": before.to_json(), "p_value": compared.p_value,
        "verdict": compared.verdict, "tokens_per_second": result.speed.tokens_per_second,
        "peak_memory_bytes": peak_memory_bytes(), "training_joules": training_joules,
        "evaluation_joules": result.speed.joules, "energy": result.speed.energy,
    }  # fmt: skip
