"""SentencePiece vocabularies in GGUF: scores that give the same merges, types of tokens, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from tests.gguf_models import PIECES, pieces_tokenizer
from tests.tiny import TEXTS
from tokenizers import Tokenizer as Backend

from sibao.core.errors import ModelError
from sibao.text.gguf import BYTE, CONTROL, NORMAL, UNKNOWN, USER_DEFINED, Vocabulary, vocabulary
from sibao.text.tokenizer import Tokenizer

SAMPLES = (
    *TEXTS, "春眠不觉晓，我 like 龘𠮷 👍\n\n ok", "def f(x):\n\treturn x  # 注释", "  leading  and trailing ", "x" * 50,
    "<0x0A> typed", "<table> 1\n\n2",
)  # fmt: skip


def changed(kind: str, change: Callable[[dict[str, Any]], Any]) -> Tokenizer:
    """A tokenizer with something of its tokenizer.json changed."""
    data = json.loads(pieces_tokenizer(kind).backend.to_str())
    change(data)
    return Tokenizer(Backend.from_str(json.dumps(data)), pieces_tokenizer(kind).config)


def by_scores(words: Vocabulary, text: str) -> list[int]:
    """What llama.cpp does with a text: user-defined tokens first, then the pair of the best piece, leftmost, again
    and again; what is no piece is written in bytes."""
    ids = {token: i for i, token in enumerate(words.tokens)}
    for i in [i for i, kind in enumerate(words.types) if kind == USER_DEFINED]:
        if words.tokens[i] in text:
            before, _, after = text.partition(words.tokens[i])
            return [*by_scores(words, before), i, *by_scores(words, after)]
    parts = list((" " * words.kind["add_space_prefix"] + text).replace(" ", "▁")) if text else []
    while True:
        joined = [a + b for a, b in pairwise(parts)]
        pairs = [(-words.kind["scores"][ids[piece]], at) for at, piece in enumerate(joined) if piece in ids]
        if not pairs:
            break
        at = min(pairs)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return [i for p in parts for i in ([ids[p]] if p in ids else [ids[f"<0x{b:02X}>"] for b in p.encode()])]


@pytest.mark.parametrize("kind", PIECES)
def test_scores_give_the_tokens_that_merges_give(kind: str) -> None:
    tokenizer = pieces_tokenizer(kind)
    words = vocabulary(tokenizer, tokenizer.vocab_size + 2)
    for text in SAMPLES:
        if kind != "metaspace" or not text.startswith(" "):  # a note says that llama.cpp adds a space there
            assert by_scores(words, text) == tokenizer.encode(text), text


def test_types_and_keys() -> None:
    words = vocabulary(pieces_tokenizer("gemma"), 600)
    kinds = dict(zip(words.tokens, words.types, strict=True))
    assert (kinds["<unk>"], kinds["<s>"], kinds["</s>"]) == (UNKNOWN, CONTROL, CONTROL)
    assert (kinds["<0x00>"], kinds["<0xFF>"], kinds["▁the"]) == (BYTE, BYTE, NORMAL)
    assert (kinds["<table>"], kinds["\n\n"]) == (USER_DEFINED, USER_DEFINED)
    assert kinds["▁▁"] == NORMAL  # as user-defined it would be written with its signs
    values = words.metadata()
    assert values["tokenizer.ggml.model"] == "llama" and values["tokenizer.ggml.add_space_prefix"] is False
    assert len(values["tokenizer.ggml.scores"]) == 600 and "tokenizer.ggml.merges" not in values
    assert (words.ids["bos"], words.ids["eos"], words.ids["unknown"], words.add_bos) == (1, 2, 0, True)


def test_a_tab_may_stand_for_its_byte() -> None:
    def change(data: dict[str, Any]) -> None:
        vocab = data["model"]["vocab"]
        vocab["\t"] = vocab.pop("<0x09>")

    assert vocabulary(changed("gemma", change), 600).kind["model"] == "llama"


def test_where_llama_cpp_differs_a_note_says_so() -> None:
    assert vocabulary(pieces_tokenizer("llama"), 600).notes == ()
    (note,) = vocabulary(pieces_tokenizer("metaspace"), 600).notes
    assert "puts a space before every text" in note and note.endswith("nor after a control token")
    swallows = changed("llama", lambda d: d["added_tokens"][2].update(rstrip=True))
    assert "keeps the spaces beside </s>" in vocabulary(swallows, 600).notes[0]


def _late(data: dict[str, Any]) -> None:
    """The pairs of one piece no longer stand together."""
    merges = data["model"]["merges"]
    pieces = ["".join(m) for m in merges]
    twice = next(i for i, piece in enumerate(pieces) if pieces.count(piece) > 1 and len(set(piece)) > 1)
    merges.append(merges.pop(twice))


REFUSED: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda d: d["model"]["merges"].pop(5), "never joins"),
    (_late, "from several pairs at several times"),
    (lambda d: d["model"]["vocab"].update({"龘龘龘": d["model"]["vocab"].pop("<0xC3>")}), "no token for the byte 195"),
    (lambda d: d["model"].update(ignore_merges=True), "ignore_merges = True"),
    (lambda d: d.update(normalizer={"type": "NFKC"}), "treats text by NFKC"),
    (lambda d: d.update(pre_tokenizer={"type": "Whitespace"}), "treats text by Prepend, Replace, Whitespace"),
    (lambda d: d["added_tokens"].append({**d["added_tokens"][0], "id": len(d["model"]["vocab"]), "content": "诗",
                                         "special": False, "normalized": True}), "looks for '诗' after"),
    (lambda d: d["added_tokens"][2].update(single_word=True), "as a whole word only"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[m[:24] for _, m in REFUSED])
def test_what_llama_cpp_would_cut_otherwise_is_refused(change: Callable[[dict[str, Any]], Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        vocabulary(changed("llama", change), 600)
    assert "--format hf" in caught.value.hint
