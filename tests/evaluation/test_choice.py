"""Choices: the prompt as published, every convention from one set of likelihoods, chance and intervals."""

from __future__ import annotations

import math
from typing import ClassVar

from sibao.core.types import Language, Scored
from sibao.evaluation.choice import ChoiceSuite, Question
from sibao.evaluation.conventions import picks
from sibao.evaluation.places import Place
from sibao.evaluation.reporting import interval_of, means
from sibao.evaluation.sample import Judged, Loglikelihood, Outcome, Sample
from sibao.evaluation.statistics import wilson
from sibao.evaluation.suite import Rows, Setting


class Sums(ChoiceSuite):
    """Rows of a question and two options."""

    name, area, license, source, folder, files = "sums", "accuracy", "none", "here", "sums", ("x",)
    about: ClassVar[dict[Language, str]] = {"en": "sums", "zh": "算术"}

    def read(self, place: Place) -> Rows:
        return Rows([])

    def questions(self, rows: Rows) -> list[Question]:
        return [
            Question(
                str(n), row["q"], tuple(row["o"]), (row["a"],), group=row.get("g", ""), language=row.get("l", "en")
            )
            for n, row in enumerate(rows.test)
        ]


ROWS = Rows(
    [{"q": "1+1?", "o": ["2", "3"], "a": 0}, {"q": "一加二？", "o": ["二", "三", "四"], "a": 1, "l": "zh"}],
    [{"q": "2+2?", "o": ["5", "4"], "a": 1}],
)


def test_the_prompt_is_as_published() -> None:
    sample, chinese = Sums().samples(ROWS, Setting(shots=1))
    assert sample.requests == (
        Loglikelihood("2+2?\nA. 5\nB. 4\nAnswer: B\n\n1+1?\nA. 2\nB. 3\nAnswer:", " A"),
        Loglikelihood("2+2?\nA. 5\nB. 4\nAnswer: B\n\n1+1?\nA. 2\nB. 3\nAnswer:", " B"),
    )
    assert [r.continuation for r in chinese.requests if isinstance(r, Loglikelihood)] == [" A", " B", " C"]
    first = chinese.requests[0]
    assert isinstance(first, Loglikelihood) and str(first.context).endswith("一加二？\nA. 二\nB. 三\nC. 四\n答案：")


def test_turns_hold_the_same_words() -> None:
    (sample, _) = Sums().samples(ROWS, Setting(shots=1, chat=True))
    first = sample.requests[0]
    assert isinstance(first, Loglikelihood) and first.continuation == "A"
    assert first.context == [
        {"role": "user", "content": "2+2?\nA. 5\nB. 4\nAnswer:"},
        {"role": "assistant", "content": "B"},
        {"role": "user", "content": "1+1?\nA. 2\nB. 3\nAnswer:"},
    ]


def test_conventions_disagree_where_they_should() -> None:
    choices = ["no", "certainly 当然"]
    given = [Scored(-4.0, 1, False), Scored(-9.0, 6, False)]
    alone = [Scored(-1.0, 1, False), Scored(-8.0, 6, False)]
    # per character -2 and -9/12; per byte -2 and -9/16; per token -4 and -1.5; less alone -3 and -1
    assert picks(choices, given, alone) == {"acc": 0, "acc_norm": 1, "acc_bytes": 1, "acc_token": 1, "acc_pmi": 1}
    assert "acc_pmi" not in picks(choices, given)


def test_han_text_sets_characters_and_bytes_apart_only_when_mixed() -> None:
    given = [Scored(-6.0, 2, False), Scored(-5.0, 2, False)]
    assert picks(["当然好", "abcd"], given)["acc_norm"] == 1
    assert picks(["当然好", "abcd"], given)["acc_bytes"] == 0


def test_judging_and_chance() -> None:
    suite = Sums()
    samples = suite.samples(ROWS, Setting(pmi=True))
    first = [Scored(-1.0, 1, False), Scored(-2.0, 1, False)] * 2
    judged = suite.judge(samples[0], first)
    assert judged == Judged({"acc": 1, "acc_norm": 1, "acc_bytes": 1, "acc_token": 1, "acc_pmi": 1}, "A", ("A",))
    outcomes = [Outcome(samples[0], tuple(first), judged), Outcome(samples[1], missing="it failed")]
    score = suite.report(outcomes)[0]
    assert (score.name, score.value, score.n, score.missing) == ("acc", 1.0, 1, 1)
    assert score.chance is not None and math.isclose(score.chance, (1 / 2 + 1 / 3) / 2)


def test_intervals_know_what_the_values_are() -> None:
    assert interval_of([1.0] * 8 + [0.0] * 2)[:2] == tuple(wilson(8, 10))
    assert interval_of([1.0]) == (None, None, "none")
    low, high, how = interval_of([0.0, 0.5, 1.0, 0.25])
    assert how == "t" and low is not None and high is not None and low < 0.4375 < high
    alone = interval_of([1.0, 0.0] * 10)
    crowd = interval_of([1.0] * 7 + [0.0] * 6 + [1.0] * 7, [str(i // 5) for i in range(20)])
    assert crowd[2] == "clustered" and alone[2] == "wilson"
    assert interval_of([1.0, 0.0] * 10, [str(i) for i in range(20)])[2] == "wilson"  # clusters of one are none
    alike = interval_of([1.0, 0.0] * 10, [str(i // 10) for i in range(20)])
    assert alike == alone  # clusters without a spread do not make a point of the interval
    assert interval_of([0.0] * 6, ["a", "a", "b", "b", "c", "d"]) == (*wilson(0, 4), "wilson")  # never 0 … 0


def test_groups_are_reported_for_the_headline_only() -> None:
    outcomes = [
        Outcome(Sample(str(i), (), group="甲" if i % 2 else "乙"), judged=Judged({"acc": float(i % 2), "other": 1.0}))
        for i in range(6)
    ]
    found = {s.name: s.value for s in means(outcomes, grouped=("acc",))}
    assert found == {"acc": 0.5, "other": 1.0, "acc/乙": 0.0, "acc/甲": 1.0}


def test_nothing_answered_is_not_a_number() -> None:
    (score,) = means([Outcome(Sample("0", ()), missing="x")])
    assert math.isnan(score.value) and (score.n, score.missing) == (0, 1)
