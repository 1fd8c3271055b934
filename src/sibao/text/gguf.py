"""A tokenizer as GGUF metadata: byte-level BPE, or SentencePiece's BPE with scores. Other kinds are refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from sibao.core.errors import ModelError
from sibao.text._gguf_bpe import byte_level
from sibao.text._gguf_spm import BYTE_NAME, SPACE, is_sentencepiece, sentencepiece
from sibao.text.tokenizer import Tokenizer

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Types of tokens."""


@dataclass(frozen=True)
class Vocabulary:
    """What a GGUF file says of its tokenizer; ids without a token are named ``[PADi]`` and unused."""

    tokens: list[str]
    types: list[int]
    kind: dict[str, Any]
    """``model``, ``pre`` and what belongs to that kind of tokenizer: merges, or scores."""
    ids: dict[str, int] = field(default_factory=dict)
    """``bos``, ``eos``, ``eot``, ``padding``, ``unknown`` → token id; those that there are."""
    add_bos: bool = False
    add_eos: bool = False
    template: str | None = None
    notes: tuple[str, ...] = ()

    def metadata(self) -> dict[str, Any]:
        """Keys and values of the file."""
        values = self.kind | {"tokens": self.tokens, "token_type": self.types}
        values |= {"add_bos_token": self.add_bos, "add_eos_token": self.add_eos}
        values |= {f"{name}_token_id": i for name, i in self.ids.items()}
        named = {f"tokenizer.ggml.{key}": value for key, value in values.items()}
        return named | ({"tokenizer.chat_template": self.template} if self.template else {})


def vocabulary(tokenizer: Tokenizer, size: int) -> Vocabulary:
    """The tokenizer for a model with ``size`` rows in its embedding.

    Raises:
        ModelError: a kind of tokenizer, or a treatment of text, that llama.cpp does not have; more tokens than rows.
    """
    data = json.loads(tokenizer.backend.to_str())
    if tokenizer.vocab_size > size:
        raise ModelError(f"the tokenizer has {tokenizer.vocab_size} tokens, the model's embedding {size} rows")
    pieces = is_sentencepiece(data)
    tokens, types = _tokens(data, size, pieces)
    taken = {token for token, kind in zip(tokens, types, strict=True) if kind == USER_DEFINED}
    kind, notes = sentencepiece(data, tokens, taken) if pieces else byte_level(data)
    first, last = _added(tokenizer)
    notes += _beside(data["added_tokens"])
    return Vocabulary(tokens, types, kind, _ids(tokenizer, data, pieces), first, last, tokenizer.chat_template, notes)


def _tokens(data: dict[str, Any], size: int, pieces: bool) -> tuple[list[str], list[int]]:
    """Names and types of all ids."""
    tokens, types = [f"[PAD{i}]" for i in range(size)], [UNUSED] * size
    for token, i in data["model"]["vocab"].items():
        tokens[i], types[i] = token, BYTE if pieces and BYTE_NAME.fullmatch(token) else NORMAL
    for added in data["added_tokens"]:
        i, name = added["id"], added["content"]
        # a run of spaces that merges give as well; as user-defined it would be written with its signs
        if not (pieces and SPACE in name and name in data["model"]["vocab"] and not added["special"]):
            tokens[i], types[i] = name, CONTROL if added["special"] else USER_DEFINED
    if pieces and (unknown := data["model"]["vocab"].get(data["model"].get("unk_token"))) is not None:
        types[unknown] = UNKNOWN
    return tokens, types


def _beside(added: list[dict[str, Any]]) -> tuple[str, ...]:
    """A word on tokens that swallow the spaces beside them.

    Raises:
        ModelError: there are some that only whole words are.
    """
    if whole := [t["content"] for t in added if t["single_word"]]:
        raise ModelError(
            f"the tokenizer takes {whole[0]!r} as a whole word only; llama.cpp would not",
            hint="export with --format hf",
        )
    odd = [t["content"] for t in added if t["lstrip"] or t["rstrip"]]
    if not odd:
        return ()
    names = ", ".join(odd[:3]) + (" and others" if len(odd) > 3 else "")
    return (
        f"llama.cpp keeps the spaces beside {names}, which the model's own tokenizer drops "
        "(those after control tokens it drops too where the model's --name contains phi-3)",
    )


def _added(tokenizer: Tokenizer) -> tuple[bool, bool]:
    """Whether the tokenizer's own post-processor puts BOS before a text, and EOS after it."""
    plain, whole = tokenizer.encode("a"), tokenizer.encode("a", add_special_tokens=True)
    before = tokenizer.bos_id is not None and whole[: len(whole) - len(plain)][:1] == [tokenizer.bos_id]
    return before, len(whole) > len(plain) and whole[-1] in tokenizer.eos_ids


def _ids(tokenizer: Tokenizer, data: dict[str, Any], pieces: bool) -> dict[str, int]:
    """BOS, EOS, a second end (of a turn, where EOS ends the document, or the other way round), padding, unknown."""
    found: dict[str, int | None] = {"bos": tokenizer.bos_id, "padding": tokenizer.pad_id}
    found |= dict(zip(("eos", "eot"), tokenizer.eos_ids, strict=False))
    if pieces:
        found["unknown"] = data["model"]["vocab"].get(data["model"].get("unk_token"))
    return {name: i for name, i in found.items() if i is not None}
