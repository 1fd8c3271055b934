"""Energy of a hosted answer, *estimated* from the size of its model: nobody outside the data centre can measure it.

The method and constants are EcoLogits 0.9's (GenAI Impact, https://ecologits.ai/0.9/methodology/llm_inference): a regression of
GPU energy and latency per token on active parameters at a batch of 64, servers of eight GPUs of 80 GB, and the overhead of the
building. The figure is an order of magnitude; it never stands in one column with a measured one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

ALPHA, BETA, GAMMA = 1.1665273170451914e-6, -0.011205921025579175, 4.052928146734005e-5
"""GPU energy per token: ALPHA * e^(BETA * batch) * P + GAMMA, in Wh, P in billions of active parameters."""
LATENCY = (6.785088e-4, 3.1193103e-4, 0.0194737)
"""Seconds per token: a * P + b * batch + c."""
BATCH = 64
GPU_BYTES = 80e9
SERVER_KW, SERVER_GPUS = 1.2, 8
SOURCE = "EcoLogits 0.9 method, estimated from the model's size"


@dataclass(frozen=True)
class ApiEnergy:
    """Estimated energy of one answer in kWh, and what it was worked out from."""

    kwh: float
    gpus: int
    latency_seconds: float

    def co2_grams(self, grid_grams_per_kwh: float) -> float:
        """Grams of CO2-equivalent on a grid of that intensity."""
        return self.kwh * grid_grams_per_kwh


def api_energy(
    tokens: int, active: float, total: float | None = None, *, bits: int = 16, pue: float = 1.2
) -> ApiEnergy:
    """Energy to write ``tokens`` tokens with a model of ``active`` (and ``total``, where it has experts) parameters.

    Memory is 1.2 * total * bits / 8 bytes, on the next power of two of GPUs; E = pue * (server + gpus * GPU).
    """
    billions, held = active / 1e9, (active if total is None else total)
    gpus = 2 ** math.ceil(math.log2(max(1, math.ceil(1.2 * held * bits / 8 / GPU_BYTES))))
    gpu_kwh = tokens * (ALPHA * math.exp(BETA * BATCH) * billions + GAMMA) / 1000
    a, b, c = LATENCY
    seconds = tokens * (a * billions + b * BATCH + c)
    server_kwh = seconds / 3600 * SERVER_KW * gpus / SERVER_GPUS / BATCH
    return ApiEnergy(pue * (server_kwh + gpus * gpu_kwh), gpus, seconds)
