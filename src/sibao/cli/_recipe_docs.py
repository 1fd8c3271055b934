"""docs/recipes.md, every key of a recipe from ``training.recipe`` itself: ``python -m sibao.cli._recipe_docs docs`` writes it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sibao.cli.reference import MADE
from sibao.training.recipe import DataFile, Recipe

INTRODUCTION = f"""# Recipes

{MADE}

A recipe is a TOML file that a training run is made from: `sibao pretrain RECIPE` starts from random weights,
`sibao finetune RECIPE` from a model. A key that is not listed here is refused, with the nearest known one. Relative paths
count from the folder that the command runs in.

Required are `[model]`, `[data]` and `[schedule]`; everything else has a default. `--steps` and `--max-minutes` win over
`schedule.steps` and `run.max_minutes`. How a run goes on is told in [training.md](training.md), the forms of data in
[data.md](data.md).

```toml
[model]
base = "mini"

[data]
train = ["pairs.jsonl", {{ path = "questions.json", task = "answer", rows = 500 }}]

[objective]
name = "sft"

[adapter]
rank = 16

[schedule]
steps = 200
```
"""
SECTIONS = {
    "model": "What is trained: a model to go on from, or the shape of a new one.",
    "tokenizer": "How text becomes tokens, for `pretrain`; `finetune` keeps the tokenizer of its base.",
    "data": "What is learned from, and what is validated on.",
    "objective": "What the loss is.",
    "adapter": "LoRA or DoRA: a small change beside frozen weights, saved as a PEFT folder. Without it all weights are trained.",
    "optimizer": "How a gradient becomes a step.",
    "schedule": "How long, and how the learning rate goes.",
    "run": "How the run goes.",
}
MEANINGS = {
    "model.base": "A model name to train further (`finetune`). Leave out `family` and `config` then.",
    "model.family": "`model_type` of a new model: any family of [models.md](models.md).",
    "model.config": "Shape of a new model, in the keys of its `config.json`. `vocab_size` is taken from the tokenizer.",
    "model.context": "With `base`: the longest text, in tokens, that the finished model says it holds, where training saw "
    "none longer. None: that of the base.",
    "tokenizer.path": "A folder with a tokenizer. None: one is trained on the data.",
    "tokenizer.vocab_size": "Entries of a tokenizer that is trained.",
    "data.train": "Files, folders or patterns, in any form of data.md. For `finetune` a file may be a table (below).",
    "data.valid": "The same, for validation.",
    "data.valid_fraction": "Without `valid`: share of the documents (`finetune`: rows) held out, every n-th one; 0: none.",
    "data.task": "`finetune`: the task of files that name none. None: told by the fields of each row.",
    "data.sequence_length": "Tokens of a training row.",
    "data.too_long": "`finetune`: an example longer than `sequence_length` is an error, or is left out and counted.",
    "data.train.path": "The file.",
    "data.train.task": "The task that renders its rows; `text`: documents, with loss on every token. None: `data.task`.",
    "data.train.rows": "Use only so many rows, drawn with the run's seed. None: all.",
    "objective.name": "`pretrain`: `causal` (the next token everywhere), `masked` (encoders), `span_corruption` "
    "(encoder-decoders). `finetune`: `sft` (loss on the wanted text only), `seq2seq` (the same for encoder-decoders), `dpo` "
    "(preferences), `classify` and `span` (heads of encoders).",
    "objective.mask_probability": "`masked`: share of the tokens that are hidden.",
    "objective.whole_words": "`masked`: hide all pieces of a word (Chinese words too) or none.",
    "objective.label": "`classify`: the field of a row that holds its label. None: `label`, else `completion`.",
    "objective.beta": "`dpo`: how dear it is to leave the reference model, which is the base model at the start.",
    "objective.noise_density": "`span_corruption`: share of the tokens that are cut out.",
    "objective.mean_span": "`span_corruption`: mean length of what is cut out in one place, in tokens.",
    "objective.label_smoothing": "`seq2seq`: share of the probability that all tokens have in common; "
    "`dpo` with `sigmoid`: the share of pairs taken to be the wrong way round.",
    "objective.preference_loss": "`dpo`: `sigmoid` as in the DPO paper, or `ipo`.",
    "objective.length_normalized": "`dpo`: log-probabilities per token of the answer instead of their sum.",
    "adapter.rank": "Rank of the change.",
    "adapter.alpha": "The change is scaled by alpha / rank.",
    "adapter.dropout": "Dropout before the change.",
    "adapter.targets": "Layers that are adapted, by (ends of) their names in the checkpoint, such as `q_proj`; or as text, a "
    "regular expression for whole names. Empty: all linear layers.",
    "adapter.dora": "DoRA: the length of each output is learned apart from its direction.",
    "adapter.rslora": "The change is scaled by alpha / √rank instead of alpha / rank.",
    "adapter.base_precision": "What the frozen layers are kept in: `auto` as `run.precision` says, "
    "`fp32`, or `nf4`, four bits (QLoRA). The adapter is float32 with each of them.",
    "optimizer.name": "`adamw` for everything, or `muon` for the matrices of the layers and AdamW for the rest.",
    "optimizer.lr": "Highest learning rate.",
    "optimizer.adam_lr": "With `muon`: that of embeddings and norms. None: `lr`.",
    "optimizer.betas": "AdamW's two decay rates.",
    "optimizer.weight_decay": "Decoupled weight decay.",
    "optimizer.clip": "Largest norm of the whole gradient; 0 switches clipping off.",
    "schedule.name": "`cosine` falls from the end of warm-up on; `wsd` stays up and falls in a line at the end.",
    "schedule.steps": "Optimizer steps in all.",
    "schedule.warmup": "Steps in which the rate rises in a line.",
    "schedule.decay": "With `wsd`: share of the steps, at the end, in which the rate falls.",
    "schedule.min_ratio": "Share of `lr` that is left at the end.",
    "run.name": "A name for people.",
    "run.seed": "Decides initial weights, order of the data and dropout.",
    "run.rows": "Sequences of one optimizer step.",
    "run.micro_rows": "Sequences computed at once. It changes memory, not the loss.",
    "run.precision": "`bf16` computes in mixed precision; weights stay in fp32.",
    "run.compile": "Compile each layer with `torch.compile`.",
    "run.device": "`cpu`, `cuda`, `cuda:1` …",
    "run.threads": "Cores to compute with. None: the setting `threads`.",
    "run.eval_every": "Steps between two validations; the last step is always validated.",
    "run.eval_rows": "Validation rows used each time, evenly spread over all of them.",
    "run.save_every": "Steps between two checkpoints; a new best one and the last are always kept.",
    "run.keep_last": "Checkpoints kept besides the best.",
    "run.samples": "`pretrain`, on a CPU: prompts continued at each validation, for reading.",
    "run.max_minutes": "Stop after so long, with a checkpoint.",
}
"""What each key means; a key of the recipe without a line here stops the generator."""
WORDS: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}
BOUNDS = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}


def recipe_document() -> str:
    """The whole document."""
    parts = [INTRODUCTION]
    for name, field in Recipe.model_fields.items():
        model = next(_models(field.annotation))
        parts.append("\n".join([f"## [{name}]", "", SECTIONS[name], "", *_table(model, name), ""]))
        if name == "data":
            head = ["### A file of `data.train` or `data.valid` as a table", ""]
            parts.append("\n".join([*head, *_table(DataFile, "data.train"), ""]))
    return "\n".join(parts)


def _table(model: type[BaseModel], place: str) -> list[str]:
    rows = [_row(name, field, MEANINGS[f"{place}.{name}"]) for name, field in model.model_fields.items()]
    return ["| key | type | default | meaning |", "|---|---|---|---|", *rows]


def _row(name: str, field: FieldInfo, meaning: str) -> str:
    default = "required" if field.is_required() else _shown(field.get_default(call_default_factory=True))
    return f"| `{name}` | {_type(field)} | {default} | {meaning} |"


def _shown(value: Any) -> str:
    """A default as TOML writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{value}`".lower()
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{list(value) if isinstance(value, tuple) else value}`"


def _type(field: FieldInfo) -> str:
    bounds = [f"{word} {getattr(m, key):g}" for m in field.metadata for key, word in BOUNDS.items() if hasattr(m, key)]
    return " ".join([_name(field.annotation), *(["(" + ", ".join(bounds) + ")"] if bounds else [])])


def _name(annotation: Any) -> str:
    """A type as a reader of TOML calls it; that it may be left out is told by its default."""
    if annotation in WORDS:
        return WORDS[annotation]
    inner = [part for part in get_args(annotation) if part is not type(None)]
    origin = get_origin(annotation)
    if origin is Literal:
        return " or ".join(f'`"{value}"`' for value in inner)
    if origin is list:
        return f"list of {_name(inner[0])}"
    if origin is tuple:
        return f"list of {len(inner)} {_name(inner[0])}s"
    if origin in (UnionType, Union):
        return " or ".join(map(_name, inner))
    return "table"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections that a type names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def write(folder: Path) -> None:
    """Write the document."""
    from sibao.core.paths import write_text

    write_text(folder / "recipes.md", recipe_document())


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
