"""One product on the kernels, outside a decoder: y = x Wᵀ + b."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sibao.engine.native.library import Matrix, library
from sibao.engine.native.panels import PANEL, Tensors, aligned
from sibao.engine.native.weights import KINDS


@dataclass(frozen=True)
class Product:
    """A weight [n, k] as ``weights.pack`` gives it, or flat: ``tensors`` then holds the rows as ``weight``."""

    n: int
    k: int
    precision: str
    tensors: Tensors
    bias: Tensor | None = None

    @staticmethod
    def blank(n: int, k: int, precision: str) -> Product:
        """A weight of small numbers that mean nothing, for timing."""
        panels = -(-n // PANEL)
        data = aligned(panels * library().sibao_panel_bytes(KINDS[precision], k)).fill_(17)
        extra = {"scale": torch.zeros(panels * PANEL), "offset": torch.zeros(panels * PANEL, dtype=torch.int32)}
        return Product(n, k, precision, {precision: data} | (extra if precision == "int8" else {}))

    @property
    def nbytes(self) -> int:
        """Bytes of the weight."""
        return sum(t.nbytes for t in self.tensors.values())

    def __call__(self, x_MK: Tensor, threads: int = 1, kernels: Any = None) -> Tensor:
        """float32 [M, n] of float32 [M, k]; ``kernels``: another build of them."""
        flat = self.tensors.get("weight")
        data = self.tensors[self.precision] if flat is None else flat
        bias = None if self.bias is None else torch.nn.functional.pad(self.bias, (0, -self.n % PANEL))
        parts = [self.tensors.get("scale"), self.tensors.get("offset"), bias]
        places = [None if part is None else part.data_ptr() for part in parts]
        matrix = Matrix(KINDS[self.precision], self.n, self.k, int(flat is not None), data.data_ptr(), *places)
        x, y = x_MK.float().contiguous(), torch.empty(len(x_MK), self.n)
        (kernels or library()).sibao_multiply(matrix, x.data_ptr(), len(x), y.data_ptr(), threads)
        return y
