"""Tokenizers of folders without ``tokenizer.json``: the published files of BERT (``vocab.txt``) and of GPT-2 and Qwen2
(``vocab.json`` with ``merges.txt``), built so that the ids are those of Transformers' classes of the same names.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend

from sibao.core.errors import ModelError

MAX_FILE = 64 * 2**20
"""A vocabulary above this size is refused: real ones have at most a few megabytes."""
WORDPIECE, BPE = ("vocab.txt",), ("vocab.json", "merges.txt")
NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""Keys of ``tokenizer_config.json`` that name a control token."""
DEFAULTS = {
    "Bert": {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]",
             "mask_token": "[MASK]"},
    "GPT2": {"unk_token": "<|endoftext|>", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"},
    "Qwen2": {"unk_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
    "T5": {"unk_token": "<unk>", "eos_token": "</s>", "pad_token": "<pad>"},
}  # fmt: skip
"""Control tokens of each class where the files name none."""
OF_FAMILY = {"bert": "Bert", "gpt2": "GPT2", "qwen2": "Qwen2", "qwen3": "Qwen2", "t5": "T5"}
"""Class of a ``model_type`` whose tokenizer's files name none."""


def has_files(folder: Path) -> bool:
    """Whether the folder holds one of these vocabularies."""
    return any(all((folder / name).is_file() for name in names) for names in (WORDPIECE, BPE))


def load(folder: Path, config: dict[str, Any], split: str) -> tuple[Backend, dict[str, Any]]:
    """The tokenizer of a folder, and its configuration with the control tokens that its class implies.

    Args:
        config: the content of ``tokenizer_config.json``. split: Qwen2's regular expression.

    Raises:
        ModelError: the files are damaged, too large, or of a class that is not known.
    """
    for name in (*WORDPIECE, *BPE):
        if (folder / name).is_file() and (folder / name).stat().st_size > MAX_FILE:
            raise ModelError(f"{folder / name} has {(folder / name).stat().st_size} bytes; at most {MAX_FILE} are read")
    kind = _kind(folder, config)
    named = _read(folder / "special_tokens_map.json")
    config = {**DEFAULTS[kind], **{k: v for k, v in named.items() if k in NAMED and v}, **config}
    if kind == "Bert":
        backend = _wordpiece(folder / "vocab.txt", config)
    else:
        backend = _bpe(folder, config, split if kind == "Qwen2" else None)
    _add_tokens(backend, folder, config, named)
    if kind == "Bert":
        backend.post_processor = frame(backend, _text(config["cls_token"]), _text(config["sep_token"]))
    return backend, config


def completed(folder: Path, config: dict[str, Any], vocabulary: Backend) -> dict[str, Any]:
    """``tokenizer_config.json`` with the control tokens that it leaves to ``special_tokens_map.json`` and to the defaults of
    the class, as the published folders of bert-base-chinese and gpt2 do. A default that is no token is left out."""
    said = str(config.get("tokenizer_class") or "").removesuffix("Fast").removesuffix("Tokenizer")
    kind = said or OF_FAMILY.get(str(_read(folder / "config.json").get("model_type")), "")
    defaults = {k: v for k, v in DEFAULTS.get(kind, {}).items() if vocabulary.token_to_id(v) is not None}
    named = {k: v for k, v in _read(folder / "special_tokens_map.json").items() if k in NAMED and v}
    return {**defaults, **named, **config}


def _kind(folder: Path, config: dict[str, Any]) -> str:
    """Which of the known classes the files are for."""
    said = str(config.get("tokenizer_class") or "").removesuffix("Fast").removesuffix("Tokenizer")
    fitting = ["Bert"] if (folder / "vocab.txt").is_file() else ["GPT2", "Qwen2"]
    if said in ("", "PreTrained"):
        return fitting[0]
    if said not in fitting:
        raise ModelError(
            f"{folder}: a {config['tokenizer_class']} is not read from {' and '.join(_present(folder))}",
            hint="save tokenizer.json beside it (Transformers' save_pretrained writes it)",
        )
    return said


def _present(folder: Path) -> list[str]:
    return [name for name in (*WORDPIECE, *BPE) if (folder / name).is_file()]


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path} is not a JSON object: {error}") from None


def _text(token: Any) -> str:
    """A control token's text, given as a string or as an object."""
    return str(token["content"]) if isinstance(token, dict) else str(token)


def _wordpiece(path: Path, config: dict[str, Any]) -> Backend:
    """BERT: clean, split Chinese characters, lower-case, strip accents; words and signs; longest pieces first."""
    lines = path.read_text(encoding="utf-8").split("\n")
    vocabulary = {token: number for number, token in enumerate(lines[:-1] if lines[-1] == "" else lines)}
    backend = Backend(models.WordPiece(vocabulary, unk_token=_text(config["unk_token"])))
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.get("tokenize_chinese_chars", True),
        strip_accents=config.get("strip_accents"),
        lowercase=config.get("do_lower_case", True),
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    return backend


def frame(backend: Backend, first: str, last: str) -> processors.TemplateProcessing:
    """``[CLS] A [SEP]`` and ``[CLS] A [SEP] B [SEP]``, B as the second segment."""
    ids = [(token, backend.token_to_id(token)) for token in (first, last)]
    return processors.TemplateProcessing(
        single=f"{first}:0 $A:0 {last}:0", pair=f"{first}:0 $A:0 {last}:0 $B:1 {last}:1", special_tokens=ids
    )


def _bpe(folder: Path, config: dict[str, Any], split: str | None) -> Backend:
    """Byte-level BPE: GPT-2's split into words, or (``split``) Qwen2's with composed characters."""
    backend = Backend(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    spaced = bool(config.get("add_prefix_space"))
    if split is None:
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=spaced)
    else:
        backend.normalizer = normalizers.NFC()
        parts = [
            pre_tokenizers.Split(Regex(split), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=spaced, use_regex=False),
        ]
        backend.pre_tokenizer = pre_tokenizers.Sequence(parts)
    backend.decoder = decoders.ByteLevel()
    return backend


def _add_tokens(backend: Backend, folder: Path, config: dict[str, Any], named: dict[str, Any]) -> None:
    """Control tokens and added tokens, each under the id that the files say."""
    tokens: dict[str, AddedToken] = {}
    wanted: dict[str, int] = {str(k): int(v) for k, v in _read(folder / "added_tokens.json").items()}
    for number, entry in (config.get("added_tokens_decoder") or {}).items():
        flags = {k: v for k, v in entry.items() if k in ("lstrip", "rstrip", "single_word", "normalized", "special")}
        tokens[entry["content"]] = AddedToken(entry["content"], **flags)
        wanted[entry["content"]] = int(number)
    extra = [*named.get("additional_special_tokens", []), *config.get("additional_special_tokens", [])]
    for name in (*(config[k] for k in NAMED if config.get(k)), *extra):
        tokens.setdefault(_text(name), AddedToken(_text(name), special=True, normalized=False))
    for name in wanted:
        tokens.setdefault(name, AddedToken(name, normalized=False))
    for name in sorted(tokens, key=lambda token: wanted.get(token, 2**31)):
        token = tokens[name]
        (backend.add_special_tokens if token.special else backend.add_tokens)([token])
    for name, number in wanted.items():
        if backend.token_to_id(name) != number:
            raise ModelError(
                f"{folder}: the token {name!r} should have id {number}, the vocabulary gives it "
                f"{backend.token_to_id(name)}",
                hint="the tokenizer files do not belong together",
            )
