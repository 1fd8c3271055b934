"""Tokenizers as llama.cpp knows them: which split has which name, and which tokenizers have no place there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.tiny import tiny_tokenizer
from tokenizers import AddedToken, processors
from tokenizers import Tokenizer as Backend

from sibao.core.errors import ModelError
from sibao.text._gguf_bpe import SPLITS, TEKKEN
from sibao.text.gguf import CONTROL, UNUSED, USER_DEFINED, vocabulary
from sibao.text.tokenizer import Tokenizer

LLAMA3 = (  # as published in Llama 3's tokenizer.json
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def changed(change: Callable[[dict[str, Any]], Any], config: dict[str, Any] | None = None) -> Tokenizer:
    """The tiny tokenizer with something of its tokenizer.json changed."""
    data = json.loads(tiny_tokenizer().backend.to_str())
    change(data)
    return Tokenizer(Backend.from_str(json.dumps(data)), tiny_tokenizer().config | (config or {}))


def split(pattern: str, **model: Any) -> Callable[[dict[str, Any]], Any]:
    """A change of the split."""

    def change(data: dict[str, Any]) -> None:
        data["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {"Regex": pattern}
        data["model"] |= model

    return change


def gpt2(data: dict[str, Any]) -> None:
    """GPT-2's own split."""
    data["pre_tokenizer"] = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


@pytest.mark.parametrize(
    ("change", "name"),
    [(lambda d: None, "qwen2"), (gpt2, "gpt-2"), (split(LLAMA3, ignore_merges=True), "llama-bpe"),
     (split(TEKKEN, ignore_merges=True), "tekken")],
    ids=["qwen2", "gpt-2", "llama-bpe", "tekken"],
)  # fmt: skip
def test_a_split_has_the_name_that_llama_cpp_gives_it(change: Any, name: str) -> None:
    found = vocabulary(changed(change), 400)
    assert found.kind["pre"] == name and set(SPLITS.values()) == {"qwen2", "llama-bpe", "tekken"}
    assert len(found.tokens) == len(found.types) == 400


REFUSED: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (split(r"\w+|\W+"), "no name for the way this tokenizer splits"),
    (split(LLAMA3), "ignore_merges = False; llama.cpp's llama-bpe wants True"),
    (lambda d: d["pre_tokenizer"]["pretokenizers"][1].update(add_prefix_space=True), "puts a space before each text"),
    (lambda d: d.update(normalizer={"type": "Lowercase"}), "normalizes text by Lowercase"),
    (lambda d: d.update(pre_tokenizer={"type": "Whitespace"}), "takes byte-level BPE tokenizers"),
    (lambda d: d["model"].update(end_of_word_suffix="</w>"), "end_of_word_suffix = '</w>'"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[m[:24] for _, m in REFUSED])
def test_a_tokenizer_without_a_place_is_refused(change: Callable[[dict[str, Any]], Any], message: str) -> None:
    with pytest.raises(ModelError, match=message.replace("(", r"\(")):
        vocabulary(changed(change), 400)


def test_composed_characters_are_mentioned() -> None:
    found = vocabulary(changed(lambda d: d.update(normalizer={"type": "NFC"})), 400)
    assert "does not compose characters (NFC)" in found.notes[0] and not vocabulary(tiny_tokenizer(), 400).notes


def test_kinds_of_tokens_and_rows_without_one() -> None:
    tokenizer = changed(lambda d: None)
    tokenizer.backend.add_tokens([AddedToken("诗", normalized=False), AddedToken("<tool>", special=True)])
    found = vocabulary(tokenizer, 404)
    assert found.tokens[400:] == ["诗", "<tool>", "[PAD402]", "[PAD403]"]
    assert found.types[400:] == [USER_DEFINED, CONTROL, UNUSED, UNUSED]
    with pytest.raises(ModelError, match="has 402 tokens, the model's embedding 401 rows"):
        vocabulary(tokenizer, 401)


@pytest.mark.parametrize(("after", "adds"), [(" <|im_end|>", (True, True)), ("", (True, False))])
def test_what_the_post_processor_adds_is_said(after: str, adds: tuple[bool, bool]) -> None:
    backend = Backend.from_str(tiny_tokenizer().backend.to_str())
    backend.post_processor = processors.TemplateProcessing(
        single=f"<|endoftext|> $A{after}", special_tokens=[("<|endoftext|>", 0), ("<|im_end|>", 2)]
    )
    found = vocabulary(Tokenizer(backend, tiny_tokenizer().config), 400)
    assert (found.add_bos, found.add_eos) == adds


def test_a_second_end_is_the_end_of_the_turn() -> None:
    tokenizer = Tokenizer(tiny_tokenizer().backend, tiny_tokenizer().config, end_ids=[0, 2])
    assert vocabulary(tokenizer, 400).ids == {"bos": 0, "eos": 2, "eot": 0, "padding": 0}
