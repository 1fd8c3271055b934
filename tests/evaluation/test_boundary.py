"""The border of prompt and answer: shown where encoding apart and together differ, silent where they agree."""

from __future__ import annotations

from sibao.evaluation.boundary import splits
from sibao.evaluation.sample import Loglikelihood, Sample
from sibao.models.names import MINI
from sibao.text.tokenizer import Tokenizer

PAIRS = {"ab": 300, "你好": 301}


def encode(text: str) -> list[int]:
    """Characters, but for pairs that are one token."""
    out, at = [], 0
    while at < len(text):
        pair = text[at : at + 2]
        out.append(PAIRS.get(pair, ord(text[at])))
        at += 2 if pair in PAIRS else 1
    return out


def test_a_pair_across_the_border_is_shown() -> None:
    samples = [
        Sample("0", (Loglikelihood("x你", "好 "), Loglikelihood("x", "y"))),
        Sample("1", (Loglikelihood("", "ab"), Loglikelihood([{"role": "user", "content": "a"}], "b"))),
        Sample("2", (Loglikelihood("a", "b"),)),
    ]
    differ, seen, shown = splits(encode, samples, most=1)
    assert (differ, seen) == (2, 3)
    assert [(s.sample, s.apart, s.together) for s in shown] == [("0", [ord("你"), ord("好"), 32], [301, 32])]


def test_minis_own_tokenizer_is_looked_at() -> None:
    tokenizer = Tokenizer.load(MINI)
    sample = Sample("0", tuple(Loglikelihood("The answer is transla", c) for c in ("tion", "ting", "te")))
    differ, seen, shown = splits(lambda text: list(tokenizer.encode(text)), [sample])
    assert seen == 3 and differ == len(shown) >= 1
    for one in shown:
        assert tokenizer.decode(one.apart) != "" and one.apart != one.together
