"""``sibao pretrain RECIPE``: text → tokenizer → token files → a model trained from random weights, in a Hugging Face folder."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from sibao.core.config import settings
from sibao.core.errors import BadInput, ConfigError
from sibao.core.paths import runs_dir, write_text
from sibao.models.base import Keys
from sibao.models.folder import family_of, load_model, save_model
from sibao.nn.decoder import Decoder
from sibao.text.pack import PackMeta, PackWriter, TokenFile, document_examples
from sibao.text.readers import expand, read_rows
from sibao.text.rows import text_of
from sibao.text.tokenizer import Tokenizer, train_bpe
from sibao.training import checkpoint
from sibao.training.batches import Batches
from sibao.training.loop import Job
from sibao.training.objectives import causal
from sibao.training.recipe import Recipe
from sibao.workflows._run import CHECKPOINTS, RunRecord, TrainingResult, find_run, run_job, save_recipe, saved_recipe


def pretrain(recipe: Recipe, *, quiet: bool = False) -> TrainingResult:
    """Start a new run from a recipe.

    Raises:
        BadInput, DataError: the data cannot be used. ConfigError: the recipe asks for what cannot be.
        TrainingError: the run could not go on.
    """
    if recipe.model.base is not None:
        raise ConfigError("a recipe for pretrain starts from random weights", hint="leave out model.base, or use finetune")
    config = recipe.model.config
    record = RunRecord("pretrain", recipe.run.name, recipe.model_dump())
    folder = runs_dir() / record.id
    with record.guarded():
        save_recipe(folder, recipe)
        tokenizer = _tokenizer(recipe, folder)
        _pack(recipe, tokenizer, folder)
        model = _new_model(recipe.model.family, config, tokenizer)
        model.initialize(recipe.run.seed)
    return _train(recipe, model, tokenizer, record, folder, None, quiet)


def resume(run: str, *, steps: int | None = None, max_minutes: float | None = None, quiet: bool = False) -> TrainingResult:
    """Continue a run from its newest checkpoint.

    Args:
        steps: a new ``schedule.steps`` (a stable phase may be shortened or prolonged; a finished run goes on).
        max_minutes: stop after so long, with a checkpoint.
    """
    run, folder = find_run(run)
    recipe = saved_recipe(folder)
    changes: dict[str, Any] = {"run": recipe.run.model_copy(update={"max_minutes": max_minutes})}
    if steps is not None:
        changes["schedule"] = recipe.schedule.model_copy(update={"steps": steps})
    recipe = recipe.model_copy(update=changes)
    save_recipe(folder, recipe)
    path = checkpoint.latest(folder / CHECKPOINTS)
    record = RunRecord("pretrain", recipe.run.name, recipe.model_dump(), run=run)
    tokenizer = Tokenizer.load(folder / "tokenizer")
    return _train(recipe, load_model(path), tokenizer, record, folder, path, quiet)


def texts(paths: list[str]) -> Iterator[str]:
    """Texts of all rows of all files, in order."""
    for path in expand(paths):
        for row in read_rows(path):
            yield text_of(row, file=str(path))


def _tokenizer(recipe: Recipe, folder: Path) -> Tokenizer:
    if recipe.tokenizer.path:
        tokenizer = Tokenizer.load(recipe.tokenizer.path)
    else:
        tokenizer = train_bpe(texts(recipe.data.train), recipe.tokenizer.vocab_size, progress=False)
    tokenizer.save(folder / "tokenizer")
    return tokenizer


def _pack(recipe: Recipe, tokenizer: Tokenizer, folder: Path) -> None:
    """Token files ``train`` and ``valid`` in the run's folder; the held-out documents are every n-th one."""
    every = round(1 / recipe.data.valid_fraction) if recipe.data.valid_fraction and not recipe.data.valid else 0

    def chosen(held_out: bool) -> Iterator[str]:
        for i, text in enumerate(texts(recipe.data.train)):
            if bool(every and i % every == every - 1) is held_out:
                yield text

    pack(chosen(False), tokenizer, folder / "tokens" / "train")
    if recipe.data.valid:
        pack(texts(recipe.data.valid), tokenizer, folder / "tokens" / "valid")
    elif every:
        held = chosen(True)
        first = next(held, None)
        if first is None:
            raise BadInput(
                f"the data hold fewer than {every} documents, none is left to validate on",
                hint="name data.valid, or raise data.valid_fraction",
            )
        pack(itertools.chain([first], held), tokenizer, folder / "tokens" / "valid")


def pack(documents: Iterator[str], tokenizer: Tokenizer, folder: Path) -> PackMeta:
    """Write a token folder of documents, counting characters and bytes on the way."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    counts = [0, 0]

    def counted() -> Iterator[str]:
        for text in documents:
            counts[0] += len(text)
            counts[1] += len(text.encode())
            yield text

    meta = PackWriter(folder, tokenizer).write(document_examples(tokenizer, counted()), amounts=lambda: (counts[0], counts[1]))
    return meta


def _new_model(family: str, config: dict[str, Any], tokenizer: Tokenizer) -> Decoder:
    keys = Keys({"vocab_size": tokenizer.vocab_size} | config)
    shape = family_of(family).read(keys)
    keys.finish()
    if shape.vocab_size < tokenizer.vocab_size:
        raise ConfigError(
            f"model.config.vocab_size {shape.vocab_size} is smaller than the tokenizer's {tokenizer.vocab_size}",
            hint="leave it out: it is taken from the tokenizer",
        )
    return Decoder(shape)


def token_keys(tokenizer: Tokenizer) -> dict[str, Any]:
    """Token ids for ``config.json``."""
    return {"bos_token_id": tokenizer.bos_id, "eos_token_id": tokenizer.eos_ids[0], "pad_token_id": tokenizer.pad_id}


def write_folder(
    model: Decoder, tokenizer: Tokenizer, family: str, folder: Path, dtype: torch.dtype | None = None
) -> None:
    """A complete Hugging Face folder: config, weights, tokenizer, generation config."""
    save_model(model, folder, family, dtype=dtype, extra=token_keys(tokenizer))
    tokenizer.save(folder)
    ends = sorted({*tokenizer.eos_ids, tokenizer.document_id})
    generation = {"eos_token_id": ends, "pad_token_id": tokenizer.pad_id, "do_sample": False}
    write_text(folder / "generation_config.json", json.dumps(generation, indent=2) + "\n")


def compile_layers(model: Decoder) -> None:
    """Compile each layer's forward: alike layers share one compilation, and parameter names stay as they are."""
    for layer in model.layers:
        layer.compile()


def sampler(recipe: Recipe, model: Decoder, tokenizer: Tokenizer) -> Any:
    """A function that continues the recipe's prompts greedily, for reading during the run."""
    from sibao.core.types import Sampling
    from sibao.engine.engine import Engine
    from sibao.engine.request import Request

    def sample() -> tuple[str, ...]:
        out = []
        engine = Engine(model)
        for i, prompt in enumerate(recipe.run.samples):
            ids = [tokenizer.document_id, *tokenizer.encode(prompt)]
            ends = frozenset({*tokenizer.eos_ids, tokenizer.document_id})
            request = Request(str(i), ids, Sampling(), ends, 40)
            tokens = [t for event in engine.submit(request) for t in event.token_ids]
            out.append(prompt + tokenizer.decode(tokens))
        return tuple(out)

    return sample if recipe.run.samples else None


def _train(
    recipe: Recipe, model: Decoder, tokenizer: Tokenizer, record: RunRecord, folder: Path, at: Path | None, quiet: bool
) -> TrainingResult:
    torch.set_num_threads(recipe.run.threads or settings().threads)
    device, data = recipe.run.device, recipe.data
    model.to(device)
    train_file = TokenFile(folder / "tokens" / "train")
    valid = None
    if (folder / "tokens" / "valid").is_dir():
        valid_file = TokenFile(folder / "tokens" / "valid")
        valid = Batches(valid_file, data.sequence_length, recipe.run.seed, whole=False, shuffle=False)
    job = Job(
        recipe=recipe,
        model=model,
        objective=causal,
        train=Batches(train_file, data.sequence_length, recipe.run.seed, whole=causal.WHOLE_DOCUMENTS),
        folder=folder / CHECKPOINTS,
        write_model=lambda path: write_folder(model, tokenizer, recipe.model.family, path),
        valid=valid,
        valid_bytes=valid.file.meta.bytes if valid is not None else None,
        sample=sampler(recipe, model, tokenizer) if device == "cpu" else None,
        compiled=compile_layers,
    )
    return run_job(
        job, record, folder, at, lambda path: write_folder(model, tokenizer, recipe.model.family, path), quiet
    )
