"""Packed weights in one file that is mapped into memory: a quantised model is there again without its checkpoint being read.

The first page says where the JSON index lies and what its digest is; then come the tensors, each where a cache line begins;
the index is last, for what will be written is known only when it was.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from sibao import __version__
from sibao.core.paths import atomic_path, cache_dir, stamp
from sibao.engine.native import pair_weights
from sibao.engine.native.library import library, version
from sibao.engine.native.panels import ALIGNED, PANEL, Tensors
from sibao.engine.native.weights import KINDS, NORMS, embeddings
from sibao.engine.quantized import precision_of
from sibao.engine.runner import Config
from sibao.nn.decoder import Decoder
from sibao.nn.lora import linear_layers
from sibao.nn.seq2seq import Seq2Seq
from sibao.nn.seq2seq_config import Seq2SeqConfig

log = logging.getLogger("sibao.engine")
MAGIC = b"sibao packed 1\n\x00"
PAGE = 4096
_FIRST = struct.Struct("<16sQQ32s")
PACKAGE = Path(__file__).parents[2]
CODE = ("models/*.py", "nn/*.py", "engine/quantized.py", "engine/native/*weights.py", "engine/native/panels.py")
"""What makes packed weights of a checkpoint's files, beside the kernels."""
_DTYPES = {str(t).removeprefix("torch."): t for t in (torch.uint8, torch.int32, torch.float32, torch.bfloat16)}


@dataclass(frozen=True)
class Place:
    """Where the packed weights of a model lie. ``family``: how all files of this model and precision begin."""

    path: Path
    family: str
    config: Config
    precision: str


def place(config: Config, precision: str, files: Sequence[Path]) -> Place:
    """The place of what is made of these files, as they are now, by this code and these kernels.

    Args:
        files: all that the weights come from, an adapter's files too.
    """
    facts: list[Any] = [(str(path.resolve()), *stamp(path)) for path in files]
    names = hashlib.sha256(repr([path for path, *_ in facts]).encode()).hexdigest()[:12]
    made_by = __version__, version(), _code()
    key = hashlib.sha256(repr((facts, repr(config), precision, made_by)).encode()).hexdigest()[:24]
    label = re.sub(r"[^\w.-]+", "-", files[0].absolute().parent.name)[:40]
    family = f"{label}-{names}-{precision}-"
    return Place(cache_dir() / "packed" / f"{family}{key}", family, config, precision)


@cache
def _code() -> str:
    """Of the code that makes the weights: what other code has packed is made anew."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in CODE for path in PACKAGE.glob(pattern)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def kept(place: Place, make: Callable[[], Iterable[tuple[str, Tensor]]]) -> Tensors:
    """The weights from their file; where there is none that can be used, they are made and the file is written.

    Args:
        make: gives the tensors one by one; each is dropped once it is written. Called again when the disk is full: then
            the weights stay in memory.
    """
    if (found := read(place)) is not None:
        return found
    try:
        write(place, make())
        found = read(place)
    except OSError as error:
        log.warning("the packed weights are not kept: %s", error)
    return dict(make()) if found is None else found


def write(place: Place, tensors: Iterable[tuple[str, Tensor]]) -> None:
    """Write the file, all of it or nothing, and remove what is older of the same model and precision.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    place.path.parent.mkdir(parents=True, exist_ok=True)
    size, free = sum(n * wide for _, wide, n in _wanted(place)), shutil.disk_usage(place.path.parent).free
    if size > free:
        raise OSError(f"{place.path.parent} has {free / 1e6:,.0f} MB left, {size / 1e6:,.0f} MB are needed")
    with atomic_path(place.path) as temporary, temporary.open("wb") as file:
        _write(file, tensors)
    for old in place.path.parent.glob(f"{place.family}*"):
        if old != place.path:
            old.unlink(missing_ok=True)


def _write(file: BinaryIO, tensors: Iterable[tuple[str, Tensor]]) -> None:
    index: dict[str, Any] = {}
    file.seek(PAGE)
    for name, tensor in tensors:
        file.seek(-file.tell() % ALIGNED, 1)
        dtype = str(tensor.dtype).removeprefix("torch.")
        index[name] = {"dtype": dtype, "shape": list(tensor.shape), "offset": file.tell()}
        file.write(tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().data)
    header = json.dumps(index).encode()
    at = file.tell()
    file.write(header)
    file.seek(0)
    file.write(_FIRST.pack(MAGIC, at, len(header), hashlib.sha256(header).digest()))


def read(place: Place) -> Tensors | None:
    """The tensors of a file, mapped into memory and not read; None where there is no file, or not a whole one."""
    try:
        index, size = _index(place.path)
        storage: Any = torch.UntypedStorage.from_file(str(place.path), False, size)
        tensors = {name: _tensor(storage, size, **facts) for name, facts in index.items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, struct.error) as error:
        log.warning("%s is damaged and made anew: %s", place.path, error)
        return None
    if any(name not in tensors or tensors[name].numel() != n for name, _, n in _wanted(place)):
        log.warning("%s holds other tensors than the model has; it is made anew", place.path)
        return None
    return tensors


def _index(path: Path) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        magic, at, length, digest = _FIRST.unpack(file.read(_FIRST.size))
        size = path.stat().st_size
        if magic != MAGIC or at + length != size:
            raise ValueError("it is cut off, or another kind of file")
        file.seek(at)
        header = file.read(length)
    if hashlib.sha256(header).digest() != digest:
        raise ValueError("its index is damaged")
    return dict(json.loads(header)), size


def _tensor(storage: Any, size: int, dtype: str, shape: list[int], offset: int) -> Tensor:
    kind = _DTYPES[dtype]
    count = torch.Size(shape).numel()
    if offset % ALIGNED or not 0 <= offset <= size - count * kind.itemsize:
        raise ValueError("a tensor lies outside of it")
    return torch.empty(0, dtype=kind).set_(storage, offset // kind.itemsize, shape, _strides(shape))


def _strides(shape: list[int]) -> list[int]:
    return [math.prod(shape[i + 1 :]) for i in range(len(shape))]


def _wanted(place: Place) -> Iterator[tuple[str, int, int]]:
    """Every tensor that the kernels will look at: its name, bytes of a number at most, and how many."""
    config = place.config
    network = Seq2Seq(config) if isinstance(config, Seq2SeqConfig) else Decoder(config)  # its memory is never touched
    for name, layer in linear_layers(network).items():
        n, k = layer.get_parameter("weight").shape
        precision = precision_of(name, place.precision)
        panel = -(-n // PANEL)
        yield f"{name}.{precision}", 1, panel * library().sibao_panel_bytes(KINDS[precision], k)
        if precision == "int8":
            yield from ((f"{name}.{part}", 4, panel * PANEL) for part in ("scale", "offset"))
        if getattr(layer, "bias", None) is not None:
            yield f"{name}.bias", 4, panel * PANEL
    for name, module in network.named_modules():
        if isinstance(module, NORMS):
            yield from ((f"{name}.{key}", 4, p.numel()) for key, p in module.named_parameters(recurse=False))
    if isinstance(config, Seq2SeqConfig):
        yield from pair_weights.beside(config, place.precision)
    else:
        for name in embeddings(config, place.precision):
            yield f"{name}.weight", 4, network.get_submodule(name).get_parameter("weight").numel()
