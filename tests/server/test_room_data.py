"""``/api/data`` over the wire."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from tests.serving import Served


def sent(served: Served, content: bytes, name: str = "rows.jsonl", **form: Any) -> Any:
    return served.http.post("/api/data", files={"file": (name, content)}, data=form)


ROWS = '{"en": "Hi", "zh": "你好"}\n{"en": "Hi", "zh": 3}\n{"en": "x"}\nnot json\n{"text": "你好世界"}\n'.encode()


def test_what_was_understood_and_which_rows_are_bad(served: Served) -> None:
    look = sent(served, ROWS).json()
    assert (look["form"], look["compression"], look["size"], look["rows"]) == ("jsonl", "", len(ROWS), 2)
    assert look["kinds"] == {"text": 1, "translation": 1} and look["documents"] == 2
    assert [(bad["line"], bad["field"]) for bad in look["bad"]] == [(2, "zh"), (3, ""), (4, "")]
    assert "wanted a string, got int" in look["bad"][0]["message"] and "no known form" in look["bad"][1]["message"]
    assert {bad["file"] for bad in look["bad"]} == {"rows.jsonl"} and look["bad_rows"] == 3
    assert look["fields"][0] == {"name": "en", "rows": 3, "types": ["text"]}
    assert [(row["line"], row["kind"]) for row in look["sample"]] == [
        (1, "translation"), (2, ""), (3, ""), (5, "text"),
    ]  # fmt: skip
    assert look["tokenizer"] == "mini" and look["tokens"] > 0 and set(look["languages"]) == {"zh"}


def test_tokens_are_not_counted_unless_wanted(served: Served) -> None:
    look = sent(served, ROWS, tokens="false").json()
    assert look["tokens"] is None and look["tokenizer"] is None


def test_packed_and_tabular_files(served: Served) -> None:
    look = sent(served, gzip.compress(ROWS), "a.jsonl.gz").json()
    assert (look["form"], look["compression"], look["rows"], look["bad_rows"]) == ("jsonl", "gz", 2, 3)
    cut = sent(served, gzip.compress(ROWS * 400)[:-40], "a.jsonl.gz").json()
    assert cut["bad"][-1]["message"] and cut["rows"] > 0
    table = sent(served, "en,zh\nHi,你好\nBye\n".encode(), "a.CSV").json()
    assert (table["form"], table["rows"], table["bad"][0]["line"]) == ("csv", 1, 3)


def test_a_long_value_says_how_much_is_not_shown(served: Served) -> None:
    look = sent(served, json.dumps({"text": "山" * 1000}).encode()).json()
    value = look["sample"][0]["values"]["text"]
    assert len(value["text"]) + value["left_out"] == 1000 and value["left_out"] == 600


@pytest.mark.parametrize(
    "name", ["../../../../etc/x.jsonl", "/etc/x.jsonl", "..\\..\\x.jsonl", "\x00x.jsonl", "a" * 2000 + ".jsonl"]
)
def test_a_name_is_never_a_path(served: Served, name: str, tmp_path: Path) -> None:
    before = set(Path("/tmp").glob("sibao-*")), set(served.home.rglob("*"))
    answer = sent(served, ROWS, name)
    assert answer.status_code == 200
    shown = answer.json()["name"]
    assert not set("/\\\x00") & set(shown) and shown.endswith(".jsonl") and len(shown) <= 120
    assert not {p for p in set(Path("/tmp").glob("sibao-*")) - before[0] if (p / "upload.jsonl").exists()}
    assert not [p for p in set(served.home.rglob("*")) - before[1] if "jsonl" in p.name]


@pytest.mark.parametrize("name", ["rows.exe", "rows", ".jsonl/", "rows.jsonl/../x", ""])
def test_an_ending_that_is_not_read_is_refused(served: Served, name: str) -> None:
    answer = sent(served, ROWS, name)
    assert answer.status_code == 400 and answer.json()["error"]["message"]


def test_no_file_and_no_rows(served: Served) -> None:
    assert served.http.post("/api/data").status_code == 400
    assert served.http.post("/api/data", files={"other": ("a.jsonl", b"{}")}).status_code == 400
    look = sent(served, b"").json()
    assert look["rows"] == 0 and look["bad"][0]["message"] == "the file holds no rows"
    damaged = sent(served, b"PAR1" + bytes(100), "a.parquet").json()
    assert damaged["rows"] == 0 and damaged["bad_rows"] == 1


@pytest.mark.slow
def test_a_small_file_that_unpacks_to_a_large_one_is_refused(served: Served) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, packed) as file:
        block = b"\n" * (1 << 22)
        for _ in range(130):  # 520 MiB
            file.write(block)
    assert len(packed.getvalue()) < 2 << 20
    answer = sent(served, packed.getvalue(), "bomb.jsonl.gz")
    assert answer.status_code == 400 and "512 MiB" in answer.json()["error"]["message"]
