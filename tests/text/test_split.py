"""Sentences, paragraphs and clauses; nothing is ever lost."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sibao.text.split import clauses, paragraphs, sentences

MIXED = st.text(alphabet="aB1 \n\t.!?。！？；…，,:;\"'”’」)）(“我的好 Mr", max_size=120)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("你好。再见！真的吗？！好；行。", ["你好。", "再见！", "真的吗？！", "好；", "行。"]),
        ("他说：“你好！”然后走了。", ["他说：“你好！”", "然后走了。"]),
        ("（他来了。）我走了。", ["（他来了。）", "我走了。"]),
        ("是的……好", ["是的……", "好"]),
        ("One. Two! Three?", ["One. ", "Two! ", "Three?"]),
        ('"Stop!" he said. "Go."', ['"Stop!" he said. ', '"Go."']),
        ("Dr. Chen met J. Smith. They left.", ["Dr. Chen met J. Smith. ", "They left."]),
        ("It is 3.14, see Fig. 3. Done.", ["It is 3.14, see Fig. 3. ", "Done."]),
        ("Apples, pears, etc. are fruit. Yes.", ["Apples, pears, etc. are fruit. ", "Yes."]),
        ("He came at 5 p.m. She left.", ["He came at 5 p.m. ", "She left."]),
        ("I am I. You are you.", ["I am I. ", "You are you."]),
        ("Use sibao.text here. OK.", ["Use sibao.text here. ", "OK."]),
        ("Wait... what? Yes.", ["Wait... what? ", "Yes."]),
        ("用 Python. 很好。", ["用 Python. ", "很好。"]),
        ("A title\n\nThe text.", ["A title\n\n", "The text."]),
        ("", []),
    ],
)
def test_sentences(text: str, pieces: list[str]) -> None:
    assert sentences(text) == pieces


def test_a_hard_wrapped_english_line_does_not_break_a_chinese_one_does() -> None:
    assert paragraphs("one line\nof two\n\nnext") == ["one line\nof two\n\n", "next"]
    assert paragraphs("第一行\n第二行") == ["第一行\n", "第二行"]


def test_clauses_keep_their_mark() -> None:
    assert clauses("春天，花开了：红的、白的。") == ["春天，", "花开了：", "红的、", "白的。"]
    assert clauses("no mark here") == ["no mark here"]


@given(st.one_of(MIXED, st.text(max_size=80)))
def test_pieces_put_together_are_the_text(text: str) -> None:
    for split in (sentences, paragraphs, clauses):
        pieces = split(text)
        assert "".join(pieces) == text
        assert all(pieces)


@given(MIXED)
def test_a_sentence_never_crosses_a_paragraph(text: str) -> None:
    borders, end = set(), 0
    for sentence in sentences(text):
        end += len(sentence)
        borders.add(end)
    end = 0
    for paragraph in paragraphs(text):
        end += len(paragraph)
        assert end in borders


@pytest.mark.parametrize("text", ["." * 50_000 + "x", " " * 50_000 + "x", "\n" * 50_000 + "x", "”" * 50_000])
def test_long_runs_take_linear_time(text: str) -> None:
    begun = time.process_time()  # this process alone: other work on the machine does not count
    assert "".join(sentences(text)) == text
    assert time.process_time() - begun < 5  # 4 ms; quadratic time is minutes
