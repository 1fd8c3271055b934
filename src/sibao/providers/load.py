"""From a model's name to a model: the file of this package that is named before the colon, else a local folder.

A provider is one file ``providers/<kind>.py`` with ``load(name: str) -> Model``, called with the whole name
(``mock:echo``). Names without a colon (``mini``, a folder, ``org/name``) run in this process.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sibao.core.errors import BadInput, UnknownName
from sibao.core.names import load_module, module_names
from sibao.core.types import Model

if TYPE_CHECKING:
    from sibao.providers.local import LocalModel

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
SMALL = 1_000_000_000
"""Parameters up to which ``auto`` computes in fp32 on a CPU: exact, and as fast as bf16 for one stream."""
_NOT_PROVIDERS = frozenset({"load", "local"})


def providers() -> list[str]:
    """Kinds of providers that a name may begin with."""
    return [name for name in module_names("sibao.providers") if name not in _NOT_PROVIDERS]


def load(name: str, *, precision: str = "auto", adapter: str | Path | None = None, threads: int | None = None) -> Model:
    """The model of that name, ready to answer.

    Args:
        name: ``mini``, a model folder (it wins over all else), ``org/name`` from the cache, any of these with
            ``+ADAPTER_FOLDER``, or ``kind:rest`` for another provider.
        precision: of the weights in memory: fp32, bf16, fp16, or auto (the file's own for large models, else fp32).
        adapter: folder of a LoRA adapter, as if it stood in the name.
        threads: cores to compute with; None leaves PyTorch's choice.

    Raises:
        UnknownName: a provider or a mock that is not there.
        BadInput: a precision or a number of threads that does not exist, or local options for another provider.
        ModelError: a folder that is damaged.
    """
    if precision not in PRECISIONS:
        raise UnknownName("precision", precision, PRECISIONS)
    if threads is not None and threads < 1:
        raise BadInput(f"threads is {threads}, wanted 1 or more")
    kind, colon, _ = name.partition(":")
    if not colon or Path(name).exists():
        return _local(name, precision, adapter, threads)
    if kind not in providers():
        raise UnknownName("provider in this version", kind, [*providers(), "(no colon: a local model)"])
    if adapter is not None or precision != "auto":
        raise BadInput(f"{name!r} does not run in this process", hint="leave out precision and adapter")
    model: Model = load_module("sibao.providers", kind, "provider").load(name)
    return model


def _local(name: str, precision: str, adapter: str | Path | None, threads: int | None) -> LocalModel:
    import torch

    from sibao.engine.engine import Engine
    from sibao.models.adapter import load_adapter
    from sibao.models.folder import load_model, read_config
    from sibao.models.names import resolve
    from sibao.providers.local import LocalModel
    from sibao.text.tokenizer import Tokenizer

    source = resolve(name)
    if threads is not None:
        torch.set_num_threads(threads)
    tokenizer = Tokenizer.load(source.folder)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    model = load_model(source.folder, dtype)
    if precision == "auto" and sum(p.numel() for p in model.parameters()) <= SMALL:
        model = model.float()
    folder = adapter if adapter is not None else source.adapter
    if folder is not None:
        load_adapter(model, folder, read_config(source.folder)[0])
        model.eval()
    return LocalModel(name, Engine(model), tokenizer)
