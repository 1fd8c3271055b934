"""LoRA adapters beside a loaded model: read when a request first names them, forgotten when their memory is wanted."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import torch

from sibao.core.errors import BadInput, ModelError
from sibao.core.paths import stamp
from sibao.models.adapter import CONFIG, WEIGHTS, load_adapter
from sibao.nn.decoder import Decoder
from sibao.nn.lora import adapted

MEMORY = 256 << 20
"""Bytes of adapters that are kept; those of one step are kept in any case."""


class Adapter(NamedTuple):
    """An adapter's folder, and size and time of its files: once it is trained anew it is another adapter."""

    folder: str
    files: tuple[tuple[int, int] | None, ...]


def named(folder: str) -> Adapter:
    """The adapter of that folder as it is now; a file that is not there is found missing when it is read."""
    return Adapter(folder, tuple(_stamp(Path(folder, name)) for name in (CONFIG, WEIGHTS)))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        return stamp(path)
    except OSError:
        return None


class Adapters:
    """Adapted copies of a network, which share its weights. Safe to use from several threads.

    Args:
        network: gives the model without an adapter.
        family: its ``model_type``: adapters name layers as its checkpoints do.
        memory: bytes of adapters that are kept, least recently used ones forgotten first.
    """

    def __init__(self, network: Callable[[], Decoder], family: str, memory: int = MEMORY) -> None:
        self._network, self._family, self._memory = network, family, memory
        self._lock = threading.Lock()  # of what is kept; nobody reads a file meanwhile
        self._kept: OrderedDict[Adapter, tuple[Decoder, int]] = OrderedDict()

    def get(self, adapter: Adapter, beside: Collection[Adapter] = ()) -> Decoder:
        """The model with that adapter.

        Args:
            beside: adapters that the same step needs; they are not forgotten for this one.

        Raises:
            ModelError: a damaged folder, an adapter of another model, or files that have changed since it was named.
            BadInput: the model already carries one.
        """
        with self._lock:
            found = self._kept.get(adapter)
        made = found or self._read(adapter)
        with self._lock:
            network, _ = self._kept.setdefault(adapter, made)
            self._kept.move_to_end(adapter)
            held = sum(size for _, size in self._kept.values())
            for other in [one for one in self._kept if one != adapter and one not in beside]:
                if held <= self._memory:
                    break
                held -= self._kept.pop(other)[1]
        return network

    @torch.inference_mode(False)  # a step asks too: what is made in inference has no versions, which DoRA looks at
    def _read(self, adapter: Adapter) -> tuple[Decoder, int]:
        """The model with the adapter, and the bytes that it adds."""
        network, folder = self._network(), adapter.folder
        if adapted(network):
            raise BadInput(f"the model already carries an adapter; {folder} cannot come on top", hint="load it without")
        shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
        twin = copy.deepcopy(network, shared)
        load_adapter(twin, folder, self._family)
        if named(folder) != adapter:
            raise ModelError(f"the adapter {folder} has changed since it was asked for", hint="ask again")
        return twin.eval(), _size(twin)


def _size(network: Decoder) -> int:
    """Bytes of what an adapter adds."""
    parts = (p for layer in adapted(network).values() for p in (layer.lora_A, layer.lora_B, layer.magnitude))
    return sum(p.nbytes for p in parts if p is not None)
