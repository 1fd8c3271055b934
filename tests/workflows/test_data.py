"""From files to one clean file: order, counts, equal results on one core and many, and nothing half-written."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from sibao.core.errors import BadInput, DataError, SibaoError
from sibao.text.clean import CleanOptions
from sibao.text.dedup import DedupOptions
from sibao.text.readers import read_rows
from sibao.workflows.data import inspect, prepare


class Bytes:
    """A token a byte; at module level, so that worker processes can have it."""

    def encode(self, text: str) -> list[int]:
        return list(text.encode())


def sentences(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)
    return ["".join(chr(rng.randrange(0x4E00, 0x5E00)) for _ in range(120)) + f"，第{i}。😀" for i in range(count)]


def put(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def texts(path: Path) -> list[str]:
    return [row["text"] for row in read_rows(path)]


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_prepare(tmp_path: Path, ending: str) -> None:
    documents = sentences(1, 6)
    near = documents[1][:60] + "改" + documents[1][61:]
    put(tmp_path / "raw/a.jsonl", [{"text": documents[0] + "  \r\n"}, {"text": documents[1]}, {"text": "\u200b"}])
    (tmp_path / "raw/b.csv").write_text("text\n" + "\n".join([documents[2], documents[0], near]), encoding="utf-8")
    (tmp_path / "raw/c.txt").write_text("\n\f\n".join(documents[3:]), encoding="utf-8")
    out = tmp_path / f"out/train.jsonl{ending}"
    report = prepare(tmp_path / "raw", out, tokenizer=Bytes())
    assert texts(out) == documents
    assert (report.rows, report.documents, report.exact_duplicates, report.near_duplicates) == (9, 6, 1, 1)
    assert report.dropped == {"too short": 1} and report.kinds == {"text": 6}
    assert report.total.tokens == report.total.bytes == sum(len(text.encode()) for text in documents)
    assert report.to_json()["languages"]["zh"]["documents"] == 6
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    first = out.read_bytes()
    prepare(tmp_path / "raw", out)
    assert out.read_bytes() == first


def test_many_workers_give_the_same_file(tmp_path: Path) -> None:
    documents = sentences(2, 900)
    rows = [{"text": text, "n": i} for i, text in enumerate(documents + documents[::3])]
    source = put(tmp_path / "a.jsonl", rows)
    reports = [
        prepare(source, tmp_path / f"{workers}.jsonl", workers=workers, tokenizer=Bytes()).to_json()
        for workers in (1, 2)
    ]
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()
    for report in reports:
        del report["seconds"], report["output"]
    assert reports[0] == reports[1]
    assert reports[0]["documents"] == 900 and reports[0]["duplicates"]["exact"] == 300


def test_rows_of_tasks_are_repaired_but_not_judged(tmp_path: Path) -> None:
    passage = "我喜欢读书。\u200b" * 30
    answers = {"text": ["读书"], "answer_start": [3]}
    rows: list[dict[str, Any]] = [
        {"translation": {"en": "Hi", "zh": "你\u200b好"}},
        {"translation": {"en": "Hi", "zh": "您好"}},
        {"id": "1", "question": "喜欢什么？", "context": passage, "answers": answers},
        {"id": "2", "question": "谁喜欢？", "context": passage, "answers": {"text": ["我"], "answer_start": [0]}},
        {"id": "3", "question": "谁喜欢？", "context": passage, "answers": {"text": ["我"], "answer_start": [0]}},
        {"messages": [{"role": "user", "content": "1+1\x07"}, {"role": "assistant", "content": "2"}]},
    ]
    out = tmp_path / "out.jsonl"
    report = prepare(put(tmp_path / "a.jsonl", rows), out)
    kept = list(read_rows(out))
    assert kept[0] == {"translation": {"en": "Hi", "zh": "你好"}}
    assert kept[2] == rows[2] and kept[3] == rows[3]
    assert kept[4]["messages"][0]["content"] == "1+1"
    assert report.exact_duplicates == 1 and report.near_duplicates == 0
    assert report.kinds == {"translation": 2, "qa": 2, "messages": 1}


def test_bad_row_leaves_the_old_file(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text('{"text": "好好学习"}\n{"text": 5}\n{"txet": "x"}\nnot json\n', encoding="utf-8")
    out = put(tmp_path / "out.jsonl", [{"text": "old"}])
    with pytest.raises(DataError, match=r"a\.jsonl:2 field 'text': wanted a string, got int"):
        prepare(source, out)
    assert texts(out) == ["old"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "out.jsonl"]
    report = prepare(source, out, on_bad="report")
    assert texts(out) == ["好好学习"]
    assert [(bad.line, bad.field) for bad in report.bad] == [(2, "text"), (3, ""), (4, "")]
    unknown = next(bad for bad in report.bad if bad.line == 3)
    assert unknown.message == "the row has 'txet', which is no known form" and "messages" in unknown.hint


def test_bad_row_with_workers(tmp_path: Path) -> None:
    rows: list[Any] = [{"text": text} for text in sentences(3, 600)]
    rows[400], rows[420] = {"text": None}, [1]
    with pytest.raises(DataError, match="401 field 'text'"):
        prepare(put(tmp_path / "a.jsonl", rows), tmp_path / "out.jsonl", workers=2)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_damaged_file_is_reported_and_the_rest_used(tmp_path: Path) -> None:
    packed = gzip.compress("".join(json.dumps({"text": text}) + "\n" for text in sentences(4, 400)).encode())
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    put(tmp_path / "b.jsonl", [{"text": "最后一行也在"}])
    (tmp_path / "c.txt").write_bytes(b"")
    out = tmp_path / "out" / "out.jsonl"
    report = prepare([tmp_path], out, on_bad="report")
    assert texts(out)[-1] == "最后一行也在" and len(texts(out)) > 50
    assert [("cut off" in bad.message, "no rows" in bad.message) for bad in report.bad] == [
        (True, False),
        (False, True),
    ]


def test_refusals(tmp_path: Path) -> None:
    source = put(tmp_path / "a.jsonl", [{"text": "好"}])
    with pytest.raises(BadInput, match=r"is no \.jsonl file"):
        prepare(source, tmp_path / "out.csv")
    with pytest.raises(BadInput, match="both read and written"):
        prepare([tmp_path], source)
    with pytest.raises(BadInput, match="workers is 0"):
        prepare(source, tmp_path / "out.jsonl", workers=0)
    with pytest.raises(DataError, match="no row was left") as caught:
        prepare(source, tmp_path / "out.jsonl", clean=CleanOptions(min_characters=5))
    assert "1 dropped (too short)" in caught.value.hint
    (tmp_path / "file").write_text("")
    with pytest.raises(SibaoError, match="cannot be written"):
        prepare(source, tmp_path / "file" / "out.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "file"]


def test_steps_can_be_left_out(tmp_path: Path) -> None:
    rows = [{"text": "好\u200b"}, {"text": "好\u200b"}]
    out = tmp_path / "out.jsonl"
    prepare(put(tmp_path / "a.jsonl", rows), out, clean=None, dedup=None)
    assert list(read_rows(out)) == rows
    report = prepare(tmp_path / "a.jsonl", out, clean=None, dedup=DedupOptions(pairs=True))
    assert report.duplicate_pairs == [(1, 0, 1.0)]


def test_inspect_changes_nothing(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text('{"text": "好"}\n{"text": "好"}\n{"en": "a", "zh": "一"}\n[1]\n{"a": 1}\n', encoding="utf-8")
    report = inspect(source, tokenizer=Bytes())
    assert (report.rows, report.documents, report.exact_duplicates) == (3, 3, 1)
    assert report.kinds == {"text": 2, "translation": 1}
    assert [(bad.line, bad.file) for bad in report.bad] == [(4, str(source)), (5, str(source))]
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
