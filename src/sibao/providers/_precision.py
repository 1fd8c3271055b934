"""In which number format weights are kept in memory."""

from __future__ import annotations

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
SMALL = 1_000_000_000
"""Parameters up to which ``auto`` computes in fp32 on a CPU: exact, and as fast as bf16 for one stream."""
