"""In which number format weights, keys and values are kept in memory."""

from __future__ import annotations

from sibao.core.errors import BadInput

INTEGERS = ("int8", "int4")
"""Whole numbers, for models that write on Sibao's own engine."""
PRECISIONS = ("auto", "fp32", "bf16", "fp16", *INTEGERS)
KV_CACHES = ("auto", "fp32", "bf16", "int8")
"""What keys and values are kept in by Sibao's own engine."""
SMALL = 1_000_000_000
"""Parameters up to which ``auto`` computes in fp32 on a CPU: exact, and as fast as bf16 for one stream."""


def refuse_integers(precision: str, what: str) -> None:
    """Refuse a precision that only Sibao's own decoders have.

    Args:
        what: the model, with the reason.
    """
    if precision in INTEGERS:
        raise BadInput(
            f"{precision} is for models that write on Sibao's own engine; {what}", hint="use auto, fp32, bf16 or fp16"
        )


def refuse_kv_cache(kv_cache: str, what: str) -> None:
    """Refuse a precision of keys and values that only Sibao's own decoders have.

    Args:
        what: the model, with the reason.
    """
    if kv_cache != "auto":
        raise BadInput(f"kv_cache is for models that write on Sibao's own engine; {what}", hint="leave it out")
