"""Perturbations: the same ids and the same right answers, in other words; seeded, and never empty."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sibao.core.errors import BadInput, UnknownName
from sibao.core.types import Scored as Likelihood
from sibao.evaluation import places, sandbox
from sibao.evaluation.choice import ChoiceSuite, Question
from sibao.evaluation.places import Place
from sibao.evaluation.robust import PERTURBATIONS, perturb, turned
from sibao.evaluation.sample import Generation, Loglikelihood, Sample
from sibao.evaluation.suite import RequestSuite, Setting
from sibao.evaluation.suite_index import load_suite
from sibao.evaluation.typos import homophones, mistyped, other_width

LETTERED = ("mmlu", "agieval", "ceval", "cmmlu", "mmlu_form")
TEXTS = ("hellaswag", "truthfulqa", "csl_category", "choices")
WRITTEN = ("gsm8k", "bbh", "humaneval")
REFUSED = {(name, "options") for name in (*TEXTS, *WRITTEN)} | {("humaneval", "paraphrase")}
ALLOWED = [
    (name, kind) for name in (*LETTERED, *TEXTS, *WRITTEN) for kind in PERTURBATIONS if (name, kind) not in REFUSED
]
WORDS = st.text(st.sampled_from("abcdefg ABC 今天天气很好，。,.!?（）()$`1.5\\"), max_size=60)


def suite(name: str) -> RequestSuite:
    found = load_suite(name)
    assert isinstance(found, RequestSuite)
    return found


def samples(one: RequestSuite, shots: int = 0) -> list[Sample]:
    rows = one.read(Place(places.SAMPLES / one.folder))
    with sandbox.permission():
        return one.samples(rows, Setting(shots=shots))


def prompt(sample: Sample) -> str:
    request = sample.requests[0]
    assert isinstance(request, Loglikelihood | Generation)
    return str(request.context if isinstance(request, Loglikelihood) else request.prompt)


@pytest.mark.parametrize(("name", "kind"), ALLOWED)
def test_ids_and_right_answers_stay(name: str, kind: str) -> None:
    plain, changed = samples(suite(name)), samples(perturb(suite(name), kind))
    assert [s.id for s in changed] == [s.id for s in plain]
    assert [(s.group, s.cluster, s.language) for s in changed] == [(s.group, s.cluster, s.language) for s in plain]
    for one, other in zip(plain, changed, strict=True):
        assert len(one.requests) == len(other.requests) and prompt(other).strip()
        if name in WRITTEN:
            assert one.target == other.target
        else:
            gold = [{s.data["options"][i] for i in s.target} for s in (one, other)]
            assert gold[0] == gold[1]


@pytest.mark.parametrize(("name", "kind"), [one for one in ALLOWED if one[1] != "punctuation"])
def test_most_prompts_change(name: str, kind: str) -> None:
    plain, changed = samples(suite(name)), samples(perturb(suite(name), kind))
    differ = sum(prompt(a) != prompt(b) for a, b in zip(plain, changed, strict=True))
    assert differ >= 0.6 * len(plain)


@pytest.mark.parametrize("kind", sorted(PERTURBATIONS))
def test_the_seed_decides(kind: str) -> None:
    one = suite("mmlu")
    assert samples(perturb(one, kind, 5)) == samples(perturb(one, kind, 5))
    if kind != "punctuation":
        assert samples(perturb(one, kind, 5)) != samples(perturb(one, kind, 6))


def test_a_rows_change_does_not_depend_on_the_other_rows() -> None:
    one = perturb(suite("agieval"), "typos")
    rows = one.read(Place(places.SAMPLES / one.folder))
    whole = {s.id: s for s in one.samples(rows, Setting())}
    for s in one.samples(replace(rows, test=rows.test[5:8]), Setting()):
        assert whole[s.id] == s


def test_the_suite_itself_stays() -> None:
    one = suite("mmlu")
    before = samples(one)
    changed = perturb(one, "typos")
    assert samples(one) == before != samples(changed)
    assert (changed.name, changed.headline, changed.version) == (one.name, one.headline, one.version)
    assert isinstance(changed, ChoiceSuite)


def test_worked_examples_keep_their_words() -> None:
    plain, changed = samples(suite("mmlu"), 2)[0], samples(perturb(suite("mmlu"), "typos"), 2)[0]
    assert prompt(plain) != prompt(changed)
    assert prompt(plain).rpartition("\n\n")[0] == prompt(changed).rpartition("\n\n")[0]


def test_written_exercises_keep_their_frame() -> None:
    for sample in samples(perturb(suite("gsm8k"), "typos")):
        assert prompt(sample).startswith("Question: ") and prompt(sample).endswith("\nAnswer:")
    for plain, changed in zip(samples(suite("humaneval")), samples(perturb(suite("humaneval"), "typos")), strict=True):
        name = plain.data["entry_point"]
        assert f"def {name}(" in prompt(changed)
        assert prompt(plain).partition(f"def {name}")[0] == prompt(changed).partition(f"def {name}")[0]
        assert prompt(plain).count(">>>") == prompt(changed).count(">>>")


def test_options_move_and_letters_stay() -> None:
    plain, changed = samples(suite("ceval")), samples(perturb(suite("ceval"), "options"))
    for one, other in zip(plain, changed, strict=True):
        assert [r.continuation for r in other.requests if isinstance(r, Loglikelihood)] == [" A", " B", " C", " D"]
        assert sorted(one.data["options"]) == sorted(other.data["options"])
        assert one.target != other.target
        replies = [Likelihood(0.0 if i in other.target else -9.0, 1, False) for i in range(4)]
        assert suite("ceval").judge(other, replies).values["acc"] == 1


def test_every_turn_occurs() -> None:
    question = Question("1", "q", ("a1", "b1", "c1", "d1"), (0,))
    places_of_gold = {turned(question, random.Random(n)).gold for n in range(60)}
    assert places_of_gold == {(1,), (2,), (3,)}


@pytest.mark.parametrize("option", ["All of the above", "Both A and B", "以上都对", "A和C", "Neither"])
def test_options_that_speak_of_others_keep_their_place(option: str) -> None:
    question = Question("1", "q", ("one", "two", option), (2,))
    assert turned(question, random.Random(0)) == question


@given(st.lists(st.sampled_from(["one", "two", "three", "四", "五"]), min_size=2, max_size=5, unique=True), st.data())
def test_turning_keeps_the_right_texts(options: list[str], data: st.DataObject) -> None:
    gold = tuple(data.draw(st.sets(st.integers(0, len(options) - 1), min_size=1)))
    question = Question("1", "q", tuple(options), gold)
    other = turned(question, random.Random(data.draw(st.integers(0, 9))))
    assert {options[i] for i in gold} == {other.options[i] for i in other.gold}
    assert sorted(other.options) == sorted(options)


def test_paraphrase_puts_it_otherwise_in_both_languages() -> None:
    first, *_, last = samples(perturb(suite("mmlu_form"), "paraphrase"), 1)
    assert prompt(first) == (
        "The following are multiple choice questions (with answers) about kitchen.\n\n"
        "Question: Which of these is a spoon used for?\n(A) stirring\n(B) writing\n(C) sawing\n(D) measuring time\n"
        "The correct option is A\n\n"
        "Question: Which of these is a fruit?\n(A) carrot\n(B) apple\n(C) rice\n(D) salt\nThe correct option is"
    )
    assert prompt(last).endswith("问题：《春晓》的作者是\n（A）李白\n（B）杜甫\n（C）孟浩然\n（D）王维\n正确选项是")
    assert prompt(samples(perturb(suite("gsm8k"), "paraphrase", 1))[0]).startswith(
        "Here is what you are asked to do.\n\nQuestion:"
    )
    assert prompt(samples(perturb(suite("csl_category"), "paraphrase"))[0]).startswith(
        "请完成下面的内容。\n以下是中文论文的标题"
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [("hellaswag", "options"), ("truthfulqa", "options"), ("gsm8k", "options"), ("humaneval", "paraphrase")],
)
def test_what_would_mean_nothing_is_refused(name: str, kind: str) -> None:
    with pytest.raises(BadInput, match=name):
        perturb(suite(name), kind)


def test_unknown_names_and_kinds_of_suites() -> None:
    with pytest.raises(UnknownName) as caught:
        perturb(suite("mmlu"), "typo")
    assert "typos" in caught.value.hint
    with pytest.raises(BadInput, match="no questions to perturb"):
        perturb(suite("wikitext2"), "typos")


def test_each_is_described_in_both_languages() -> None:
    assert all(text["en"] and text["zh"] for text in PERTURBATIONS.values())


@given(WORDS, st.integers(0, 50))
def test_slips_are_small_and_seeded(text: str, seed: int) -> None:
    changed = mistyped(text, random.Random(seed))
    assert changed == mistyped(text, random.Random(seed))
    assert bool(changed.strip()) == bool(text.strip())
    assert abs(len(changed) - len(text)) <= max(1, len(text) // 4)


def test_there_is_a_slip_wherever_there_is_a_place_for_one() -> None:
    for text in ("What colour is the sky?", "天空是什么颜色？"):
        assert all(mistyped(text, random.Random(n)) != text for n in range(30))


def test_slips_spare_formulas_code_and_short_words() -> None:
    text = r"So $alpha + beta$ is `gamma delta` or \frac x2yz of 3"
    assert all(mistyped(text, random.Random(n)) == text for n in range(30))


def test_english_slips_keep_first_letters_and_most_words() -> None:
    text = " ".join(["necessary question answering together"] * 25)
    changed = mistyped(text, random.Random(3)).split(" ")
    differ = [(a, b) for a, b in zip(text.split(" "), changed, strict=True) if a != b]
    assert 3 <= len(differ) <= 25
    assert all(a[0] == b[0] and abs(len(a) - len(b)) <= 1 for a, b in differ)


def test_chinese_slips_sound_alike() -> None:
    table = homophones()
    assert "再" in table["在"] and "在" in table["再"] and "他" in table["她"]
    assert len(table) == 3755 and all(one not in alike for one, alike in table.items())
    text = "在他时代里" * 40
    changed = mistyped(text, random.Random(1))
    assert len(changed) == len(text)
    assert all(b in table[a] for a, b in zip(text, changed, strict=True) if a != b)


def test_punctuation_changes_its_width() -> None:
    assert other_width("Is it 3.5, or more (say 4)?") == "Is it 3.5， or more （say 4）？"
    assert other_width("你好，世界！（真的？）3.5 米。") == "你好,世界!(真的?)3.5 米."
    assert other_width("let $f(x), y$ be, `a(b)`.") == "let $f(x), y$ be， `a(b)`．"


@given(WORDS)
def test_punctuation_keeps_the_length_and_every_word(text: str) -> None:
    changed = other_width(text)
    assert len(changed) == len(text)
    assert [c for c in changed if c.isalnum()] == [c for c in text if c.isalnum()]
