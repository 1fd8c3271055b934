"""``sibao fit``: what a model needs in memory and how fast it would be on this machine, from its config.json alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from sibao.choosing.fit import (
    TRAINING,
    Need,
    answering,
    decode_rate,
    largest_context,
    largest_rows,
    learning,
    prefill_rate,
)
from sibao.choosing.machine import Place, Rates, base_bytes, look, measure
from sibao.choosing.shapes import Shape, read_foreign, read_shape
from sibao.core.config import settings
from sibao.core.errors import BadInput, ContextOverflow, ModelError
from sibao.models.compressed import form_of
from sibao.models.folder import is_family, parse_config, refuse_depth
from sibao.models.names import resolve
from sibao.models.weights import read_json

ANSWERING = ("fp32", "bf16", "int8", "int4")
"""Precisions in which a decoder answers; other networks have the first two."""
PRECISIONS = (*ANSWERING, "nf4")
"""Precisions whose weights are counted."""
CHECKPOINTS = 3
"""Copies of weights and optimizer that a run keeps on disk with the usual settings: the last two and the best."""
_STORED = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


@dataclass(frozen=True)
class Fit:
    """What was found. ``needs``: ways to answer; ``training``: ways to train, on rows of ``context`` tokens."""

    name: str
    shape: Shape
    context: int
    batch: int
    place: Place
    needs: list[Need]
    training: list[Need]
    rates: list[Rates]

    def to_json(self) -> dict[str, Any]:
        """The fit object of the JSON contract."""
        shape = self.shape
        return {
            "family": shape.family,
            "kind": shape.kind,
            "parameters": shape.parameters,
            "active_parameters": shape.active,
            "context": self.context,
            "batch": self.batch,
            "longest_context": shape.context,
            "weight_bytes": {p: shape.weight_bytes(p) for p in PRECISIONS},
            "cache_bytes_per_token": {"fp32": 4 * shape.cached, "bf16": 2 * shape.cached},
            "machine": {**asdict(self.place), "accelerators": [list(a) for a in self.place.accelerators]},
            "inference": [self._way(need) for need in self.needs],
            "training": [self._way(need) for need in self.training],
            "speed": [
                {**asdict(r), "decode_tokens_per_second": decode_rate(shape, r, self.context),
                 "prefill_tokens_per_second": prefill_rate(shape, r)} for r in self.rates
            ],
        }  # fmt: skip

    def _way(self, need: Need) -> dict[str, Any]:
        found = {
            **asdict(need), "total": need.total, "fits": self.fits(need),
            "fits_accelerator": self.on_gpu(need),
        }  # fmt: skip
        if need.optimizer:
            found["disk"] = self.disk(need)
            found["fits_disk"] = found["disk"] <= self.place.disk
        return found

    def fits(self, need: Need) -> bool:
        """Whether there is memory for it now."""
        return need.total <= self.place.available

    def on_gpu(self, need: Need) -> bool:
        """Whether the largest accelerator holds it; the interpreter stays in the machine's own memory."""
        return any(need.total - need.base <= free for _, free in self.place.accelerators)

    def disk(self, need: Need) -> int:
        """Bytes of a run's checkpoints."""
        whole = need.name.startswith("full")
        return CHECKPOINTS * (need.optimizer + (need.weights if whole else need.gradients))


def fit(
    name: str | None = None,
    *,
    config: Path | str | None = None,
    context: int | None = None,
    batch: int = 1,
    precision: str | None = None,
) -> Fit:
    """Look at a model that need not be here: its config.json is enough.

    Args:
        name: ``mini``, a folder, or ``org/name`` in the hub's cache. config: a config.json, in place of a name.
        context: tokens of each request, and of each row of training; None: 2048, or all that the model holds.
        batch: requests at once, and rows of a micro-batch.
        precision: only this one; None: all for answering. Training is in bf16 where it is not fp32.

    Raises:
        BadInput: no such model, or no such precision. ContextOverflow: the model holds less than ``context``.
        ModelError: a config.json that nothing can be made of. MissingPackage: it is a family of Transformers.
    """
    if precision not in (None, *ANSWERING):
        raise BadInput(
            f"got the precision {precision!r}, wanted one of {', '.join(ANSWERING)}", hint="leave it out to see all"
        )
    file = _config_file(name, config)
    data = read_json(file)
    shape = _shape(data, str(file.parent))
    if shape.context and context is not None and context > shape.context:
        raise ContextOverflow(context, shape.context, what="prompts of --context")
    context = context or min(2048, shape.context or 2048)
    torch.set_num_threads(settings().threads)
    base, place = base_bytes(), look(settings().home)
    here = any(file.parent.glob("*.safetensors"))
    known = form_of(data, str(file.parent)) if is_family(str(data.get("model_type"))) else None
    stored = known or _STORED.get(str(data.get("dtype") or data.get("torch_dtype")), "fp32") if here else ""
    possible = ANSWERING if shape.kind == "decoder" else ANSWERING[:2]
    if precision is not None and precision not in possible:
        raise BadInput(f"{precision} is for decoders, and this is none", hint="take fp32 or bf16")
    chosen = (precision,) if precision else possible
    needs = [answering(shape, p, context, batch, base["inference"], stored=stored) for p in chosen]
    needs = [replace(n, most=largest_context(n, shape, context, batch, place.available)) for n in needs]
    training = []
    if shape.config is not None:
        for way in TRAINING:
            one, two = (
                learning(
                    shape,
                    way,
                    "fp32" if precision == "fp32" else "bf16",
                    rows,
                    context,
                    base["training"],
                    stored=stored,
                )
                for rows in (batch, 2 * batch)
            )
            training.append(replace(one, most=batch * largest_rows(one, two, place.available)))
    rates = [measure(p) for p in chosen] if shape.kind != "encoder" else []
    return Fit(name or str(config), shape, context, batch, place, needs, training, rates)


def _config_file(name: str | None, config: Path | str | None) -> Path:
    if (name is None) == (config is None):
        raise BadInput("got a model and --config, or neither; wanted one of them", hint="sibao fit mini")
    if config is not None:
        path = Path(config)
        if not path.is_file():
            raise BadInput(f"{path} is no file", hint="--config takes the config.json of a model")
        return path
    return resolve(name or "").folder / "config.json"


def _shape(data: dict[str, Any], folder: str) -> Shape:
    family = data.get("model_type")
    try:
        if isinstance(family, str) and not is_family(family):
            refuse_depth(data, folder)
            return read_foreign(data)
        return read_shape(*parse_config(data, folder))
    except (RuntimeError, OverflowError) as error:  # more numbers than an integer counts
        raise ModelError(f"{folder}/config.json asks for sizes that no network can have: {error}") from None
