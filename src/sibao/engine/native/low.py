"""Adapters as the kernels read them."""

from __future__ import annotations

from ctypes import Array, addressof, c_void_p
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from sibao.engine.native.library import Low
from sibao.engine.runner import Step
from sibao.nn.decoder import Decoder
from sibao.nn.lora import LoRALinear, adapted

SITES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The layers that may be adapted, in the order of decoder.cpp."""


class LowTable:
    """``Low`` of every layer and site of an adapted network."""

    def __init__(self, network: Decoder) -> None:
        self._held: list[Tensor] = []
        self.entries = (Low * (network.config.num_hidden_layers * len(SITES)))()
        self.rank = 0
        for name, layer in adapted(network).items():
            _, number, *_, leaf = name.split(".")
            self.entries[int(number) * len(SITES) + SITES.index(leaf)] = self._low(layer)
            self.rank = max(self.rank, layer.spec.rank)

    @torch.no_grad()
    def _low(self, layer: LoRALinear) -> Low:
        stretch = None if layer.magnitude is None else layer.stretch(layer.magnitude)
        parts = [None if t is None else t.detach().float().contiguous() for t in (layer.lora_A, layer.lora_B, stretch)]
        self._held += [t for t in parts if t is not None]
        return Low(*(None if t is None else t.data_ptr() for t in parts), layer.spec.rank, layer.spec.scale)


class LowTables:
    """The tables of the adapted networks that are kept."""

    def __init__(self) -> None:
        self._tables: WeakKeyDictionary[Decoder, LowTable] = WeakKeyDictionary()

    def of(self, step: Step) -> tuple[list[LowTable], Array[c_void_p], int]:
        """The tables of a step (to be held while it runs), one pointer for each token, and the largest rank."""
        tables = {network: self._table(network) for network in step.adapters if network is not None}
        pointers = (c_void_p * len(step.ids))()
        for s, network in enumerate(step.adapters):
            if network is not None:
                address = addressof(tables[network].entries)
                for token in range(step.first[s], step.first[s + 1]):
                    pointers[token] = address
        return list(tables.values()), pointers, max((table.rank for table in tables.values()), default=0)

    def _table(self, network: Decoder) -> LowTable:
        if network not in self._tables:
            self._tables[network] = LowTable(network)
        return self._tables[network]
