"""Suites of translation, reading, summaries and running text: on their samples, on hand-made rows, on the published files."""

from __future__ import annotations

import gzip
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from sibao.core.errors import BadInput, DataError, UnknownName
from sibao.core.types import Completion, Scored
from sibao.evaluation import harness
from sibao.evaluation.on_tasks import TaskSuite
from sibao.evaluation.own_split import SPLIT, part
from sibao.evaluation.places import SAMPLES, Place, find
from sibao.evaluation.reporting import means
from sibao.evaluation.sample import Judged, Outcome, Sample
from sibao.evaluation.suite import RequestSuite, Rows, Setting
from sibao.evaluation.suite_index import load_suite
from sibao.evaluation.suites.csl_keywords import keywords
from sibao.evaluation.suites.wikitext2 import HEADING, articles, detokenized
from sibao.tasks.base import load_task

PAIRS = ["comprehensive_rust", "django_docs", "python_docs", "tatoeba", "three_am"]
ON_TASKS = [*PAIRS, "cmrc2018", "csl_title", "drcd", "scitldr", "squad", "squality", "xquad"]
PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "data"
ROWS = {
    "cmrc2018:all": 1621, "comprehensive_rust": 199, "csl_keywords": 1000, "csl_title:all": 1000, "django_docs": 500,
    "drcd": 1662, "python_docs": 1000, "scitldr": 619, "squad": 5769, "squality": 26, "tatoeba": 1000, "three_am": 499,
    "wikitext2": 60, "wmt22": 1863, "xquad": 1206, "cmrc2018": 162, "csl_title": 103,
}  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def on_task(name: str) -> TaskSuite:
    suite = load_suite(name)
    assert isinstance(suite, TaskSuite)
    return suite


def on_requests(name: str) -> RequestSuite:
    suite = load_suite(name)
    assert isinstance(suite, RequestSuite)
    return suite


def sample_place(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path))
    suite = load_suite(name)
    return find(suite.folder, suite.files)


@pytest.mark.parametrize("name", ON_TASKS)
def test_the_task_reads_every_row_of_the_sample(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    suite, place = on_task(name), sample_place(name, monkeypatch, tmp_path)
    assert place.sample and place.folder.parent == SAMPLES
    rows = suite.read(place)
    todo = suite.task_rows(rows)
    task = load_task(suite.task)
    assert 2 <= len(rows.test) <= 30 and len({one.id for one in todo}) == len(todo)
    for one in todo:
        (item,) = harness.items(task, [(0, one.row)], **one.options)
        assert item.references and all(reference.strip() for reference in item.references)
    assert {metric for metric in suite.metrics if harness.metric(metric)} == set(suite.metrics)
    assert suite.headline == suite.metrics[0] and set(suite.about) == {"en", "zh"}


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_are_translated_both_ways(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    suite = on_task(name)
    rows = suite.read(sample_place(name, monkeypatch, tmp_path))
    todo = suite.task_rows(rows)
    assert len(todo) == 2 * len(rows.test) and {one.group for one in todo} == {"en-zh", "zh-en"}
    there, back = todo[0], todo[len(rows.test)]
    task = load_task("translate")
    assert task.read(there.row, **there.options)[1] == task.read(back.row, **back.options)[0].text


def test_both_references_of_wmt22_count(tmp_path: Path) -> None:
    write(tmp_path / "test.en-zh.jsonl", [
        {"id": "a", "direction": "en-zh", "source": "Hello.", "reference_a": "你好。", "reference_b": "您好。"},
        {"id": "b", "direction": "en-zh", "source": "Bye.", "reference_a": "再见。", "reference_b": ""},
    ])  # fmt: skip
    write(tmp_path / "test.zh-en.jsonl", [
        {"id": "c", "direction": "zh-en", "source": "再见。", "reference_a": "Bye.", "reference_b": "Goodbye."},
    ])  # fmt: skip
    suite, task = on_task("wmt22"), load_task("translate")
    todo = suite.task_rows(suite.read(Place(tmp_path)))
    items = [harness.items(task, [(0, one.row)], **one.options)[0] for one in todo]
    assert [item.references for item in items] == [["你好。", "您好。"], ["再见。"], ["Bye.", "Goodbye."]]
    assert [(one.group, item.language) for one, item in zip(todo, items, strict=True)] == [
        ("en-zh", "zh"), ("en-zh", "zh"), ("zh-en", "en"),
    ]  # fmt: skip
    write(tmp_path / "test.en-zh.jsonl", [{"id": "a", "direction": "en-fr", "source": "Hi.", "reference_a": "Salut."}])
    with pytest.raises(DataError, match=r"test.en-zh.jsonl:1 field 'direction': got 'en-fr', wanted en-zh or zh-en"):
        suite.task_rows(suite.read(Place(tmp_path)))


def test_a_field_that_is_missing_is_named(tmp_path: Path) -> None:
    write(tmp_path / "test.jsonl", [{"en": "Hi.", "zh": "你好。"}, {"en": "Hi."}])
    with pytest.raises(DataError, match=r"test.jsonl:2 field 'zh': missing"):
        on_task("tatoeba").read(Place(tmp_path))
    (tmp_path / "test.jsonl").rename(tmp_path / "pairs.jsonl")
    write(tmp_path / "dev.jsonl", [{"source": "一句", "target": "题"}])
    with pytest.raises(DataError, match="field 'source': got str, wanted list"):
        on_task("scitldr").read(Place(tmp_path))
    write(tmp_path / "test.jsonl", [{"document": "A story.", "questions": [{"question_text": "Plot?"}]}])
    squality = on_task("squality")
    with pytest.raises(DataError, match="field 'questions': wanted questions of question_number"):
        squality.task_rows(squality.read(Place(tmp_path)))


def test_several_summaries_and_translations_are_one_rows_references() -> None:
    summarize, translate = load_task("summarize"), load_task("translate")
    inputs, value = summarize.read({"document": "A long text.", "summary": ["Short.", "Brief.", "Short."]})
    assert value == ("Short.", "Brief.") and summarize.references(value) == ["Short.", "Brief."]
    assert summarize.training_pairs({"document": "A long text.", "summary": ["Short.", "Brief."]}) == [
        (inputs, "Short.")
    ]
    with pytest.raises(DataError, match=r"field 'summary': got an empty list, wanted text"):
        summarize.read({"document": "A text.", "summary": []})
    with pytest.raises(DataError, match=r"field 'zh': got int, wanted text"):
        translate.read({"en": "One.", "zh": ["一。", 1]}, to="zh")
    with pytest.raises(DataError, match="got list, wanted text"):
        translate.training_pairs({"en": "One.", "zh": ["一。", "壹。"]})


def test_questions_on_one_passage_are_one_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    suite = on_task("squad")
    todo = suite.task_rows(suite.read(sample_place("squad", monkeypatch, tmp_path)))
    by_passage: dict[str, set[str]] = {}
    for one in todo:
        by_passage.setdefault(one.row["context"], set()).add(one.cluster)
    assert 1 < len(by_passage) < len(todo) and all(len(names) == 1 for names in by_passage.values())


def test_xquad_is_one_suite_of_two_languages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    suite = on_task("xquad")
    todo = suite.task_rows(suite.read(sample_place("xquad", monkeypatch, tmp_path)))
    english, chinese = ([one.id.split(".", 1)[1] for one in todo if one.group == lang] for lang in ("en", "zh"))
    assert english == chinese and len(set(english)) == len(english)


def test_a_part_is_the_recipes_own(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(__file__).resolve().parents[2] / "recipes" / "mini"
    monkeypatch.syspath_prepend(str(folder))
    import common  # type: ignore[import-not-found]

    names = ["锣鼓经", "DEV_234", "1973_oil_crisis", "é", "é", "", *map(str, range(300))]
    assert [part(name) for name in names] == [common.part(name) for name in names]
    shares = [sum(part(str(n)) == side for n in range(3000)) / 3000 for side in ("train", "valid", "test")]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)
    from sibao.evaluation.own_split import clean

    text = "a\r\nb\rc\u200bd\ufeff\x07e\u0301"
    assert clean(text) == common.clean(text) == "a\nb\ncdé"


def squad_file(path: Path, titles: list[str]) -> None:
    def article(title: str, number: int) -> dict[str, Any]:
        question = {"id": f"DEV_{number}_QUERY_0", "question": "谁？", "answers": [{"text": "他", "answer_start": 0}]}
        return {"title": title, "paragraphs": [{"context": "他来了。", "qas": [question]}]}

    data = {"version": "1", "data": [article(title, number) for number, title in enumerate(titles)]}
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")


def test_only_the_own_test_part_is_scored_unless_all_is_asked_for(tmp_path: Path) -> None:
    titles = [f"条目{n}" for n in range(60)]
    squad_file(tmp_path / "dev.json", titles)
    own = [title for title in titles if part(title) == "test"]
    rows = load_suite("cmrc2018").read(Place(tmp_path))
    assert 0 < len(own) < 20 and [row["title"] for row in rows.test] == own and rows.split == SPLIT.format("dev")
    assert len(load_suite("cmrc2018:all").read(Place(tmp_path)).test) == 60
    assert load_suite("cmrc2018:all").read(Place(tmp_path)).split == "dev"
    assert load_suite("cmrc2018").variant == ""  # the suite itself is as it was
    drcd = load_suite("drcd").read(Place(tmp_path))
    assert [row["title"] for row in drcd.test] == own and len(load_suite("drcd:all").read(Place(tmp_path)).test) == 60
    squad_file(tmp_path / "test.simplified.json", titles[:7])
    assert len(load_suite("drcd").read(Place(tmp_path)).test) == 7
    squad_file(tmp_path / "dev.json", [""])
    assert len(load_suite("cmrc2018").read(Place(tmp_path)).test) == (part("DEV_0") == "test")
    with pytest.raises(UnknownName, match="no variant of cmrc2018 named 'most'"):
        load_suite("cmrc2018:most")
    with pytest.raises(UnknownName, match="no variant of squad named 'all'"):
        load_suite("squad:all")


def test_keywords_are_a_set() -> None:
    assert keywords(" 滤波_Kalman；滤波、 kalman \n导航。") == ["滤波", "Kalman", "导航"]
    assert keywords("关键词：甲，乙") == ["甲", "乙"] and keywords("  \n") == []
    suite = on_requests("csl_keywords")
    sample = Sample("1", (), data={"accepted": ["滤波", "Kalman", "导航", "卫星"]})
    judged = suite.judge(sample, [Completion("kalman_惯性_导航", "stop")])
    assert judged.values == pytest.approx({"f1": 4 / 7, "precision": 2 / 3, "recall": 0.5, "parsed": 1.0})
    assert judged.prediction == "kalman_惯性_导航" and judged.references == ("滤波", "Kalman", "导航", "卫星")
    assert suite.judge(sample, [Completion("", "stop")]).values == {"f1": 0, "precision": 0, "recall": 0, "parsed": 0}


def test_keywords_are_asked_for_in_chinese(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    suite = on_requests("csl_keywords")
    rows = suite.read(sample_place("csl_keywords", monkeypatch, tmp_path))
    (request,) = suite.samples(rows, Setting())[0].requests
    assert "关键词" in str(request) and len(rows.test) == 12


PAGE = "\n".join([
    " = Red <unk> = ", " ", ' It weighs 0 @.@ 7 kg ( 1 @.@ 5 lb ) , " they said " ; it \'s red . ', " ", " = = Uses = = ", " ",
    " N @-@ type . ",
])  # fmt: skip


def test_detokenized_text_is_ordinary_english() -> None:
    text = detokenized(PAGE)
    assert 'It weighs 0.7 kg (1.5 lb), "they said"; it\'s red.' in text and "\n== Uses ==\n" in text
    assert detokenized("the boys ' hats : 5 ° C") == "the boys' hats: 5°C"


def test_articles_begin_at_titles_only() -> None:
    text = " \n" + PAGE + "\n \n = Blue = \n \n Text . \n = not a title = \n More . \n"
    found = articles(text)
    assert [line for line, _ in found] == [2, 10] and found[0][1].startswith(" = Red <unk> =")
    assert "not a title" in found[1][1]
    for line in (" = = Uses = = ", " = = = Deep = = = ", "= None =", " = None"):
        assert not HEADING.fullmatch(line)


def test_words_are_counted_in_the_page_as_published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    suite = on_requests("wikitext2")
    rows = suite.read(sample_place("wikitext2", monkeypatch, tmp_path))
    samples = suite.samples(rows, Setting())
    assert len(samples) == 3 and " @-@ " not in samples[0].requests[0].text and " , " in samples[0].data["page"]  # type: ignore[union-attr]
    outcomes = [Outcome(s, (Scored(-1000.0, 200, False),), Judged({})) for s in samples]
    scores = {score.name: score.value for score in suite.report(outcomes)}
    words = sum(len(re.split(r"\s+", sample.data["page"])) for sample in samples)
    assert scores["word_perplexity"] == pytest.approx(math.exp(3000 / words))
    with pytest.raises(BadInput, match="running text"):
        suite.samples(rows, Setting(shots=1))


def lambada_outcomes(values: list[tuple[float, bool]]) -> list[Outcome]:
    suite = on_requests("lambada")
    rows = Rows([{"text": f"one two {n}", "_file": "lambada_openai.jsonl", "_line": n} for n in range(len(values))])
    samples = suite.samples(rows, Setting())
    replies = [(Scored(ll, 1, greedy),) for ll, greedy in values]
    return [Outcome(s, r, suite.judge(s, r)) for s, r in zip(samples, replies, strict=True)]


def test_lambada_is_the_last_word() -> None:
    suite = on_requests("lambada")
    rows = Rows([{"text": "He said\nyes and  no", "_file": "x/lambada_standard.jsonl", "_line": 1}])
    (sample,) = suite.samples(rows, Setting())
    assert (sample.requests[0].context, sample.requests[0].continuation) == ("He said\nyes and ", " no")  # type: ignore[union-attr]
    assert sample.group == "standard"
    scores = {s.name: s for s in suite.report(lambada_outcomes([(-1.0, True), (-3.0, False), (-2.0, False)]))}
    assert set(scores) == {"acc", "perplexity"}
    assert scores["acc"].value == pytest.approx(1 / 3) and scores["perplexity"].value == pytest.approx(math.exp(2))
    one = scores["perplexity"]
    assert one.low is not None and one.high is not None and math.exp(1) <= one.low < one.value < one.high <= math.exp(3)


def test_a_word_that_cannot_be_has_no_finite_perplexity() -> None:
    (score,) = [s for s in on_requests("lambada").report(lambada_outcomes([(-math.inf, False), (-1.0, True)]))
                if s.name == "perplexity"]  # fmt: skip
    assert score.value == math.inf and score.low is None


def test_lambada_says_which_form_it_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    suite = on_requests("lambada")
    assert suite.read(sample_place("lambada", monkeypatch, tmp_path)).split == "test (openai)"
    assert not suite.ran_on_real_data
    write(tmp_path / "lambada_openai.jsonl", [{"text": "a b"}] * 2)
    write(tmp_path / "lambada_standard.jsonl", [{"text": "a b"}] * 2)
    rows = suite.read(Place(tmp_path))
    assert rows.split == "test (openai, standard)"
    outcomes = [Outcome(s, (), suite.judge(s, [Scored(-1.0, 1, True)])) for s in suite.samples(rows, Setting())]
    assert [s.name for s in suite.report(outcomes)] == ["acc", "acc/openai", "acc/standard", "perplexity"]
    write(tmp_path / "lambada_openai.jsonl", [{"text": "alone"}])
    with pytest.raises(DataError, match=r"lambada_openai.jsonl:1 field 'text': got one word"):
        suite.read(Place(tmp_path))


def test_missing_words_are_counted() -> None:
    outcomes = [*lambada_outcomes([(-1.0, True), (-2.0, False)]), Outcome(Sample("9", ()), missing="too long")]
    assert {(s.name, s.n, s.missing) for s in on_requests("lambada").report(outcomes)} == {
        ("acc", 2, 1), ("perplexity", 2, 1),
    }  # fmt: skip
    assert means(outcomes)[0].missing == 1


@pytest.mark.parametrize("name", sorted(ROWS))
def test_published_files(name: str) -> None:
    suite = load_suite(name)
    if not PUBLISHED.is_dir():
        pytest.skip("the published files are not here")
    place = find(suite.folder, suite.files, PUBLISHED)
    rows = suite.read(place)
    assert not place.sample and len(rows.test) == ROWS[name]
    if isinstance(suite, TaskSuite):
        task = load_task(suite.task)
        for one in suite.task_rows(rows):
            assert harness.items(task, [(0, one.row)], **one.options)[0].references
    else:
        assert isinstance(suite, RequestSuite) and len(suite.samples(rows, Setting())) == ROWS[name]


@pytest.mark.slow
def test_mini_was_trained_on_no_passage_of_the_own_test_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    if not PUBLISHED.is_dir():
        pytest.skip("the published files are not here")
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "recipes" / "mini"))
    import random

    import sft  # type: ignore[import-not-found]
    from common import clean  # type: ignore[import-not-found]

    train = {row["context"] for row in sft.answer(PUBLISHED, random.Random(0))["train"]}
    titles = {row["text"] for row in sft.summarize(PUBLISHED)["train"]}
    for name in ("cmrc2018", "squad", "xquad", "drcd"):
        suite = load_suite(name)
        rows = suite.read(find(suite.folder, suite.files, PUBLISHED)).test
        assert not train & {clean(row["context"]) for row in rows}, name
    suite = load_suite("csl_title")
    rows = suite.read(find(suite.folder, suite.files, PUBLISHED)).test
    assert not titles & {clean(row["source"]).strip() for row in rows}


def test_the_samples_are_small() -> None:
    mine = [load_suite(name).folder for name in [*ON_TASKS, "csl_keywords", "wikitext2", "lambada"]]
    sizes = {f: sum(p.stat().st_size for p in (SAMPLES / f).iterdir()) for f in mine}
    assert sum(sizes.values()) < 300_000
    stories = gzip.decompress((SAMPLES / "squality_v1.3" / "test.jsonl.gz").read_bytes()).decode()
    assert stories.count("Project Gutenberg License") >= 2
