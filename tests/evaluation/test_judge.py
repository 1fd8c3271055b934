"""The judge: rubrics, replies in every form, repeats, both orders, and how far it is to be believed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sibao.core.errors import BadInput, DataError, ProviderError, UnknownName
from sibao.core.types import Completion, Delta, GenerateOptions, Prompt, TokenLogprob, as_prompts
from sibao.evaluation import judge_pairs
from sibao.evaluation._judge_replies import objects, read_choice, read_score, weighted
from sibao.evaluation.agreement import agreement, cohen_kappa, corrected_rate, rogan_gladen, sensitivity_specificity
from sibao.evaluation.judge import Answer, Judge, JudgeSetting, against_labels, summary
from sibao.evaluation.judge_pairs import Pair, prefer
from sibao.evaluation.rubric import load_rubric, rubric_names


class LengthJudge:
    """A judge that counts the words of the answer: five and more are good. Its replies are a function of the prompt alone.

    ``knows``: the options that it takes ("form", "logprobs"). ``style``: how it words its verdicts. ``bias``: it finds the
    first of two answers the better one, whatever they are.
    """

    name, context = "length", 4096

    def __init__(self, knows: Sequence[str] = (), style: str = "json", *, bias: bool = False) -> None:
        self.knows, self.style, self.bias = knows, style, bias
        self.seen: list[GenerateOptions] = []

    def generate(self, prompts: str | Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        options = options or GenerateOptions()
        if options.response_format is not None and "form" not in self.knows:
            raise BadInput("length does not know response_format")
        if options.sampling.logprobs is not None and "logprobs" not in self.knows:
            raise BadInput("length does not know logprobs")
        self.seen.append(options)
        return [self._reply(_text(prompt), options) for prompt in as_prompts(prompts)]

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        (done,) = self.generate([prompt], options)
        yield Delta(done.text, done)

    def count(self, prompt: Prompt) -> int:
        return len(_text(prompt))

    def _reply(self, text: str, options: GenerateOptions) -> Completion:
        parts = [part.strip() for part in re.findall("<<<\n(.*?)\n>>>", text, re.DOTALL)]
        if not parts:
            return Completion("{}", "length")
        if "FAIL" in parts[-1]:
            raise ProviderError("the provider failed", status=500)
        if "Answer A" in text or "回答 A" in text:
            first, second = (len(part.split()) for part in parts[-2:])
            better = "A" if self.bias or first > second else "B" if second > first else "tie"
            return Completion(json.dumps({"reason": "longer", "better": better}), "stop")
        score = min(5, max(1, len(parts[-1].split())))
        found = {"reason": "词数", "score": score, "pass": score >= 4}
        said = {
            "json": json.dumps(found, ensure_ascii=False),
            "fenced": f"Here is my verdict:\n```json\n{json.dumps(found)}\n```",
            "words": f"This is decent. Score: {score}/5",
            "mute": "I would rather not say.",
        }[self.style]
        tokens = _tokens(said, score) if options.sampling.logprobs else ()
        return Completion(said, "stop", logprobs=tokens)


def _text(prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else "\n".join(str(message["content"]) for message in prompt)


def _tokens(said: str, score: int) -> tuple[TokenLogprob, ...]:
    before, after = said.split('"score": ')
    other = score - 1 if score > 1 else score + 1
    top = ((f" {score}", math.log(0.75)), (f" {other}", math.log(0.25)), (' "', math.log(1e-4)))
    return (
        TokenLogprob(before + '"score":', -0.1),
        TokenLogprob(f" {score}", math.log(0.75), top),
        TokenLogprob(after[1:], -0.1),
    )


def judge(*knows: str, **options: Any) -> Judge:
    style = options.pop("style", "json")
    return Judge(LengthJudge(knows, style), load_rubric("helpfulness"), JudgeSetting(**options))


GOOD, POOR = Answer("Why?", "because it rains a lot here"), Answer("Why?", "no")


def test_rubrics_come_in_both_languages() -> None:
    assert rubric_names() == ["faithfulness", "helpfulness"]
    for name in rubric_names():
        rubric = load_rubric(name)
        assert rubric.languages == ("en", "zh") and (rubric.low, rubric.high) == (1, 5)
        assert all(set(meanings) == {1, 2, 3, 4, 5} for meanings in rubric.scale.values())


def test_a_rubric_of_ones_own(tmp_path: Path) -> None:
    found = {
        "low": 0,
        "high": 1,
        "pass_at": 1,
        "criteria": {"zh": "是否礼貌？"},
        "scale": {"zh": {"0": "不", "1": "是"}},
    }
    (tmp_path / "polite.json").write_text(json.dumps(found), encoding="utf-8")
    rubric = load_rubric(tmp_path / "polite.json")
    assert (rubric.name, rubric.version, rubric.scale["zh"]) == ("polite", "1", {0: "不", 1: "是"})
    with pytest.raises(BadInput, match="no text in en"):
        Judge(LengthJudge(), rubric)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"low": "1"}, "field 'low'.*wanted a whole number"),
        ({"pass_at": 9}, "wanted them in order"),
        ({"criteria": {"fr": "poli"}}, "field 'criteria'.*en, zh or both"),
        ({"scale": {"en": {"7": "x"}}}, "field 'scale.en'.*number from 1 to 5"),
        ({"scale": {"en": "x"}}, "field 'scale.en'.*meanings"),
    ],
)
def test_a_faulty_rubric_says_where(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    good = {"low": 1, "high": 5, "pass_at": 4, "criteria": {"en": "Is it polite?"}}
    (tmp_path / "r.json").write_text(json.dumps(good | change), encoding="utf-8")
    with pytest.raises(DataError, match=says):
        load_rubric(tmp_path / "r.json")


def test_rubrics_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no rubric named 'helpfullness'") as caught:
        load_rubric("helpfullness")
    assert "helpfulness" in caught.value.hint
    (tmp_path / "r.toml").write_text("low = ", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read"):
        load_rubric(tmp_path / "r.toml")


@pytest.mark.parametrize("style", ["json", "fenced", "words"])
def test_verdicts_are_read_however_they_are_worded(style: str) -> None:
    good, poor = judge(style=style).score([GOOD, POOR])
    assert (good.score, good.passed, poor.score, poor.passed) == (5, True, 1, False)


def test_a_reply_without_a_verdict_is_missing_and_never_a_fail() -> None:
    one = judge(style="mute")
    found = one.score([GOOD, POOR])
    assert all(j.score is None and j.passed is None and "no verdict" in j.missing for j in found)
    scores = summary(one, found)
    assert all(math.isnan(s.value) and (s.n, s.missing) == (0, 2) for s in scores)


def test_a_provider_that_fails_costs_its_row_only() -> None:
    one = judge()
    found = one.score([GOOD, Answer("Why?", "FAIL now"), POOR])
    assert found[1].missing == "the provider failed" and [j.score for j in found] == [5, None, 1]
    score, passed, spread = summary(one, found)
    assert (score.value, score.n, score.missing) == (3, 2, 1) and passed.value == 0.5 and spread.value == 0


def test_the_form_is_asked_for_where_the_model_has_it() -> None:
    for knows, form, logprobs, how in (
        ((), False, False, "form:read"),
        (("form",), True, False, "form:schema"),
        (("logprobs",), False, True, "form:read+logprobs"),
        (("form", "logprobs"), True, True, "form:schema+logprobs"),
    ):
        one = judge(*knows)
        one.score([GOOD])
        assert isinstance(one.model, LengthJudge)
        last = one.model.seen[-1]
        assert (last.response_format is not None, last.sampling.logprobs is not None) == (form, logprobs)
        assert one.signature.endswith(how)
        if last.response_format is not None:
            schema = last.response_format["json_schema"]["schema"]
            assert schema["required"] == ["reason", "score", "pass"] and schema["properties"]["score"]["maximum"] == 5


def test_alternatives_weight_the_score() -> None:
    (found,) = judge("logprobs").score([GOOD])
    assert found.score == pytest.approx(0.75 * 5 + 0.25 * 4)


def test_g_eval_of_the_reference() -> None:
    """{4: .6, 5: .3, 3: .1} is 4.2 (peers, section 3)."""
    top = ((" 4", math.log(0.6)), (" 5", math.log(0.3)), (" 3", math.log(0.1)))
    tokens = [TokenLogprob('{"score":', 0), TokenLogprob(" 4", math.log(0.6), top), TokenLogprob("}", 0)]
    assert weighted(tokens, 1, 5) == pytest.approx(4.2)


def test_a_score_of_two_tokens_is_not_weighted() -> None:
    tokens = [TokenLogprob('{"score": ', 0), TokenLogprob("1", -0.1, (("1", -0.1), ("2", -3))), TokenLogprob("0}", 0)]
    assert weighted(tokens, 1, 10) is None
    assert weighted([TokenLogprob("no score", 0)], 1, 5) is None


def test_repeats_are_drawn_with_seeds_of_their_own() -> None:
    one = judge(repeats=3, seed=7)
    (found,) = one.score([GOOD])
    assert isinstance(one.model, LengthJudge)
    asked = [(o.sampling.temperature, o.sampling.seed) for o in one.model.seen[-3:]]
    assert asked == [(0.0, 7), (0.7, 8), (0.7, 9)]
    assert found.scores == (5, 5, 5) and found.spread == 0
    with pytest.raises(BadInput, match="got 0 repeats"):
        judge(repeats=0)


def test_the_prompt_holds_what_there_is_in_the_language_asked_for() -> None:
    one = Judge(LengthJudge(), load_rubric("faithfulness"), JudgeSetting("zh"))
    text = _text(one.prompt(Answer("谁来了？", "他来了", source="小王来了。")))
    assert "原文:\n<<<\n小王来了。\n>>>" in text and "参考回答" not in text and "每句陈述都有依据" in text
    assert text.index("原文:") < text.index("待评判的回答:")
    assert "Scale, whole numbers from 1 to 5" in _text(judge().prompt(GOOD))


def test_braces_in_an_answer_are_only_braces() -> None:
    (found,) = judge().score([Answer("{x}", "a {b} {{c}} d e")])
    assert found.score == 5


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"score": 4, "pass": true, "reason": "ok"}', (4, True, "ok")),
        ('{"score": "4/5", "pass": "是"}', (4, True, "")),
        ('{"a": 1} then {"score": 2, "pass": false}', (2, False, "")),
        ("综合来看，评分：3", (3, None, "综合来看，评分：3")),
        ('{"score": 9}', None),
        ('{"score": true}', None),
        ('{"score": 4', (4, None, '{"score": 4')),
        ("Score: 12", None),
        ("", None),
    ],
)
def test_scores_in_replies(text: str, found: object) -> None:
    assert read_score(text, 1, 5) == found


@given(st.text())
def test_no_reply_breaks_the_reader(text: str) -> None:
    found = read_score(text, 1, 5)
    assert found is None or 1 <= found[0] <= 5
    assert read_choice(text, ("A", "B", "tie")) is None or "better" in text
    assert all(isinstance(one, dict) for one in objects(text))


@given(st.integers(1, 5), st.booleans(), st.text(), st.text(alphabet="abc {[\n`"))
def test_what_is_written_as_json_is_read(score: int, passed: bool, reason: str, before: str) -> None:
    written = json.dumps({"reason": reason, "score": score, "pass": passed}, ensure_ascii=False)
    assert read_score(before + written, 1, 5) == (score, passed, reason)


PAIRS = [Pair("Why?", "because it rains", "no"), Pair("Why?", "no", "it is wet"), Pair("Why?", "so so", "oh no")]


def test_a_win_in_both_orders_is_a_win() -> None:
    one = judge()
    found = prefer(one, PAIRS)
    assert [p.winner for p in found] == ["a", "b", "tie"] and not any(p.by_place for p in found)
    shares = {s.name: s.value for s in judge_pairs.summary(one, found)}
    assert shares == {"wins_a": 1 / 3, "wins_b": 1 / 3, "ties": 1 / 3, "order_bias": 0}


def test_a_judge_that_likes_the_first_place_wins_nothing() -> None:
    one = Judge(LengthJudge(bias=True), load_rubric("helpfulness"))
    found = prefer(one, PAIRS)
    assert all(p.winner == "tie" and p.by_place for p in found)
    assert {s.name: s.value for s in judge_pairs.summary(one, found)}["order_bias"] == 1


def test_a_pair_without_two_verdicts_is_missing() -> None:
    one = judge()
    found = prefer(one, [PAIRS[0], Pair("Why?", "FAIL here", "no")])
    assert found[1].winner == "" and found[1].missing == "the provider failed"
    wins = judge_pairs.summary(one, found)[0]
    assert (wins.value, wins.n, wins.missing) == (1.0, 1, 1)


def test_pairs_and_scores_have_forms_of_their_own() -> None:
    one = judge("form")
    one.score([GOOD])
    assert prefer(one, PAIRS)[0].winner == "a"
    assert isinstance(one.model, LengthJudge)
    asked = one.model.seen[-1].response_format
    assert asked is not None and asked["json_schema"]["schema"]["required"] == ["reason", "better"]


def test_the_judge_against_labels_and_its_corrected_rate() -> None:
    answers = [Answer("q", "word " * n) for n in (1, 2, 3, 4, 5, 6, 4, 3)]
    labels = [False, False, True, True, True, True, False, False]  # it misses one, and passes one that people fail
    one = judge()
    rest = one.score([GOOD, POOR, GOOD, POOR])
    found = {s.name: s for s in against_labels(one, answers, labels, rest)}
    assert found["agreement"].value == 0.75 and found["kappa"].value == pytest.approx(0.5)
    assert (found["sensitivity"].value, found["specificity"].value) == (0.75, 0.75)
    assert found["corrected_rate"].value == pytest.approx((0.5 + 0.75 - 1) / 0.5)
    assert "rubric:helpfulness.v1" in found["kappa"].signature
    with pytest.raises(BadInput, match="8 answers and 1 labels"):
        against_labels(one, answers, [True])
    with pytest.raises(BadInput, match="no verdict on any labelled answer"):
        against_labels(judge(style="mute"), answers, labels)


def test_kappa() -> None:
    assert cohen_kappa([1, 1, 0, 0], [1, 1, 0, 0]) == 1
    assert cohen_kappa("aabb", "abab") == 0
    # 45 and 15 on the diagonal of 60, 25 and 15 off it: the textbook's table, p_o .6, p_e .54
    first = ["y"] * 45 + ["y"] * 15 + ["n"] * 25 + ["n"] * 15
    second = ["y"] * 45 + ["n"] * 15 + ["y"] * 25 + ["n"] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.1304, abs=1e-4)
    assert math.isnan(cohen_kappa([1, 1], [1, 1]))
    with pytest.raises(BadInput, match="2 and 1 labels"):
        cohen_kappa([1, 1], [1])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=30))
def test_kappa_is_symmetric_and_at_most_one(pairs: list[tuple[str, str]]) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    one, other = cohen_kappa(first, second), cohen_kappa(second, first)
    assert (math.isnan(one) and math.isnan(other)) or (one == pytest.approx(other) and one <= 1 + 1e-9)


def test_intervals_of_agreement_hold_their_values() -> None:
    truth = [i % 3 > 0 for i in range(60)]
    judged = [t if i % 5 else not t for i, t in enumerate(truth)]
    for score in agreement(truth, judged):
        assert score.low is not None and score.high is not None and score.low <= score.value <= score.high
        assert score.high - score.low < 0.6
    assert [s.name for s in agreement("abca", "abcb")] == ["agreement", "kappa"]


def test_the_correction_finds_the_rate_behind_the_mistakes() -> None:
    assert rogan_gladen(0.5, 1.0, 1.0) == 0.5
    assert rogan_gladen(0.38, 0.8, 0.9) == pytest.approx(0.4)
    assert rogan_gladen(0.05, 0.8, 0.9) == 0 and rogan_gladen(0.99, 0.8, 0.9) == 1
    with pytest.raises(BadInput, match="wanted a sum above 1"):
        rogan_gladen(0.5, 0.5, 0.5)
    with pytest.raises(BadInput, match="3 true and 0 false"):
        sensitivity_specificity([True] * 3, [True, False, True])


def test_a_corrected_rate_has_an_interval_that_labels_make_narrower() -> None:
    judged = [True] * 38 + [False] * 62
    truth = [True] * 50 + [False] * 50
    said = [True] * 40 + [False] * 10 + [True] * 5 + [False] * 45
    few, many = corrected_rate(judged, truth, said), corrected_rate(judged, truth * 20, said * 20)
    assert few.value == pytest.approx(0.4) and many.value == pytest.approx(0.4)
    assert few.low is not None and few.high is not None and many.low is not None and many.high is not None
    assert few.low < 0.4 < few.high and many.high - many.low < few.high - few.low
    assert few == corrected_rate(judged, truth, said)
    with pytest.raises(BadInput, match="no verdicts"):
        corrected_rate([], truth, said)


def test_plumbing_with_the_embedded_model() -> None:
    """Whatever ``mini`` says, every answer has a judgement on the scale or a reason why there is none."""
    from sibao.providers.load import load

    one = Judge(load("mini"), load_rubric("helpfulness"), JudgeSetting("zh", max_tokens=60))
    found = one.score([Answer("天为什么是蓝的？", "因为空气散射蓝光更多。"), Answer("一加一？", "三")])
    assert len(found) == 2
    for judgement in found:
        assert bool(judgement.missing) == (judgement.score is None)
        assert judgement.score is None or 1 <= judgement.score <= 5
    assert sum(s.n + s.missing for s in summary(one, found)) >= 4
