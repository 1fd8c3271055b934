"""Words of a text and the tokens that begin them; texts with masks; questions and passages in windows."""

from __future__ import annotations

import itertools

import pytest
from tests.tiny import TEXTS, tiny_tokenizer

from sibao.core.errors import BadInput, ContextOverflow
from sibao.text.masks import masked_ids
from sibao.text.reading import target_of, windows
from sibao.text.tokenizer import Tokenizer
from sibao.text.wordpiece import train_wordpiece
from sibao.text.words import word_starts, words_of


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_wordpiece(TEXTS * 3, 400, progress=False)


def grouped(tokenizer: Tokenizer, text: str) -> list[str]:
    """The words that the marks make of the tokens."""
    ids, offsets = tokenizer.encode_offsets([text])[0]
    found: list[list[tuple[int, int]]] = []
    for mark, span in zip(word_starts(text, offsets), offsets, strict=True):
        if mark or not found:
            found.append([])
        found[-1].append(span)
    assert sum(map(len, found)) == len(ids)
    return [text[group[0][0] : group[-1][1]].strip() for group in found]


def test_chinese_words_are_those_of_jieba_and_signs_stand_alone() -> None:
    text = "我们去公园散步，it's fine 3.5！"
    assert [text[a:b] for a, b in words_of(text)] == [
        "我们",
        "去",
        "公园",
        "散步",
        "，",
        "it's",
        "fine",
        "3",
        ".",
        "5",
        "！",
    ]


def test_pieces_of_a_word_belong_together(tokenizer: Tokenizer) -> None:
    words = grouped(tokenizer, "我们去公园散步。 reading books, weathers")
    assert words == ["我们", "去", "公园", "散步", "。", "reading", "books", ",", "weathers"]
    assert len(tokenizer.encode("weathers")) > 1  # there was something to join


def test_half_characters_and_spaces_of_byte_level_tokens() -> None:
    words = [word for word in grouped(tiny_tokenizer(), "我们去公园 the quick 龘 fox") if word]
    assert "".join(words) == "我们去公园thequick龘fox"
    assert words[-3:] == ["quick", "龘", "fox"]
    assert len(tiny_tokenizer().encode("龘")) == 3  # three bytes, one word


def test_a_trained_wordpiece_has_what_masking_needs(tokenizer: Tokenizer) -> None:
    assert tokenizer.special_ids == {0, 1, 2, 3, 4}
    assert (tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id, tokenizer.pad_id) == (2, 3, 4, 0)
    assert tokenizer.decode(tokenizer.encode("The quick 春眠不觉晓")) == "The quick 春 眠 不 觉 晓"
    assert 4 not in tokenizer.encode("[MASK]")  # typed by a user it is text
    with pytest.raises(BadInput, match="no text"):
        train_wordpiece([], 400)
    with pytest.raises(BadInput, match="too small"):
        train_wordpiece(TEXTS, 100)


def test_only_the_mask_is_read_as_a_control_token(tokenizer: Tokenizer) -> None:
    ids = masked_ids(tokenizer, "春[MASK]不[SEP]")
    assert ids.count(4) == 1 and 3 not in ids
    assert ids[0] == tokenizer.encode("春")[0]
    with pytest.raises(BadInput, match=r"holds no \[MASK\]"):
        masked_ids(tokenizer, "春眠")


def test_windows_hold_every_token_and_say_where_the_answer_stands(tokenizer: Tokenizer) -> None:
    context, question = TEXTS[0] + TEXTS[2] + TEXTS[1], "谁喜欢读书？"
    found = windows(tokenizer, question, context, 40)
    assert len(found) > 3
    assert all(len(w.ids) <= 40 and len(w.ids) == len(w.types) for w in found)
    seen = {span for w in found for span in w.offsets}
    assert seen == set(tokenizer.encode_offsets([context])[0][1])
    assert all(set(a.offsets) & set(b.offsets) for a, b in itertools.pairwise(found))
    start = context.index("故乡")
    targets = [target_of(w, start, start + 2) for w in found]
    assert any(t != (0, 0) for t in targets) and any(t == (0, 0) for t in targets)
    for window, (first, last) in zip(found, targets, strict=True):
        if first:
            spans = window.offsets[first - window.first : last - window.first + 1]
            assert context[spans[0][0] : spans[-1][1]] == "故乡"
            assert window.types[first] == 1
    with pytest.raises(ContextOverflow, match="question and passage"):
        windows(tokenizer, question * 9, context, 40)
