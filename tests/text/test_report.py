"""The report adds up, survives JSON and shows what matters."""

from __future__ import annotations

import io
import json

from rich.console import Console

from sibao.text.report import MAX_BAD, DataReport, language_of, measure
from sibao.text.rows import BadRow


class Halves:
    """Two characters a token."""

    def encode(self, text: str) -> list[int]:
        return [0] * ((len(text) + 1) // 2)


def shown(report: DataReport) -> str:
    out = io.StringIO()
    Console(file=out, width=100).print(report.render())
    return out.getvalue()


def filled() -> DataReport:
    report = DataReport(files=["a.jsonl", "b.csv"], output="out.jsonl", counted_tokens=True, rows=6)
    for text in ("你好😀", "hello", "Привет"):
        report.add("text", language_of(text), measure(text, Halves()))
    report.exact_duplicates, report.near_duplicates = 1, 1
    report.dropped["too short"] += 1
    for line in range(1, MAX_BAD + 6):
        report.add_bad(BadRow("a[1].jsonl", line, "text", "wanted a string, got [int]"))
    return report


def test_language_of() -> None:
    found = [
        language_of(text) for text in ("我用numpy。", "plain words", "Привет, мир", "你好 Привет", "123", "Ça été")
    ]
    assert found == ["zh", "en", "other", "other", "other", "en"]


def test_amounts() -> None:
    amount = measure("你好😀", Halves())
    assert (amount.documents, amount.characters, amount.bytes, amount.tokens) == (1, 3, 10, 2)
    assert measure("你好").tokens == 0


def test_json_adds_up() -> None:
    found = json.loads(json.dumps(filled().to_json(), ensure_ascii=False))
    assert (found["documents"], found["characters"], found["bytes"], found["tokens"]) == (3, 14, 27, 8)
    assert list(found["languages"]) == ["zh", "en", "other"]
    assert found["languages"]["zh"]["tokens_per_character"] == 0.6667
    assert found["rows"] == found["documents"] + 2 + sum(found["dropped"].values())
    assert found["duplicates"] == {"exact": 1, "near": 1, "beyond_window": 0, "pairs": []}
    assert found["bad_rows"] == MAX_BAD + 5 and len(found["bad"]) == MAX_BAD
    assert found["bad"][0]["line"] == 1 and found["bad"][0]["field"] == "text"


def test_no_tokenizer_means_no_token_counts() -> None:
    report = DataReport()
    report.add("text", "zh", measure("你好"))
    assert report.to_json()["tokens"] is None and report.to_json()["languages"]["zh"]["tokens_per_character"] is None
    assert "tokens" not in shown(report)


def test_rendering() -> None:
    text = shown(filled())
    assert "zh" in text and "0.667" in text and "2 files" in text
    assert "duplicates removed: 1 exact, 1 near" in text and "dropped, too short: 1" in text
    assert "bad rows: 105" in text and "a[1].jsonl:1 field 'text': wanted a string, got [int]" in text
    assert "and 95 more" in text and "written: out.jsonl" in text
    assert "kept: none" in shown(DataReport())
