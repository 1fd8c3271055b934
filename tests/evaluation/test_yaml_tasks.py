"""YAML tasks: what is read, what is asked, what is refused; the figures themselves stand in test_against_lm_eval."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sibao.core.errors import BadInput, DataError
from sibao.core.types import Completion, Scored
from sibao.evaluation.places import find
from sibao.evaluation.sample import Generation, Loglikelihood, Outcome, Rolling, Sample
from sibao.evaluation.suite import RequestSuite, Setting
from sibao.evaluation.suite_index import load_suite
from sibao.evaluation.yaml_metrics import exact_match, pipelines
from sibao.evaluation.yaml_prompt import target_of
from sibao.evaluation.yaml_tasks import read_task
from sibao.evaluation.yaml_template import listed, look_up, render

CHOICE = """
task: sums
dataset_path: json
dataset_kwargs: {data_files: {train: train.jsonl, test: test.jsonl}}
training_split: train
test_split: test
output_type: multiple_choice
doc_to_text: "{{q}} ="
doc_to_choice: options
doc_to_target: "{{gold}}"
"""
WRITING = """
task: capitals
dataset_path: json
dataset_kwargs: {data_files: {test: test.jsonl}}
test_split: test
doc_to_text: "{{country}}:"
doc_to_target: capital
generation_kwargs: {until: ["\\n", ""], max_gen_toks: 8, do_sample: false}
"""
SUMS = [{"q": f"{n} + 1", "options": [str(n + 1), str(n), "nothing"], "gold": 0} for n in range(5)]
CAPITALS = [{"country": "France", "capital": ["Paris", "Paris, France"]}, {"country": "中国", "capital": ["北京"]}]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rows, and nothing configured."""
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    write(tmp_path / "test.jsonl", SUMS)
    write(tmp_path / "train.jsonl", [{"q": "7 + 1", "options": ["9", "8"], "gold": 1}, *SUMS[:2]])
    return tmp_path


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def task(place: Path, text: str, name: str = "task.yaml") -> RequestSuite:
    (place / name).write_text(textwrap.dedent(text), encoding="utf-8")
    suite = load_suite(str(place / name))
    assert isinstance(suite, RequestSuite)
    return suite


def samples(suite: RequestSuite, **setting: Any) -> list[Sample]:
    return suite.samples(suite.read(find(suite.folder, suite.files)), Setting(**setting))


def contexts(suite: RequestSuite, **setting: Any) -> list[Any]:
    return [s.requests[0].context for s in samples(suite, **setting)]  # type: ignore[union-attr]


def test_choices_are_asked_and_judged(place: Path) -> None:
    suite = task(place, CHOICE + "metric_list: [{metric: acc}, {metric: acc_norm}, {metric: brier_score}]\n")
    first = samples(suite)[0]
    assert first.requests == tuple(Loglikelihood("0 + 1 =", f" {option}") for option in SUMS[0]["options"])
    assert first.target == (0,) and suite.headline == "acc" and suite.higher_is_better
    judged = suite.judge(first, [Scored(-2.0, 1, False), Scored(-3.0, 1, False), Scored(-4.0, 1, False)])
    assert judged.values["acc"] == 1 and judged.values["acc_norm"] == 0  # -4 over seven characters
    assert list(judged.values) == ["acc", "acc_norm", "brier_score"]
    p = [0.66524, 0.24473, 0.09003]
    assert judged.values["brier_score"] == pytest.approx((1 - p[0]) ** 2 + p[1] ** 2 + p[2] ** 2, abs=1e-4)
    scores = {s.name: s for s in suite.report([Outcome(first, (), judged)])}
    assert scores["acc"].chance == pytest.approx(1 / 3) and scores["brier_score"].chance is None


def test_description_examples_and_delimiters_stand_as_written(place: Path) -> None:
    suite = task(place, CHOICE + """description: "Sums.\\n"
target_delimiter: ": "
fewshot_delimiter: "\\n"
num_fewshot: 1
fewshot_config: {sampler: first_n}
""")  # fmt: skip
    assert suite.shots == 1
    first = samples(suite, shots=1)[0]
    assert first.requests[0] == Loglikelihood("Sums.\n7 + 1 =: 8\n0 + 1 =", ": 1")
    (turns,) = {repr(r.context) for r in samples(suite, shots=1, chat=True)[0].requests}  # type: ignore[union-attr]
    assert turns == repr([
        {"role": "system", "content": "Sums.\n"}, {"role": "user", "content": "7 + 1 ="},
        {"role": "assistant", "content": "8"}, {"role": "user", "content": "0 + 1 ="},
    ])  # fmt: skip
    assert samples(suite, chat=True)[0].requests[0].continuation == "1"  # type: ignore[union-attr]


def test_examples_may_have_texts_of_their_own(place: Path) -> None:
    suite = task(place, CHOICE + """fewshot_config:
  samples: [{"q": "two and two", "answer": "four"}]
  doc_to_text: "{{q}} are"
  doc_to_target: answer
  fewshot_delimiter: ". "
""")  # fmt: skip
    assert contexts(suite, shots=1)[0] == "two and two are four. 0 + 1 ="


def test_a_row_is_never_its_own_example(place: Path) -> None:
    alone = CHOICE.replace("train: train.jsonl, ", "").replace("training_split: train\n", "")
    suite = task(place, alone + "fewshot_split: test\n")
    for row, context in zip(SUMS, contexts(suite, shots=4), strict=True):
        assert context.count(f"{row['q']} =") == 1
    assert contexts(suite, shots=4) == contexts(suite, shots=4) != contexts(suite, shots=4, seed=1)
    with pytest.raises(BadInput, match="5 other rows for 5 worked examples"):
        samples(suite, shots=5)


def test_mutual_information_asks_for_the_choices_alone(place: Path) -> None:
    suite = task(
        place, CHOICE + "metric_list: [{metric: acc_mutual_info, aggregation: mean, higher_is_better: true}]\n"
    )
    first = samples(suite)[0]
    assert first.requests[3:] == tuple(Loglikelihood("", f" {option}") for option in SUMS[0]["options"])
    replies = [Scored(ll, 1, False) for ll in (-3.0, -2.0, -9.0, -9.0, -1.0, -9.0)]
    assert suite.judge(first, replies).values == {"acc_mutual_info": 1.0}


def test_gold_may_be_a_text_a_number_or_several(place: Path) -> None:
    rows = [{"q": "a", "options": ["x", "y"], "gold": gold} for gold in ("y", 1, "1", [0, 1])]
    write(place / "test.jsonl", rows)
    assert [s.target for s in samples(task(place, CHOICE))] == [(1,), (1,), (1,), (0, 1)]
    assert samples(task(place, CHOICE.replace('"{{gold}}"', "gold")))[0].target == (1,)
    write(place / "test.jsonl", [*rows[:1], {"q": "a", "options": ["x", "y"], "gold": 2}])
    with pytest.raises(DataError, match=r"test.jsonl:2 field 'doc_to_target': got 2, wanted one of 2 choices"):
        samples(task(place, CHOICE))


def test_texts_are_written_and_filtered(place: Path) -> None:
    write(place / "test.jsonl", CAPITALS)
    suite = task(place, WRITING + """metric_list: [{metric: exact_match, ignore_case: true}]
filter_list:
  - {name: first, filter: [{function: regex, regex_pattern: "[A-Za-z一-龥]+"}, {function: take_first}]}
  - {name: last, filter: [{function: regex, regex_pattern: "(x)|([a-z]+)", group_select: -1, fallback: "?"}]}
""")  # fmt: skip
    first, second = samples(suite)
    request = first.requests[0]
    assert isinstance(request, Generation) and request.prompt == "France:"
    assert request.options.stop == ("\n",) and request.options.max_tokens == 8
    judged = suite.judge(first, [Completion(" paris, i think", "stop")])
    assert judged.values == {"exact_match,first": 1.0, "exact_match,last": 0.0} and judged.prediction == "paris"
    assert suite.judge(second, [Completion("北京 1", "stop")]).values == {"exact_match,first": 1, "exact_match,last": 0}
    assert suite.headline == "exact_match,first"


def test_corpus_metrics_are_over_all_rows(place: Path) -> None:
    from sibao.metrics import bleu, chrf

    rows = [{"country": "a", "capital": "The dog bit the man."}, {"country": "b", "capital": "It was not so."}]
    write(place / "test.jsonl", rows)
    suite = task(place, WRITING + "metric_list: [{metric: bleu}, {metric: chrf}]\n")
    said = ["The dog bit the man.", "It was so."]
    replies = [(Completion(text, "stop"),) for text in said]
    outcomes = [Outcome(s, r, suite.judge(s, r)) for s, r in zip(samples(suite), replies, strict=True)]
    outcomes.append(Outcome(Sample("2", ()), missing="failed"))
    references = [[row["capital"]] for row in rows]
    scores = {s.name: s for s in suite.report(outcomes)}
    assert scores["bleu"].value == pytest.approx(bleu.score(said, references).value)
    assert scores["chrf"].value == pytest.approx(chrf.score(said, references).value)
    assert scores["bleu"].missing == 1 and scores["bleu"].low is not None


def test_running_text(place: Path) -> None:
    write(place / "pages.jsonl", [{"text": "one two"}, {"text": "三"}])
    suite = task(place, """
        task: pages
        dataset_path: json
        dataset_kwargs: {data_files: {validation: pages.jsonl}}
        validation_split: validation
        output_type: loglikelihood_rolling
        doc_to_target: "{{text}}"
        """)  # fmt: skip
    found = samples(suite)
    assert [s.requests for s in found] == [(Rolling("one two"),), (Rolling("三"),)]
    outcomes = [Outcome(s, (Scored(-5.0, 3, False),), suite.judge(s, [Scored(-5.0, 3, False)])) for s in found]
    scores = {s.name: s.value for s in suite.report(outcomes)}
    assert scores["byte_perplexity"] == pytest.approx(2.718281828), "10 nats over 10 bytes"
    assert list(scores) == ["word_perplexity", "byte_perplexity", "bits_per_byte"] and not suite.higher_is_better
    with pytest.raises(BadInput, match="running text"):
        samples(suite, shots=1)


def test_files_are_beside_the_task_in_a_folder_or_where_the_user_says(place: Path, tmp_path: Path) -> None:
    inner = place / "rows" / "deep"
    inner.mkdir(parents=True)
    write(inner / "test.jsonl", SUMS[:2])
    suite = task(place, CHOICE.replace("test: test.jsonl", "test: rows/deep/test.jsonl"))
    found = find(suite.folder, suite.files)
    assert not found.sample and len(suite.read(found).test) == 2 and len(suite.read(found).shots) == 3
    local = CHOICE.replace("dataset_path: json", "dataset_path: rows/deep").replace(
        "dataset_kwargs: {data_files: {train: train.jsonl, test: test.jsonl}}\n", ""
    )
    suite = task(place, local)
    assert len(samples(suite)) == 2  # there is no train file, and no example is asked for
    suite = task(place, local.replace("rows/deep", "someone/sums"))
    with pytest.raises(BadInput, match=r"found no test\[.-\]\* of sums"):
        samples(suite)
    rows = suite.read(find(suite.folder, suite.files, inner))
    assert len(rows.test) == 2 and rows.shots == []
    with pytest.raises(BadInput, match="data_files name no split 'dev'"):
        task(place, CHOICE.replace("test_split: test", "test_split: dev"))
    with pytest.raises(BadInput, match="nothing is fetched"):
        task(place, CHOICE.replace("test: test.jsonl", "test: https://example.org/test.jsonl"))


def test_includes_are_merged_under_the_file(place: Path) -> None:
    (place / "base.yaml").write_text(CHOICE, encoding="utf-8")
    suite = task(place, "include: base.yaml\ntask: more\ndoc_to_text: '{{q}}?'\ntag: [x]\n", "more.yaml")
    assert suite.name == "more" and contexts(suite)[0] == "0 + 1?"
    assert suite.version != task(place, CHOICE).version, "all that the file says is in its version"
    (place / "base.yaml").write_text("include: more.yaml\n" + CHOICE, encoding="utf-8")
    with pytest.raises(BadInput, match=r"(more|base).yaml includes itself"):
        load_suite(str(place / "more.yaml"))


def test_code_is_never_run(place: Path) -> None:
    (place / "utils.py").write_text("from pathlib import Path\nPath('ran').touch()\n", encoding="utf-8")
    for line in ("process_docs: !function utils.f", "metric_list: [{metric: !function utils.f}]"):
        with pytest.raises(BadInput, match=r"task.yaml:\d+: !function utils.f is Python code, and is never run"):
            task(place, CHOICE + line)
    for line in ("x: !!python/object/apply:os.system ['touch ran']", "x: !!python/name:os.system"):
        with pytest.raises(BadInput, match="is not YAML that can be read"):
            task(place, CHOICE + line)
    assert not (place / "ran").exists() and not Path("ran").exists()


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ q.__init__.__globals__ }}",
        "{{ lipsum() }}",
        "{{ range(10**9)|list }}",
        "{{ 'a' * 10**9 }}",
        "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
        "{{ missing }}",
        "{{ 1/0 }}",
    ],
)
def test_a_template_cannot_reach_out_or_run_away(template: str) -> None:
    with pytest.raises(DataError, match="cannot be filled") as caught:
        render(template, {"q": "x", "_file": "rows.jsonl", "_line": 3})
    assert caught.value.line == 3 and "rows.jsonl:3" in caught.value.message


NAMES = st.from_regex(r"[a-z]{1,8}", fullmatch=True)


@given(st.dictionaries(NAMES, st.text(max_size=40), min_size=1, max_size=4), st.text(max_size=40))
def test_rows_come_through_templates_unchanged(row: dict[str, str], around: str) -> None:
    around = around.replace("{", "(").replace("\r", "\n")  # Jinja ends lines its own way
    name = next(iter(row))
    assert render(f"{around}{{{{{name}}}}}", row) == around + row[name]
    assert look_up(name, row) == row[name]


@given(st.lists(st.one_of(st.text(max_size=12), st.integers()), max_size=4))
def test_lists_come_through_templates_unchanged(values: list[Any]) -> None:
    assert listed("{{values}}", {"values": values}) == values


@given(st.text(max_size=60))
def test_any_template_renders_or_is_refused(template: str) -> None:
    try:
        assert isinstance(render(template, {"a": "b"}), str)
    except BadInput as error:
        assert error.message


@given(st.text(max_size=200))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("yaml") / "task.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(BadInput):
        read_task(path)


REFUSED = [
    ("doc_to_txt: q", "no key of a task in task.yaml named 'doc_to_txt'", "doc_to_text"),
    ("process_docs: utils.f", "process_docs is not read: it changes rows by Python code", ""),
    ("doc_to_image: [a]", "doc_to_image is not read", ""),
    ("task: [a, b]", r"task is \['a', 'b'\], wanted one name", ""),
    ("output_type: choice", "no output_type named 'choice'", "multiple_choice"),
    ("metric_list: [{metric: acc_nrom}]", "no metric of multiple_choice named 'acc_nrom'", "acc_norm"),
    ("metric_list: [{metric: acc, aggregation: median}]", "acc with aggregation 'median' is not read", ""),
    ("metric_list: [{metric: acc, ignore_case: true}]", "no setting of acc named 'ignore_case'", ""),
    ("metric_list: acc", "metric_list is 'acc', wanted a list", ""),
    ("fewshot_config: {sampler: balanced}", "no fewshot_config.sampler named 'balanced'", "first_n"),
    ("fewshot_config: {shots: 3}", "no key of fewshot_config named 'shots'", ""),
    ("num_fewshot: many", "num_fewshot is 'many'", ""),
    ("repeats: 4", "repeats is 4", ""),
    ("filter_list: [{name: x, filter: [{function: lowercase}]}]", "filters of multiple_choice are not read", ""),
    ("doc_to_text: 7", "doc_to_text is 7", ""),
    ("doc_to_choice: 7", "doc_to_choice is 7", ""),
    ("doc_to_text: '{{q'", "not a template that can be read", ""),
    ("test_split: null", "wanted the split that is scored", ""),
    ("dataset_path: csv\ndataset_kwargs: null", "csv needs dataset_kwargs.data_files", ""),
    ("dataset_kwargs: {field: x}", "dataset_kwargs holds field", ""),
    ("target_delimiter: 3", "target_delimiter is 3, wanted text", ""),
    ("include: 3", "include is 3", ""),
    ("include: nowhere.yaml", "nowhere.yaml cannot be read", ""),
]


@pytest.mark.parametrize(("line", "message", "near"), REFUSED)
def test_what_is_not_understood_is_refused(place: Path, line: str, message: str, near: str) -> None:
    keys = {entry.split(":")[0] for entry in line.split("\n")}
    kept = "\n".join(entry for entry in CHOICE.strip().split("\n") if entry.split(":")[0] not in keys)
    with pytest.raises(BadInput, match=message) as caught:
        task(place, f"{kept}\n{line}\n")
    assert "task.yaml" in caught.value.message or "nowhere.yaml" in caught.value.message
    assert near in caught.value.hint


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("generation_kwargs: {do_sample: true}", "asks for drawn answers"),
        ("generation_kwargs: {num_beams: 4}", "drawn answers or beams"),
        ("generation_kwargs: {max_gen_toks: 0}", "max_gen_toks is 0"),
        ("generation_kwargs: {stop: x}", "no key of generation_kwargs named 'stop'"),
        ("filter_list: [{name: x, filter: [{function: regex, pattern: x}]}]", "the filter regex is given pattern"),
        ("filter_list: [{name: x, filter: [{function: regex, regex_pattern: '('}]}]", "is no regular expression"),
        ("filter_list: [{name: x, filter: [{function: custom}]}]", "no filter named 'custom'"),
        ("metric_list: [{metric: exact_match, hf_evaluate: true}]", "runs code of the hub"),
        ("metric_list: [{metric: ter}]", "no metric of generate_until named 'ter'"),
    ],
)
def test_what_writing_tasks_may_not_ask(place: Path, line: str, message: str) -> None:
    text = "\n".join(one for one in WRITING.strip().split("\n") if one.split(":")[0] != line.split(":")[0])
    with pytest.raises(BadInput, match=message):
        task(place, f"{text}\n{line}\n")


def test_a_number_for_a_question_is_refused(place: Path) -> None:
    suite = task(place, CHOICE.replace('"{{q}} ="', "'{{gold}}'"))
    with pytest.raises(DataError, match="tasks whose choices are contexts are not read"):
        samples(suite)


@pytest.mark.parametrize(
    ("said", "accepted", "settings", "same"),
    [
        ("Paris", ["paris"], {}, False),
        ("Paris", ["paris"], {"ignore_case": True}, True),
        ("Pa-ris!", ["Paris"], {"ignore_punctuation": True}, True),
        ("a1", ["a2"], {"ignore_numbers": True}, True),
        ("$1,200", ["1200"], {"regexes_to_ignore": [",", r"\$"]}, True),
        ("北京。", ["北京"], {"ignore_punctuation": True}, False),
        ("b", ["a", "b"], {}, True),
    ],
)
def test_exact_match(said: str, accepted: list[str], settings: dict[str, Any], same: bool) -> None:
    assert exact_match(said, accepted, settings) is same


@pytest.mark.parametrize(
    ("steps", "text", "wanted"),
    [
        ([{"function": "remove_whitespace"}, {"function": "uppercase"}], " a b\n", "A B"),
        ([{"function": "lowercase"}, {"function": "majority_vote"}, {"function": "take_first_k", "k": 1}], "AB", "ab"),
        ([{"function": "map", "mapping_dict": {"A": 1}, "default_value": 0}], "A", "1"),
        ([{"function": "map", "mapping_dict": {"A": 1}, "default_value": 0}], "B", "0"),
        ([{"function": "regex"}], "so #### 1,234.5 ", "1,234.5"),
        ([{"function": "regex", "regex_pattern": "(a)|(b)", "group_select": 1}], "ab", "b"),
        ([{"function": "regex", "regex_pattern": "x", "fallback": "-"}], "ab", "-"),
    ],
)
def test_filters(steps: list[dict[str, Any]], text: str, wanted: str) -> None:
    (pipeline,) = pipelines([{"name": "x", "filter": steps}], "generate_until")
    assert pipeline(text) == wanted


def test_targets_that_templates_make() -> None:
    from sibao.evaluation.yaml_config import Texts

    def made(target: Any, choice: Any = None) -> Any:
        return target_of(Texts("q", target, choice, " ", "\n\n"), {"a": "7", "b": ["x", "y"], "c": "[not a list"})

    assert made("{{a}}") == "7" and made("{{a}}", ["x"]) == 7 and made("a") == "7"
    assert made("{{b}}") == ["x", "y"] and made("b") == ["x", "y"] and made("c") == "[not a list"
    assert made("[{{a}}") == "[7" and made(3) == 3 and made("[nonsense here]") == "[nonsense here]"
