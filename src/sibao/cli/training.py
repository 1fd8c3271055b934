"""``sibao pretrain | finetune``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sibao.cli._flags import Json, example, new_group
from sibao.cli._show import head, note, print_json
from sibao.core.errors import BadInput

if TYPE_CHECKING:
    from sibao.training.recipe import Recipe
    from sibao.workflows._run import TrainingResult

app = new_group()
Resume = Annotated[str | None, typer.Option(metavar="RUN", help="Continue this run from its newest checkpoint.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Optimizer steps in all, instead of the recipe's.")]
Minutes = Annotated[float | None, typer.Option(help="Stop after so long, with a checkpoint.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]


@app.command(epilog=example("sibao pretrain recipes/tiny.toml", "sibao pretrain --resume r3k9 --max-minutes 30"))
def pretrain(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe: the TOML file that a run is made from.", metavar="RECIPE")
    ] = None,
    resume: Resume = None,
    steps: Steps = None,
    max_minutes: Minutes = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train a model from random weights.

    Ctrl-C or SIGTERM saves a checkpoint; --resume goes on from it."""
    _one_of(recipe, resume, "a RECIPE")
    from sibao.training.recipe import read_recipe
    from sibao.workflows import pretrain as verb

    if resume is not None:
        result = verb.resume(resume, steps=steps, max_minutes=max_minutes, quiet=quiet)
    else:
        result = verb.pretrain(_changed(read_recipe(recipe or ""), steps, max_minutes), quiet=quiet)
    _show("pretrain", result, json)


@app.command(
    epilog=example(
        "sibao finetune mini --data pairs.jsonl --steps 200 --out my-model", "sibao finetune recipes/finetune.toml"
    )
)
def finetune(
    model: Annotated[
        str | None, typer.Argument(help="Model name or folder, or a recipe (.toml).", metavar="MODEL|RECIPE")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="FILE", help="Data file to learn from; repeatable.")
    ] = None,
    valid: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Data file to validate on during the run (default: every 50th row)."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Task that the rows teach (default: told by their fields).")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Also put the result here.")] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="lora, dora (LoRA that learns lengths apart), qlora (LoRA over weights in 4 bits), or full (all weights) "
            "(default: lora; for encoders full)."
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="The same as --method full.")] = False,
    objective: Annotated[
        str | None,
        typer.Option(help="What is learned: sft, dpo ... (default: dpo for preference rows, else sft)."),
    ] = None,
    rank: Annotated[int, typer.Option(min=1, help="Rank of the adapter.")] = 16,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same run.")] = 0,
    resume: Resume = None,
    steps: Steps = None,
    max_minutes: Minutes = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Teach a model from rows with the text that is wanted, or from preferences between two texts.

    A small adapter is trained beside the model, or with --method full the model itself."""
    _one_of(model, resume, "a MODEL with --data, or a RECIPE")
    from sibao.workflows import finetune as verb

    if resume is not None:
        if out is not None or data or valid:
            raise BadInput("a resumed run keeps its own data and folder", hint="leave out --data, --valid and --out")
        _show("finetune", verb.resume(resume, steps=steps, max_minutes=max_minutes, quiet=quiet), json)
        return
    if model is not None and model.endswith(".toml"):
        from sibao.training.recipe import read_recipe

        if data:
            raise BadInput("a recipe names its own data", hint="leave out --data, or name a model instead of a recipe")
        recipe = read_recipe(model)
    else:
        if not data:
            raise BadInput("no data to learn from", hint="name files with --data FILE")
        if full and method not in (None, "full"):
            raise BadInput(f"--full and --method {method} are two methods", hint="leave one out")
        given: dict[str, Any] = {"task": task, "valid": valid or [], "steps": steps, "objective": objective}
        given["method"] = "full" if full else method
        recipe = verb.recipe_for(model or "", data, **given, rank=rank, lr=lr, seed=seed)
    _show("finetune", verb.finetune(_changed(recipe, steps, max_minutes), quiet=quiet, out=out), json)


def _one_of(first: str | None, resume: str | None, what: str) -> None:
    if (first is None) == (resume is None):
        raise BadInput(f"wanted either {what}, or --resume RUN")


def _changed(recipe: Recipe, steps: int | None, max_minutes: float | None) -> Recipe:
    """The recipe with what the flags say instead."""
    from sibao.training.recipe import parse_recipe

    values = recipe.model_dump()
    if steps is not None:
        values["schedule"]["steps"] = steps
    if max_minutes is not None:
        values["run"]["max_minutes"] = max_minutes
    return parse_recipe(values, where="flags")


def _show(command: str, result: TrainingResult, as_json: bool) -> None:
    found = result.to_json()
    if as_json:
        print_json({**head(command, found["model"]), **found})
        return
    print(f"run {result.run}: {result.status} after {found['steps']:,} steps, {found['tokens']:,} tokens")
    if result.valid_loss is not None:
        bits = "" if result.bits_per_byte is None else f", {result.bits_per_byte:.3f} bits per byte"
        print(f"validation loss {result.valid_loss:.4f}{bits}")
    print(f"energy {result.joules / 3600:.2f} Wh ({result.energy_kind})")
    if result.model is None:
        note(f"go on with: sibao {command} --resume {result.run}")
    else:
        print(f"model: {result.model}")
