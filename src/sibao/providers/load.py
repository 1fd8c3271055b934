"""From a model's name to a model: the file of this package that is named before the colon, else a local folder.

A provider is one file ``providers/<kind>.py`` with ``load(name: str) -> Model``, called with the whole name
(``mock:echo``, ``http://host:port/v1#NAME``); one that asks over the network has ``place(name)`` besides. Names without a
colon (``mini``, a folder, ``org/name``) run in this process.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sibao.core.errors import BadInput, ModelError, UnknownName
from sibao.core.names import load_module, module_names
from sibao.core.types import Model
from sibao.providers._device import place, refuse_chance, refuse_elsewhere, refuse_unknown_device
from sibao.providers._precision import INTEGERS, KV_CACHES, PRECISIONS, SMALL, refuse_integers, refuse_kv_cache

if TYPE_CHECKING:
    from sibao.engine.engine import Engine
    from sibao.models.names import Source
    from sibao.nn.config import DecoderConfig
    from sibao.nn.decoder import Decoder
    from sibao.nn.network import Network
    from sibao.nn.seq2seq import Seq2Seq
    from sibao.nn.seq2seq_config import Seq2SeqConfig
    from sibao.providers._place import Place
    from sibao.text.tokenizer import Tokenizer

log = logging.getLogger("sibao.load")
_NOT_PROVIDERS = frozenset({"load", "local", "workers"})
HOSTED = ("openai", "google", "ai21", "http", "https")
"""Kinds that ask a server."""
_FILES = {"https": "http"}
"""Kinds that share another's file."""


def providers() -> list[str]:
    """Kinds of providers that a name may begin with."""
    return sorted({name for name in module_names("sibao.providers") if name not in _NOT_PROVIDERS} | {*_FILES})


def local_name(name: str) -> str | None:
    """The folder or hub name of a model that this machine computes, as ``models.names.resolve`` takes it; None for others."""
    kind, colon, rest = name.partition(":")
    if not colon or Path(name).exists():
        return name
    return rest if kind in ("transformers", "vllm") else None


def place_of(name: str) -> Place | None:
    """Where a hosted model is asked; None for a model that is not hosted.

    Raises:
        BadInput, ProviderError: an address that is none, or a variable that is missing.
    """
    kind, colon, _ = name.partition(":")
    if not colon or kind not in HOSTED or Path(name).exists():
        return None
    found: Place = _file(kind).place(name)
    return found


def _file(kind: str) -> Any:
    return load_module("sibao.providers", _FILES.get(kind, kind), "provider")


@dataclass(frozen=True)
class How:
    """In which way a local model is loaded; see ``load``."""

    precision: str
    adapter: str | Path | None
    threads: int | None
    kv_cache: str
    device: str = "auto"
    deterministic: bool = False


def load(
    name: str,
    *,
    precision: str = "auto",
    adapter: str | Path | None = None,
    threads: int | None = None,
    kv_cache: str = "auto",
    draft: str | None = None,
    speculate: bool = True,
    device: str = "auto",
    deterministic: bool = False,
) -> Model:
    """The model of that name, ready to answer.

    Args:
        name: ``mini``, a model folder (it wins over all else), ``org/name`` from the cache, any of these with
            ``+ADAPTER_FOLDER``, ``kind:rest`` for another provider, or ``http://host:port/v1#NAME``.
        precision: of the weights in memory: fp32, bf16, fp16, int8, int4, or auto (whole numbers where the folder holds such,
            the file's own for large models, else fp32). What int8 and int4 make of a model is kept in the cache.
        adapter: folder of a LoRA adapter, as if it stood in the name.
        threads: cores to compute with; None leaves PyTorch's choice.
        kv_cache: what a decoder's keys and values are kept in: fp32, bf16, int8, or auto (fp32 beside such weights, else
            bf16).
        draft: name of a smaller model with the same vocabulary, which guesses the next tokens for this one: the same
            answers in fewer steps (arXiv 2211.17192). On PyTorch's operators, which compute where there are no
            kernels, a step of several tokens rounds otherwise, which may tip two equal scores. It is loaded in the
            same precision.
        speculate: False: nothing is guessed, not even from the text itself.
        device: cpu, cuda (``cuda:1`` the second one), or auto: a GPU where there is one that holds the weights, for decoders
            in fp32, bf16 or fp16. There ``auto`` as precision is the file's own.
        deterministic: an answer is the same to the bit whatever is computed beside it, and after a restart on this machine
            with as many threads. Without it that holds on the engine's own kernels alone; PyTorch's operators, which
            compute where there is no compiler and on GPUs, may then choose otherwise where two tokens' scores are
            equal but for rounding, and with it they are slower (``engine.torch_runner``).

    Raises:
        UnknownName: a provider, a mock, a precision, a ``kv_cache`` or a device that is not there.
        BadInput: a number of threads that does not exist, local options for another provider, a draft that cannot guess, a
            GPU where there is none, or ``deterministic`` for a model that cannot be.
        ModelError: a folder that is damaged.
    """
    if precision not in PRECISIONS:
        raise UnknownName("precision", precision, PRECISIONS)
    if kv_cache not in KV_CACHES:
        raise UnknownName("kv_cache", kv_cache, KV_CACHES)
    if draft is not None and not speculate:
        raise BadInput(f"{draft!r} is to guess, and speculate is False", hint="leave out one of them")
    if threads is not None and threads < 1:
        raise BadInput(f"threads is {threads}, wanted 1 or more")
    refuse_unknown_device(device)
    how = How(precision, adapter, threads, kv_cache, device, deterministic)
    if draft is None and speculate:
        return _open(name, how)
    from sibao.providers._guesses import settle

    small = None if draft is None else _open(draft, replace(how, adapter=None, deterministic=False))
    return settle(_open(name, how), small)


def _open(name: str, how: How) -> Model:
    kind, colon, _ = name.partition(":")
    if not colon or Path(name).exists():
        return _local(name, how)
    if kind == "transformers":
        from sibao.providers import transformers

        refuse_integers(how.precision, f"{name} runs through Transformers")
        refuse_kv_cache(how.kv_cache, f"{name} runs through Transformers")
        refuse_elsewhere(how.device, how.deterministic, f"{name} runs through Transformers")
        return transformers.load(name, transformers.How(how.precision, how.adapter, how.threads))
    if kind == "vllm":
        from sibao.providers import vllm

        refuse_integers(how.precision, f"{name} runs through vLLM")
        refuse_kv_cache(how.kv_cache, f"{name} runs through vLLM")
        refuse_elsewhere("auto", how.deterministic, f"{name} runs through vLLM")
        return vllm.load(name, vllm.How(how.precision, how.adapter, how.device))
    if kind not in providers():
        raise UnknownName("provider in this version", kind, [*providers(), "(no colon: a local model)"])
    if how.adapter is not None or how.precision != "auto" or how.kv_cache != "auto":
        raise BadInput(f"{name!r} does not run in this process", hint="leave out precision, kv_cache and adapter")
    refuse_elsewhere(how.device, how.deterministic, f"{name!r} does not run in this process")
    model: Model = _file(kind).load(name)
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


def _local(name: str, how: How) -> Model:
    import torch

    from sibao.models.adapter import load_adapter
    from sibao.models.folder import load_network, quantized_form, read_config, refuse_unfit
    from sibao.models.names import Source, resolve
    from sibao.nn.config import DecoderConfig
    from sibao.nn.seq2seq_config import Seq2SeqConfig
    from sibao.text._limits import refuse_larger
    from sibao.text.tokenizer import Tokenizer

    source, precision = resolve(name), how.precision
    if reason := _why_not_here(source.folder):
        from sibao.providers import transformers

        refuse_integers(precision, f"{name} runs through Transformers: {reason}")
        refuse_kv_cache(how.kv_cache, f"{name} runs through Transformers: {reason}")
        refuse_elsewhere(how.device, how.deterministic, f"{name} runs through Transformers: {reason}")
        log.warning("%s runs through Transformers: %s", name, reason)
        return transformers.open_source(name, source, transformers.How(precision, how.adapter, how.threads))
    if how.threads is not None:
        torch.set_num_threads(how.threads)
    config = refuse_unfit(source.folder)  # takes milliseconds; the tokenizer may take seconds
    folder = how.adapter if how.adapter is not None else source.adapter
    if precision == "auto":
        precision = quantized_form(source.folder) or precision
    if not isinstance(config, DecoderConfig | Seq2SeqConfig):
        refuse_integers(precision, f"{name} writes nothing")
        refuse_kv_cache(how.kv_cache, f"{name} writes nothing")
    tokenizer = Tokenizer.load(source.folder)
    refuse_larger(tokenizer.backend, config.vocab_size, source.folder)
    if precision in INTEGERS and isinstance(config, DecoderConfig | Seq2SeqConfig):
        place(how.device, f"{precision} is computed there", 0, name)
        source = Source(source.folder, None if folder is None else Path(folder))
        return _writer(name, _in_integers(source, config, precision, how), tokenizer, source.folder)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    model = load_network(source.folder, dtype)
    why_cpu = "int8 keys and values are computed there" if how.kv_cache == "int8" else ""
    why_cpu = why_cpu if isinstance(config, DecoderConfig) else "only decoders run on GPUs"
    device = place(how.device, why_cpu, sum(p.nbytes for p in model.parameters()), name)
    if precision == "auto" and device.type == "cpu" and sum(p.numel() for p in model.parameters()) <= SMALL:
        model = model.float()
    model = model.to(device)
    if folder is not None:
        load_adapter(model, folder, read_config(source.folder)[0])
        model.eval()
    made = _serve(name, model, tokenizer, source.folder, how)
    if how.deterministic:
        refuse_chance(made)
    return made


def _in_integers(source: Source, config: DecoderConfig | Seq2SeqConfig, precision: str, how: How) -> Engine:
    """An engine in int8 or int4, from the cache of packed weights where it can be."""
    import torch

    from sibao.engine.build import Limits, build, build_packed, why_not
    from sibao.models import adapter
    from sibao.models.folder import load_network, read_config
    from sibao.models.weights import weight_files

    family = read_config(source.folder)[0]

    def network() -> Decoder | Seq2Seq:
        found: Any = load_network(source.folder, quantized=source.adapter is None)
        if source.adapter is not None:
            adapter.load_adapter(found, source.adapter, family)
        made: Decoder | Seq2Seq = found.eval()
        return made

    exact = how.deterministic
    if why_not(config, precision, torch.device("cpu"), wait=exact or how.kv_cache == "int8"):
        return build(network(), family=family, precision=precision, kv_cache=how.kv_cache, deterministic=exact)
    files = [*weight_files(source.folder)]
    if source.adapter is not None:
        files += [source.adapter / adapter.CONFIG, source.adapter / adapter.WEIGHTS]
    return build_packed(config, precision, files, network, Limits(kv_cache=how.kv_cache), family)


def _serve(name: str, network: Network, tokenizer: Tokenizer, folder: Path, how: How) -> Model:
    """The network as a model, by its architecture."""
    from sibao.engine.build import build
    from sibao.models.folder import read_config
    from sibao.nn.decoder import Decoder
    from sibao.nn.encoder import Encoder
    from sibao.nn.seq2seq import Seq2Seq
    from sibao.providers._encoder import EncoderModel

    if isinstance(network, Encoder):
        return EncoderModel(name, network, tokenizer)
    if isinstance(network, Decoder | Seq2Seq):
        family = read_config(folder)[0]
        engine = build(network, family=family, kv_cache=how.kv_cache, deterministic=how.deterministic)
        return _writer(name, engine, tokenizer, folder)
    raise ModelError(f"{name} holds a {type(network).__name__}, which nothing here answers with")


def _writer(name: str, engine: Engine, tokenizer: Tokenizer, folder: Path) -> Model:
    """A model that writes, of either kind."""
    from sibao.nn.seq2seq_config import Seq2SeqConfig
    from sibao.providers._seq2seq import Seq2SeqModel, read_known
    from sibao.providers.local import LocalModel

    if isinstance(engine.config, Seq2SeqConfig):
        return Seq2SeqModel(name, engine, tokenizer, read_known(folder, engine.config, tokenizer))
    return LocalModel(name, engine, tokenizer)
