"""``sibao export``: a model out again, as a Hugging Face folder, an adapter alone, or a GGUF file for llama.cpp.

All of the target folder is written under a hidden name first: a killed export leaves nothing under the final one.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from sibao.core.errors import BadInput, UnknownName
from sibao.models._adapter_head import LABELS
from sibao.models.adapter import CONFIG, WEIGHTS, base_of, load_adapter
from sibao.models.folder import load_network, read_config, save_model
from sibao.models.names import Source, resolve
from sibao.models.weights import SHARD_BYTES, read_json
from sibao.nn.encoder import Encoder
from sibao.nn.lora import merge_lora
from sibao.nn.network import Network
from sibao.workflows._export_card import Card, called, read_card, write_card
from sibao.workflows._export_files import copy_beside, new_folder, size_of, write_config
from sibao.workflows._export_gguf import TYPES, require_package, write_gguf
from sibao.workflows._export_scores import scores_of_model

Format = Literal["hf", "gguf", "adapter"]
FORMATS = ("hf", "gguf", "adapter")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_PRECISIONS = {"hf": ("auto", *_DTYPES), "gguf": ("auto", *TYPES), "adapter": ("auto",)}


@dataclass(frozen=True)
class Options:
    """How to export; the fields are the flags of the command."""

    format: str = "hf"
    merge: bool = False
    precision: str = "auto"
    shard_size: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Exported:
    """A finished export. ``scores``: how many of the store stand in the card; ``notes``: what a user should know."""

    folder: str
    format: str
    family: str
    precision: str
    parameters: int
    merged: bool
    files: dict[str, int]
    scores: int
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        """The export object of the JSON contract."""
        return asdict(self) | {"bytes": sum(self.files.values())}


def export(model: str, out: Path | str, options: Options = Options()) -> Exported:
    """Write a model into a new folder.

    Args:
        model: ``mini``, a folder, ``org/name``, any of these with ``+ADAPTER_FOLDER``.
        out: a folder that does not exist, or is empty.

    Raises:
        BadInput: options that do not go together, no such model, or a target with something in it.
        ModelError: a damaged model, or one that the format has no place for.
        MissingPackage: GGUF without the package ``gguf``.
    """
    _check(options)
    if ":" in model and not Path(model).exists():
        raise BadInput(f"{model!r} does not lie on this machine", hint="name mini, a folder or org/name")
    source, target = resolve(model), Path(out)
    _check_adapter(model, source, options)
    with new_folder(target) as folder:
        done = _Export(model, source, target, options).write(folder)
    return replace(done, folder=str(target))


def _check(options: Options) -> None:
    if options.format not in FORMATS:
        raise UnknownName("export format", options.format, FORMATS)
    if options.precision not in _PRECISIONS[options.format]:
        known = ", ".join(_PRECISIONS[options.format])
        raise BadInput(f"{options.format} has no precision {options.precision!r}", hint=f"it has: {known}")
    if options.shard_size is not None:
        size_of(options.shard_size)
        if options.format != "hf":
            raise BadInput(f"--shard-size is for hf, not for {options.format}", hint="leave it out")
    if options.format == "gguf":
        require_package()


def _check_adapter(model: str, source: Source, options: Options) -> None:
    """What shall become of an adapter is the user's to say."""
    if source.adapter is None:
        if options.merge or options.format == "adapter":
            raise BadInput(f"{model!r} carries no adapter", hint="name it as BASE+ADAPTER_FOLDER")
    elif options.format == "adapter":
        if options.merge:
            raise BadInput("--merge and --format adapter exclude each other", hint="choose one of them")
    elif not options.merge:
        raise BadInput(
            f"{model!r} carries an adapter",
            hint="--merge writes it into the weights, --format adapter exports it alone",
        )


class _Export:
    """One export on its way."""

    def __init__(self, model: str, source: Source, target: Path, options: Options) -> None:
        self.model, self.source, self.target, self.options = model, source, target, options
        self.family = read_config(source.folder)[0]
        self.name = options.name or target.absolute().name
        self.notes: list[str] = []

    def write(self, folder: Path) -> Exported:
        """Everything into the folder."""
        network = self._network()
        if self.options.format == "hf":
            self._write_hf(network, folder)
        elif self.options.format == "gguf":
            self._write_gguf(network, folder)
        else:
            self._write_adapter(folder)
        return self._finish(network, folder)

    def _network(self) -> Network:
        """The model as it will be written; an adapter is merged in fp32, then rounded once."""
        network = load_network(self.source.folder)
        stored = next(network.parameters()).dtype
        self.precision = {v: k for k, v in _DTYPES.items()}.get(stored, "fp32")
        if self.source.adapter is not None:
            network = network.float()
            load_adapter(network, self.source.adapter, self.family)
            if self.options.merge:
                merge_lora(network)
        if self.options.precision != "auto":
            self.precision = self.options.precision
        return network.eval()

    def _write_hf(self, network: Network, folder: Path) -> None:
        shard = SHARD_BYTES if self.options.shard_size is None else size_of(self.options.shard_size)
        save_model(network, folder, self.family, dtype=_DTYPES[self.precision], shard_bytes=shard)
        write_config(self.source.folder, folder, head=self.source.adapter is not None and isinstance(network, Encoder))
        copy_beside(self.source.folder, folder)

    def _write_gguf(self, network: Network, folder: Path) -> None:
        from sibao.text.tokenizer import Tokenizer

        tokenizer = Tokenizer.load(self.source.folder)
        file = folder / f"{self.name}-{TYPES[self.precision]}.gguf"
        card = read_card(self.source.folder)[0]
        languages = [card["language"]] if isinstance(card.get("language"), str) else card.get("language")
        general = {"name": self.name, "license": card.get("license"), "languages": languages}
        self.notes += write_gguf(file, network, self.family, tokenizer, self.precision, general)

    def _write_adapter(self, folder: Path) -> None:
        adapter = self.source.adapter or self.source.folder
        for name in (CONFIG, WEIGHTS, LABELS):
            if name != LABELS or (adapter / name).is_file():
                (folder / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(adapter / name, folder / name)
        copy_beside(self.source.folder, folder)
        self.precision = "as trained"

    def _finish(self, network: Network, folder: Path) -> Exported:
        scores = scores_of_model([self.model, *([str(self.source.adapter)] if self.source.adapter else [])])
        count = sum(p.numel() for p in network.parameters())
        base: str | None = self.model if self.source.adapter is None else base_of(self.source.adapter)
        if self.source.adapter is None and self.options.format == "hf":
            base = None  # the same model again
        config = read_json(self.source.folder / "config.json")
        write_card(
            folder / "README.md",
            Card(
                name=self.name, format=self.options.format, source=self.model, old=self.source.folder,
                family=self.family, architecture=(config.get("architectures") or [self.family])[0], parameters=count,
                precision=self.precision, base=base, merged=self.options.merge, scores=scores, notes=self.notes,
                usage=_usage(self.options.format, self.name, base or ""),
                tags=["lora"] if self.options.format == "adapter" else [],
            ),
        )  # fmt: skip
        found = sorted(p for p in folder.rglob("*") if p.is_file())
        files = {p.relative_to(folder).as_posix(): p.stat().st_size for p in found}
        done = "", self.options.format, self.family, self.precision, count, self.options.merge
        return Exported(*done, files, len(scores), self.notes)


def _usage(format: str, name: str, base: str) -> str:
    lines = {
        "hf": f"sibao generate '春天' --model {name}",
        "adapter": f"sibao generate '春天' --model {called(base)}+{name}",
        "gguf": f"llama-cli -m {name}/*.gguf",
    }
    return f"```sh\n{lines[format]}\n```"
