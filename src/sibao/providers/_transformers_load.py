"""Reading a folder with Transformers, quietly and safely: its own classes only, safetensors only, nothing left random."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sibao.core.errors import ModelError
from sibao.core.paths import model_file
from sibao.models.weights import MAX_JSON, read_json, weight_files
from sibao.providers._transformers_config import refuse_unknown
from sibao.providers._transformers_shapes import misfit
from sibao.providers._transformers_text import PythonTokenizer, wrapped
from sibao.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    import torch

Kind = Literal["sees", "seq2seq", "decoder", "encoder"]
"""Reads pictures and writes; reads with an encoder and writes; writes; only reads."""
AUTO: dict[Kind, str] = {
    "sees": "AutoModelForImageTextToText",
    "seq2seq": "AutoModelForSeq2SeqLM",
    "decoder": "AutoModelForCausalLM",
    "encoder": "AutoModel",
}
_MAPPINGS: dict[Kind, str] = {
    "sees": "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "seq2seq": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "decoder": "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "encoder": "MODEL_MAPPING_NAMES",
}
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
_TEMPLATES = "additional_chat_templates"
"""The folder inside a folder that Transformers looks into."""
_COMPUTED = (".attn.bias", ".attention.bias", ".masked_bias", ".inv_freq", ".position_ids", ".num_batches_tracked")
"""Ends of names of tensors in published files that are computed, not learned. What else Transformers leaves out on purpose
(``_keys_to_ignore_on_load_unexpected``) it does not report."""
# What generation_config.json may say that is part of the model; how to draw is said by Sibao's options.
_STRUCTURE = (
    "bos_token_id", "decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id", "bad_words_ids",
    "suppress_tokens", "begin_suppress_tokens", "length_penalty", "early_stopping",
)  # fmt: skip


@dataclass(frozen=True)
class Loaded:
    """What was in the folder. ``processor`` turns pictures into inputs of a network that sees, else None; ``beams`` is how many
    texts its publisher lets compete (a translator's habit)."""

    network: Any
    kind: Kind
    tokenizer: Tokenizer | PythonTokenizer
    processor: Any = None
    beams: int = 1


def load_folder(folder: Path, dtype: torch.dtype | None = None) -> Loaded:
    """Network, tokenizer and processor of a folder; nothing is fetched.

    Args:
        dtype: precision of the weights in memory; None keeps that of the file.

    Raises:
        ModelError: an architecture that Transformers does not have, one that needs code of its own, pickled, missing or
            damaged weights, tensors or keys of config.json that nothing would be computed with, a file that is a link
            out of the folder, no tokenizer.
    """
    refuse_links(folder)
    kind = kind_of(folder)
    refuse_unknown(folder, asked=True)
    _check_files(folder)
    with quiet():
        network = _network(folder, kind, dtype)
        processor = _processor(folder) if kind == "sees" else None
        tokenizer = wrapped(_tokenizer(folder) if processor is None else processor.tokenizer, folder, processor)
    beams = getattr(getattr(network, "generation_config", None), "num_beams", None) if kind == "seq2seq" else None
    _settle(network, tokenizer)
    return Loaded(network, kind, tokenizer, processor, beams or 1)


def kind_of(folder: Path) -> Kind:
    """What the network in a folder can do, by its ``architectures``, else by its ``model_type``.

    Raises:
        ModelError: Transformers does not have it, or has it only through code of the repository.
    """
    import transformers
    from transformers.models.auto import modeling_auto

    config = read_json(folder / "config.json")
    name, classes = str(config.get("model_type", "")), set(config.get("architectures") or ())
    found: dict[Kind, Any] = {kind: getattr(modeling_auto, mapping).get(name) for kind, mapping in _MAPPINGS.items()}
    if not any(found.values()):
        if "auto_map" in config:
            raise ModelError(
                f"{folder}: model_type {name!r} needs code of its own repository, which is never run",
                hint="choose a model whose architecture Transformers itself has",
            )
        raise ModelError(
            f"{folder}: neither Sibao nor Transformers {transformers.__version__} has a text model of type {name!r}",
            hint="a newer version of transformers may have it",
        )
    for kind, names in found.items():
        if names and classes & ({names} if isinstance(names, str) else set(names)):
            return kind
    if classes and found["encoder"] and not any("LM" in c or c.endswith("Generation") for c in classes):
        return "encoder"  # a head that Sibao does not use (classification, say): its body still embeds
    if any("MaskedLM" in c for c in classes):
        return "encoder"
    return next(kind for kind, names in found.items() if names)


def refuse_links(folder: Path) -> None:
    """Make sure that whatever Transformers opens in a folder, by names of its own choice, may be read as a part of it.

    Raises:
        ModelError: see ``core.paths.model_file``.
    """
    templates = folder / _TEMPLATES
    if templates.is_dir() and not templates.resolve().is_relative_to(folder.resolve()):
        raise ModelError(f"{templates} is a link out of its folder", hint="put the files themselves into the folder")
    for path in sorted(folder.iterdir()) + sorted(templates.glob("*")):
        if not path.is_dir():
            with suppress(FileNotFoundError):  # a link to nothing: a file that is not there
                model_file(path, MAX_JSON if path.suffix == ".json" else None)


def _check_files(folder: Path) -> None:
    if any(folder.glob("*.safetensors")):
        weight_files(folder)
        return
    if found := sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern)):
        raise ModelError(
            f"{folder} has its weights as {found[0]}, a form that can run code when it is read; it is refused",
            hint="take a revision with model.safetensors, or convert it on a machine that may be harmed",
        )
    raise ModelError(f"{folder} holds no model.safetensors", hint="the download may be incomplete")


def _network(folder: Path, kind: Kind, dtype: torch.dtype | None) -> Any:
    import transformers

    auto = getattr(transformers, AUTO[kind])
    try:
        network, info = auto.from_pretrained(
            folder,
            dtype=dtype or "auto",
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:  # whatever a damaged folder makes the library raise
        first = str(error).strip().splitlines()[0] if str(error).strip() else ""
        if "ignore_mismatched_sizes" in str(error) and (why := misfit(folder, auto)) is not None:
            raise why from None
        raise ModelError(f"{folder}: Transformers cannot load it: {type(error).__name__}: {first[:300]}") from None
    _check_tensors(folder, kind, network, info)
    return network.eval()


def _check_tensors(folder: Path, kind: Kind, network: Any, info: dict[str, Any]) -> None:
    """Refuse weights that are not the whole network, hold more than it, or no numbers."""
    import torch

    unused = "pooler." if kind == "encoder" else "\0"  # a layer above the hidden states, which nobody here asks for
    if lacking := sorted(key for key in info["missing_keys"] if not key.startswith(unused)):
        raise ModelError(
            f"{folder} lacks {len(lacking)} tensors ({', '.join(lacking[:3])}); they would be random",
            hint="the folder is damaged, or holds another architecture than its config.json says",
        )
    extra = sorted(key for key in info["unexpected_keys"] if not key.endswith(_COMPUTED))
    if kind == "encoder":  # only its body was made; a head is left out on purpose
        body = {network.base_model_prefix, *(name for name, _ in network.named_children())}
        extra = [key for key in extra if key.partition(".")[0] in body]
    if extra:
        raise ModelError(
            f"{folder}: the weights hold {len(extra)} tensors that belong to no layer ({', '.join(extra[:3])})",
            hint="loading would ignore them; config.json and the weights do not belong together",
        )
    for name, weight in network.named_parameters():
        if not bool(torch.isfinite(weight.detach().float().sum())):
            raise ModelError(f"{folder}: {name} holds values that are not numbers", hint="the file is damaged")


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # as above
        raise ModelError(f"{folder}: its tokenizer cannot be read: {type(error).__name__}: {error}") from None


def _processor(folder: Path) -> Any:
    from sibao.providers._transformers_see import load_processor

    return load_processor(folder)


def _settle(network: Any, tokenizer: Tokenizer | PythonTokenizer) -> None:
    """Keep of the generation config what belongs to the model. Ends are watched by Sibao, so none is named here."""
    from transformers import GenerationConfig

    own = getattr(network, "generation_config", None)
    if own is None:
        return
    kept = {name: value for name in _STRUCTURE if (value := getattr(own, name, None)) is not None}
    network.generation_config = GenerationConfig(**kept, pad_token_id=tokenizer.pad_id, do_sample=False)


@contextmanager
def quiet(level: int = logging.ERROR) -> Iterator[None]:
    """Transformers without its remarks below ``level`` and its progress bars, and as it was afterwards."""
    from transformers.utils import logging as theirs

    before, bars = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    theirs.set_verbosity(level)
    theirs.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        theirs.set_verbosity(before)
        if bars:
            theirs.enable_progress_bar()
