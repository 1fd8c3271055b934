"""Tokenizers of encoder-decoders without ``tokenizer.json``: T5's ``spiece.model``, and Marian's ``source.spm`` and
``target.spm`` with ``vocab.json``. The ids are those of Transformers' T5Tokenizer and MarianTokenizer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend

from sibao.core.errors import MissingPackage, ModelError
from sibao.core.paths import atomic_path, model_file, write_text
from sibao.text.spm import CONTROL, MAX_FILE, USER_DEFINED, read_pieces
from sibao.text.tokenizer import Tokenizer

T5, MARIAN = "spiece.model", ("source.spm", "target.spm", "vocab.json")
SENTINELS = 100
"""``<extra_id_n>`` tokens of T5 where its files do not say how many."""
_NAMES = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def has_marian(folder: Path) -> bool:
    """Whether the folder holds Marian's tokenizer files."""
    return all((folder / name).is_file() for name in MARIAN)


def has_t5(folder: Path) -> bool:
    """Whether the folder holds T5's tokenizer file."""
    return (folder / T5).is_file()


def load_t5(folder: Path, config: dict[str, Any], ends: Sequence[int] = ()) -> Tokenizer:
    """The tokenizer of a T5 or mT5 folder; what it is saved as is a ``tokenizer.json``.

    Raises:
        ModelError: the file is damaged, or of another kind of model.
    """
    pieces = read_pieces(folder / T5)
    config = _NAMES | config
    backend = Backend(models.Unigram(list(zip(pieces.names, pieces.scores, strict=True)), unk_id=pieces.unknown))
    if pieces.charsmap:
        backend.normalizer = normalizers.Precompiled(pieces.charsmap)
    space = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), space])
    backend.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    for name, kind in zip(pieces.names, pieces.types, strict=True):
        if kind in (CONTROL, USER_DEFINED):
            token = AddedToken(name, normalized=False, special=kind == CONTROL)
            (backend.add_special_tokens if kind == CONTROL else backend.add_tokens)([token])
    named = [
        str(t["content"]) if isinstance(t, dict) else str(t) for t in config.get("additional_special_tokens") or ()
    ]
    count = len([n for n in named if n.startswith("<extra_id_")]) or int(config.get("extra_ids", SENTINELS))
    sentinels = [f"<extra_id_{i}>" for i in reversed(range(count))]  # the first has the highest id
    others = [n for n in named if n not in sentinels]
    specials = [*(config[k] for k in ("pad_token", "eos_token", "unk_token")), *sentinels, *others]
    backend.add_special_tokens([AddedToken(_text(t), normalized=False, special=True) for t in specials])
    end = _text(config["eos_token"])
    if (number := backend.token_to_id(end)) is None:
        raise ModelError(f"{folder / T5} has no end token {end!r}", hint="name eos_token in tokenizer_config.json")
    backend.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", pair=f"$A {end} $B {end}", special_tokens=[(end, number)]
    )
    return Tokenizer(backend, config, ends)


def _text(token: Any) -> str:
    return str(token["content"]) if isinstance(token, dict) else str(token)


class MarianTokenizer(Tokenizer):
    """Sources and answers are cut by two SentencePiece models; pieces get their ids from one vocabulary (or two).

    ``backend`` knows the answers' vocabulary, so that decoding and the names of tokens are as everywhere.
    """

    def __init__(self, files: dict[str, bytes], config: dict[str, Any], ends: Sequence[int] = ()) -> None:
        self.files = files
        self.source_ids = _vocabulary(files["vocab.json"])
        self.target_ids = _vocabulary(files.get("target_vocab.json", files["vocab.json"]))
        config = _NAMES | config
        for name in ("eos_token", "unk_token"):
            if _text(config[name]) not in self.source_ids:
                raise ModelError(f"vocab.json has no {_text(config[name])!r}", hint="the tokenizer files are damaged")
        unknown = _text(config["unk_token"])
        backend = Backend(models.WordLevel(self.target_ids, unk_token=unknown))
        backend.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
        specials = [_text(config[name]) for name in _NAMES]
        backend.add_special_tokens([AddedToken(t, special=True) for t in specials if t in self.target_ids])
        super().__init__(backend, config, ends)
        self._unknown = unknown
        self._source, self._target = _processor(files["source.spm"]), _processor(files["target.spm"])

    def encode(self, text: str, *, specials: bool = False, add_special_tokens: bool = False) -> list[int]:
        """Token ids of a source. A language code such as ``>>cmn_Hans<<`` may stand before it."""
        code: list[str] = []
        if text.startswith(">>") and (end := text.find("<<")) != -1:
            code, text = [text[: end + 2]], text[end + 2 :]
        ids = self._ids([*code, *self._source.encode(text, out_type=str)], self.source_ids)
        return [*ids, self.source_ids[_text(self.config["eos_token"])]] if add_special_tokens else ids

    def encode_target(self, text: str) -> list[int]:
        """Token ids of an answer, without the end token."""
        return self._ids(self._target.encode(text, out_type=str), self.target_ids)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of many sources."""
        return [self.encode(text) for text in texts]

    def save(self, folder: Path | str) -> None:
        """Write the files it was read from."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in self.files.items():
            with atomic_path(folder / name) as temporary:
                temporary.write_bytes(data)
        write_text(folder / "tokenizer_config.json", json.dumps(self.config, indent=2, ensure_ascii=False) + "\n")

    def _ids(self, pieces: list[str], vocabulary: dict[str, int]) -> list[int]:
        return [vocabulary.get(piece, vocabulary[self._unknown]) for piece in pieces]


def load_marian(folder: Path, config: dict[str, Any], ends: Sequence[int] = ()) -> MarianTokenizer:
    """The tokenizer of a Marian folder.

    Raises:
        ModelError: a file is damaged. MissingPackage: sentencepiece is not installed.
    """
    names = [*MARIAN, *(["target_vocab.json"] if (folder / "target_vocab.json").is_file() else [])]
    config = {"tokenizer_class": "MarianTokenizer"} | config
    try:
        return MarianTokenizer({name: model_file(folder / name, MAX_FILE).read_bytes() for name in names}, config, ends)
    except (ValueError, RuntimeError, OSError, TypeError) as error:
        raise ModelError(f"{folder}: the tokenizer cannot be read: {error}", hint="the file is damaged") from None


def _vocabulary(data: bytes) -> dict[str, int]:
    found = json.loads(data.decode("utf-8"))
    if not isinstance(found, dict) or not all(isinstance(number, int) for number in found.values()):
        raise ValueError("vocab.json holds no object of whole numbers")
    return found


def _processor(model: bytes) -> Any:
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError:
        raise MissingPackage("sentencepiece", extra="hf", purpose="the tokenizer of a Marian model") from None
    return SentencePieceProcessor(model_proto=model)
