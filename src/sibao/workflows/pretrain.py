"""``sibao pretrain RECIPE``: text → tokenizer → token files → a model trained from random weights, in a Hugging Face folder."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sibao.core.config import settings
from sibao.core.errors import BadInput, ConfigError, ModelError
from sibao.core.paths import runs_dir, write_text
from sibao.models.base import Keys
from sibao.models.folder import family_of, load_network, new_network, save_model
from sibao.nn.encoder import Encoder
from sibao.nn.network import Network
from sibao.nn.seq2seq import Seq2Seq
from sibao.text.pack import Example, PackMeta, PackWriter, TokenFile, document_examples, tokenizer_hash
from sibao.text.readers import expand, read_rows
from sibao.text.rows import text_of
from sibao.text.tokenizer import Tokenizer
from sibao.training import checkpoint
from sibao.training.loop import Job
from sibao.training.recipe import DataFile, Recipe
from sibao.workflows import _pretrain_causal, _pretrain_masked, _pretrain_seq2seq, _pretrain_span_corruption
from sibao.workflows._pairs import write_pairs
from sibao.workflows._pretraining import Files, Kind
from sibao.workflows._run import CHECKPOINTS, RunRecord, TrainingResult, find_run, resumed_recipe, run_job, save_recipe

KINDS: dict[str, Kind] = {
    "causal": _pretrain_causal, "masked": _pretrain_masked, "span_corruption": _pretrain_span_corruption,
    "seq2seq": _pretrain_seq2seq,
}  # fmt: skip
"""What prepares the text for each objective."""


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
    if recipe.objective.name not in KINDS:
        raise ConfigError(
            f"pretrain has the objective {' or '.join(KINDS)}, got {recipe.objective.name!r}", hint="use sibao finetune"
        )
    record = RunRecord("pretrain", recipe.run.name, recipe.model_dump())
    folder = runs_dir() / record.id
    with record.guarded():
        save_recipe(folder, recipe)
        model, tokenizer = _prepare(recipe, folder)
    return _train(recipe, model, tokenizer, record, folder, None, quiet)


def _prepare(recipe: Recipe, folder: Path) -> tuple[Network, Tokenizer]:
    """Tokenizer and token files in the run's folder, and the new model; the same recipe gives the same again."""
    tokenizer = _tokenizer(recipe, folder)
    model = _new_model(recipe, tokenizer)
    KINDS[recipe.objective.name].check(recipe, tokenizer, model)
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
            model, tokenizer = load_network(path), Tokenizer.load(folder / "tokenizer")
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
        train = KINDS[recipe.objective.name].train_tokenizer
        tokenizer = train(texts(recipe.data.train), recipe.tokenizer.vocab_size)
    tokenizer.save(folder / "tokenizer")
    return tokenizer


def _pack(recipe: Recipe, tokenizer: Tokenizer, folder: Path) -> None:
    """Token files ``train`` and ``valid`` in the run's folder; the held-out documents are every n-th one."""
    if own := getattr(KINDS[recipe.objective.name], "pack", None):  # rows, not documents
        own(recipe, tokenizer, folder)
        return
    every = round(1 / recipe.data.valid_fraction) if recipe.data.valid_fraction and not recipe.data.valid else 0
    make = KINDS[recipe.objective.name].examples

    def examples(documents: Iterator[str]) -> Iterator[Example]:
        return make(recipe, tokenizer, documents)

    def chosen(held_out: bool) -> Iterator[str]:
        for i, text in enumerate(texts(recipe.data.train)):
            if bool(every and i % every == every - 1) is held_out:
                yield text

    pack(chosen(False), tokenizer, folder / "tokens" / "train", examples)
    if recipe.data.valid:
        pack(texts(recipe.data.valid), tokenizer, folder / "tokens" / "valid", examples)
    elif every:
        held = chosen(True)
        first = next(held, None)
        if first is None:
            raise BadInput(
                f"the data hold fewer than {every} documents, none is left to validate on",
                hint="name data.valid, or raise data.valid_fraction",
            )
        pack(itertools.chain([first], held), tokenizer, folder / "tokens" / "valid", examples)


def pack(
    documents: Iterator[str],
    tokenizer: Tokenizer,
    folder: Path,
    examples: Callable[[Iterator[str]], Iterator[Example]] | None = None,
) -> PackMeta:
    """Write a token folder of documents, counting characters and bytes on the way.

    Args:
        examples: makes of the documents what is written; None: each whole, between two ends of text.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    counts = [0, 0]

    def counted() -> Iterator[str]:
        for text in documents:
            counts[0] += len(text)
            counts[1] += len(text.encode())
            yield text

    made = document_examples(tokenizer, counted()) if examples is None else examples(counted())
    return PackWriter(folder, tokenizer).write(made, amounts=lambda: (counts[0], counts[1]))


def _new_model(recipe: Recipe, tokenizer: Tokenizer) -> Network:
    ends = {"pad_token_id": tokenizer.pad_id, "eos_token_id": tokenizer.eos_ids[0]} if tokenizer.eos_ids else {}
    keys = Keys({"vocab_size": tokenizer.vocab_size, **ends} | recipe.model.config)
    family = family_of(recipe.model.family)
    try:
        shape = family.read(keys)
        keys.finish()
    except ModelError as error:
        raise ConfigError(error.message.replace("config.json", "model.config"), hint="see recipes/tiny.toml") from None
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ConfigError(f"model.config holds a value of the wrong kind: {error}") from None
    held = getattr(shape, "max_position_embeddings", None)
    if held is not None and recipe.data.sequence_length > held:
        raise ConfigError(
            f"data.sequence_length {recipe.data.sequence_length} is longer than the model holds "
            f"(model.config.max_position_embeddings {held})",
            hint="lower the first or raise the second",
        )
    if shape.vocab_size < tokenizer.vocab_size:
        raise ConfigError(
            f"model.config.vocab_size {shape.vocab_size} is smaller than the tokenizer's {tokenizer.vocab_size}",
            hint="leave it out: it is taken from the tokenizer",
        )
    return new_network(shape)


def token_keys(tokenizer: Tokenizer) -> dict[str, Any]:
    """Token ids for ``config.json``."""
    end = tokenizer.eos_ids[0] if tokenizer.eos_ids else tokenizer.document_id
    return {"bos_token_id": tokenizer.bos_id, "eos_token_id": end, "pad_token_id": tokenizer.pad_id}


def encoder_keys(tokenizer: Tokenizer) -> dict[str, Any]:
    """Token ids for the ``config.json`` of an encoder."""
    return {"bos_token_id": tokenizer.cls_id, "eos_token_id": tokenizer.sep_id, "pad_token_id": tokenizer.pad_id}


def write_folder(
    model: Network, tokenizer: Tokenizer, family: str, folder: Path, dtype: torch.dtype | None = None
) -> None:
    """A complete Hugging Face folder: config, weights, tokenizer and, for what generates, a generation config."""
    if isinstance(model, Encoder):
        save_model(model, folder, family, dtype=dtype, extra=encoder_keys(tokenizer))
        tokenizer.save(folder)
        return
    if isinstance(model, Seq2Seq):
        write_pairs(model, tokenizer, family, folder, dtype)
        return
    save_model(model, folder, family, dtype=dtype, extra=token_keys(tokenizer))
    tokenizer.save(folder)
    stops = sorted({*tokenizer.eos_ids, tokenizer.document_id})
    generation = {"eos_token_id": stops, "pad_token_id": tokenizer.pad_id, "do_sample": False}
    write_text(folder / "generation_config.json", json.dumps(generation, indent=2) + "\n")


def compile_layers(model: Network) -> None:
    """Compile each layer's forward: alike layers share one compilation, and parameter names stay as they are."""
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            for layer in module:
                layer.compile()


def _train(
    recipe: Recipe, model: Network, tokenizer: Tokenizer, record: RunRecord, folder: Path, at: Path | None, quiet: bool
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


def _job(recipe: Recipe, model: Network, tokenizer: Tokenizer, folder: Path) -> Job:
    torch.set_num_threads(recipe.run.threads or settings().threads)
    kind, device = KINDS[recipe.objective.name], recipe.run.device
    model.to(device)
    held = folder / "tokens" / "valid"
    files = Files(
        _token_file(folder / "tokens" / "train", tokenizer), _token_file(held, tokenizer) if held.is_dir() else None
    )
    train, valid = kind.sources(recipe, tokenizer, files)
    sizes = tokenizer.token_bytes()
    return Job(
        recipe=recipe,
        model=model,
        objective=kind.OBJECTIVE,
        train=train,
        folder=folder / CHECKPOINTS,
        write_model=lambda path: write_folder(model, tokenizer, recipe.model.family, path),
        valid=valid,
        token_bytes=None if sizes is None else torch.tensor(sizes),
        sample=kind.samples(recipe, model, tokenizer) if device == "cpu" and recipe.run.samples else None,
        compiled=compile_layers,
    )
