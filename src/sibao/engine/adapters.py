"""LoRA adapters beside a loaded model: read when a request first names them, forgotten when their memory is wanted."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable

from sibao.core.errors import BadInput
from sibao.models.adapter import load_adapter
from sibao.nn.decoder import Decoder
from sibao.nn.lora import adapted

MEMORY = 256 << 20
"""Bytes of adapters that are kept; those of one step are kept in any case."""


class Adapters:
    """Adapted copies of a network, which share its weights.

    Args:
        network: gives the model without an adapter.
        family: its ``model_type``: adapters name layers as its checkpoints do.
        memory: bytes of adapters that are kept, least recently used ones forgotten first.
    """

    def __init__(self, network: Callable[[], Decoder], family: str, memory: int = MEMORY) -> None:
        self._network, self._family, self._memory = network, family, memory
        self._kept: OrderedDict[str, Decoder] = OrderedDict()

    def get(self, folder: str) -> Decoder:
        """The model with that adapter.

        Raises:
            ModelError: a damaged folder, or an adapter of another model. BadInput: the model already carries one.
        """
        found = self._kept.pop(folder, None) or self._read(folder)
        self._kept[folder] = found
        while len(self._kept) > 1 and sum(map(size, self._kept.values())) > self._memory:
            self._kept.popitem(last=False)
        return found

    def _read(self, folder: str) -> Decoder:
        network = self._network()
        if adapted(network):
            raise BadInput(f"the model already carries an adapter; {folder} cannot come on top", hint="load it without")
        shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
        twin = copy.deepcopy(network, shared)
        load_adapter(twin, folder, self._family)
        return twin.eval()


def size(network: Decoder) -> int:
    """Bytes of what an adapter adds."""
    parts = (p for layer in adapted(network).values() for p in (layer.lora_A, layer.lora_B, layer.magnitude))
    return sum(p.nbytes for p in parts if p is not None)
