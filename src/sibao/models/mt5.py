"""mT5 (arXiv 2010.11934): T5 v1.1 for a hundred languages, Chinese among them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sibao.models import t5
from sibao.models.base import Keys
from sibao.nn.seq2seq_config import Seq2SeqConfig

ARCHITECTURE = "MT5ForConditionalGeneration"
RENAMES = t5.RENAMES
TINY: dict[str, Any] = t5.TINY | {"feed_forward_proj": "gated-gelu"}
renames, settle = t5.renames, t5.settle


def read(keys: Keys) -> Seq2SeqConfig:
    """Translate ``config.json``; where it names no feed-forward, a gated GELU. The output is never scaled."""
    keys.data = {"feed_forward_proj": "gated-gelu"} | dict(keys.data)
    return replace(t5.read(keys), scale_output=False)


def write(config: Seq2SeqConfig) -> dict[str, Any]:
    """The ``config.json`` of a model of this family."""
    own = {k: v for k, v in t5.write(config).items() if k != "scale_decoder_outputs"}
    return own | {"architectures": [ARCHITECTURE], "model_type": "mt5"}
