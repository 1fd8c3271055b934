"""Transformers' tokenizers with the interface of ``text.tokenizer``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sibao.models.weights import read_json
from sibao.text.tokenizer import Tokenizer

_NAMED = ("bos_token", "eos_token", "pad_token", "unk_token")


def wrapped(theirs: Any, folder: Path, processor: Any = None) -> Tokenizer | PythonTokenizer:
    """A tokenizer that encodes as Transformers' does and keeps Sibao's rules: typed control strings are text."""
    config: dict[str, Any] = {name: _content(getattr(theirs, name, None)) for name in _NAMED}
    config["chat_template"] = _template(
        getattr(processor, "chat_template", None) or getattr(theirs, "chat_template", None)
    )
    config["model_max_length"] = getattr(theirs, "model_max_length", None)
    path = folder / "generation_config.json"
    ends = read_json(path).get("eos_token_id") if path.is_file() else None
    if ends is None and config["eos_token"] is None:
        ends = read_json(folder / "config.json").get("eos_token_id")
    ends = [ends] if isinstance(ends, int) else ends or []
    if not getattr(theirs, "is_fast", False):
        return PythonTokenizer(theirs, config, ends)
    from tokenizers import Tokenizer as Backend

    backend = Backend.from_str(theirs.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    return Tokenizer(backend, config, ends)


def _content(token: Any) -> str | None:
    return None if token is None else str(token)


def _template(found: Any) -> str | None:
    return found.get("default") if isinstance(found, dict) else found


class PythonTokenizer:
    """One that has no fast form (those of Marian, say). It renders no messages itself, as none of them has a template."""

    def __init__(self, theirs: Any, config: dict[str, Any], ends: Sequence[int]) -> None:
        self.theirs, self.config = theirs, config
        self.chat_template = None
        self.has_template = False
        self.bos_id: int | None = theirs.bos_token_id
        eos = theirs.eos_token_id
        self.eos_ids: tuple[int, ...] = tuple(dict.fromkeys([*([eos] if eos is not None else []), *ends]))
        self.pad_id: int = theirs.pad_token_id if theirs.pad_token_id is not None else 0

    @property
    def vocab_size(self) -> int:
        """Number of ids, added tokens included."""
        return len(self.theirs)

    def encode(self, text: str, *, specials: bool = False, add_special_tokens: bool = False) -> list[int]:
        """Token ids of a text; control strings in it are text unless ``specials``."""
        ids: list[int] = self.theirs.encode(
            text, add_special_tokens=add_special_tokens, split_special_tokens=not specials
        )
        return ids

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        """Text of token ids."""
        return str(self.theirs.decode(list(ids), skip_special_tokens=skip_special))
