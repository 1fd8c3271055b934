"""A tokenizer's tokens as bytes, in the form that llguidance walks through; made once for each tokenizer.

The bytes of a token are those that ``Tokenizer.decode`` writes for it, so what a grammar allows is the text that is read.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor

from sibao.core.errors import BadInput, MissingPackage
from sibao.text.tokenizer import Tokenizer

SPACE = "▁"
"""SentencePiece's sign for a space (arXiv 1808.06226)."""
INSIDE = "\x02"
"""A sign that no text begins with: what follows it is encoded as what stands inside a text."""


@dataclass(frozen=True)
class Vocabulary:
    """``engine`` is llguidance's view of the tokenizer, with the first of its ``ends``; ``size`` counts its ids.

    Some decoders (SentencePiece's) drop a space at the beginning of a text. ``led`` holds the ids that lose it there, and
    ``shown`` the ids whose bytes are what then is left: ``size`` where no token has these, ``nothing`` where
    nothing is left. ``lost`` is the same as a table.
    """

    engine: Any
    size: int
    ends: tuple[int, ...]
    led: Tensor
    shown: Tensor
    lost: dict[int, int]

    @property
    def nothing(self) -> int:
        """Stands in ``shown`` for a first token that leaves no text."""
        return self.size + 1


_MADE: WeakKeyDictionary[Tokenizer, Vocabulary] = WeakKeyDictionary()
_LOCK = threading.Lock()


def vocabulary(tokenizer: Any) -> Vocabulary:
    """The vocabulary of a tokenizer; the first call takes up to a second for a large one.

    Raises:
        MissingPackage: llguidance is not installed.
        BadInput: the tokenizer has no end token, or its tokens do not stand for bytes one by one.
    """
    with _LOCK:
        if not isinstance(tokenizer, Tokenizer):
            raise BadInput(
                f"the tokenizer ({type(tokenizer).__name__}) has no fast form, a constrained answer needs one",
                hint="use a model with a tokenizer.json",
            )
        if tokenizer not in _MADE:
            _MADE[tokenizer] = _made(tokenizer)
        return _MADE[tokenizer]


def token_bytes(tokenizer: Tokenizer) -> list[bytes]:
    """The bytes of text behind each id; of control tokens their names; empty for ids that no token has.

    Raises:
        BadInput: the vocabulary is neither byte-level (GPT-2, Radford et al. 2019) nor SentencePiece.
    """
    decoder = json.loads(tokenizer.backend.to_str())["decoder"]
    names = tokenizer.backend.get_vocab(with_added_tokens=True)
    kinds = set(_kinds(decoder))
    out = [b""] * (max(names.values()) + 1)
    if "ByteLevel" in kinds:
        signs = _byte_signs()
        for name, i in names.items():
            plain = i not in tokenizer.special_ids and all(sign in signs for sign in name)
            out[i] = bytes(signs[sign] for sign in name) if plain else name.encode()
        return out
    if not ("Metaspace" in kinds or SPACE in json.dumps(decoder, ensure_ascii=False)):
        raise BadInput(
            f"the tokenizer decodes with {sorted(kinds) or 'nothing'}: its tokens cannot be matched with a grammar",
            hint="use a model with a byte-level or SentencePiece vocabulary",
        )
    for name, i in names.items():
        out[i] = _piece(name, "ByteFallback" in kinds) if i not in tokenizer.special_ids else name.encode()
    return out


def _kinds(decoder: Any) -> Iterator[str]:
    if isinstance(decoder, dict):
        yield str(decoder.get("type"))
        for part in decoder.get("decoders", ()):
            yield from _kinds(part)


def _byte_signs() -> dict[str, int]:
    """The sign that stands for each byte: itself where it can be seen, else one of those from 256 on."""
    shown = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(256 + n): byte for n, byte in enumerate(hidden)}


def _piece(name: str, fallback: bool) -> bytes:
    if fallback and len(name) == 6 and name.startswith("<0x") and name.endswith(">"):
        return bytes([int(name[3:5], 16)])
    return name.replace(SPACE, " ").encode()


class _Wrapped:
    """What llguidance asks of a tokenizer. It does not keep the tokenizer alive."""

    def __init__(self, tokenizer: Tokenizer, tokens: list[bytes]) -> None:
        self.tokens, self._tokenizer = tokens, ref(tokenizer)
        self.eos_token_id, self.bos_token_id = tokenizer.eos_ids[0], tokenizer.bos_id
        self.special_token_ids = sorted({*tokenizer.special_ids, *tokenizer.eos_ids})
        self._before = tokenizer.encode(INSIDE)

    def __call__(self, text: str | bytes) -> list[int]:
        """Token ids of a text that stands inside an answer: no space is put before it."""
        tokenizer = self._tokenizer()
        if tokenizer is None:
            return []
        wanted = text.encode() if isinstance(text, str) else text
        before = len(self._before)
        ids = tokenizer.encode(INSIDE + wanted.decode("utf-8", "replace"))[before:]
        # a sign that the vocabulary lacks would come out as the token for unknown ones, which stands for no text
        return ids if b"".join(self.tokens[i] for i in ids) == wanted else []


def _made(tokenizer: Tokenizer) -> Vocabulary:
    try:
        from llguidance import LLTokenizer, TokenizerWrapper
    except ImportError:
        raise MissingPackage("llguidance", extra="constraints", purpose="a constrained answer") from None
    if not tokenizer.eos_ids:
        raise BadInput(
            "the tokenizer names no end token, so a constrained answer could not end",
            hint="name eos_token in tokenizer_config.json",
        )
    tokens = token_bytes(tokenizer)
    known = set(tokens)
    # llguidance cuts forced text anywhere, also inside a character: every byte needs a token, behind the real ones
    whole = tokens + [one for byte in range(256) if (one := bytes([byte])) not in known]
    engine = LLTokenizer(TokenizerWrapper(_Wrapped(tokenizer, whole)), n_vocab=len(whole))
    led, shown = _led(tokenizer, tokens)
    pair = torch.tensor([led, shown], dtype=torch.long)
    return Vocabulary(engine, len(tokens), tokenizer.eos_ids, pair[0], pair[1], dict(zip(led, shown, strict=True)))


def _led(tokenizer: Tokenizer, tokens: list[bytes]) -> tuple[list[int], list[int]]:
    """Ids that lose spaces at the beginning of a text, and the ids that show what is left."""
    if tokenizer.token_bytes() is not None:
        return [], []  # a byte-level decoder drops nothing
    plain = {text: i for i, text in enumerate(tokens) if i not in tokenizer.special_ids}
    places = plain | {b"": len(tokens) + 1}
    led, shown = [], []
    for i, text in enumerate(tokens):
        if b" " in text and i not in tokenizer.special_ids:
            left = tokenizer.decode([i]).encode()
            if left != text:
                led.append(i)
                shown.append(places.get(left, len(tokens)))
    return led, shown
