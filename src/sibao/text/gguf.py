"""A tokenizer as GGUF metadata: llama.cpp's byte-level BPE (it calls the model ``gpt2``) with one of its known splits.

llama.cpp knows the splitting of a text into words by a name only, so a tokenizer whose split has none is refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from sibao.core.errors import ModelError
from sibao.text.tokenizer import SPLIT, Tokenizer

_THREE_DIGITS = SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
_LETTERS = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = (
    _LETTERS + r"*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|" + _LETTERS + r"+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPLITS = {SPLIT: "qwen2", _THREE_DIGITS: "llama-bpe", TEKKEN: "tekken"}
"""Regular expression of the split → llama.cpp's name for it. ByteLevel's own expression is ``gpt-2``."""
_WHOLE_FIRST = frozenset({"llama-bpe", "tekken"})
"""Splits with which llama.cpp looks for a whole word in the vocabulary before it merges (``ignore_merges``)."""
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5


@dataclass(frozen=True)
class Vocabulary:
    """What a GGUF file says of its tokenizer; ids without a token are named ``[PADi]`` and unused."""

    pre: str
    tokens: list[str]
    types: list[int]
    merges: list[str]
    ids: dict[str, int] = field(default_factory=dict)
    """``bos``, ``eos``, ``eot``, ``padding`` → token id; those that there are."""
    add_bos: bool = False
    add_eos: bool = False
    template: str | None = None
    notes: tuple[str, ...] = ()

    def metadata(self) -> dict[str, Any]:
        """Keys and values of the file."""
        values: dict[str, Any] = {
            "model": "gpt2", "pre": self.pre, "tokens": self.tokens, "token_type": self.types, "merges": self.merges,
            "add_bos_token": self.add_bos, "add_eos_token": self.add_eos,
        }  # fmt: skip
        values |= {f"{name}_token_id": i for name, i in self.ids.items()}
        if self.template:
            values["chat_template"] = self.template
        return {
            f"tokenizer.{key}" if key == "chat_template" else f"tokenizer.ggml.{key}": v for key, v in values.items()
        }


def vocabulary(tokenizer: Tokenizer, size: int) -> Vocabulary:
    """The tokenizer for a model with ``size`` rows in its embedding.

    Raises:
        ModelError: not a byte-level BPE, a split or a treatment of text that llama.cpp does not have, or more tokens
            than rows.
    """
    data = json.loads(tokenizer.backend.to_str())
    pre = split_name(data)
    model, notes = data["model"], _normalizer_notes(data)
    _check_model(model, pre)
    tokens, types = [f"[PAD{i}]" for i in range(size)], [UNUSED] * size
    if tokenizer.vocab_size > size:
        raise ModelError(f"the tokenizer has {tokenizer.vocab_size} tokens, the model's embedding {size} rows")
    for token, i in model["vocab"].items():
        tokens[i], types[i] = token, NORMAL
    for i, added in tokenizer.backend.get_added_tokens_decoder().items():
        tokens[i], types[i] = added.content, CONTROL if added.special else USER_DEFINED
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    first, last = _added(tokenizer)
    return Vocabulary(pre, tokens, types, merges, _ids(tokenizer), first, last, tokenizer.chat_template, notes)


def split_name(data: dict[str, Any]) -> str:
    """llama.cpp's name for the way a ``tokenizer.json`` splits text into words.

    Raises:
        ModelError: it has none.
    """
    steps = data.get("pre_tokenizer") or {}
    steps = steps.get("pretokenizers", [steps])
    kinds = [step.get("type") for step in steps]
    last = steps[-1]
    if kinds[-1] != "ByteLevel" or data["model"].get("type") != "BPE":
        raise ModelError(
            "GGUF takes byte-level BPE tokenizers (GPT-2, Llama 3, Qwen, Sibao's own); this one is of another kind",
            hint="export with --format hf",
        )
    if last.get("add_prefix_space"):
        raise ModelError("the tokenizer puts a space before each text; llama.cpp's byte-level BPE does not")
    if kinds == ["ByteLevel"] and last.get("use_regex", True):
        return "gpt-2"
    if kinds == ["Split", "ByteLevel"] and not last.get("use_regex", True):
        split = steps[0]
        name = SPLITS.get(split["pattern"].get("Regex", ""))
        if name and split.get("behavior") == "Isolated" and not split.get("invert"):
            return name
    raise ModelError(
        "llama.cpp has no name for the way this tokenizer splits text into words",
        hint=f"known: gpt-2, {', '.join(SPLITS.values())}; export with --format hf",
    )


def _normalizer_notes(data: dict[str, Any]) -> tuple[str, ...]:
    kind = (data.get("normalizer") or {}).get("type")
    if kind is None:
        return ()
    if kind == "NFC":
        return ("llama.cpp does not compose characters (NFC): text in decomposed form gets other tokens there",)
    raise ModelError(f"the tokenizer normalizes text by {kind}; llama.cpp would not", hint="export with --format hf")


def _check_model(model: dict[str, Any], pre: str) -> None:
    wanted = {
        "byte_fallback": False, "continuing_subword_prefix": "", "end_of_word_suffix": "", "dropout": 0.0,
        "ignore_merges": pre in _WHOLE_FIRST,
    }  # fmt: skip
    for key, value in wanted.items():
        if (model.get(key) or type(value)()) != value:
            raise ModelError(f"the tokenizer has {key} = {model[key]!r}; llama.cpp's {pre} wants {value!r}")


def _added(tokenizer: Tokenizer) -> tuple[bool, bool]:
    """Whether the tokenizer's own post-processor puts BOS before a text, and EOS after it."""
    plain, whole = tokenizer.encode("a"), tokenizer.encode("a", add_special_tokens=True)
    before = tokenizer.bos_id is not None and whole[: len(whole) - len(plain)][:1] == [tokenizer.bos_id]
    return before, len(whole) > len(plain) and whole[-1] in tokenizer.eos_ids


def _ids(tokenizer: Tokenizer) -> dict[str, int]:
    """BOS, EOS, a second end (of a turn, where EOS ends the document, or the other way round) and padding."""
    found: dict[str, int | None] = {"bos": tokenizer.bos_id, "padding": tokenizer.pad_id}
    found |= dict(zip(("eos", "eot"), tokenizer.eos_ids, strict=False))
    return {name: i for name, i in found.items() if i is not None}
