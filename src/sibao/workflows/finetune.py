"""``sibao finetune``: a model trained further on rows, whole or with an adapter beside it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from sibao.core.config import settings
from sibao.core.errors import BadInput, ConfigError
from sibao.core.paths import runs_dir
from sibao.models.adapter import adapt, load_adapter, save_adapter
from sibao.models.folder import read_config
from sibao.models.names import resolve
from sibao.nn.encoder_config import EncoderConfig
from sibao.nn.lora import LoraSpec
from sibao.nn.quantized import freeze_base
from sibao.nn.seq2seq_config import Seq2SeqConfig
from sibao.text._limits import refuse_larger
from sibao.text.readers import expand, read_rows
from sibao.text.rows import kind_of
from sibao.text.tokenizer import Tokenizer
from sibao.training import checkpoint
from sibao.training.loop import Job
from sibao.training.recipe import Recipe, parse_recipe
from sibao.workflows import _finetune_classify, _finetune_dpo, _finetune_seq2seq, _finetune_sft, _finetune_span
from sibao.workflows._encoder_rows import learning_rate
from sibao.workflows._finetuning import Kind, Parts
from sibao.workflows._run import CHECKPOINTS, RunRecord, TrainingResult, find_run, resumed_recipe, run_job, save_recipe
from sibao.workflows.pretrain import compile_layers, encoder_keys, write_folder

KINDS: dict[str, Kind] = {
    "sft": _finetune_sft, "dpo": _finetune_dpo, "classify": _finetune_classify, "span": _finetune_span,
    "seq2seq": _finetune_seq2seq,
}  # fmt: skip
"""What prepares the rows of each objective."""
Method = Literal["lora", "dora", "qlora", "full"]
METHODS: dict[str, dict[str, Any] | None] = {
    "lora": {}, "dora": {"dora": True}, "qlora": {"base_precision": "nf4"}, "full": None,
}  # fmt: skip
"""What each method sets in ``[adapter]``; None: no adapter."""


def recipe_for(
    base: str,
    data: Sequence[str],
    *,
    task: str | None = None,
    valid: Sequence[str] = (),
    steps: int | None = None,
    method: Method | None = None,
    rank: int = 16,
    lr: float | None = None,
    seed: int = 0,
    objective: str | None = None,
) -> Recipe:
    """A recipe with sensible values for a small data file: AdamW, cosine, an adapter or (``full``) all weights.

    Args:
        method: None: ``lora``; for encoders ``full``.
        objective: None: ``dpo`` where the first row is a preference, else ``sft``; for encoders ``span`` where it is a
            question about a passage, else ``classify``.
    """
    if method is not None and method not in METHODS:
        raise BadInput(f"got the method {method!r}, wanted {', '.join(METHODS)}")
    config = read_config(resolve(base).folder)[1]
    length = min(512, getattr(config, "max_position_embeddings", 512))
    if isinstance(config, EncoderConfig):
        objective, method = objective or _head_of(data), method or "full"
        lr = lr or learning_rate(config) * (1 if method == "full" else 10)
    method = method or "lora"
    objective = objective or ("seq2seq" if isinstance(config, Seq2SeqConfig) else _objective_of(data))
    rate = lr or (3e-4 if method == "full" else 2e-3) / (10 if objective == "dpo" else 1)
    files = {"train": list(data), "valid": list(valid), "task": task, "sequence_length": length, "too_long": "skip"}
    sections: dict[str, Any] = {
        "model": {"base": base},
        "data": files,
        "objective": {"name": objective},
        "optimizer": {"name": "adamw", "lr": rate, "betas": (0.9, 0.99), "weight_decay": 0.01},
        "schedule": {"name": "cosine", "steps": steps or 100, "warmup": 5},
        "run": {"name": "finetune", "seed": seed, "rows": 8, "micro_rows": 8, "eval_every": 50, "save_every": 50},
    }
    if (options := METHODS[method]) is not None:
        sections["adapter"] = {"rank": rank, "alpha": 2.0 * rank, **options}
    return parse_recipe(sections, where="finetune")


def _head_of(data: Sequence[str]) -> str:
    """The head of an encoder that the first row is for."""
    row = next(read_rows(expand(list(data))[0]), {})
    return "span" if "question" in row and "context" in row else "classify"


def _objective_of(data: Sequence[str]) -> str:
    """What the first row is for."""
    first = expand(list(data))[0]
    if str(first) == "-":
        return "sft"
    row = next(read_rows(first), None)
    return "dpo" if row is not None and kind_of(row, file=str(first), line=1) == "preference" else "sft"


def finetune(recipe: Recipe, *, quiet: bool = False, out: Path | None = None) -> TrainingResult:
    """Start a new run.

    Args:
        out: where the finished model or adapter goes too; default: the run's folder alone.

    Raises:
        BadInput, DataError: rows that cannot be used. ConfigError: the recipe asks for what cannot be.
        TrainingError: the run could not go on.
    """
    _check(recipe, out)
    record = RunRecord("finetune", recipe.model.base or "", recipe.model_dump())
    folder = runs_dir() / record.id
    with record.guarded():
        save_recipe(folder, recipe)
        parts = _begin(recipe, folder, quiet)
    return _train(recipe, parts, record, folder, None, quiet, out)


def resume(
    run: str, *, steps: int | None = None, max_minutes: float | None = None, quiet: bool = False
) -> TrainingResult:
    """Continue a run from its newest checkpoint; one that ended before its first begins again from its recipe.

    Args: see ``pretrain.resume``.
    """
    run, folder = find_run(run)
    recipe = resumed_recipe(folder, steps, max_minutes)
    path = checkpoint.latest(folder / CHECKPOINTS) if checkpoint.checkpoints(folder / CHECKPOINTS) else None
    record = RunRecord("finetune", recipe.model.base or "", recipe.model_dump(), run=run)
    with record.guarded():
        _check(recipe, None)
        parts = _begin(recipe, folder, quiet) if path is None else _again(recipe, path)
    return _train(recipe, parts, record, folder, path, quiet, None)


def _check(recipe: Recipe, out: Path | None) -> None:
    if recipe.model.base is None:
        raise ConfigError("a recipe for finetune names the model to start from", hint='add base = "mini" under [model]')
    if recipe.model.config:
        raise ConfigError("model.config is for new models; this recipe has model.base", hint="leave model.config out")
    if recipe.objective.name not in KINDS:
        raise ConfigError(
            f"finetune has the objective {' or '.join(KINDS)}, got {recipe.objective.name!r}", hint="use sibao pretrain"
        )
    if out is not None and out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise BadInput(f"{out} is not empty", hint="name a new folder for --out")
    if out is not None and not os.access(next(place for place in out.absolute().parents if place.exists()), os.W_OK):
        raise BadInput(f"{out} cannot be written there", hint="name another place for --out")


def _begin(recipe: Recipe, folder: Path, quiet: bool) -> Parts:
    """Model, tokenizer and the files of the run; the same recipe gives the same again."""
    kind = KINDS[recipe.objective.name]
    torch.set_num_threads(recipe.run.threads or settings().threads)
    parts = _parts(recipe)
    parts.tokenizer.save(folder / "tokenizer")
    kind.prepare(recipe, parts, folder, quiet)
    if (section := recipe.adapter) is not None:
        torch.manual_seed(recipe.run.seed)
        spec = LoraSpec(section.rank, section.alpha, section.dropout, section.dora, section.rslora)
        adapt(parts.model, parts.family, section.targets, spec, parts.whole)
    return parts


def _again(recipe: Recipe, path: Path) -> Parts:
    """Model and tokenizer of a checkpoint."""
    if recipe.adapter is None:
        source = resolve(recipe.model.base or "").folder
        model = KINDS[recipe.objective.name].load(path, None)
        return Parts(model, read_config(source)[0], Tokenizer.load(source))
    parts = _parts(recipe)
    load_adapter(parts.model, path, parts.family)
    return parts


def _parts(recipe: Recipe) -> Parts:
    """The base model, quantised where the recipe wants it, with its tokenizer."""
    source = resolve(recipe.model.base or "")
    if source.adapter is not None:
        raise BadInput("cannot train on top of an adapter", hint="merge it first, or start from its base model")
    family, config = read_config(source.folder)
    length, held = recipe.model.context or recipe.data.sequence_length, getattr(config, "max_position_embeddings", None)
    if held is not None and length > held:
        raise ConfigError(
            f"{length} tokens do not fit: the model holds {held}",
            hint="lower data.sequence_length (and model.context)",
        )
    load = KINDS[recipe.objective.name].load
    if recipe.adapter is None:
        model = load(source.folder, torch.float32)
    else:  # from the file's own precision: the frozen weights never exist in fp32 all at once
        model = load(source.folder, None)
        freeze_base(model, recipe.adapter.base_precision, recipe.run.precision)
    tokenizer = Tokenizer.load(source.folder)
    refuse_larger(tokenizer.backend, config.vocab_size, source.folder)
    return Parts(model, family, tokenizer)


def _train(
    recipe: Recipe, parts: Parts, record: RunRecord, folder: Path, at: Path | None, quiet: bool, out: Path | None
) -> TrainingResult:
    torch.set_num_threads(recipe.run.threads or settings().threads)
    kind = KINDS[recipe.objective.name]
    with record.guarded():
        sources = kind.sources(recipe, parts, folder)
        parts.model.to(recipe.run.device)
    write = _writer(recipe, parts, kind.PEFT_TASK)

    def finish(path: Path) -> None:
        if recipe.model.context is not None:
            parts.model.config = replace(parts.model.config, max_position_embeddings=recipe.model.context)
        write(path)
        if out is not None:
            write(out)

    job = Job(
        recipe=recipe,
        model=parts.model,
        objective=kind.OBJECTIVE,
        train=sources.train,
        folder=folder / CHECKPOINTS,
        write_model=write,
        valid=sources.valid,
        compiled=compile_layers,
        figures=sources.figures,
    )
    return run_job(job, record, folder, at, finish, quiet)


def _writer(recipe: Recipe, parts: Parts, task: str) -> Any:
    """A function that writes the model, or its adapter, into a folder."""

    def write(path: Path) -> None:
        if recipe.adapter is not None:
            keys = encoder_keys(parts.tokenizer)  # of a head's config; other adapters have none
            save_adapter(parts.model, path, parts.family, recipe.model.base or "", task, extra=keys)
        else:
            write_folder(parts.model, parts.tokenizer, parts.family, path)

    return write
