"""Recipes: the TOML file that a training run is made from. Unknown keys are refused with the nearest known one."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sibao.core.errors import ConfigError


class Section(BaseModel):
    """A part of a recipe; it takes the keys below and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSection(Section):
    """Either ``base`` (a model to train further) or the shape of a new one, in the keys of ``config.json``.

    ``context``: with ``base``, the longest text the finished model says it holds, where training saw no longer ones.
    """

    base: str | None = None
    family: str = "qwen3"
    config: dict[str, Any] = Field(default_factory=dict)
    context: int | None = Field(None, ge=16)


class TokenizerSection(Section):
    """``path``: a folder with a tokenizer; else one of ``vocab_size`` entries is trained on the data."""

    path: str | None = None
    vocab_size: int = Field(4096, ge=300)


class DataFile(Section):
    """One file of a mixture. ``task`` renders its rows (``text``: as documents, loss on every token; None: by their
    fields); ``rows`` draws that many at random; ``seed`` is the run's."""

    path: str
    task: str | None = None
    rows: int | None = Field(None, ge=1)


class DataSection(Section):
    """Files in any published form. ``valid_fraction`` of the documents is held out when ``valid`` names none.

    Fine-tuning: ``task`` is that of files that name none; ``too_long`` says what becomes of rows longer than
    ``sequence_length`` tokens: an error, or left out and counted.
    """

    train: list[str | DataFile]
    valid: list[str | DataFile] = []
    valid_fraction: float = Field(0.02, ge=0, lt=0.5)
    task: str | None = None
    sequence_length: int = Field(512, ge=16)
    too_long: Literal["error", "skip"] = "error"


class ObjectiveSection(Section):
    """What is learned. Pretraining: ``causal`` (next token everywhere), ``masked`` (encoders), ``span_corruption``
    (encoder-decoders). Fine-tuning: ``sft`` (loss on the target, the assistant's turns, only), ``seq2seq``
    (encoder-decoders), ``dpo`` (preferences), ``classify`` and ``span`` (heads of encoders)."""

    name: Literal["causal", "masked", "span_corruption", "sft", "seq2seq", "dpo", "classify", "span"] = "causal"
    mask_probability: float = Field(0.15, gt=0, lt=1)
    """``masked``: share of the tokens that are hidden."""
    whole_words: bool = False
    """``masked``: hide all pieces of a word (Chinese words too) or none."""
    label: str | None = None
    """``classify``: the field of a row that holds its label; None: ``label``, else ``completion``."""
    beta: float = Field(0.1, gt=0)
    """``dpo``: how dear it is to leave the reference model."""
    noise_density: float = Field(0.15, gt=0, lt=1)
    """``span_corruption``: share of the tokens that are cut out."""
    mean_span: float = Field(3.0, ge=1)
    """``span_corruption``: mean length of what is cut out in one place, in tokens."""
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)
    """``seq2seq``: share of the probability that all tokens have in common;
    ``dpo``: the share of pairs taken to be the wrong way round (only with ``preference_loss = "sigmoid"``)."""
    preference_loss: Literal["sigmoid", "ipo"] = "sigmoid"
    length_normalized: bool = False
    """``dpo``: log-probabilities per token of the answer instead of their sum."""


class AdapterSection(Section):
    """LoRA: rank, scale and the layers adapted (ends of their names in the checkpoint, or one regular expression; none:
    all linear layers). ``dora`` learns the length of each output apart, ``rslora`` scales by alpha / √rank, and
    ``base_precision = "nf4"`` keeps the frozen weights in four bits while training (QLoRA)."""

    rank: int = Field(16, ge=1)
    alpha: float = Field(32, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: list[str] | str = []
    dora: bool = False
    rslora: bool = False
    base_precision: Literal["auto", "fp32", "nf4"] = "auto"


class OptimizerSection(Section):
    """``adamw`` (arXiv 1711.05101) everywhere, or ``muon`` for the matrices of the layers and AdamW for the rest."""

    name: Literal["adamw", "muon"] = "adamw"
    lr: float = Field(3e-3, gt=0)
    adam_lr: float | None = Field(None, gt=0)
    """With ``muon``: the rate of embeddings and norms; default ``lr``."""
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = Field(0.1, ge=0)
    clip: float = Field(1.0, ge=0)
    """Largest norm of the whole gradient; 0 switches clipping off."""


class ScheduleSection(Section):
    """``cosine`` to ``min_ratio`` · lr, or ``wsd``: warm-up, stable, then linear decay over the last ``decay`` share."""

    name: Literal["cosine", "wsd"] = "cosine"
    steps: int = Field(ge=1)
    warmup: int = Field(20, ge=0)
    decay: float = Field(0.3, ge=0, le=1)
    min_ratio: float = Field(0.05, ge=0, le=1)


class RunSection(Section):
    """How the run goes. ``rows`` sequences make one optimizer step, computed ``micro_rows`` at a time."""

    name: str = "run"
    seed: int = 0
    rows: int = Field(16, ge=1)
    micro_rows: int = Field(8, ge=1)
    precision: Literal["fp32", "bf16"] = "bf16"
    compile: bool = False
    device: str = "cpu"
    threads: int | None = Field(None, ge=1)
    eval_every: int = Field(100, ge=1)
    eval_rows: int = Field(64, ge=1)
    save_every: int = Field(100, ge=1)
    keep_last: int = Field(2, ge=1)
    samples: list[str] = []
    """Prompts continued at every evaluation, so that progress can be read."""
    max_minutes: float | None = Field(None, gt=0)


class Recipe(Section):
    """A whole recipe."""

    model: ModelSection
    tokenizer: TokenizerSection = TokenizerSection()  # type: ignore[call-arg]
    data: DataSection
    objective: ObjectiveSection = ObjectiveSection()  # type: ignore[call-arg]
    adapter: AdapterSection | None = None
    optimizer: OptimizerSection = OptimizerSection()  # type: ignore[call-arg]
    schedule: ScheduleSection
    run: RunSection = RunSection()  # type: ignore[call-arg]


def parse_recipe(data: dict[str, Any], *, where: str = "recipe") -> Recipe:
    """Check a recipe given as a dictionary.

    Raises:
        ConfigError: the first thing that is wrong, with its place and the nearest known key.
    """
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(p) for p in first["loc"])
        if first["type"] == "extra_forbidden":
            known = _known_keys(first["loc"][:-1])
            near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(sorted(known))}"
            raise ConfigError(f"{where}: unknown key {place}", hint=hint) from None
        got = first.get("input")
        shown = "" if isinstance(got, dict) or first["type"] == "missing" else f" (got {got!r})"
        raise ConfigError(f"{where}: {place}: {first['msg']}{shown}", hint="see docs/recipes.md") from None


def _known_keys(place: tuple[int | str, ...]) -> set[str]:
    """Keys of the section at ``place``."""
    model: Any = Recipe
    for part in place:
        if isinstance(part, int) or part not in model.model_fields:
            continue  # a place in a list, or the member of a union
        model = next(k for k in _inside(model.model_fields[part].annotation))
    return set(model.model_fields)


def _inside(annotation: Any) -> Iterator[Any]:
    """The sections that a type is made of: ``list[str | DataFile]`` holds DataFile."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _inside(part)


def read_recipe(path: Path | str) -> Recipe:
    """Read a TOML recipe; relative paths in it count from the folder the command runs in."""
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist", hint="recipes lie in the folder recipes/") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    return parse_recipe(data, where=str(path))
