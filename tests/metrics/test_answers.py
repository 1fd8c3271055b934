"""SQuAD and CMRC normalisation, and what F1 and exact match promise together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sibao.core.errors import BadInput
from sibao.core.types import Language
from sibao.metrics import accuracy, exact_match, f1
from sibao.metrics._answers import longest_common_run, normalize, tokens

MIXED = st.text(alphabet="aThe n.,，。我你北京 2-《》…", max_size=12)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The  Cat's an  answer!", "cats answer"),
        ("a", ""),
        ("Theatre", "theatre"),
        ("U.S.", "us"),
        ("an-other", "another"),
    ],
)
def test_squad_normalisation(text: str, wanted: str) -> None:
    assert normalize(text, "en") == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (" 《ABC》：你好！", "abc你好"),
        ("A b", "a b"),
        ("等等……", "等等……"),
        ("好!", "好!"),
        ("GPT-2", "gpt2"),
    ],
)
def test_cmrc_normalisation(text: str, wanted: str) -> None:
    assert normalize(text, "zh") == wanted


def test_mixed_segmentation() -> None:
    assert tokens("我在2024年用了GPT-2模型。", "zh") == ["我", "在", "2024", "年", "用", "了", "gpt2", "模", "型"]
    assert tokens("圆周率3.14, don't", "zh") == ["圆", "周", "率", "3.14", ",", "don't"]


@given(st.text("ab", max_size=8), st.text("ab", max_size=8))
def test_longest_run_is_the_longest_substring(first: str, second: str) -> None:
    pieces = {first[i:j] for i in range(len(first)) for j in range(i, len(first) + 1)} | {""}
    assert longest_common_run(first, second) == max(len(piece) for piece in pieces if piece in second)


@pytest.mark.parametrize("language", ["zh", "en"])
@given(hypothesis=MIXED, answers=st.lists(MIXED, min_size=1, max_size=3))
def test_f1_is_never_below_exact_match(language: Language, hypothesis: str, answers: list[str]) -> None:
    # One English word beside the drawn answers keeps the references from being mostly Chinese.
    answers = [*answers, "somethingquitelongandenglishtobesurethatitisnotmostlychinese"]
    exact = exact_match.per_row([hypothesis], [answers], language=language)[0]
    assert exact <= f1.per_row([hypothesis], [answers], language=language)[0] <= 1


def test_only_languages_with_rules() -> None:
    with pytest.raises(BadInput, match="knows zh and en"):
        f1.score(["oui"], [["oui"]], language="fr")
    with pytest.raises(BadInput, match="mostly Chinese") as caught:
        exact_match.score(["北京"], [["北京"]], language="en")
    assert caught.value.hint == "pass language='zh'"


def test_binary_metrics_carry_wilson() -> None:
    score = accuracy.score(["A"] * 8 + ["B"] * 2, [["A"]] * 10)
    assert (score.low, score.high) == pytest.approx((0.4902, 0.9433), abs=5e-5)
    perfect = exact_match.score(["yes"] * 20, [["no"]] * 20)
    assert (perfect.low, perfect.high) == pytest.approx((0.0, 0.1611), abs=5e-5)
