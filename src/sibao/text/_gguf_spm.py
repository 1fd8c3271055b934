"""SentencePiece's BPE in GGUF (llama.cpp calls the model ``llama``): Llama 1 and 2, Mistral, Gemma, Phi-3.

llama.cpp joins the two neighbours that are the piece with the highest score, whichever they are; a ``tokenizer.json``
has a list of pairs instead. Both give the same tokens when all pairs that are one piece stand together in that list:
then a piece's score is its place there. That is checked here, pair by pair, and what does not fit is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn

from sibao.core.errors import ModelError

SPACE = "▁"
"""The sign for a space in the names of pieces."""
BYTE_NAME = re.compile("<0x[0-9A-F]{2}>")
_PREPEND = {"type": "Prepend", "prepend": SPACE}
_REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
_MORE_SPACES = (
    "llama.cpp puts a space before every text; the model's own tokenizer puts none before one that begins with a space"
)
_AFTER_CONTROL = ", nor after a control token"


def is_sentencepiece(data: dict[str, Any]) -> bool:
    """Whether a ``tokenizer.json`` is of this kind: merges, and bytes for what is in no piece."""
    return data["model"].get("type") == "BPE" and bool(data["model"].get("byte_fallback"))


def sentencepiece(data: dict[str, Any], tokens: list[str], taken: set[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Metadata of a ``tokenizer.json`` of pieces, and what a user should know.

    Args:
        tokens: the name of every id. taken: those that are taken out of a text before anything is joined.

    Raises:
        ModelError: llama.cpp would give other tokens.
    """
    model = data["model"]
    first, notes = _spaces(data)
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges"):
        if model.get(key):
            _refuse(f"has {key} = {model[key]!r}")
    if missing := [b for b in range(256) if f"<0x{b:02X}>" not in model["vocab"] and not _stands_for(b, model)]:
        _refuse(f"has no token for the byte {missing[0]}")
    for added in data["added_tokens"]:
        if added["normalized"] and not added["special"] and (first or " " in added["content"]):
            _refuse(f"looks for {added['content']!r} after it has put signs for spaces")
    merges = [(left, right) for left, right in (m.split(" ") if isinstance(m, str) else m for m in model["merges"])]
    places = _places(merges)
    _check_pairs(set(merges), model["vocab"], set(tokens) - taken)
    scores = [-float(places.get(token, 0)) for token in tokens]
    kind = {"model": "llama", "pre": "default", "scores": scores, "add_space_prefix": first}
    return kind, notes


def _refuse(what: str) -> NoReturn:
    raise ModelError(f"the tokenizer {what}; llama.cpp would give other tokens", hint="export with --format hf")


def _stands_for(byte: int, model: Mapping[str, Any]) -> bool:
    """Gemma has a tab where others have its byte."""
    return byte < 128 and chr(byte) in model["vocab"]


def _spaces(data: dict[str, Any]) -> tuple[bool, tuple[str, ...]]:
    """Whether a space is put before a text, and notes on where llama.cpp puts one more.

    Raises:
        ModelError: text is treated in another way than by signs for spaces.
    """
    normalizer, pre = data.get("normalizer") or {"type": "Sequence", "normalizers": []}, data.get("pre_tokenizer")
    steps = normalizer["normalizers"] if normalizer["type"] == "Sequence" else [normalizer]
    if steps == [_PREPEND, _REPLACE] and pre is None:
        return True, ()
    splits_at_spaces = pre is not None and pre["type"] == "Split" and pre["pattern"] == {"String": " "}
    if steps == [_REPLACE] and (pre is None or splits_at_spaces):  # of which none are left
        return False, ()
    if (
        not steps
        and pre is not None
        and pre["type"] == "Metaspace"
        and not pre["split"]
        and pre["replacement"] == SPACE
    ):
        more = _MORE_SPACES + (_AFTER_CONTROL if pre["prepend_scheme"] == "first" else "")
        return (False, ()) if pre["prepend_scheme"] == "never" else (True, (more,))
    _refuse(f"treats text by {', '.join(s['type'] for s in [*steps, *([pre] if pre else [])]) or 'nothing'}")


def _places(merges: list[tuple[str, str]]) -> dict[str, int]:
    """Where each piece's pairs stand among the merges; refused unless they stand together."""
    places: dict[str, int] = {}
    last = ""
    for place, (left, right) in enumerate(merges):
        piece = left + right
        # runs of one sign are joined longest first, so that the order among them is theirs
        if piece != last and piece in places and len(set(piece)) > 1:
            _refuse(f"joins {piece!r} from several pairs at several times")
        places.setdefault(piece, place)
        last = piece
    return places


def _check_pairs(pairs: set[tuple[str, str]], vocab: Mapping[str, int], pieces: set[str]) -> None:
    """Refuse a piece of which llama.cpp would join two parts that are no pair here."""
    parts = vocab.keys() | set("".join(vocab))
    for piece in sorted(pieces):
        for at in range(1, len(piece)):
            left, right = piece[:at], piece[at:]
            if left in parts and right in parts and (left, right) not in pairs:
                _refuse(f"never joins {left!r} and {right!r}")
