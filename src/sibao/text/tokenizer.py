"""Tokenizers: training a byte-level BPE, and one small wrapper over the ``tokenizers`` library for every model folder.

Text that looks like a control token (``<|im_end|>`` typed by a user) is encoded as text unless the caller says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from sibao.core.errors import BadInput, ModelError
from sibao.core.paths import write_text

# The split of Qwen2 (and of llama.cpp's "qwen2" pre-tokenizer): words, single digits, runs of signs, line ends.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
MAX_FILE = 64 * 2**20
"""A tokenizer.json above this size is refused: real ones have at most a few tens of megabytes."""


class Tokenizer:
    """Text ↔ token ids of one model.

    Args:
        backend: the fast tokenizer. config: the content of ``tokenizer_config.json``.
        end_ids: ids that end a generation besides ``eos_token`` (from ``generation_config.json``).
    """

    def __init__(self, backend: Backend, config: dict[str, Any], end_ids: Sequence[int] = ()) -> None:
        self.backend, self.config = backend, config
        self._literal = Backend.from_str(backend.to_str())
        self._literal.encode_special_tokens = True
        self.bos_id, eos, pad = (self._special(k) for k in ("bos_token", "eos_token", "pad_token"))
        self.eos_ids: tuple[int, ...] = tuple(dict.fromkeys([*([eos] if eos is not None else []), *end_ids]))
        self.pad_id = pad if pad is not None else (self.eos_ids[0] if self.eos_ids else 0)
        self.special_ids = frozenset(i for i, t in backend.get_added_tokens_decoder().items() if t.special)

    def _special(self, key: str) -> int | None:
        value = self.config.get(key)
        text = value.get("content") if isinstance(value, dict) else value
        return self.backend.token_to_id(text) if text else None

    @property
    def vocab_size(self) -> int:
        """Number of ids, added tokens included."""
        return self.backend.get_vocab_size(with_added_tokens=True)

    @property
    def chat_template(self) -> str | None:
        """The Jinja template of the model, if it has one."""
        template = self.config.get("chat_template")
        if isinstance(template, list):  # several named templates: the one called default
            template = next((t["template"] for t in template if t.get("name") == "default"), None)
        return template

    @property
    def has_template(self) -> bool:
        """Whether the model renders messages itself."""
        return bool(self.chat_template)

    @property
    def document_id(self) -> int:
        """The id put before and after every document in pretraining: ``<|endoftext|>``, else BOS, else EOS."""
        for candidate in (self.backend.token_to_id(END_OF_TEXT), self.bos_id, *self.eos_ids):
            if candidate is not None:
                return candidate
        raise ModelError(
            "the tokenizer has no end-of-text, BOS or EOS token", hint="name an eos_token in tokenizer_config.json"
        )

    def encode(self, text: str, *, specials: bool = False, add_special_tokens: bool = False) -> list[int]:
        """Token ids of a text.

        Args:
            specials: read control strings in the text as control tokens (only for text that no user typed).
            add_special_tokens: add what the tokenizer's own post-processor adds (BOS of Llama, say).
        """
        backend = self.backend if specials else self._literal
        return backend.encode(text, add_special_tokens=add_special_tokens).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of many texts on all cores; control strings are text."""
        return [e.ids for e in self._literal.encode_batch_fast(list(texts), add_special_tokens=False)]

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        """Text of token ids; half characters become U+FFFD."""
        return self.backend.decode(list(ids), skip_special_tokens=skip_special)

    def token_bytes(self) -> list[int] | None:
        """Bytes of text behind each id (0 for control tokens); None unless the vocabulary is byte-level.

        In a byte-level vocabulary each sign of a token's name stands for one byte (GPT-2, Radford et al. 2019).
        """
        if '"ByteLevel"' not in json.dumps(json.loads(self.backend.to_str())["decoder"]):
            return None
        sizes = [0] * self.vocab_size
        for token, i in self.backend.get_vocab(with_added_tokens=True).items():
            sizes[i] = 0 if i in self.special_ids else len(token)
        return sizes

    def save(self, folder: Path | str) -> None:
        """Write ``tokenizer.json`` and ``tokenizer_config.json``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "tokenizer.json", self.backend.to_str(pretty=True))
        write_text(folder / "tokenizer_config.json", json.dumps(self.config, indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: Path | str) -> Tokenizer:
        """The tokenizer of a model folder (``tokenizer.json``, or ``vocab.json`` with ``merges.txt``).

        Raises:
            ModelError: none of them is there, or they are damaged.
        """
        folder = Path(folder)
        config = _optional_json(folder / "tokenizer_config.json")
        template = folder / "chat_template.jinja"
        if template.is_file() and "chat_template" not in config:
            config["chat_template"] = template.read_text(encoding="utf-8")
        ends = _optional_json(folder / "generation_config.json").get("eos_token_id", [])
        return cls(_backend(folder), config, [ends] if isinstance(ends, int) else ends or [])


def _optional_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path} is not a JSON object: {error}") from None


def _backend(folder: Path) -> Backend:
    path = folder / "tokenizer.json"
    try:
        if path.is_file():
            if path.stat().st_size > MAX_FILE:
                raise ModelError(f"{path} has {path.stat().st_size} bytes; at most {MAX_FILE} are read")
            return Backend.from_file(str(path))
        if (folder / "merges.txt").is_file() and (folder / "vocab.json").is_file():
            return _from_merges(folder)
    except ModelError:
        raise
    except Exception as error:  # the library raises bare Exception for every fault
        raise ModelError(f"{folder}: the tokenizer cannot be read: {error}", hint="the file is damaged") from None
    raise ModelError(f"{folder} holds no tokenizer.json", hint="copy the tokenizer files beside config.json")


def _from_merges(folder: Path) -> Backend:
    """A GPT-2 style tokenizer from its two published files."""
    backend = Backend(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    if backend.token_to_id(END_OF_TEXT) is not None:
        backend.add_special_tokens([END_OF_TEXT])
    return backend


def train_bpe(texts: Iterable[str], vocab_size: int, *, min_frequency: int = 2, progress: bool = True) -> Tokenizer:
    """Train a byte-level BPE (Sennrich et al. 2016, arXiv 1508.07909, on bytes) with ChatML control tokens and template.

    Args:
        vocab_size: entries in all; at least 256 bytes and 3 control tokens.

    Raises:
        BadInput: the size is too small, or there is no text.
    """
    if vocab_size < 300:
        raise BadInput(f"vocab_size {vocab_size} is too small", hint="256 bytes and 3 control tokens need at least 300")
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    specials = [AddedToken(t, special=True, normalized=False) for t in (END_OF_TEXT, TURN_START, TURN_END)]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=progress,
    )
    backend.train_from_iterator(_counted(texts), trainer)
    return Tokenizer(backend, chatml_config())


def _counted(texts: Iterable[str]) -> Iterable[str]:
    empty = True
    for text in texts:
        empty = False
        yield text
    if empty:
        raise BadInput("no text to train a tokenizer on", hint="name files that hold text")


def chatml_config() -> dict[str, Any]:
    """``tokenizer_config.json`` of a tokenizer trained here: turns end with ``<|im_end|>``, documents with ``<|endoftext|>``."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": TURN_END,
        "pad_token": END_OF_TEXT,
        "unk_token": None,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHATML,
    }
