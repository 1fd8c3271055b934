"""Byte-level BPE in GGUF (llama.cpp calls the model ``gpt2``), with one of the splits that llama.cpp knows.

llama.cpp knows the splitting of a text into words by a name only, so a tokenizer whose split has none is refused.
"""

from __future__ import annotations

from typing import Any

from sibao.core.errors import ModelError
from sibao.text.tokenizer import SPLIT

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


def byte_level(data: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Metadata of a ``tokenizer.json`` that splits text into words and bytes, and what a user should know.

    Raises:
        ModelError: not a byte-level BPE, or a split or a treatment of text that llama.cpp does not have.
    """
    pre, model = split_name(data), data["model"]
    notes = _normalizer_notes(data)
    _check_model(model, pre)
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    return {"model": "gpt2", "pre": pre, "merges": merges}, notes


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
