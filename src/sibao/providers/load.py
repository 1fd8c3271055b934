"""From a model's name to a model: the file of this package that is named before the colon, else a local folder.

A provider is one file ``providers/<kind>.py`` with ``load(name: str) -> Model``, called with the whole name
(``mock:echo``). Names without a colon (``mini``, a folder, ``org/name``) run in this process.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sibao.core.errors import BadInput, ModelError, UnknownName
from sibao.core.names import load_module, module_names
from sibao.core.types import Model
from sibao.providers._precision import INTEGERS, PRECISIONS, SMALL, refuse_integers

if TYPE_CHECKING:
    from sibao.engine.engine import Engine
    from sibao.models.names import Source
    from sibao.nn.config import DecoderConfig
    from sibao.nn.decoder import Decoder
    from sibao.nn.network import Network
    from sibao.text.tokenizer import Tokenizer

log = logging.getLogger("sibao.load")
_NOT_PROVIDERS = frozenset({"load", "local"})


def providers() -> list[str]:
    """Kinds of providers that a name may begin with."""
    return [name for name in module_names("sibao.providers") if name not in _NOT_PROVIDERS]


def load(name: str, *, precision: str = "auto", adapter: str | Path | None = None, threads: int | None = None) -> Model:
    """The model of that name, ready to answer.

    Args:
        name: ``mini``, a model folder (it wins over all else), ``org/name`` from the cache, any of these with
            ``+ADAPTER_FOLDER``, or ``kind:rest`` for another provider.
        precision: of the weights in memory: fp32, bf16, fp16, int8, int4, or auto (whole numbers where the folder holds such,
            the file's own for large models, else fp32). What int8 and int4 make of a model is kept in the cache.
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
    if kind == "transformers":
        from sibao.providers import transformers

        refuse_integers(precision, f"{name} runs through Transformers")
        return transformers.load(name, transformers.How(precision, adapter, threads))
    if kind not in providers():
        raise UnknownName("provider in this version", kind, [*providers(), "(no colon: a local model)"])
    if adapter is not None or precision != "auto":
        raise BadInput(f"{name!r} does not run in this process", hint="leave out precision and adapter")
    model: Model = load_module("sibao.providers", kind, "provider").load(name)
    return model


def _why_not_here(folder: Path) -> str:
    """Why Sibao's own networks cannot compute a sound model; empty where they can, or where the folder is damaged.

    Raises:
        ModelError: what they lack Transformers would not compute either, but drop: a key that nobody knows.
    """
    from sibao.core.errors import UnsupportedModel
    from sibao.models.folder import read_config

    try:
        read_config(folder)
    except UnsupportedModel as error:
        if find_spec("transformers") is not None:
            from sibao.providers._transformers_config import refuse_unknown

            refuse_unknown(folder, asked=False)
        return error.message
    except ModelError:  # damaged: the reader itself says so
        return ""
    return ""


def _local(name: str, precision: str, adapter: str | Path | None, threads: int | None) -> Model:
    import torch

    from sibao.models.adapter import load_adapter
    from sibao.models.folder import load_network, quantized_form, read_config, refuse_unfit
    from sibao.models.names import Source, resolve
    from sibao.nn.config import DecoderConfig
    from sibao.providers.local import LocalModel
    from sibao.text._limits import refuse_larger
    from sibao.text.tokenizer import Tokenizer

    source = resolve(name)
    if reason := _why_not_here(source.folder):
        from sibao.providers import transformers

        refuse_integers(precision, f"{name} runs through Transformers: {reason}")
        log.warning("%s runs through Transformers: %s", name, reason)
        return transformers.open_source(name, source, transformers.How(precision, adapter, threads))
    if threads is not None:
        torch.set_num_threads(threads)
    config = refuse_unfit(source.folder)  # takes milliseconds; the tokenizer may take seconds
    folder = adapter if adapter is not None else source.adapter
    if precision == "auto":
        precision = quantized_form(source.folder) or precision
    if not isinstance(config, DecoderConfig):
        refuse_integers(precision, f"{name} is none")
    tokenizer = Tokenizer.load(source.folder)
    refuse_larger(tokenizer.backend, config.vocab_size, source.folder)
    if precision in INTEGERS and isinstance(config, DecoderConfig):
        source = Source(source.folder, None if folder is None else Path(folder))
        return LocalModel(name, _in_integers(source, config, precision), tokenizer)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    model = load_network(source.folder, dtype)
    if precision == "auto" and sum(p.numel() for p in model.parameters()) <= SMALL:
        model = model.float()
    if folder is not None:
        load_adapter(model, folder, read_config(source.folder)[0])
        model.eval()
    return _serve(name, model, tokenizer, source.folder)


def _in_integers(source: Source, config: DecoderConfig, precision: str) -> Engine:
    """A decoder's engine in int8 or int4, from the cache of packed weights where it can be."""
    import torch

    from sibao.engine.build import build, build_packed, why_not
    from sibao.models import adapter
    from sibao.models.folder import load_network, read_config
    from sibao.models.weights import weight_files

    family = read_config(source.folder)[0]

    def network() -> Decoder:
        found: Any = load_network(source.folder, quantized=source.adapter is None)
        if source.adapter is not None:
            adapter.load_adapter(found, source.adapter, family)
        made: Decoder = found.eval()
        return made

    if why_not(config, precision, torch.device("cpu")):
        return build(network(), family=family, precision=precision)
    files = [*weight_files(source.folder)]
    if source.adapter is not None:
        files += [source.adapter / adapter.CONFIG, source.adapter / adapter.WEIGHTS]
    return build_packed(config, precision, files, network, family=family)


def _serve(name: str, network: Network, tokenizer: Tokenizer, folder: Path) -> Model:
    """The network as a model, by its architecture."""
    from sibao.engine.build import build
    from sibao.nn.decoder import Decoder
    from sibao.nn.encoder import Encoder
    from sibao.nn.seq2seq import Seq2Seq
    from sibao.providers._encoder import EncoderModel
    from sibao.providers._seq2seq import Seq2SeqModel, read_known
    from sibao.providers.local import LocalModel

    if isinstance(network, Encoder):
        return EncoderModel(name, network, tokenizer)
    if isinstance(network, Decoder):
        return LocalModel(name, build(network), tokenizer)
    if isinstance(network, Seq2Seq):
        return Seq2SeqModel(name, network, tokenizer, read_known(folder, network, tokenizer))
    raise ModelError(f"{name} holds a {type(network).__name__}, which nothing here answers with")
