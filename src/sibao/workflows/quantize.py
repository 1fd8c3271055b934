"""``sibao quantize``: a decoder in eight or four bits as a Hugging Face folder of the form ``compressed-tensors``, which
vLLM and Transformers read too.

All of the target folder is written under a hidden name first: a killed run leaves nothing under the final one.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from sibao.core.errors import BadInput, ModelError, UnknownName
from sibao.core.paths import write_text
from sibao.core.progress import Progress, progress
from sibao.models.adapter import load_adapter
from sibao.models.compressed import KEY, compress, refuse_form, settings
from sibao.models.folder import family_of, load_network, quantized_form, read_config, renames_of
from sibao.models.names import Source, resolve
from sibao.models.weights import INDEX, SINGLE
from sibao.nn.config import DecoderConfig
from sibao.nn.decoder import Decoder
from sibao.nn.lora import merge_lora
from sibao.nn.quantized import in_stack
from sibao.workflows._export_files import copy_beside, dumps, new_folder, write_config

PRECISIONS = ("int8", "int4")
SHARD = 1 << 30
"""Bytes of a file of weights, and so of the weights that are in memory at once."""
BESIDE = 32 << 20
"""Bytes for tokenizer and settings when the disk is looked at."""


@dataclass(frozen=True)
class Quantized:
    """A finished folder. ``before``: bytes of the weights as they were; ``kept``: linear layers that stay as they were."""

    folder: str
    family: str
    precision: str
    parameters: int
    before: int
    kept: list[str]
    files: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """The quantize object of the JSON contract."""
        return asdict(self) | {"bytes": sum(self.files.values())}


def quantize(model: str, out: Path | str, precision: str = "int8", *, quiet: bool = False) -> Quantized:
    """Write a model in eight or four bits into a new folder.

    Linear layers inside the stack change; embeddings, norms and the vocabulary matrix stay as they are. In int8 what is
    read back gives the same tokens as the model loaded with ``precision="int8"``.

    Args:
        model: ``mini``, a folder, ``org/name``, any of these with ``+ADAPTER_FOLDER``: the adapter is merged.
        out: a folder that does not exist, or is empty.

    Raises:
        BadInput: no such precision or model, a model that is no decoder or quantised already, a target with something in it,
            or a disk that is too small. UnsupportedModel: layers that the form has no place for.
    """
    if precision not in PRECISIONS:
        raise UnknownName("precision for quantised weights", precision, PRECISIONS)
    if ":" in model and not Path(model).exists():
        raise BadInput(f"{model!r} does not lie on this machine", hint="name mini, a folder or org/name")
    source, target = resolve(model), Path(out)
    _refuse(source, model)
    with new_folder(target) as folder:
        done = _Run(source, precision, quiet).write(folder)
    return Quantized(str(target), *done)


def _refuse(source: Source, model: str) -> None:
    """What is wrong and can be seen without the weights."""
    config = read_config(source.folder)[1]
    if (form := quantized_form(source.folder)) is not None:
        raise BadInput(f"{model} is quantised already, in {form}", hint="name the model it was made of")
    if not isinstance(config, DecoderConfig):
        raise BadInput(f"{model} is no decoder", hint="encoders and encoder-decoders are not quantised")
    if config.experts is not None:
        raise BadInput(
            f"{model} is a mixture of experts, which has no form in compressed-tensors that Transformers reads",
            hint="load it with --precision int8",
        )


class _Run:
    """One model on its way."""

    def __init__(self, source: Source, precision: str, quiet: bool) -> None:
        self.source, self.precision, self.quiet = source, precision, quiet
        self.family = read_config(source.folder)[0]
        self.network = self._network()
        self.renames = renames_of(family_of(self.family), self.network.config)
        refuse_form(self.network, self.renames, precision)

    def _network(self) -> Decoder:
        """The model, its numbers not read yet where no adapter changes them."""
        network: Any = load_network(self.source.folder)
        self.dtype = next(network.parameters()).dtype
        if self.source.adapter is not None:
            network = network.float()
            load_adapter(network, self.source.adapter, self.family)
            merge_lora(network)
        found: Decoder = network.eval()
        return found

    def write(self, folder: Path) -> tuple[str, str, int, int, list[str], dict[str, int]]:
        """Everything into the folder."""
        sizes = {name: p.numel() for name, p in self.network.named_parameters()}
        inside = {n for n, m in self.network.named_modules() if isinstance(m, nn.Linear) and in_stack(n)}
        changed = sum(sizes[f"{name}.weight"] for name in inside)
        rest = (sum(sizes.values()) - changed) * self.dtype.itemsize
        self._refuse_disk(folder, changed * 5 // (4 if self.precision == "int8" else 8) + rest + BESIDE)
        try:
            with progress(len(list(self.network.parameters())), "quantize", "tensor", self.quiet) as bar:
                self._write_weights(folder, bar)
            self._write_beside(folder)
        except (OSError, SafetensorError) as error:
            if getattr(error, "errno", None) == errno.ENOSPC or "No space" in str(error):
                raise BadInput(f"the disk of {folder.parent} is full", hint="name a folder on another disk") from None
            raise ModelError(f"{folder} cannot be written: {error}") from None
        files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        before = sum(sizes.values()) * self.dtype.itemsize
        return self.family, self.precision, sum(sizes.values()), before, ["lm_head"], files

    def _refuse_disk(self, folder: Path, needed: int) -> None:
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise BadInput(
                f"{folder.parent} has {free / 1e6:,.0f} MB left, {needed / 1e6:,.0f} MB are needed",
                hint="name a folder on another disk",
            )

    def _tensors(self, bar: Progress) -> Iterator[tuple[str, Tensor]]:
        for key, parts in compress(self.network, self.renames, self.precision):
            bar.advance()
            for name, tensor in parts.items():
                plain = name == key and tensor.is_floating_point()
                yield name, tensor.to(self.dtype) if plain else tensor

    @torch.no_grad()
    def _write_weights(self, folder: Path, bar: Progress) -> None:
        """Files of at most ``SHARD`` bytes, each written before the next one's weights are made."""
        shards: list[dict[str, int]] = []
        waiting: dict[str, Tensor] = {}
        for name, tensor in self._tensors(bar):
            if waiting and sum(t.nbytes for t in waiting.values()) + tensor.nbytes > SHARD:
                shards.append(_save(folder, len(shards), waiting))
                waiting = {}
            waiting[name] = tensor
        shards.append(_save(folder, len(shards), waiting))
        if len(shards) == 1:
            (folder / _part(0)).replace(folder / SINGLE)
            return
        names = [f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors" for i in range(len(shards))]
        for number, name in enumerate(names):
            (folder / _part(number)).replace(folder / name)
        total = sum(sum(shard.values()) for shard in shards)
        places = {key: name for name, shard in zip(names, shards, strict=True) for key in shard}
        index = {"metadata": {"total_size": total}, "weight_map": places}
        write_text(folder / INDEX, json.dumps(index, indent=2) + "\n")

    def _write_beside(self, folder: Path) -> None:
        config = family_of(self.family).write(self.network.config)
        write_text(folder / "config.json", dumps(config | {"dtype": str(self.dtype).removeprefix("torch.")}))
        write_config(self.source.folder, folder)
        written = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        write_text(folder / "config.json", dumps(written | {KEY: settings(self.precision, ["lm_head"])}))
        copy_beside(self.source.folder, folder)


def _part(number: int) -> str:
    return f"part-{number}.safetensors"


def _save(folder: Path, number: int, tensors: dict[str, Tensor]) -> dict[str, int]:
    """Write one file of weights; the bytes of each tensor in it."""
    save_file(tensors, folder / _part(number), metadata={"format": "pt"})
    return {name: tensor.nbytes for name, tensor in tensors.items()}
