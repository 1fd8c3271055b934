"""``sibao finetune``: a model trained further on task rows, whole or with a LoRA adapter; loss on the target only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from sibao.core.config import settings
from sibao.core.errors import BadInput, ConfigError
from sibao.core.paths import runs_dir
from sibao.models.adapter import default_targets, load_adapter, save_adapter
from sibao.models.folder import load_model, read_config
from sibao.models.names import resolve
from sibao.nn.decoder import Decoder
from sibao.nn.lora import add_lora
from sibao.text.pack import PackWriter, TokenFile, tokenizer_hash
from sibao.text.tokenizer import Tokenizer
from sibao.training import checkpoint
from sibao.training.batches import Batches
from sibao.training.loop import Job
from sibao.training.objectives import sft
from sibao.training.recipe import DataFile, DataSection, Recipe, parse_recipe
from sibao.workflows._examples import Examples
from sibao.workflows._run import CHECKPOINTS, RunRecord, TrainingResult, find_run, resumed_recipe, run_job, save_recipe
from sibao.workflows.pretrain import compile_layers, write_folder


def recipe_for(
    base: str,
    data: Sequence[str],
    *,
    task: str | None = None,
    valid: Sequence[str] = (),
    steps: int | None = None,
    full: bool = False,
    rank: int = 16,
    lr: float | None = None,
    seed: int = 0,
    name: str = "finetune",
) -> Recipe:
    """A recipe with sensible values for a small data file: a LoRA adapter (or ``full``), AdamW, cosine."""
    rate = lr or (3e-4 if full else 2e-3)
    length = min(512, read_config(resolve(base).folder)[1].max_position_embeddings)
    sections: dict[str, Any] = {
        "model": {"base": base},
        "data": {
            "train": list(data),
            "valid": list(valid),
            "task": task,
            "sequence_length": length,
            "too_long": "skip",
        },
        "objective": {"name": "sft"},
        "optimizer": {"name": "adamw", "lr": rate, "betas": (0.9, 0.99), "weight_decay": 0.01},
        "schedule": {"name": "cosine", "steps": steps or 100, "warmup": 5},
        "run": {"name": name, "seed": seed, "rows": 8, "micro_rows": 8, "eval_every": 50, "save_every": 50},
    }
    if not full:
        sections["adapter"] = {"rank": rank, "alpha": 2.0 * rank}
    return parse_recipe(sections, where="finetune")


@dataclass(frozen=True)
class _Parts:
    """What a run is made of, in memory."""

    model: Decoder
    family: str
    tokenizer: Tokenizer


def finetune(recipe: Recipe, *, quiet: bool = False, out: Path | None = None) -> TrainingResult:
    """Start a new run.

    Args:
        out: where the finished model or adapter goes too; default: the run's folder alone.

    Raises:
        BadInput, DataError: rows that cannot be used. ConfigError: the recipe asks for what cannot be.
        TrainingError: the run could not go on.
    """
    _check(recipe, out)
    base = recipe.model.base
    record = RunRecord("finetune", base or "", recipe.model_dump())
    folder = runs_dir() / record.id
    with record.guarded():
        save_recipe(folder, recipe)
        parts = _parts(recipe)
        parts.tokenizer.save(folder / "tokenizer")
        _pack(recipe, parts.tokenizer, folder, quiet)
        if recipe.adapter is not None:
            torch.manual_seed(recipe.run.seed)
            targets = recipe.adapter.targets or default_targets(parts.family)
            add_lora(parts.model, targets, recipe.adapter.rank, recipe.adapter.alpha, recipe.adapter.dropout)
    return _train(recipe, parts, record, folder, None, quiet, out)


def resume(
    run: str, *, steps: int | None = None, max_minutes: float | None = None, quiet: bool = False
) -> TrainingResult:
    """Continue a run from its newest checkpoint; see ``pretrain.resume``."""
    run, folder = find_run(run)
    recipe = resumed_recipe(folder, steps, max_minutes)
    path = checkpoint.latest(folder / CHECKPOINTS)
    record = RunRecord("finetune", recipe.model.base or "", recipe.model_dump(), run=run)
    with record.guarded():
        parts = _parts(recipe)
        if recipe.adapter is not None:
            load_adapter(parts.model, path, parts.family)
        else:
            parts = replace(parts, model=load_model(path))
    return _train(recipe, parts, record, folder, path, quiet, None)


def _check(recipe: Recipe, out: Path | None) -> None:
    if recipe.model.base is None:
        raise ConfigError("a recipe for finetune names the model to start from", hint='add base = "mini" under [model]')
    if recipe.model.config:
        raise ConfigError("model.config is for new models; this recipe has model.base", hint="leave model.config out")
    if recipe.objective.name != "sft":
        raise ConfigError(f"finetune has the objective sft, got {recipe.objective.name!r}", hint="use sibao pretrain")
    if out is not None and out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise BadInput(f"{out} is not empty", hint="name a new folder for --out")


def _parts(recipe: Recipe) -> _Parts:
    source = resolve(recipe.model.base or "")
    if source.adapter is not None:
        raise BadInput("cannot train on top of an adapter", hint="merge it first, or start from its base model")
    family, config = read_config(source.folder)
    length = recipe.model.context or recipe.data.sequence_length
    if length > config.max_position_embeddings:
        raise ConfigError(
            f"{length} tokens do not fit: the model holds {config.max_position_embeddings}",
            hint="lower data.sequence_length (and model.context)",
        )
    return _Parts(load_model(source.folder, torch.float32), family, Tokenizer.load(source.folder))


def _files(data: DataSection, which: list[str | DataFile]) -> list[DataFile]:
    return [DataFile(path=f, task=data.task, rows=None) if isinstance(f, str) else f for f in which]


def _pack(recipe: Recipe, tokenizer: Tokenizer, folder: Path, quiet: bool) -> None:
    """Token files of the training and validation rows."""
    data = recipe.data
    for name, which in (("train", data.train), ("valid", data.valid)):
        if not which:
            continue
        examples = Examples(tokenizer, _files(data, which), recipe.run.seed, data.sequence_length, data.too_long)
        target = folder / "tokens" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        PackWriter(target, tokenizer).write(examples.rendered(quiet=quiet))


def _train(
    recipe: Recipe, parts: _Parts, record: RunRecord, folder: Path, at: Path | None, quiet: bool, out: Path | None
) -> TrainingResult:
    torch.set_num_threads(recipe.run.threads or settings().threads)
    train_file = TokenFile(folder / "tokens" / "train")
    if train_file.meta.tokenizer != tokenizer_hash(parts.tokenizer):
        raise ConfigError("the token files were made with another tokenizer than the model's", hint="start a new run")
    length, seed = recipe.data.sequence_length, recipe.run.seed
    valid = None
    if (folder / "tokens" / "valid").is_dir():
        valid = Batches(TokenFile(folder / "tokens" / "valid"), length, seed, whole=True, shuffle=False)
    parts.model.to(recipe.run.device)

    def write(path: Path) -> None:
        if recipe.adapter is not None:
            save_adapter(parts.model, path, parts.family, recipe.model.base or "")
        else:
            write_folder(parts.model, parts.tokenizer, parts.family, path)

    def finish(path: Path) -> None:
        if recipe.model.context is not None:
            parts.model.config = replace(parts.model.config, max_position_embeddings=recipe.model.context)
        write(path)
        if out is not None:
            write(out)

    job = Job(
        recipe=recipe,
        model=parts.model,
        objective=sft,
        train=Batches(train_file, length, seed, whole=sft.WHOLE_DOCUMENTS),
        folder=folder / CHECKPOINTS,
        write_model=write,
        valid=valid,
        compiled=compile_layers,
    )
    return run_job(job, record, folder, at, finish, quiet)
