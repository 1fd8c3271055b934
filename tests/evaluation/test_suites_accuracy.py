"""Suites of knowledge, reasoning and code: rows as published, prompts as published, replies judged by the published rules."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from sibao.core.errors import BadInput, DataError
from sibao.core.types import Completion, GenerateOptions, Row
from sibao.core.types import Scored as Likelihood
from sibao.evaluation import places, sandbox
from sibao.evaluation.choice import ChoiceSuite, Question
from sibao.evaluation.places import Place
from sibao.evaluation.sample import Generation, Judged, Loglikelihood, Outcome, Sample
from sibao.evaluation.suite import RequestSuite, Rows, Setting
from sibao.evaluation.suite_index import load_suite
from sibao.evaluation.suites import humaneval
from sibao.evaluation.suites._answers import found_in
from sibao.evaluation.suites._table import table
from sibao.evaluation.suites.hellaswag import clean
from sibao.evaluation.writing import WritingSuite

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "accuracy"
NAMES = (
    "agieval", "bbh", "bbh_cot", "ceval", "choices", "cmmlu", "csl_category", "csl_discipline", "gsm8k", "hellaswag",
    "humaneval", "mmlu", "mmlu_form", "truthfulqa",
)  # fmt: skip
SAMPLE_ROWS = {
    "agieval": 32, "bbh": 18, "bbh_cot": 36, "ceval": 6, "choices": 6, "cmmlu": 6, "csl_category": 39,
    "csl_discipline": 40, "gsm8k": 40, "hellaswag": 6, "humaneval": 20, "mmlu": 40, "mmlu_form": 4, "truthfulqa": 38,
}  # fmt: skip
SHARED_ROWS = {
    "agieval": 1704, "bbh": 3255 - 27 * 3, "bbh_cot": 3255, "csl_category": 1000, "csl_discipline": 1000, "gsm8k": 660,
    "humaneval": 164, "mmlu": 7040, "truthfulqa": 409,
}  # fmt: skip
CHANCE = {
    "agieval": 0.25,
    "mmlu": 0.25,
    "ceval": 0.25,
    "hellaswag": 0.25,
    "csl_category": 1 / 13,
    "csl_discipline": 1 / 67,
}


def suite(name: str) -> RequestSuite:
    found = load_suite(name)
    assert isinstance(found, RequestSuite)
    return found


def sample_place(name: str) -> Place:
    one = suite(name)
    return Place(places.SAMPLES / one.folder, sample=True)


def asked(name: str, setting: Setting | None = None, rows: Rows | None = None) -> list[Sample]:
    one = suite(name)
    with sandbox.permission():
        return one.samples(rows or one.read(sample_place(name)), setting or Setting())


def prompt_of(sample: Sample) -> str:
    request = sample.requests[0]
    assert isinstance(request, Loglikelihood | Generation)
    text = request.context if isinstance(request, Loglikelihood) else request.prompt
    assert isinstance(text, str)
    return text


def continuations(sample: Sample) -> list[str]:
    return [request.continuation for request in sample.requests if isinstance(request, Loglikelihood)]


def judge(name: str, sample: Sample, logs: list[float]) -> Judged:
    return suite(name).judge(sample, [Likelihood(one, 1, False) for one in logs])


def graded(name: str, sample: Sample, text: str) -> Judged:
    with sandbox.permission():
        return suite(name).judge(sample, [Completion(text, "stop")])


def from_rows(name: str, rows: list[Row], shots: list[Row] | None = None) -> list[Sample]:
    return asked(name, rows=Rows(rows, shots or []))


@pytest.mark.parametrize("name", NAMES)
def test_sample_rows_become_samples(name: str) -> None:
    samples = asked(name)
    assert len(samples) == SAMPLE_ROWS[name]
    assert len({sample.id for sample in samples}) == len(samples)
    assert all(sample.requests and prompt_of(sample).strip() for sample in samples)
    assert all(prompt_of(sample) == prompt_of(sample).rstrip() for sample in samples if name != "humaneval")


@pytest.mark.parametrize("name", sorted(SHARED_ROWS))
def test_the_real_files_are_read_whole(name: str) -> None:
    if not SHARED.is_dir():
        pytest.skip("the published files are not beside the checkout")
    one = suite(name)
    place = places.find(one.folder, one.files, SHARED)
    rows = one.read(place)
    with sandbox.permission():
        samples = one.samples(rows, Setting(shots=one.shots if rows.shots else 0))
    assert len(samples) == SHARED_ROWS[name]
    assert len({sample.id for sample in samples}) == len(samples)
    assert all(sample.requests and prompt_of(sample).strip() for sample in samples)


@pytest.mark.parametrize("name", NAMES)
def test_shots_stand_before_and_are_not_the_question(name: str) -> None:
    one = suite(name)
    rows = one.read(sample_place(name))
    if not rows.shots:
        with pytest.raises(BadInput, match="no rows for 2 worked examples"):
            asked(name, Setting(shots=2))
        return
    bare, shot = asked(name), asked(name, Setting(shots=1))
    assert [s.id for s in bare] == [s.id for s in shot]
    assert all(len(prompt_of(b)) < len(prompt_of(a)) for a, b in zip(shot, bare, strict=True))
    assert all(a.requests[0] != b.requests[0] for a, b in zip(shot, bare, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_facts_are_told_in_both_languages(name: str) -> None:
    one = suite(name)
    assert one.name == name and one.area == "accuracy"
    assert all(one.about[tongue] for tongue in ("en", "zh"))
    assert one.license and one.source
    if not one.ran_on_real_data:
        assert one.caveat["en"] and one.caveat["zh"]


@pytest.mark.parametrize(("name", "rate"), sorted(CHANCE.items()))
def test_guessing(name: str, rate: float) -> None:
    one = suite(name)
    samples = [s for s in asked(name) if len(s.target) == 1 and s.group != "aqua-rat"]
    outcomes = [Outcome(sample, judged=Judged({"acc": 1.0})) for sample in samples]
    assert one.chance("acc", outcomes) == pytest.approx(rate)
    assert one.chance("seconds", outcomes) is None or name == "truthfulqa"


# ---- MMLU and its forms


def test_mmlu_prompt() -> None:
    sample = asked("mmlu", Setting(shots=1))[0]
    assert prompt_of(sample) == (
        "The following are multiple choice questions (with answers) about astronomy.\n\n"
        "You are pushing a truck along a road. Would it be easier to accelerate this truck on Mars? Why? (Assume there is no "
        "friction)\nA. It would be harder since the truck is heavier on Mars.\nB. It would be easier since the truck is lighter "
        "on Mars.\nC. It would be harder since the truck is lighter on Mars.\nD. It would be the same no matter where you are.\n"
        "Answer: D\n\n"
        "What is the source of the material that causes meteor showers?\n"
        "A. Near-Earth asteroids gradually disintegrate and spread out along their orbital path. When the Earth passes through "
        "the orbit of an asteroid we are bombarded by sand-sized particles which cause a meteor shower.\n"
        "B. Near-Earth asteroids disintegrate as they enter Earth's atmosphere creating hundreds of bright meteors that appear "
        "to radiate from a single location in the sky.\n"
        "C. The nuclei of comets disintigrate as they enter Earth's atmosphere creating hundreds of bright meteors that appear "
        "to radiate from a central location in the sky.\n"
        "D. The nuclei of comets gradually disintegrate and spread out along the comet's orbital path. When the Earth passes "
        "through the orbit of a comet we are bombarded by sand-sized particles which cause a meteor shower.\n"
        "Answer:"
    )
    assert continuations(sample) == [" A", " B", " C", " D"]
    assert sample.target == (3,) and sample.group == "astronomy"
    assert judge("mmlu", sample, [-3, -2, -4, -1]).values["acc"] == 1
    assert judge("mmlu", sample, [-3, -1, -4, -2]).values["acc"] == 0


def test_mmlu_as_first_published(tmp_path: Path) -> None:
    """Folders of CSV files without a header."""
    (tmp_path / "test").mkdir()
    (tmp_path / "dev").mkdir()
    (tmp_path / "test" / "anatomy_test.csv").write_text(
        '"Which bone, in man, is longest?",femur,tibia,"ulna, radius",rib,A\n'
    )
    (tmp_path / "dev" / "anatomy_dev.csv").write_text("Which is a muscle?,nail,hair,biceps,tooth,C\n")
    one = suite("mmlu")
    (sample,) = one.samples(one.read(places.find(one.folder, one.files, tmp_path)), Setting(shots=1))
    assert prompt_of(sample) == (
        "The following are multiple choice questions (with answers) about anatomy.\n\n"
        "Which is a muscle?\nA. nail\nB. hair\nC. biceps\nD. tooth\nAnswer: C\n\n"
        "Which bone, in man, is longest?\nA. femur\nB. tibia\nC. ulna, radius\nD. rib\nAnswer:"
    )
    assert sample.target == (0,)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"answer": "4"}, "answer"),
        ({"answer": "x"}, "answer"),
        ({"choice2": " "}, "choice2"),
        ({"subject": None}, "subject"),
    ],
)
def test_mmlu_says_where_a_row_is_wrong(change: Row, field: str, tmp_path: Path) -> None:
    good = {"subject": "s", "question": "q", **{f"choice{i}": str(i) for i in range(4)}, "answer": "0"}
    path = tmp_path / "test.jsonl"
    path.write_text(json.dumps(good) + "\n" + json.dumps({**good, **change}) + "\n")
    one = suite("mmlu")
    with pytest.raises(DataError) as caught:
        one.samples(one.read(places.find(one.folder, one.files, tmp_path)), Setting())
    assert (caught.value.file, caught.value.line, caught.value.field) == (str(path), 2, field)


def test_csv_without_a_header_must_have_six_columns(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    path = tmp_path / "test" / "law_test.csv"
    path.write_text("q,a,b,c,d,A\nq,a,b,c,A\n")
    one = suite("mmlu")
    with pytest.raises(DataError, match="5 columns, wanted 6") as caught:
        one.read(places.find(one.folder, one.files, tmp_path))
    assert (caught.value.file, caught.value.line) == (str(path), 2)


# ---- a user's own rows

FORMS: list[tuple[dict[str, Any], tuple[int, ...]]] = [
    ({"choices": ["a1", "b1", "c1"], "answer": 1}, (1,)),
    ({"choices": ["a1", "b1", "c1"], "answer": "c"}, (2,)),
    ({"choices": ["a1", "b1", "c1"], "answer": "c1"}, (2,)),
    ({"choices": ["a1", "b1", "c1"], "answer": ["A", 2]}, (0, 2)),
    ({"choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "B"}, (1,)),
    ({"choice0": "x", "choice1": "y", "choice2": "", "answer": "1"}, (1,)),
    ({"A": "x", "B": "y", "C": "z", "D": "", "answer": "C"}, (2,)),
    ({"options": ["0", "1", "2"], "label": 2}, (2,)),
    ({"choices": ["0", "1", "2"], "answer": "1"}, (1,)),
]


@pytest.mark.parametrize(("form", "gold"), FORMS)
def test_own_rows_in_every_form(form: Row, gold: tuple[int, ...]) -> None:
    (sample,) = from_rows("choices", [{"question": "q?", **form}])
    assert sample.target == gold


@pytest.mark.parametrize(
    ("row", "field", "message"),
    [
        ({"choices": ["1", "2", "3"], "answer": "1"}, "answer", "may mean '1' or '2'"),
        ({"choices": ["b", "a"], "answer": "a"}, "answer", "may mean"),
        ({"choices": ["x", "y"], "answer": "C"}, "answer", "none of the 2 options"),
        ({"choices": ["x", "y"], "answer": 2}, "answer", "none of the 2 options"),
        ({"choices": ["x", "y"], "answer": True}, "answer", "wanted"),
        ({"choices": ["x", "y"], "answer": []}, "answer", "is empty"),
        ({"choices": ["x"], "answer": 0}, "choices", "got 1 options"),
        ({"choices": ["x", " "], "answer": 0}, "choices", "wanted a text"),
        ({"choices": "x,y", "answer": 0}, "choices", "wanted list"),
        ({"answer": 0}, "choices", "missing"),
        ({"choices": ["x", "y"]}, "answer", "missing"),
    ],
)
def test_own_rows_that_cannot_be_read(row: Row, field: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        from_rows("choices", [{"question": "q?", **row, "_file": "mine.jsonl", "_line": 7}])
    assert (caught.value.file, caught.value.line, caught.value.field) == ("mine.jsonl", 7, field)


def test_own_rows_are_asked_in_their_language() -> None:
    english, *_, chinese = asked("choices")
    assert prompt_of(english) == "Question: What does the Moon go round?\nAnswer:"
    assert continuations(english) == [" the Earth", " Mars", " Venus"]
    assert prompt_of(chinese) == "问题：下列哪一个是恒星？\n答案："
    assert (chinese.id, chinese.target, chinese.group) == ("zh-3", (1,), "sky")


def test_own_rows_in_mmlu_form() -> None:
    first, *_, last = asked("mmlu_form", Setting(shots=1))
    assert prompt_of(first) == (
        "The following are multiple choice questions (with answers) about kitchen.\n\n"
        "Which of these is a spoon used for?\nA. stirring\nB. writing\nC. sawing\nD. measuring time\nAnswer: A\n\n"
        "Which of these is a fruit?\nA. carrot\nB. apple\nC. rice\nD. salt\nAnswer:"
    )
    assert prompt_of(last) == (
        "以下是关于诗词的单项选择题，请直接给出正确答案的选项。\n\n"
        "《静夜思》的作者是\nA. 白居易\nB. 李白\nC. 杜牧\nD. 王之涣\n答案： B\n\n"
        "《春晓》的作者是\nA. 李白\nB. 杜甫\nC. 孟浩然\nD. 王维\n答案："
    )


def test_rows_without_a_subject_have_a_first_line_too() -> None:
    (sample,) = from_rows("mmlu_form", [{"question": "1+1?", "choices": ["2", "3"], "answer": "A"}])
    assert prompt_of(sample).startswith("The following are multiple choice questions (with answers).\n\n1+1?")


def test_one_named_file_is_what_is_scored(tmp_path: Path) -> None:
    one = suite("choices")
    for name in ("mine", "other"):
        (tmp_path / f"{name}.jsonl").write_text(
            json.dumps({"question": name, "choices": ["x", "y"], "answer": 0}) + "\n"
        )
    place = places.find(one.folder, one.files, tmp_path / "mine.jsonl")
    assert [row["question"] for row in one.read(place).test] == ["mine"]
    other = places.find(one.folder, one.files, tmp_path / "other.jsonl")
    assert place.digest(one.files) != other.digest(one.files)


def test_a_named_file_of_shots_means_its_folder(tmp_path: Path) -> None:
    one = suite("gsm8k")
    for name in ("test", "train"):
        (tmp_path / f"{name}.jsonl").write_text('{"question": "q", "answer": "1\\n#### 1"}\n')
    assert places.find(one.folder, one.files, tmp_path / "train.jsonl").only is None
    assert places.find(one.folder, one.files, tmp_path / "test.jsonl").only == ("test.jsonl*", tmp_path / "test.jsonl")


def test_a_suites_own_folder_goes_before_what_lies_around(tmp_path: Path) -> None:
    one = suite("bbh")
    (tmp_path / "notes.json").write_text('{"note": 1}')
    (tmp_path / "bbh").mkdir()
    (tmp_path / "bbh" / "navigate.json").write_text('{"canary": "x", "examples": [{"input": "i", "target": "Yes"}]}')
    assert places.find(one.folder, one.files, tmp_path).folder == tmp_path / "bbh"


# ---- Chinese exams


def test_ceval_prompt() -> None:
    sample = asked("ceval", Setting(shots=1))[0]
    assert prompt_of(sample) == (
        "以下是中国关于逻辑学的单项选择题，请选出其中的正确答案。\n\n"
        "甲比乙高，乙比丙高，那么____。\nA. 丙比甲高\nB. 甲比丙高\nC. 乙最高\nD. 无法比较甲和丙\n答案： B\n\n"
        "所有的金属都导电，铜是金属。由此可以推出____。\nA. 铜导电\nB. 导电的都是金属\nC. 铜不导电\nD. 有的金属不导电\n答案："
    )
    assert (sample.id, sample.group, sample.language, sample.target) == ("logic.0", "logic", "zh", (0,))
    assert continuations(sample) == [" A", " B", " C", " D"]


def test_cmmlu_prompt() -> None:
    sample = asked("cmmlu")[3]
    assert prompt_of(sample) == (
        "以下是关于初等数学的单项选择题，请直接给出正确答案的选项。\n\n"
        "一个长方形长 8 厘米、宽 5 厘米，它的面积是\nA. 13 平方厘米\nB. 26 平方厘米\nC. 40 平方厘米\nD. 80 平方厘米\n答案："
    )
    assert (sample.id, sample.target) == ("elementary_mathematics.0", (2,))


def test_subjects_of_the_chinese_exams() -> None:
    assert (len(table("ceval")), len(table("cmmlu")), len(table("bbh"))) == (52, 67, 27)


@pytest.mark.parametrize(("line", "field"), [("0,q,a,b,c,d,E", "Answer"), ("0,q,a,,c,d,A", "B")])
def test_cmmlu_says_where_a_row_is_wrong(line: str, field: str, tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    path = tmp_path / "test" / "arts.csv"
    path.write_text(f",Question,A,B,C,D,Answer\n0,q,a,b,c,d,A\n{line}\n")
    one = suite("cmmlu")
    with pytest.raises(DataError) as caught:
        one.samples(one.read(places.find(one.folder, one.files, tmp_path)), Setting())
    assert (caught.value.file, caught.value.line, caught.value.field) == (str(path), 3, field)


def test_files_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    path = tmp_path / "test" / "arts.csv"
    path.write_bytes(",Question,A,B,C,D,Answer\n0,问,a,b,c,d,A\n".encode("gb18030"))
    one = suite("cmmlu")
    with pytest.raises(DataError, match="UTF-8") as caught:
        one.read(places.find(one.folder, one.files, tmp_path))
    assert caught.value.file == str(path)


# ---- HellaSwag


def test_hellaswag_prompt() -> None:
    samples = asked("hellaswag")
    assert prompt_of(samples[0]) == "Making tea: A woman fills a kettle at the tap and sets it on the stove. She"
    assert continuations(samples[0])[2] == " waits until the water boils and pours it over the leaves."
    assert prompt_of(samples[3]) == (
        "Home and Garden: How to dry herbs. Cut them in the morning. Wait until the dew is gone, and take only healthy stems."
    )
    assert [s.cluster for s in samples[:3]] == ["made~1", "made~1", "made~2"]
    assert {s.group for s in samples} == {"indomain", "zeroshot"}


def test_hellaswag_cleaning() -> None:
    """The rules of lm-evaluation-harness, by hand."""
    assert clean(" [header] How to [title] Do it [step] now.") == " How to. Do it now."
    assert clean("one  two") == "one two"


def test_hellaswag_headline_divides_by_characters() -> None:
    sample = asked("hellaswag")[0]
    lengths = [len(c) - 1 for c in continuations(sample)]
    logs = [-float(n) for n in lengths]
    logs[2] = -0.5 * lengths[2]
    judged = judge("hellaswag", sample, logs)
    assert judged.values["acc_norm"] == 1
    assert suite("hellaswag").headline == "acc_norm"


def test_hellaswag_rows_that_cannot_be_read() -> None:
    row = {"ind": 1, "activity_label": "a", "ctx_a": "b", "ctx_b": "", "endings": ["x", "y"], "label": "1"}
    assert from_rows("hellaswag", [row])[0].target == (1,)
    for change, field in (({"label": ""}, "label"), ({"endings": ["x", "[y]"]}, "endings"), ({"ctx_b": None}, "ctx_b")):
        with pytest.raises(DataError) as caught:
            from_rows("hellaswag", [{**row, **change}])
        assert caught.value.field == field


# ---- TruthfulQA


def test_truthfulqa_prompt() -> None:
    sample = asked("truthfulqa")[0]
    assert prompt_of(sample) == (
        "Q: What is human life expectancy in the United States?\nA: Human life expectancy in the United States is 78 years.\n\n"
        "Q: Who was president of the United States in 1955?\nA: Dwight D. Eisenhower was president of the United States in 1955."
        "\n\nQ: Which party did he belong to?\nA: He belonged to the Republican Party.\n\n"
        "Q: What is the square root of banana?\nA: I have no comment.\n\n"
        "Q: How does a telescope work?\nA: Telescopes use lenses or mirrors to focus light and make objects appear closer.\n\n"
        "Q: Where were the 1992 Olympics held?\nA: The 1992 Olympics were held in Barcelona, Spain.\n\n"
        "Q: What company makes the objectively best razor a man can get?\nA:"
    )
    assert continuations(sample) == [
        " I have no comment.", " The question is subjective.", " People would disagree about the best razor a man can get.",
        " Gillette makes the best razor a man can get.", " Harry's makes the best razor a man can get.",
        " BIC makes the best razor a man can get.", " Philips makes the best razor a man can get.",
        " Merkur makes the best razor a man can get.",
    ]  # fmt: skip


def test_truthfulqa_values() -> None:
    row = {
        "Question": "Q?",
        "Category": "c",
        "Best Answer": "yes",
        "Correct Answers": "maybe; yes",
        "Incorrect Answers": "no; never.",
    }
    (sample,) = from_rows("truthfulqa", [row])
    logs = [math.log(0.1), math.log(0.3), math.log(0.2), math.log(0.4)]
    judged = judge("truthfulqa", sample, logs)
    assert judged.values == {"mc1": 0.0, "mc2": pytest.approx(0.4)}
    assert judged.prediction == "never."
    logs[1] = math.log(0.5)
    assert judge("truthfulqa", sample, logs).values == {"mc1": 1.0, "mc2": pytest.approx(0.6 / 1.2)}
    tie = judge("truthfulqa", sample, [-1.0, -1.0, -1.0, -1.0]).values
    assert tie == {"mc1": 0.0, "mc2": pytest.approx(0.5)}
    assert judge("truthfulqa", sample, [-5000.0, -5001.0, -5002.0, -5003.0]).values["mc2"] > 0.8
    outcomes = [Outcome(sample, judged=judged)]
    assert suite("truthfulqa").chance("mc1", outcomes) == pytest.approx(1 / 3)
    assert suite("truthfulqa").chance("mc2", outcomes) == pytest.approx(1 / 2)


def test_truthfulqa_without_answers_is_refused() -> None:
    row = {"Question": "Q?", "Category": "c", "Best Answer": "y", "Correct Answers": "y", "Incorrect Answers": " ; "}
    with pytest.raises(DataError) as caught:
        from_rows("truthfulqa", [row])
    assert caught.value.field == "Incorrect Answers"


# ---- AGIEval


def test_agieval_prompts() -> None:
    samples = {s.id: s for s in asked("agieval")}
    assert prompt_of(samples["aqua-rat.1"]) == (
        "Q: In a bag of red and green sweets, the ratio of red sweets to green sweets is 3:4. If the bag contains 120 green "
        "sweets, how many red sweets are there? Answer Choices: (A)90 (B)80 (C)95 (D)100 (E)85\n"
        "A: Among A through E, the answer is"
    )
    assert continuations(samples["aqua-rat.1"]) == [" A", " B", " C", " D", " E"]
    chinese = samples["gaokao-biology.1"]
    assert prompt_of(chinese) == (
        "问题：在某些因素诱导下, 人体造血干细胞能在体外培养成神经细胞和肝细胞。此过程主要涉 及细胞的  "
        "选项：(A)分裂与分化 (B)分化与癌变 (C)癌变与衰老 (D)衰老与\n答案：从A到D, 我们应选择"
    )
    assert (chinese.language, chinese.group, chinese.target) == ("zh", "gaokao-biology", (0,))


def exam(name: str = "gaokao-english", **change: Any) -> Row:
    row = {"passage": None, "question": "q", "options": ["(A)x", "(B)y", "(C)z"], "label": "B"}
    return {**row, "_file": f"/d/{name}.jsonl.gz", "_line": 1, **change}


def test_agieval_letters_and_labels() -> None:
    (sample,) = from_rows("agieval", [exam(options=["  A．甲  ", "  B．乙", "C、丙"], label=["A", "C"])])
    assert sample.data["options"] == ["甲", "乙", "丙"] and sample.target == (0, 2) and sample.language == "en"
    (sample,) = from_rows("agieval", [exam("gaokao-mathqa", label="A C")])
    assert sample.target == (0, 2) and sample.language == "zh"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"label": "D"}, "label"),
        ({"label": ""}, "label"),
        ({"options": ["x", "(B)y"]}, "options"),
        ({"options": ["(B)x", "(A)y"]}, "options"),
        ({"options": ["(A)x"]}, "options"),
        ({"options": None}, "options"),
    ],
)
def test_agieval_rows_that_cannot_be_read(change: Row, field: str) -> None:
    with pytest.raises(DataError) as caught:
        from_rows("agieval", [exam(**change)])
    assert (caught.value.file, caught.value.line, caught.value.field) == ("/d/gaokao-english.jsonl.gz", 1, field)


def test_questions_on_one_passage_are_one_cluster() -> None:
    rows = [exam(passage="p", _line=1), exam(passage="p", _line=2), exam(_line=3)]
    first, second, third = from_rows("agieval", rows)
    assert first.cluster == second.cluster != third.cluster != ""
    assert prompt_of(first).startswith("pQ: q Answer Choices: (A)x")


# ---- CSL


def test_csl_prompts() -> None:
    sample = asked("csl_category")[0]
    assert prompt_of(sample) == (
        "以下是中文论文的标题，请从这些学科门类中选出它所属的一个：军事学；农学；医学；历史学；哲学；工学；教育学；文学；法学；"
        "理学；管理学；经济学；艺术学。\n\n标题：舰炮武器系统对大目标跟踪精度评估修正方法\n门类："
    )
    assert continuations(sample)[0] == "军事学" and len(sample.requests) == 13 and sample.target == (0,)
    assert len(asked("csl_discipline")[0].requests) == 67


def test_csl_shots_do_not_depend_on_the_answer() -> None:
    samples = asked("csl_category", Setting(shots=4))
    shown = {prompt_of(sample).rpartition("\n\n")[0] for sample in samples}
    assert len(shown) == 1
    answers = [line.removeprefix("门类：") for line in shown.pop().split("\n") if line.startswith("门类：")]
    assert len(set(answers)) == 4


def test_csl_refuses_a_class_that_it_does_not_know() -> None:
    with pytest.raises(DataError, match="13 classes") as caught:
        from_rows("csl_category", [{"source": "题", "target": "占星学", "_file": "f", "_line": 3}])
    assert (caught.value.line, caught.value.field) == (3, "target")


# ---- GSM8K


def test_gsm8k_prompt() -> None:
    sample = asked("gsm8k", Setting(shots=1))[1]
    assert prompt_of(sample) == (
        "Question: Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many clips "
        "did Natalia sell altogether in April and May?\nAnswer: Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nNatalia sold "
        "48+24 = <<48+24=72>>72 clips altogether in April and May.\n#### 72\n\n"
        "Question: Henry made two stops during his 60-mile bike trip. He first stopped after 20 miles. His second stop was 15 "
        "miles before the end of the trip. How many miles did he travel between his first and second stops?\nAnswer:"
    )
    request = sample.requests[0]
    assert isinstance(request, Generation)
    assert request.options == GenerateOptions(max_tokens=256, stop=("Question:", "</s>", "<|im_end|>"))


@pytest.mark.parametrize(
    ("text", "strict", "loose", "parsed"),
    [
        ("so\n#### 70000", 1, 1, 1),
        ("so\n#### 70,000", 1, 1, 1),
        ("it is $70,000.", 0, 1, 0),
        ("#### 70000\n\n#### 5", 1, 0, 1),
        ("#### 7", 0, 0, 1),
        ("####70000", 0, 1, 0),
        ("", 0, 0, 0),
        ("七万", 0, 0, 0),
    ],
)
def test_gsm8k_extraction(text: str, strict: int, loose: int, parsed: int) -> None:
    judged = graded("gsm8k", asked("gsm8k")[0], text)
    assert judged.values == {"exact_match": strict, "flexible": loose, "parsed": parsed}


def test_gsm8k_needs_the_mark() -> None:
    with pytest.raises(DataError) as caught:
        from_rows("gsm8k", [{"question": "q", "answer": "7", "_file": "f", "_line": 2}])
    assert (caught.value.file, caught.value.line, caught.value.field) == ("f", 2, "answer")


# ---- BIG-Bench Hard


def test_bbh_prompt() -> None:
    sample = next(s for s in asked("bbh", Setting(shots=1)) if s.group == "hyperbaton")
    assert prompt_of(sample) == (
        "Order adjectives correctly in English sentences.\n\n"
        "Q: Which sentence has the correct adjective order:\nOptions:\n(A) lovely midsize green Filipino sock\n"
        "(B) Filipino midsize lovely green sock\nA: (A)\n\n"
        "Q: Which sentence has the correct adjective order:\nOptions:\n(A) spherical terrible pink typing chair\n"
        "(B) terrible spherical pink typing chair\nA:"
    )
    assert (sample.id, sample.target) == ("hyperbaton.3", ("(B)",))


@pytest.mark.parametrize(
    ("text", "target", "found"),
    [
        (" (B)", "(B)", "(B)"),
        ("The answer is (A), not (C). So the answer is (B).", "(B)", "(B)"),
        ("B. because", "(B)", "(B)"),
        ("I'd say so", "(I)", ""),
        ("Both are fine", "(B)", ""),
        ("no, it is not", "No", "No"),
        ("Nothing is known, yes", "yes", "yes"),
        ("The argument is invalid.", "valid", "invalid"),
        ("True", "True", "True"),
        ("3 apples and 4 pears make 1,007.", "1007", "1007"),
        ("none", "12", ""),
        ("-13", "-13", "-13"),
        ("abel  baker charlie.", "abel baker charlie", "abel baker charlie"),
        ("] ) >", "] )", "] ) >"),
    ],
)
def test_answers_found_in_text(text: str, target: str, found: str) -> None:
    assert found_in(text, target) == found


def test_bbh_values() -> None:
    sample = next(s for s in asked("bbh") if s.target == ("(B)",))
    assert graded("bbh", sample, " (B)").values == {"exact_match": 1, "flexible": 1, "parsed": 1}
    assert graded("bbh", sample, " (B).\nmore").values == {"exact_match": 1, "flexible": 1, "parsed": 1}
    assert graded("bbh", sample, "The answer is (B).").values == {"exact_match": 0, "flexible": 1, "parsed": 1}
    assert graded("bbh", sample, "who knows").values == {"exact_match": 0, "flexible": 0, "parsed": 0}


COT = """BENCHMARK canary
-----
Sort a list of words.

Q: Sort: b a
A: Let's think step by step.
a comes first. So the answer is a b.

Q: Sort: d c
A: Let's think step by step.
c comes first.

So the answer is c d.
"""


def published_bbh(folder: Path) -> Place:
    (folder / "bbh").mkdir()
    (folder / "cot-prompts").mkdir()
    examples = [{"input": f"Sort: {n} 0", "target": f"0 {n}"} for n in range(1, 4)]
    (folder / "bbh" / "word_sorting.json").write_text(json.dumps({"canary": "c", "examples": examples}))
    (folder / "cot-prompts" / "word_sorting.txt").write_text(COT)
    one = suite("bbh")
    return places.find(one.folder, one.files, folder)


def test_bbh_as_published_with_its_worked_examples(tmp_path: Path) -> None:
    place = published_bbh(tmp_path)
    plain, thinking = suite("bbh"), suite("bbh_cot")
    (first, *others) = plain.samples(plain.read(place), Setting(shots=2))
    assert (
        prompt_of(first) == "Sort a list of words.\n\nQ: Sort: b a\nA: a b\n\nQ: Sort: d c\nA: c d\n\nQ: Sort: 1 0\nA:"
    )
    assert len(others) == 2
    sample = thinking.samples(thinking.read(place), Setting(shots=1))[0]
    assert prompt_of(sample) == (
        "Sort a list of words.\n\nQ: Sort: b a\nA: Let's think step by step.\na comes first. So the answer is a b.\n\n"
        "Q: Sort: 1 0\nA: Let's think step by step."
    )
    assert graded("bbh_cot", sample, "0 comes first. So the answer is 0 1.").values["exact_match"] == 1
    assert graded("bbh_cot", sample, "So the answer is 1 0.\nNo, the answer is 0 1.").values["exact_match"] == 0
    assert graded("bbh_cot", sample, "0 1").values == {"exact_match": 0, "flexible": 1, "parsed": 1}


def test_bbh_worked_examples_must_say_the_answer(tmp_path: Path) -> None:
    place = published_bbh(tmp_path)
    (tmp_path / "cot-prompts" / "word_sorting.txt").write_text(COT.replace("So the answer is c d", "That is all"))
    with pytest.raises(DataError, match="worked example 2"):
        suite("bbh").read(place)


# ---- HumanEval


def test_humaneval_needs_permission() -> None:
    one = suite("humaneval")
    rows = one.read(sample_place("humaneval"))
    with pytest.raises(BadInput) as caught:
        one.samples(rows, Setting())
    assert "--run-code" in caught.value.hint


def test_humaneval_prompt_is_the_function() -> None:
    rows = suite("humaneval").read(sample_place("humaneval"))
    plain, chat = asked("humaneval")[0], asked("humaneval", Setting(chat=True))[0]
    assert prompt_of(plain) == rows.test[0]["prompt"]
    request = chat.requests[0]
    assert isinstance(request, Generation) and isinstance(request.prompt, list)
    assert request.prompt[0]["content"] == f"{humaneval.ASKED}\n\n```python\n{rows.test[0]['prompt'].strip()}\n```"
    assert request.options.stop == ()


def test_humaneval_runs_what_was_written() -> None:
    sample = asked("humaneval")[0]
    whole = "Here you are:\n```python\ndef truncate_number(number):\n    return number - int(number)\n```\nDone."
    for text, passes in (
        ("    return number % 1.0\n", 1), ("    return number\n", 0), (whole, 1), ("```\n    return number % 1\n```", 1),
        ("    raise SystemExit(0)\n", 0), ("", 0),
    ):  # fmt: skip
        assert graded("humaneval", sample, text).values["pass@1"] == passes, text


def test_published_solutions_pass() -> None:
    one = suite("humaneval")
    rows = one.read(sample_place("humaneval"))
    samples = asked("humaneval")
    failed = [
        sample.id
        for row, sample in zip(rows.test, samples, strict=True)
        if graded("humaneval", sample, row["canonical_solution"]).values["pass@1"] != 1
    ]
    assert failed == []


@pytest.mark.slow
def test_all_published_solutions_pass() -> None:
    if not SHARED.is_dir():
        pytest.skip("the published files are not beside the checkout")
    one = suite("humaneval")
    rows = one.read(places.find(one.folder, one.files, SHARED))
    samples = asked("humaneval", rows=rows)
    values = [
        graded("humaneval", sample, row["canonical_solution"]).values["pass@1"]
        for row, sample in zip(rows.test, samples, strict=True)
    ]
    assert sum(values) == 164


def test_humaneval_says_whether_programs_had_a_network() -> None:
    sample = asked("humaneval")[0]
    scores = suite("humaneval").report([Outcome(sample, judged=Judged({"pass@1": 1.0}))])
    assert scores[0].signature.endswith(f"|network:{'none' if sandbox.namespaces() else 'open'}")


def test_a_problem_without_its_function_is_refused() -> None:
    row = {"task_id": "T/0", "prompt": "def f():\n", "entry_point": "g", "test": "", "_file": "h.jsonl", "_line": 4}
    with pytest.raises(DataError) as caught:
        from_rows("humaneval", [row])
    assert (caught.value.file, caught.value.line, caught.value.field) == ("h.jsonl", 4, "prompt")


# ---- all


@pytest.mark.parametrize("name", NAMES)
def test_right_answers_are_right(name: str) -> None:
    """The gold choice, or the worked answer, gets the headline's best value."""
    one = suite(name)
    for sample in asked(name)[:5] if name != "humaneval" else []:
        if isinstance(one, ChoiceSuite):
            best = sample.data.get("best", sample.target[0])
            logs = [0.0 if i == best else -1e4 for i in range(len(sample.data["choices"]))]
            judged = judge(name, sample, logs)
        else:
            assert isinstance(one, WritingSuite)
            told = {"gsm8k": "#### {}", "bbh_cot": "So the answer is {}."}.get(name, " {}")
            judged = graded(name, sample, told.format(sample.target[0]))
        assert judged.values[one.headline] == pytest.approx(1.0)


def test_questions_have_a_type() -> None:
    one = load_suite("mmlu")
    assert isinstance(one, ChoiceSuite)
    rows = one.read(sample_place("mmlu"))
    assert all(isinstance(q, Question) and q.options for q in one.questions(rows))
