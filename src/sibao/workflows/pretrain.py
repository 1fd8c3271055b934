"""``sibao pretrain RECIPE``: text → tokenizer → token files → a model trained from random weights, in a Hugging Face folder."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sibao.core.config import settings
from sibao.core.errors import BadInput, ConfigError, ModelError
from sibao.core.paths import runs_dir, write_text
from sibao.models.base import Keys
from sibao.models.folder import family_of, load_model, save_model
from sibao.nn.decoder import Decoder
from sibao.nn.network import Network
from sibao.text.pack import PackMeta, PackWriter, TokenFile, document_examples, tokenizer_hash
from sibao.text.readers import expand, read_rows
from sibao.text.rows import text_of
from sibao.text.tokenizer import Tokenizer, train_bpe
from sibao.training import checkpoint
from sibao.training.batches import Batches
from sibao.training.loop import Job
from sibao.training.objectives import causal
from sibao.training.recipe import DataFile, Recipe
from sibao.workflows._run import CHECKPOINTS, RunRecord, TrainingResult, find_run, resumed_recipe, run_job, save_recipe


def pretrain(recipe: Recipe, *, quiet: bool = False) -> TrainingResult:
    """Start a new run from a recipe.

    Raises:
        BadInput, DataError: the data cannot be used. ConfigError: the recipe asks for what cannot be.
        TrainingError: the run could not go on.
    """
    if recipe.model.base is not None:
        raise ConfigError(
            "a recipe for pretrain starts from random weights", hint="leave out model.base, or use finetune"
        )
    record = RunRecord("pretrain", recipe.run.name, recipe.model_dump())
    folder = runs_dir() / record.id
    with record.guarded():
        save_recipe(folder, recipe)
        model, tokenizer = _prepare(recipe, folder)
    return _train(recipe, model, tokenizer, record, folder, None, quiet)


def _prepare(recipe: Recipe, folder: Path) -> tuple[Decoder, Tokenizer]:
    """Tokenizer and token files in the run's folder, and the new model; the same recipe gives the same again."""
    tokenizer = _tokenizer(recipe, folder)
    model = _new_model(recipe, tokenizer)
    _pack(recipe, tokenizer, folder)
    model.initialize(recipe.run.seed)
    return model, tokenizer


def resume(
    run: str, *, steps: int | None = None, max_minutes: float | None = None, quiet: bool = False
) -> TrainingResult:
    """Continue a run from its newest checkpoint; one that ended before its first begins again from its recipe.

    Args:
        steps: a new ``schedule.steps`` (a stable phase may be shortened or prolonged; a finished run goes on).
        max_minutes: stop after so long, with a checkpoint.
    """
    run, folder = find_run(run)
    recipe = resumed_recipe(folder, steps, max_minutes)
    record = RunRecord("pretrain", recipe.run.name, recipe.model_dump(), run=run)
    with record.guarded():
        path = checkpoint.latest(folder / CHECKPOINTS) if checkpoint.checkpoints(folder / CHECKPOINTS) else None
        if path is None:
            model, tokenizer = _prepare(recipe, folder)
        else:
            model, tokenizer = load_model(path), Tokenizer.load(folder / "tokenizer")
    return _train(recipe, model, tokenizer, record, folder, path, quiet)


def texts(files: Sequence[str | DataFile]) -> Iterator[str]:
    """Texts of all rows of all files, in order.

    Raises:
        ConfigError: a file with a task or a number of rows, which are for fine-tuning.
    """
    if odd := [f.path for f in files if isinstance(f, DataFile) and (f.task or f.rows)]:
        raise ConfigError(f"data.train: {odd[0]} has a task or rows; pretrain reads whole files", hint="leave them out")
    for path in expand([f.path if isinstance(f, DataFile) else f for f in files]):
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

    meta = PackWriter(folder, tokenizer).write(
        document_examples(tokenizer, counted()), amounts=lambda: (counts[0], counts[1])
    )
    return meta


def _new_model(recipe: Recipe, tokenizer: Tokenizer) -> Decoder:
    keys = Keys({"vocab_size": tokenizer.vocab_size} | recipe.model.config)
    family = family_of(recipe.model.family)
    try:
        shape = family.read(keys)
        keys.finish()
    except ModelError as error:
        raise ConfigError(error.message.replace("config.json", "model.config"), hint="see recipes/tiny.toml") from None
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ConfigError(f"model.config holds a value of the wrong kind: {error}") from None
    if recipe.data.sequence_length > shape.max_position_embeddings:
        raise ConfigError(
            f"data.sequence_length {recipe.data.sequence_length} is longer than the model holds "
            f"(model.config.max_position_embeddings {shape.max_position_embeddings})",
            hint="lower the first or raise the second",
        )
    if shape.vocab_size < tokenizer.vocab_size:
        raise ConfigError(
            f"model.config.vocab_size {shape.vocab_size} is smaller than the tokenizer's {tokenizer.vocab_size}",
            hint="leave it out: it is taken from the tokenizer",
        )
    return Decoder(shape)


def token_keys(tokenizer: Tokenizer) -> dict[str, Any]:
    """Token ids for ``config.json``."""
    end = tokenizer.eos_ids[0] if tokenizer.eos_ids else tokenizer.document_id
    return {"bos_token_id": tokenizer.bos_id, "eos_token_id": end, "pad_token_id": tokenizer.pad_id}


def write_folder(
    model: Network, tokenizer: Tokenizer, family: str, folder: Path, dtype: torch.dtype | None = None
) -> None:
    """A complete Hugging Face folder: config, weights, tokenizer, generation config."""
    save_model(model, folder, family, dtype=dtype, extra=token_keys(tokenizer))
    tokenizer.save(folder)
    ends = sorted({*tokenizer.eos_ids, tokenizer.document_id})
    generation = {"eos_token_id": ends, "pad_token_id": tokenizer.pad_id, "do_sample": False}
    write_text(folder / "generation_config.json", json.dumps(generation, indent=2) + "\n")


def compile_layers(model: Network) -> None:
    """Compile each layer's forward: alike layers share one compilation, and parameter names stay as they are."""
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            for layer in module:
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
    with record.guarded():
        job = _job(recipe, model, tokenizer, folder)
    return run_job(
        job, record, folder, at, lambda path: write_folder(model, tokenizer, recipe.model.family, path), quiet
    )


def _token_file(folder: Path, tokenizer: Tokenizer) -> TokenFile:
    file = TokenFile(folder)
    if file.meta.tokenizer != tokenizer_hash(tokenizer):
        raise ConfigError(f"{folder} was made with another tokenizer than the run's", hint="start a new run")
    return file


def _job(recipe: Recipe, model: Decoder, tokenizer: Tokenizer, folder: Path) -> Job:
    torch.set_num_threads(recipe.run.threads or settings().threads)
    device, data, seed = recipe.run.device, recipe.data, recipe.run.seed
    model.to(device)
    train = Batches(
        _token_file(folder / "tokens" / "train", tokenizer), data.sequence_length, seed, whole=causal.WHOLE_DOCUMENTS
    )
    train.epoch_rows()  # too little text is refused here, before the first step
    valid = None
    if (folder / "tokens" / "valid").is_dir():
        held_out = _token_file(folder / "tokens" / "valid", tokenizer)
        valid = Batches(held_out, data.sequence_length, seed, whole=False, shuffle=False)
    sizes = tokenizer.token_bytes()
    return Job(
        recipe=recipe,
        model=model,
        objective=causal,
        train=train,
        folder=folder / CHECKPOINTS,
        write_model=lambda path: write_folder(model, tokenizer, recipe.model.family, path),
        valid=valid,
        token_bytes=None if sizes is None else torch.tensor(sizes),
        sample=sampler(recipe, model, tokenizer) if device == "cpu" else None,
        compiled=compile_layers,
    )
