"""What every architecture has in common: a frozen config, and weights that it keeps once and uses twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import nn


class Network(nn.Module, ABC):
    """A model of any architecture.

    ``config`` is its frozen shape. ``tied`` names parameters that are another one's memory: name → name of the source;
    checkpoints hold the source only.
    """

    config: Any
    tied: dict[str, str]

    def tie(self) -> None:
        """Make every tied parameter its source again, after the sources were replaced."""
        for name, source in self.tied.items():
            holder, _, leaf = name.rpartition(".")
            setattr(self.get_submodule(holder), leaf, self.get_parameter(source))

    @abstractmethod
    def initialize(self, seed: int) -> None:
        """Random weights; the same seed gives the same ones."""
