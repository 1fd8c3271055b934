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
from sibao.core.names import load_module
from sibao.core.paths import write_text
from sibao.text import slow
from sibao.text._limits import check_files, tame

# The split of Qwen2 (and of llama.cpp's "qwen2" pre-tokenizer): words, single digits, runs of signs, line ends.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
LONG = 1 << 14
"""Characters of a text that takes a while to encode."""
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


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
        self.cls_id, self.sep_id, self.mask_id = (self._special(f"{k}_token") for k in ("cls", "sep", "mask"))
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
        if len(text) > LONG:  # only the batch lets other threads run
            return backend.encode_batch_fast([text], add_special_tokens=add_special_tokens)[0].ids
        return backend.encode(text, add_special_tokens=add_special_tokens).ids

    def encode_source(self, text: str) -> list[int]:
        """Token ids of what an encoder-decoder reads; they end with the end token."""
        ids = self.encode(text, add_special_tokens=True)
        return ids if not self.eos_ids or ids[-1:] == [self.eos_ids[0]] else [*ids, self.eos_ids[0]]

    def encode_target(self, text: str) -> list[int]:
        """Token ids of what an encoder-decoder answers, without the end token."""
        return self.encode(text)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of many texts on all cores; control strings are text."""
        return [e.ids for e in self._literal.encode_batch_fast(list(texts), add_special_tokens=False)]

    def encode_offsets(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """As ``encode_batch``, with the characters [begin, end) of the text that each token stands for."""
        return [(e.ids, e.offsets) for e in self._literal.encode_batch(list(texts), add_special_tokens=False)]

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
        """The tokenizer of a model folder (``tokenizer.json``, else the files that ``text.slow`` reads).

        Raises:
            ModelError: none of them is there, or they are damaged.
        """
        folder = Path(folder)
        check_files(folder)
        config = _optional_json(folder / "tokenizer_config.json")
        template = folder / "chat_template.jinja"
        if template.is_file() and "chat_template" not in config:
            config["chat_template"] = template.read_text(encoding="utf-8")
        ends = _optional_json(folder / "generation_config.json").get("eos_token_id", [])
        ends = [ends] if isinstance(ends, int) else ends or []
        if not (folder / "tokenizer.json").is_file():
            pieces = load_module(
                "sibao.text", "sentencepiece", "kind of tokenizer"
            )  # found by name: it builds on this class
            for has, load in ((pieces.has_marian, pieces.load_marian), (pieces.has_t5, pieces.load_t5)):
                if has(folder):
                    found: Tokenizer = load(folder, config, ends)
                    return found
        return cls(*_backend(folder, config), ends)


def _optional_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"{path} is not a JSON object: {error}") from None


def _backend(folder: Path, config: dict[str, Any]) -> tuple[Backend, dict[str, Any]]:
    """The fast tokenizer of a folder, and its configuration with what older files only imply."""
    path = folder / "tokenizer.json"
    try:
        if path.is_file():
            backend = tame(Backend.from_file(str(path)), folder)
            return backend, slow.completed(folder, config, backend)
        if slow.has_files(folder):
            return slow.load(folder, config, SPLIT)
    except ModelError:
        raise
    except OSError as error:  # a TimeoutError is one too, but no fault of the file
        if isinstance(error, TimeoutError):
            raise
        raise ModelError(f"{folder}: the tokenizer cannot be read: {error}") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:  # a part of the wrong kind
        raise ModelError(f"{folder}: the tokenizer cannot be read: {error}", hint="the file is damaged") from None
    except Exception as error:
        if type(error) is not Exception:  # the library raises bare Exception for every fault; others are not its own
            raise
        raise ModelError(f"{folder}: the tokenizer cannot be read: {error}", hint="the file is damaged") from None
    raise ModelError(f"{folder} holds no tokenizer.json", hint="copy the tokenizer files beside config.json")


def train_bpe(
    texts: Iterable[str],
    vocab_size: int,
    *,
    min_frequency: int = 2,
    progress: bool = True,
    specials: Sequence[str] = (END_OF_TEXT, TURN_START, TURN_END),
    config: dict[str, Any] | None = None,
) -> Tokenizer:
    """Train a byte-level BPE (Sennrich et al. 2016, arXiv 1508.07909, on bytes), by default with ChatML control tokens
    and template.

    Args:
        vocab_size: entries in all; at least 256 bytes and the control tokens.
        specials: control tokens, which get the first ids. config: ``tokenizer_config.json``; None: ChatML's.

    Raises:
        BadInput: the size is too small, or there is no text.
    """
    if vocab_size < (least := max(300, 256 + len(specials))):
        need = f"256 bytes and {len(specials)} control tokens need at least {least}"
        raise BadInput(f"vocab_size {vocab_size} is too small", hint=need)
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=[AddedToken(t, special=True, normalized=False) for t in specials],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=progress,
    )
    backend.train_from_iterator(_counted(texts), trainer)
    return Tokenizer(backend, chatml_config() if config is None else config)


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
