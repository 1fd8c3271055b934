"""Streaming text: pieces are whole characters, and together they are the whole decode, cut at the first stop."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import tiny_tokenizer
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

from sibao.text.detokenize import BROKEN, WINDOW, StreamDecoder, find_stop
from sibao.text.tokenizer import Tokenizer

FAMILY = "👨‍👩‍👧‍👦"
TEXTS = st.lists(
    st.one_of(
        st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters=BROKEN), max_size=8),
        st.sampled_from(
            ["春眠不觉晓，", "处处闻啼鸟。\n", FAMILY, "👍🏽", "🇨🇳🇬🇧", "❤️", "1️⃣", "a b  c ", "STOP", "停", "𠮷野家", "é"]
        ),
    ),
    max_size=10,
).map("".join)
STOPS = st.lists(
    st.sampled_from(["STOP", "停", "\n", "\n\n", "啼鸟", "👍", "b ", "TOPS", "OP", FAMILY, "野"]), max_size=3
)


def sentencepiece_like() -> Tokenizer:
    """A tokenizer in the manner of Llama 2: ▁ for spaces, words where known, bytes for the rest."""
    words = ["<unk>", *(f"<0x{i:02X}>" for i in range(256)), "▁", "春", "眠", "a", "b", "▁a", "c", "S", "T", "O", "P"]
    backend = Backend(
        models.BPE(
            vocab={w: i for i, w in enumerate(words)}, merges=[("▁", "a")], byte_fallback=True, unk_token="<unk>"
        )
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first")
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return Tokenizer(backend, {})


def byte_tokens(text: str) -> list[int]:
    """One token per byte: the hardest case, every border falls inside characters."""
    alphabet = {c: tiny_tokenizer().backend.token_to_id(c) for c in pre_tokenizers.ByteLevel.alphabet()}
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return [alphabet[c] for piece, _ in splitter.pre_tokenize_str(text) for c in piece]


def streamed(tokenizer: Tokenizer, ids: list[int], stop: list[str], step: int = 1) -> list[str]:
    decoder = StreamDecoder(tokenizer, stop)
    pieces = [decoder.push(ids[i : i + step]) for i in range(0, len(ids), step)]
    return [*pieces, decoder.flush()]


def cut(text: str, stop: list[str]) -> str:
    at = find_stop(text, [s for s in stop if s])
    return text if at is None else text[:at]


@settings(max_examples=150, deadline=None)
@given(TEXTS, STOPS, st.integers(1, 5))
def test_streamed_is_whole_for_byte_level_bpe(text: str, stop: list[str], step: int) -> None:
    tokenizer = tiny_tokenizer()
    for ids in (tokenizer.encode(text), byte_tokens(text)):
        pieces = streamed(tokenizer, ids, stop, step)
        assert "".join(pieces) == cut(text, stop)
        assert not any(BROKEN in piece for piece in pieces)


@settings(max_examples=100, deadline=None)
@given(TEXTS, STOPS, st.integers(1, 3))
def test_streamed_is_whole_for_byte_fallback(text: str, stop: list[str], step: int) -> None:
    tokenizer = sentencepiece_like()
    ids = tokenizer.encode(text)
    whole = tokenizer.decode(ids)
    if BROKEN not in whole:
        assert "".join(streamed(tokenizer, ids, stop, step)) == cut(whole, stop)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 399), max_size=60))
def test_any_ids_stream_to_the_whole_decode(ids: list[int]) -> None:
    tokenizer = tiny_tokenizer()
    assert "".join(streamed(tokenizer, ids, [])) == tokenizer.decode(ids)


def test_a_character_appears_only_when_complete() -> None:
    decoder = StreamDecoder(tiny_tokenizer())
    assert [decoder.push([token]) for token in byte_tokens("好。")] == ["", "", "好", "", "", "。"]


def test_a_joined_emoji_comes_in_one_piece() -> None:
    pieces = streamed(tiny_tokenizer(), byte_tokens(FAMILY + "好🇨🇳。"), [])
    assert [p for p in pieces if p] == [FAMILY + "好", "🇨🇳。"]


def test_bytes_that_never_become_a_character_appear_on_flush_only() -> None:
    decoder = StreamDecoder(tiny_tokenizer())
    assert [decoder.push([token]) for token in byte_tokens("好")[:2]] == ["", ""]
    assert decoder.flush() == BROKEN
    assert decoder.flush() == ""


def test_possible_stop_is_held_back_and_given_out_when_it_was_none() -> None:
    tokenizer = tiny_tokenizer()
    decoder = StreamDecoder(tokenizer, ("STOP",))
    assert [decoder.push([t]) for t in byte_tokens("aSTOX")] == ["a", "", "", "", "STOX"]
    assert [decoder.push([t]) for t in byte_tokens("ST")] == ["", ""]
    assert decoder.flush() == "ST"


def test_after_a_stop_nothing_more_comes() -> None:
    decoder = StreamDecoder(tiny_tokenizer(), ("停", ""))
    assert decoder.push(byte_tokens("好停。")) == "好"
    assert decoder.stopped
    assert decoder.push(byte_tokens("还有")) == "" and decoder.flush() == ""


@pytest.mark.parametrize(
    ("text", "stop", "at"),
    [("abcd", ["abcd", "bc"], 1), ("xaby", ["b", "ab"], 1), ("abc", ["z"], None), ("aXbY", ["Y", "X"], 1)],
)
def test_the_stop_that_is_complete_first_counts(text: str, stop: list[str], at: int | None) -> None:
    assert find_stop(text, stop) == at


class BytePairs:
    """A tokenizer whose tokens are pairs of bytes, so that almost every token ends inside a character."""

    def __init__(self) -> None:
        self.longest = 0

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        self.longest = max(self.longest, len(ids))
        return b"".join(i.to_bytes(2) for i in ids).decode("utf-8", "replace")


@pytest.mark.parametrize("text", ["a" + "é" * 601, "哈" * 600, "abc " * 300, FAMILY * 60, "a" + "👍" * 300 + "b"])
def test_work_per_token_does_not_grow(text: str) -> None:
    data = text.encode()
    data += b" " * (len(data) % 2)
    tokenizer = BytePairs()
    decoder = StreamDecoder(tokenizer)
    pieces = [decoder.push([int.from_bytes(data[i : i + 2])]) for i in range(0, len(data), 2)]
    assert "".join(pieces) + decoder.flush() == data.decode()
    assert not any(BROKEN in piece for piece in pieces)
    assert tokenizer.longest <= WINDOW + 1
