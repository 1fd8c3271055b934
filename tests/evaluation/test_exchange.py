"""The three exchange forms: real tables, faults that are reported, and what is written is read back the same."""

from __future__ import annotations

import contextlib
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from hypothesis import given
from hypothesis import strategies as st

from sibao.core.errors import DataError
from sibao.evaluation import exchange_eval_results, exchange_index, exchange_pwc
from sibao.evaluation.exchange import number_text
from sibao.store.published import Published

HERE = Path(__file__).parents[1] / "data" / "paperswithcode"
SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "paperswithcode"
words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
numbers = st.floats(-1e9, 1e9).map(lambda x: float(number_text(x)))


@st.composite
def results(draw: st.DrawFn) -> Published:
    """A result as our own runs give it, or as others publish it."""
    value, half = draw(numbers), draw(st.none() | st.floats(0, 100).map(lambda x: float(number_text(x))))
    low, high = (None, None) if half is None else (float(number_text(value - half)), float(number_text(value + half)))
    url = draw(st.just("") | st.just("https://example.org/论文?a=1;b=2"))
    return Published(
        task=draw(words), dataset=draw(words), model=draw(words), metric=draw(words), value=value,
        subset=draw(st.just("") | words), low=low, high=high, level=None if half is None else 0.95,
        n=draw(st.none() | st.integers(1, 10**6)), date=draw(st.sampled_from(["", "2026-11-28"])),
        title=draw(words) if url else "", url=url, signature=draw(st.just("") | st.just("chrf|nc:6; 50%|sibao:0.1.0")),
    )  # fmt: skip


def key(result: Published) -> str:
    """For comparing without order."""
    return repr(result)


def test_a_real_file_is_read_and_what_is_no_figure_is_named() -> None:
    found = exchange_pwc.read_tables(HERE / "tables.json")
    assert len(found.results) == 53 and len(found.problems) == 25
    by_kind = {kind: [p for p in found.problems if p.kind == kind] for kind in ("absent", "unreadable", "malformed")}
    assert [len(v) for v in by_kind.values()] == [14, 11, 0]
    assert "Semantic Textual Similarity › SentEval › XLNet-Large (2019) › MRPC" in {
        p.where for p in by_kind["unreadable"]
    }
    one = next(r for r in found.results if r.model == "SAGN+SLE" and r.metric == "Test Accuracy")
    assert (one.value, one.shown, one.level, one.date) == (0.8428, "0.8428 ± 0.0014", None, "2021-04-19")
    assert one.low == pytest.approx(0.8414) and one.high == pytest.approx(0.8442)
    medical = next(r for r in found.results if r.subset == "Medical domain" and r.metric == "MRR")
    assert (medical.task, medical.dataset, medical.value) == ("Hypernym Discovery", "SemEval 2018", 54.64)
    assert {r.note for r in found.results if r.metric == "Accuracy" and r.value == 87.58} == {"*"}


def test_what_is_written_of_a_real_file_is_read_back(tmp_path: Path) -> None:
    found = exchange_pwc.read_tables(HERE / "tables.json")
    target = tmp_path / "again.json.gz"
    exchange_pwc.write_tables(target, found.results)
    again = exchange_pwc.read_tables(target)
    assert again.problems == [] and sorted(again.results, key=key) == sorted(found.results, key=key)
    first = target.read_bytes()
    exchange_pwc.write_tables(target, found.results)
    assert target.read_bytes() == first and gzip.decompress(first).startswith(b"[\n")


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/paperswithcode is not here")
@pytest.mark.parametrize("name", sorted(p.name for p in SHARED.glob("*.json*")) if SHARED.is_dir() else [])
def test_all_real_files_are_read_whole(name: str, tmp_path: Path) -> None:
    found = exchange_pwc.read_tables(SHARED / name)
    raw = (SHARED / name).read_bytes()
    content = json.loads(gzip.decompress(raw) if name.endswith(".gz") else raw)
    assert len(found.results) + len(found.problems) == cells(content)
    exchange_pwc.write_tables(tmp_path / "again.json", found.results)
    again = exchange_pwc.read_tables(tmp_path / "again.json")
    plain = [replace(r, note="") for r in found.results]  # that a title stood in for a name is not said twice
    assert again.problems == [] and sorted((replace(r, note="") for r in again.results), key=key) == sorted(
        plain, key=key
    )


def cells(node: Any) -> int:
    """Figures of a file, counted by another way."""
    if isinstance(node, list):
        return sum(map(cells, node))
    if not isinstance(node, dict):
        return 0
    own = len(node["metrics"]) if isinstance(node.get("metrics"), dict) else 0
    return own + sum(map(cells, node.values()))


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/paperswithcode is not here")
def test_a_file_that_is_no_json_is_refused_by_its_line() -> None:
    with pytest.raises(DataError, match=r"example_json_format\.txt:27: not JSON"):
        exchange_pwc.read_tables(SHARED / "example_json_format.txt")


FAULTS: list[tuple[Any, str]] = [
    ({"task": "t", "datasets": {}}, "t › datasets: wanted a list"),
    ({"task": "t", "datasets": ["x"]}, "t › datasets: wanted an object"),
    ({"task": "t", "datasets": [{"dataset": "d", "sota": []}]}, "t › d › sota: wanted an object"),
    (
        {"task": "t", "datasets": [{"dataset": "d", "sota": {"rows": [{"model_name": "m"}]}}]},
        "t › d › m: wanted an object",
    ),
    (
        {"task": "t", "datasets": [{"dataset": "d", "sota": {"rows": [{"metrics": {"a": 1}}]}}]},
        "t › d: wanted a row with",
    ),
    ({"task": "t", "subtasks": 3}, "t › subtasks: wanted a list"),
]


@pytest.mark.parametrize("task, said", FAULTS, ids=lambda v: str(v)[-30:])
def test_parts_of_another_form_are_reported_not_dropped(task: Any, said: str) -> None:
    good = {"task": "g", "datasets": [{"dataset": "d", "sota": {"rows": [{"model_name": "m", "metrics": {"a": "1"}}]}}]}
    found = exchange_pwc.tables([task, good])
    assert len(found.results) == 1 and len(found.problems) == 1
    assert found.problems[0].kind == "malformed" and found.problems[0].where.startswith(said)


@pytest.mark.parametrize("content", [[], 3, [{"a": 1}], ["x"], None])
def test_what_is_no_table_at_all_is_refused(content: Any) -> None:
    if content == []:
        assert exchange_pwc.tables(content).results == []
        return
    with pytest.raises(DataError, match="wanted a list of objects with the field 'task'"):
        exchange_pwc.tables(content)


def test_deep_nesting_and_broken_files_are_no_crash(tmp_path: Path) -> None:
    deep: dict[str, Any] = {"task": "t0", "datasets": []}
    for n in range(3000):
        deep = {"task": f"t{n}", "subtasks": [deep]}
    assert exchange_pwc.tables([deep]).results == []
    for name, raw in {
        "a.json": b"[" * 100_000,
        "b.json.gz": b"\x1f\x8b broken",
        "c.json": b"\xff\xfe\xfa",
        "d.json": b"{",
    }.items():
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(DataError, match=name):
            exchange_pwc.read_tables(tmp_path / name)
    with pytest.raises(DataError, match="No such file"):
        exchange_pwc.read_tables(tmp_path / "none.json")


@given(st.lists(results(), max_size=8))
def test_tables_are_read_back_as_written(given_results: list[Published]) -> None:
    found = exchange_pwc.tables(json.loads(json.dumps(exchange_pwc.to_tables(given_results))))
    assert found.problems == [] and sorted(found.results, key=key) == sorted(given_results, key=key)


KEYS = [
    "task",
    "datasets",
    "dataset",
    "sota",
    "rows",
    "metrics",
    "model_name",
    "subtasks",
    "subdatasets",
    "paper_title",
    "value",
]
anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner),
)


@given(anything)
def test_any_json_is_read_or_refused(content: Any) -> None:
    with contextlib.suppress(DataError):
        exchange_pwc.tables(content)
    exchange_index.index(content)
    exchange_eval_results.entries(content if isinstance(content, list) else [content], "m")


@given(st.lists(results(), min_size=1, max_size=5))
def test_an_index_is_read_back_as_written(given_results: list[Published]) -> None:
    from huggingface_hub import ModelCardData

    data = ModelCardData(model_name="模型", eval_results=[exchange_index.entry(r) for r in given_results])
    found = exchange_index.index(yaml.safe_load(data.to_yaml())["model-index"])
    assert found.problems == []
    assert sorted(found.results, key=key) == sorted((replace(r, model="模型") for r in given_results), key=key)


def test_a_card_is_written_read_and_never_overwritten(tmp_path: Path) -> None:
    one = Published("translate", "tatoeba (to en)", "mini", "chrf", 30.25, low=29.25, high=31.25, level=0.95, n=250)
    path = tmp_path / "mini" / "README.md"
    exchange_index.write_index(path, "mini", [one])
    assert exchange_index.read_index(path).results == [one]
    hub = ModelCard.load(path).data.eval_results
    assert [(e.task_type, e.dataset_type, e.metric_value, e.verified) for e in hub or []] == [
        ("translation", "tatoeba-to-en", 30.25, False)
    ]
    with pytest.raises(DataError, match="is there already"):
        exchange_index.write_index(path, "mini", [one])


CARD = """---
license: mit
model-index:
- name: wav
  results:
  - task: {type: automatic-speech-recognition, name: Speech Recognition}
    dataset: {name: Common Voice, type: common_voice, config: zh-CN, split: test}
    metrics:
    - {type: wer, value: 20.0 ± 1.2, name: Test WER}
    - {type: cer, value: '-'}
    - {type: mer}
  - dataset: {name: x, type: x}
    metrics: [{type: a, value: 1}]
  - 3
---
# 卡
"""


def test_somebody_elses_card(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(CARD, encoding="utf-8")
    found = exchange_index.read_index(path)
    (one,) = found.results
    assert (one.model, one.task, one.dataset, one.subset) == ("wav", "Speech Recognition", "Common Voice", "zh-CN test")
    assert (one.value, one.low, one.high, one.level) == (20.0, 18.8, 21.2, None)
    assert [(p.kind, p.where) for p in found.problems] == [
        ("absent", "model-index[0].results[0].metrics[1]"),
        ("malformed", "model-index[0].results[0].metrics[2]: wanted the field 'value'"),
        ("malformed", "model-index[0].results[1].metrics[0]: wanted the field 'task'"),
        ("malformed", "model-index[0].results[2]: wanted an object with 'task', 'dataset' and 'metrics'"),
    ]


@pytest.mark.parametrize(
    "text, said",
    [
        ("# no front", "no front matter"),
        ("---\na: [\n---\n", r"README\.md:\d+: not YAML"),
        ("---\n- 1\n---\n", "no fields"),
    ],
)
def test_cards_that_cannot_be_read(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "README.md").write_text(text)
    with pytest.raises(DataError, match=said):
        exchange_index.read_index(tmp_path / "README.md")


@given(st.lists(results(), min_size=1, max_size=5))
def test_eval_results_are_read_back_as_written(given_results: list[Published]) -> None:
    plain = yaml.safe_load(yaml.safe_dump(exchange_eval_results.to_entries(given_results), allow_unicode=True))
    found = exchange_eval_results.entries(plain, "模型")
    assert found.problems == [] and found.results == [replace(r, model="模型") for r in given_results]


def test_the_hub_reads_what_is_written(tmp_path: Path) -> None:
    one = Published("", "cais/hle", "me/model", "acc", 20.9, date="2026-11-28", url="https://example.org", title="Logs")
    path = tmp_path / "models--me--model" / ".eval_results" / "sibao.yaml"
    exchange_eval_results.write_results(path, [one])
    (entry,) = parse_eval_result_entries(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert (entry.dataset_id, entry.task_id, entry.value, entry.source_name) == ("cais/hle", "acc", 20.9, "Logs")
    assert exchange_eval_results.read_results(path).results == [one]


def test_somebody_elses_eval_results(tmp_path: Path) -> None:
    folder = tmp_path / "小模型" / ".eval_results"
    folder.mkdir(parents=True)
    text = """- dataset: {id: cais/hle, task_id: default}
  value: 20.90
  date: 2025-01-15T10:30:00Z
  notes: no-tools
- {value: 3}
"""
    (folder / "hle.yaml").write_text(text, encoding="utf-8")
    found = exchange_eval_results.read_results(folder / "hle.yaml")
    (one,) = found.results
    assert (one.model, one.dataset, one.subset, one.metric, one.value) == (
        "小模型",
        "cais/hle",
        "default",
        "value",
        20.9,
    )
    assert one.note == "no-tools" and one.date.startswith("2025-01-15") and len(found.problems) == 1
    (tmp_path / "loose.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"wanted a folder '\.eval_results'"):
        exchange_eval_results.read_results(tmp_path / "loose.yaml")
    (folder / "map.yaml").write_text("a: 1\n")
    with pytest.raises(DataError, match="wanted a list of entries"):
        exchange_eval_results.read_results(folder / "map.yaml")
