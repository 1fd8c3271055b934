"""What a model needs in memory, for answering and for each way of training it, and what of that fits.

Weights, cache, optimizer state and gradients are arithmetic on the shape; activations are counted by running the code on
tensors without memory (``choosing.activations``); the interpreter's own share is measured (``choosing.machine``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sibao.choosing.activations import prefill_bytes, trained_numbers, training_step
from sibao.choosing.machine import DTYPES, Rates
from sibao.choosing.shapes import Shape, nf4_bytes
from sibao.engine.build import PACKED, why_not
from sibao.engine.native.runner import NativeRunner, step_bytes
from sibao.engine.quantized import QUANTIZED
from sibao.engine.runner import BLOCK
from sibao.engine.scheduler import STEP_TOKENS
from sibao.nn.config import DecoderConfig

TRAINING = {
    "full, AdamW": ("full", "adamw"),
    "full, Muon": ("full", "muon"),
    "LoRA": ("lora", "adamw"),
    "DoRA": ("dora", "adamw"),
    "QLoRA": ("qlora", "adamw"),
}
"""Each way of training: what is trained, and by which optimizer."""
SLACK = 64 * 2**20
"""When answering: glibc gives the end of the heap back only when it is longer than this (mallopt(3): M_TRIM_THRESHOLD grows
to twice the largest M_MMAP_THRESHOLD, 32 MiB), and pieces of many sizes leave that much between them."""
HOLES = {"full": 0.29, "bf16": 0.62, "fp32": 0.95}
"""When training: holes that freed pieces leave in the heap, for each byte of activations that lies there. Taken from
peaks as ``bench/fit.py`` measures them, not derived; the low-rank paths of adapters, trained in either precision, leave more
than whole models. With ``MALLOC_MMAP_THRESHOLD_=131072`` there are none, and a step takes half as long again."""


@dataclass(frozen=True)
class Need:
    """Bytes of one way to use a model.

    ``work``: activations, and when training also gradients, at their joint peak; ``gradients`` is their share when all
    are there. ``slack``: what the C library keeps of its freed pieces. ``file``: pages of the weight file that are in
    memory while the weights are converted from another precision; the system takes them back when it must.
    ``most``: largest context (answering) or rows of a micro-batch (training) that fit the memory looked at; 0: not one.
    """

    name: str
    precision: str
    weights: int
    cache: int
    optimizer: int
    gradients: int
    work: int
    slack: int
    base: int
    file: int = 0
    most: int = 0

    @property
    def total(self) -> int:
        """What the process must have."""
        return self.base + self.weights + self.cache + self.optimizer + self.work + self.slack

    @property
    def peak(self) -> int:
        """The resident memory that a process monitor shows at most, pages of the file included."""
        return max(self.total, self.base + self.weights + self.file)


def answering(shape: Shape, precision: str, context: int, batch: int, base: int, *, stored: str = "") -> Need:
    """The need of ``batch`` requests at once, each of ``context`` tokens in the end.

    Args:
        stored: precision of the weights on disk ('' : the same, or there are none).
    """
    whole = precision in QUANTIZED
    dtype, sides = torch.float32 if whole else DTYPES[precision], 2 if shape.kind == "encoder-decoder" else 1
    weights, slots = shape.weight_bytes(precision), -(-context // BLOCK) * BLOCK
    cache = sides * shape.cached * (2 if whole else dtype.itemsize) * slots * batch
    config, tokens = shape.config, min(context, STEP_TOKENS)
    if isinstance(config, DecoderConfig) and not why_not(config, precision, torch.device("cpu")):
        cache = NativeRunner.block_bytes(config, precision) * (slots // BLOCK) * batch
        work, slack = step_bytes(config, precision, STEP_TOKENS if batch > 1 else tokens), 0
        work += 4 * config.vocab_size * batch
        weights += weights if weights <= PACKED and not whole else 0  # packed beside the checkpoint's own
    else:
        rows = max(1, min(batch, STEP_TOKENS // max(context, 1)))
        work = prefill_bytes(shape, dtype, rows, tokens, max(slots, tokens)) if config is not None else 0
        slack = min(work, SLACK)
    return Need(
        name="inference",
        precision=precision,
        weights=weights,
        cache=cache,
        optimizer=0,
        gradients=0,
        work=work,
        slack=slack,
        base=base,
        file=shape.weight_bytes(stored) if stored and stored != precision else 0,
    )


def learning(
    shape: Shape, name: str, precision: str, rows: int, tokens: int, base: int, *, rank: int = 16, stored: str = ""
) -> Need:
    """The need of training with micro-batches of ``rows`` rows of ``tokens`` tokens; ``name`` is a key of ``TRAINING``."""
    method, optimizer = TRAINING[name]
    trained = trained_numbers(shape, "lora" if method == "qlora" else method, rank)
    step = training_step(shape, method, precision, rows, tokens, rank)
    layers = 4 * shape.stacked
    if method != "full":  # as nn.quantized.freeze_base keeps them
        layers = nf4_bytes(shape.stacked) if method == "qlora" else layers // 2 if precision == "bf16" else layers
    weights = layers + 4 * (shape.parameters - shape.stacked)
    state = 8 * trained
    if optimizer == "muon":  # one moment for the matrices of the layers
        state -= 4 * shape.stacked
    if method != "full":
        weights += 4 * trained
    return Need(
        name=name,
        precision=precision,
        weights=weights,
        cache=0,
        optimizer=state,
        gradients=4 * trained,
        work=step.peak,
        slack=round(step.heap * HOLES["full" if method == "full" else precision]),
        base=base,
        file=shape.weight_bytes(stored) if stored else 0,
    )


def largest_context(need: Need, shape: Shape, context: int, batch: int, memory: int) -> int:
    """Tokens of each request that fit, the work of one piece of the prompt taken as it is."""
    slot = need.cache // max(context, 1)
    free = memory - (need.total - need.cache)
    if free < 0:
        return 0
    return min(shape.context, free // slot) if slot else shape.context


def largest_rows(one: Need, two: Need, memory: int) -> int:
    """Rows of a micro-batch that fit, given the needs of one row and of two."""
    more = max(two.total - one.total, 1)
    return max(0, 1 + (memory - one.total) // more) if one.total <= memory else 0


def decode_rate(shape: Shape, rates: Rates, context: int) -> float:
    """Tokens a second of one request with ``context`` tokens behind it: every weight it passes through and every key and
    value is read once a token. A prediction from above: the measured bandwidth is that of one large product."""
    itemsize = 4 if rates.precision == "fp32" else 2
    return rates.bandwidth / (shape.read_bytes(rates.precision) + shape.cached * context * itemsize)


def prefill_rate(shape: Shape, rates: Rates) -> float:
    """Prompt tokens a second: two operations for each parameter of the layers that a token passes through."""
    inside = shape.active - (shape.parameters - shape.stacked)
    return rates.arithmetic / (2 * max(inside, 1))
