"""Planted duplicates are found, distinct texts kept, and the result does not depend on chance."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from sibao.core.errors import BadInput
from sibao.text.dedup import PERMUTATIONS, Deduplicator, DedupOptions, bands, fingerprint, shingles

HAN = [chr(code) for code in range(0x4E00, 0x4E00 + 2500)]
LATIN = [f"{a}{b}{c}" for a in "bdfgklmn" for b in "aeiou" for c in ("r", "st", "ck", "ve", "ll", "nd")]


def chinese(rng: random.Random, length: int = 400) -> str:
    signs = [*rng.choices(HAN, k=length)]
    for i in range(12, length, 13):
        signs[i] = "，"
    return "".join(signs) + "😀。"


def english(rng: random.Random, length: int = 300) -> str:
    return " ".join(rng.choices(LATIN, k=length)).capitalize() + "."


def edit_chinese(text: str, rng: random.Random, share: float) -> str:
    signs = list(text)
    for i in rng.sample(range(len(signs)), round(share * len(signs))):
        signs[i] = rng.choice(HAN)
    return "".join(signs)


def edit_english(text: str, rng: random.Random, share: float) -> str:
    words = text.split()
    for i in rng.sample(range(len(words)), round(share * len(words))):
        words[i] = rng.choice(LATIN)
    return " ".join(words)


def test_planted_edits_are_found_and_distinct_texts_kept() -> None:
    rng = random.Random(5)
    originals = [(chinese if i % 2 else english)(rng) for i in range(300)]
    edited = [(edit_chinese if i % 2 else edit_english)(text, rng, 0.05) for i, text in enumerate(originals[:100])]
    finder = Deduplicator(DedupOptions(pairs=True))
    assert all(finder.is_new(text) for text in originals)
    found = [not finder.is_new(text) for text in edited]
    assert sum(found) >= 98, sum(found)
    assert all(dropped - 300 == kept for dropped, kept, _ in finder.counts.pairs)
    assert all(0.5 <= similarity < 1 for _, _, similarity in finder.counts.pairs)
    assert (finder.counts.seen, finder.counts.exact, finder.counts.near) == (400, 0, sum(found))


def test_threshold_decides() -> None:
    rng = random.Random(6)
    text = chinese(rng, 800)
    near, far = edit_chinese(text, rng, 0.02), edit_chinese(text, rng, 0.2)
    for threshold, wanted in ((0.7, [True, False, True]), (0.95, [True, True, True]), (0.1, [True, False, False])):
        finder = Deduplicator(DedupOptions(threshold=threshold))
        assert [finder.is_new(each) for each in (text, near, far)] == wanted


def test_exact_duplicates_of_short_and_odd_texts() -> None:
    finder = Deduplicator(DedupOptions(pairs=True))
    texts = ["你好", "你好 ", "您好", "Hello", "hello", "", " ", "e\u0301", "é", "😀", "😀\n", "你好"]
    assert [finder.is_new(text) for text in texts] == [
        True, False, True, True, True, True, False, True, False, True, False, False,
    ]  # fmt: skip
    assert finder.counts.exact == 5 and finder.counts.near == 0
    assert finder.counts.pairs == [(1, 0, 1.0), (6, 5, 1.0), (8, 7, 1.0), (10, 9, 1.0), (11, 0, 1.0)]


def test_copy_of_a_dropped_text_points_to_the_kept_one() -> None:
    rng = random.Random(7)
    text = english(rng)
    edited = edit_english(text, rng, 0.03)
    finder = Deduplicator(DedupOptions(pairs=True))
    assert [finder.is_new(each) for each in (text, edited, edited)] == [True, False, False]
    assert [kept for _, kept, _ in finder.counts.pairs] == [0, 0]


def test_steps_can_be_switched_off() -> None:
    rng = random.Random(8)
    text = chinese(rng)
    edited = edit_chinese(text, rng, 0.02)
    only_exact = Deduplicator(DedupOptions(near=False))
    assert [only_exact.is_new(each) for each in (text, edited, text)] == [True, True, False]
    only_near = Deduplicator(DedupOptions(exact=False))
    assert [only_near.is_new(each) for each in (text, edited, text, "短", "短")] == [True, False, False, True, True]


def test_window_bounds_memory_and_says_so() -> None:
    rng = random.Random(9)
    texts = [chinese(rng, 60) for _ in range(50)]
    finder = Deduplicator(DedupOptions(window=10))
    for text in texts:
        finder.is_new(text)
    assert sum(len(half) for half in finder._near.halves) <= 20
    assert finder.counts.outside == 29
    assert [finder.is_new(edit_chinese(text, rng, 0.03)) for text in texts[-10:]] == [False] * 10
    assert finder.is_new(edit_chinese(texts[0], rng, 0.03))  # forgotten, and counted as such
    assert not finder.is_new(texts[0])  # digests are kept longer


def test_same_result_in_another_process() -> None:
    rng = random.Random(10)
    text = chinese(rng)
    code = (
        "import sys; from sibao.text.dedup import fingerprint; f = fingerprint(sys.argv[1]);"
        "print(f.digest.hex(), sum(f.signature.digest()))"
    )
    mark = fingerprint(text)
    done = subprocess.run([sys.executable, "-c", code, text], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [mark.digest.hex(), str(sum(mark.signature.digest()))]


def test_shingles() -> None:
    assert shingles("天地玄黄，宇宙洪荒") == ["天地玄黄宇", "地玄黄宇宙", "玄黄宇宙洪", "黄宇宙洪荒"]
    assert shingles("The quick, brown FOX jumps over") == ["the quick brown fox jumps", "quick brown fox jumps over"]
    assert shingles("ＡＢＣ天地玄黄") == shingles("abc 天地，玄黄")
    assert shingles("too short") == []


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0])
def test_bands_find_pairs_at_the_threshold(threshold: float) -> None:
    count = bands(threshold)
    assert PERMUTATIONS % count == 0
    assert 1 - (1 - threshold ** (PERMUTATIONS // count)) ** count >= 0.85


def test_wrong_options() -> None:
    with pytest.raises(BadInput, match="threshold is 2"):
        DedupOptions(threshold=2)
    with pytest.raises(BadInput, match="window is 0"):
        DedupOptions(window=0)
