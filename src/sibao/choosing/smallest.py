"""A process that answers or trains with a model of a few kilobytes, and prints the most memory it has held, in bytes.

``python -m sibao.choosing.smallest inference|training``: what a real run takes beside its own numbers.
"""

from __future__ import annotations

import sys

import torch

from sibao.core.system import peak_memory_bytes
from sibao.core.types import Sampling
from sibao.engine.build import build
from sibao.engine.request import Request
from sibao.nn.config import DecoderConfig
from sibao.nn.decoder import Decoder
from sibao.training.loss import cross_entropy_sum
from sibao.training.optim import make_optimizers
from sibao.training.recipe import OptimizerSection

SMALL = DecoderConfig(
    vocab_size=64, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
    intermediate_size=64, max_position_embeddings=64,
)  # fmt: skip


def answer() -> None:
    """Eight tokens."""
    model = Decoder(SMALL)
    model.initialize(0)
    with build(model).submit(Request("1", [1, 2, 3], Sampling(), frozenset(), 8)) as events:
        for _ in events:
            pass


def learn() -> None:
    """Two steps."""
    model = Decoder(SMALL)
    model.initialize(0)
    optimizers = make_optimizers(model, OptimizerSection())  # type: ignore[call-arg]
    ids = torch.arange(32).view(2, 16)
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            loss = cross_entropy_sum(model(ids), model.lm_head.weight, ids)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)


if __name__ == "__main__":
    import safetensors.torch
    import tokenizers

    {"inference": answer, "training": learn}[sys.argv[1]]()
    print(safetensors.torch.__name__, tokenizers.__name__, peak_memory_bytes())
