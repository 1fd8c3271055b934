"""Every format, every compression, and every fault that a data file can have."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sibao.core.errors import BadInput, DataError
from sibao.text._source import MAX_LINE
from sibao.text.readers import BadRow, expand, kind_of, read_numbered, read_rows, text_of

PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}
CHINESE = [{"text": "床前明月光，\n疑是地上霜。"}, {"text": "家👨‍👩‍👧和😀"}, {"text": 'say "hi", then\tleave\n'}]
plain = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
words = st.one_of(
    plain, st.sampled_from(["你好，世界。", "𠮷野家", "🀄😀👨‍👩‍👧", '"', '""', "\n", "\r\n", "\ufeff", "NaN", "é"])
)
rows_of_text = st.lists(st.fixed_dictionaries({"text": words, "标题": words}), min_size=1, max_size=6)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), words),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=6,
)
rows_of_anything = st.lists(st.dictionaries(words.filter(lambda key: key != "data"), values, max_size=4), min_size=1)
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def put(folder: Path, name: str, content: bytes | str, pack: str = "") -> Path:
    path = folder / (name + pack)
    path.write_bytes(PACK[pack](content.encode() if isinstance(content, str) else content))
    return path


def report(path: Path) -> tuple[list[dict[str, Any]], list[BadRow]]:
    bad: list[BadRow] = []
    return list(read_rows(path, on_bad="report", reporter=bad.append)), bad


def as_csv(rows: list[dict[str, str]], **options: Any) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), **options)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize("pack", PACK)
@quick
@given(rows=rows_of_anything, ascii_only=st.booleans(), end=st.sampled_from(["\n", "\r\n", "\n\n"]), mark=st.booleans())
def test_jsonl_round_trip(tmp_path: Path, pack: str, rows: list[Any], ascii_only: bool, end: str, mark: bool) -> None:
    text = "\ufeff" * mark + end.join(json.dumps(row, ensure_ascii=ascii_only) for row in rows)
    assert list(read_rows(put(tmp_path, "a.jsonl", text, pack))) == rows


@pytest.mark.parametrize("pack", PACK)
@quick
@given(rows=rows_of_anything, indent=st.sampled_from([None, 1]), envelope=st.booleans())
def test_json_round_trip(tmp_path: Path, pack: str, rows: list[Any], indent: int | None, envelope: bool) -> None:
    value = {"version": "v1.0", "data": rows, "after": [1.5, {"data": 2}]} if envelope else rows
    path = put(tmp_path, "a.json", json.dumps(value, indent=indent, ensure_ascii=False), pack)
    assert list(read_rows(path)) == rows


@pytest.mark.parametrize("pack", PACK)
@quick
@given(rows=rows_of_text, quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), mark=st.booleans())
def test_csv_round_trip(tmp_path: Path, pack: str, rows: list[Any], quoting: Any, mark: bool) -> None:
    text = "\ufeff" * mark + as_csv(rows, quoting=quoting)
    assert list(read_rows(put(tmp_path, "a.csv", text, pack))) == rows


@pytest.mark.parametrize("pack", PACK)
@quick
@given(rows=rows_of_text)
def test_tsv_round_trip_keeps_quotation_marks(tmp_path: Path, pack: str, rows: list[Any]) -> None:
    rows = [{key: row[key].translate({9: " ", 10: " ", 13: " "}) for key in ("text", "标题")} for row in rows]
    text = "\r\n".join(["text\t标题", *("\t".join(row.values()) for row in rows)])
    assert list(read_rows(put(tmp_path, "a.tsv", text, pack))) == rows


@pytest.mark.parametrize("pack", PACK)
def test_parquet_with_nested_values(tmp_path: Path, pack: str) -> None:
    plain_file = tmp_path / "plain.parquet"
    duckdb.sql(
        "COPY (SELECT '你好😀' || i AS text, {'en': 'a', 'zh': ['书', NULL]} AS t, DATE '2020-01-02' AS d, "
        f"1.50::DECIMAL(4,2) AS m FROM range(300) r(i)) TO '{plain_file}' (FORMAT parquet)"
    )
    path = put(tmp_path, "数据[1].parquet", plain_file.read_bytes(), pack)
    rows = list(read_rows(path))
    assert len(rows) == 300
    assert rows[299] == {"text": "你好😀299", "t": {"en": "a", "zh": ["书", None]}, "d": "2020-01-02", "m": "1.50"}


def test_parquet_faults(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    duckdb.sql(f"COPY (SELECT 'x' AS text, 'nan'::DOUBLE AS score) TO '{path}' (FORMAT parquet)")
    with pytest.raises(DataError, match=r"a\.parquet:1 field 'score': nan is no number"):
        list(read_rows(path))
    cut = put(tmp_path, "cut.parquet", path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"cut\.parquet: the Parquet file cannot be read"):
        list(read_rows(cut))
    blob = tmp_path / "b.parquet"
    duckdb.sql(f"COPY (SELECT 'ab'::BLOB AS image) TO '{blob}' (FORMAT parquet)")
    with pytest.raises(DataError, match="field 'image': a value of type bytes"):
        list(read_rows(blob))


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize("separator", ["<|endoftext|>\n", "\f\n", "<|endoftext|>\r\n"])
def test_txt_separators(tmp_path: Path, pack: str, separator: str) -> None:
    documents = ["第一篇\n\n还是第一篇 <|endoftext|> in a line", "two\r\nlines", "长" * 50_000 + "\n\n末"]
    path = put(tmp_path, "a.txt", ("\n" + separator).join(documents), pack)
    assert [row["text"] for row in read_rows(path)] == [doc.replace("\r\n", "\n") for doc in documents]


def test_txt_lines_are_those_of_the_file(tmp_path: Path) -> None:
    path = put(tmp_path, "a.txt", "\n\n一\n二\n<|endoftext|>\n\n三\n<|endoftext|>\n<|endoftext|>\n四\n<|endoftext|>")
    assert list(read_numbered(path)) == [(3, {"text": "一\n二"}), (7, {"text": "三"}), (10, {"text": "四"})]


@quick
@given(
    pieces=st.lists(
        st.tuples(st.sampled_from(["好", "😀", "ab c", "é\n", "\n\n", "\n"]), st.integers(1, 30_000)), min_size=1
    )
)
def test_txt_blocks_hold_everything(tmp_path: Path, pieces: list[tuple[str, int]]) -> None:
    text = "".join(piece * times for piece, times in pieces)
    path = put(tmp_path, "a.txt", text)
    rows, bad = report(path)
    assert all(len(row["text"].encode()) <= 65536 for row in rows)
    assert "".join("".join(row["text"].split()) for row in rows) == "".join(text.split())
    assert bool(bad) == (not text.strip())


def test_txt_blocks_are_cut_on_blank_lines(tmp_path: Path) -> None:
    paragraphs = [f"第{i}段。" + "字" * 5000 for i in range(40)]
    rows = list(read_rows(put(tmp_path, "a.txt", "\n\n".join(paragraphs))))
    assert len(rows) == 10
    assert "\n\n".join(row["text"] for row in rows) == "\n\n".join(paragraphs)


SQUAD = {
    "version": "1.1",
    "data": [
        {
            "title": "书",
            "paragraphs": [
                {"context": "我喜欢读书。", "qas": [
                    {"id": "a", "question": "喜欢什么？", "answers": [{"text": "读书", "answer_start": 3}]},
                    {"id": "b", "question": "何时？", "answers": []},
                    {"id": "c", "question": "谁？"},
                ]}
            ],
        }
    ],
}  # fmt: skip


def test_squad_is_flattened(tmp_path: Path) -> None:
    rows = list(read_rows(put(tmp_path, "dev.json", json.dumps(SQUAD, indent=1), ".gz")))
    head = {"title": "书", "context": "我喜欢读书。"}
    assert rows == [
        {"id": "a", **head, "question": "喜欢什么？", "answers": {"text": ["读书"], "answer_start": [3]}},
        {"id": "b", **head, "question": "何时？", "answers": {"text": [], "answer_start": []}},
        {"id": "c", **head, "question": "谁？"},
    ]
    assert {kind_of(row) for row in rows} == {"qa"}


@pytest.mark.parametrize("paragraphs", [["床前明月光，", "疑是地上霜。"], [], None, [{"line": 1}]])
def test_a_field_named_paragraphs_does_not_make_an_article(tmp_path: Path, paragraphs: object) -> None:
    rows = [{"title": "静夜思", "paragraphs": paragraphs}]
    assert list(read_rows(put(tmp_path, "a.json", json.dumps(rows)))) == rows


def test_squad_faults_name_the_field(tmp_path: Path) -> None:
    broken = json.loads(json.dumps(SQUAD))
    broken["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] = "3"
    broken["data"][0]["paragraphs"].append({"qas": []})
    rows, bad = report(put(tmp_path, "dev.json", json.dumps(broken)))
    assert [row["id"] for row in rows] == ["b", "c"]
    assert [row.field for row in bad] == ["paragraphs[0].qas[0].answers[0].answer_start", "paragraphs[1].context"]


BAD_LINES = {
    '{"text": "a"': "Expecting ',' delimiter",
    "[1]": "wanted an object, got an array",
    "null": "wanted an object, got null",
    '{"text": NaN}': "NaN is not JSON",
    '{"text": -Infinity}': "-Infinity is not JSON",
    '{"n": 1e999}': "does not fit a double",
    '{"n": ' + "9" * 5000 + "}": "invalid JSON",
    '{"a": 1, "a": 2}': "field 'a': the key is there twice",
    '{"a": {"b": 1, "b": 1}}': "field 'b': the key is there twice",
    '{"a": "\\ud83d"}': "half of a surrogate pair",
    '{"a": "\\ude00\\ud83d"}': "half of a surrogate pair",
    '{"a": 1} {"b": 2}': "more text after the end",
    '{"a": "x\ty"}': "Invalid control character",
    '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}": "nested too deeply",
}


@pytest.mark.parametrize("line", BAD_LINES, ids=lambda line: line[:20])
def test_bad_jsonl_line(tmp_path: Path, line: str) -> None:
    path = put(tmp_path, "a.jsonl", f'{{"text": "好"}}\n\n{line}\n{{"text": "后"}}\n')
    with pytest.raises(DataError) as caught:
        list(read_rows(path))
    assert BAD_LINES[line] in str(caught.value) and f"{path}:3" in str(caught.value)
    rows, bad = report(path)
    assert rows == [{"text": "好"}, {"text": "后"}]
    assert [row.line for row in bad] == [3]


def test_escaped_surrogate_pairs_are_characters(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jsonl", '{"a": "\\ud83d\\ude00", "b": "\\\\ud83d"}')
    assert list(read_rows(path)) == [{"a": "😀", "b": "\\ud83d"}]


def test_invalid_utf8_in_the_middle(tmp_path: Path) -> None:
    good, gbk = '{"text": "好"}\n'.encode(), '{"text": "你好，世界"}\n'.encode("gb18030")
    path = put(tmp_path, "a.jsonl", good + gbk + good)
    with pytest.raises(DataError, match=r"a\.jsonl:2: invalid UTF-8 at byte 10") as caught:
        list(read_rows(path))
    assert "GB18030" in caught.value.hint
    assert [len(found) for found in report(path)] == [2, 1]


@pytest.mark.parametrize(
    ("name", "content", "kept", "line"),
    [
        ("a.csv", b'text,n\n\xe5\xa5\xbd,1\n\xff,2\n"x\ny",3\n', 2, 3),
        ("a.tsv", b"text\tn\n\xe5\xa5\xbd\t1\n\xff\t2\nz\t3\n", 2, 3),
        ("a.txt", b"\xe5\xa5\xbd\n\f\nbad \xff\n\f\nz", 2, 3),
        ("a.json", b'[{"a": 1},\n{"b": 2},\n{"c": "\xff"}]', 0, 3),
    ],
)
def test_invalid_utf8_in_other_formats(tmp_path: Path, name: str, content: bytes, kept: int, line: int) -> None:
    rows, bad = report(put(tmp_path, name, content))
    assert len(rows) == kept
    assert [(row.line, "invalid UTF-8" in row.message) for row in bad] == [(line, True)]


def test_a_text_in_gbk_is_told_what_to_do(tmp_path: Path) -> None:
    for content, hint in (("你好，世界\n春天".encode("gb18030"), "GB18030"), (b"\xff\xff", "UTF-8")):
        with pytest.raises(DataError, match="invalid UTF-8 in line 1") as caught:
            list(read_rows(put(tmp_path, "a.txt", content)))
        assert hint in caught.value.hint


def test_utf16_is_named(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", "text\n你好\n".encode("utf-16"))
    with pytest.raises(DataError, match="UTF-16, wanted UTF-8"):
        list(read_rows(path))


def test_ragged_csv(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", 'document,summary\n"a\nb",c\nonly\n\n1,2,3\nx,y\n')
    rows, bad = report(path)
    assert rows == [{"document": "a\nb", "summary": "c"}, {"document": "x", "summary": "y"}]
    assert [(row.line, row.field) for row in bad] == [(4, "summary"), (6, "")]
    assert "the row has 3 columns, the header 2" in bad[1].message


@pytest.mark.parametrize(
    ("header", "message"), [("a,a", "'a' is there twice"), ("a,,b", "column 2 has no name"), ('"a', "the header:")]
)
def test_bad_csv_header(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(read_rows(put(tmp_path, "a.csv", f"{header}\n1,2\n")))


def test_open_quotation_mark_says_which_lines_it_took(tmp_path: Path) -> None:
    rows, bad = report(put(tmp_path, "a.csv", 'text\nfirst\n"open\nthird\nfourth\n'))
    assert rows == [{"text": "first"}]
    assert bad[0].line == 3 and "lines 3 to 5" in bad[0].message and "closed" in bad[0].hint


@pytest.mark.parametrize("pack", [".gz", ".zst"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt"])
def test_cut_and_flipped_compressed_files(tmp_path: Path, name: str, pack: str) -> None:
    texts = [f"第{i}行 {i * 7919 % 1000}" for i in range(3000)]
    content = {
        "a.jsonl": "\n".join(json.dumps({"text": text}) for text in texts),
        "a.json": json.dumps([{"text": text} for text in texts]),
        "a.csv": as_csv([{"text": text} for text in texts]),
        "a.txt": "\n\f\n".join(texts),
    }[name]
    packed = put(tmp_path, name, content, pack).read_bytes()
    if pack == ".zst":
        packed = zstandard.ZstdCompressor(write_checksum=True).compress(content.encode())
    cut = put(tmp_path, f"cut-{name}{pack}", packed[: len(packed) * 2 // 3])
    with pytest.raises(DataError, match="cut off before its end"):
        list(read_rows(cut))
    rows, bad = report(cut)
    assert [row["text"] for row in rows] == texts[: len(rows)] and len(rows) < len(texts)
    assert len(bad) == 1 and "cut off" in bad[0].message
    for place in range(0, len(packed), len(packed) // 7 + 1):
        flipped = bytearray(packed)
        flipped[place] ^= 0x10
        rows, bad = report(put(tmp_path, f"flip-{name}{pack}", bytes(flipped)))
        assert bad or [row["text"] for row in rows] == texts  # a flip in the gzip header's time is harmless


def test_compressed_members_follow_each_other(tmp_path: Path) -> None:
    lines = [b'{"text": "\xe4\xb8\x80"}\n', b'{"text": "b"}\n']
    for pack, pad in ((".gz", b"\0" * 600), (".zst", b"")):
        path = put(tmp_path, "a.jsonl" + pack, b"".join(PACK[pack](line) for line in lines) + pad)
        assert list(read_rows(path)) == [{"text": "一"}, {"text": "b"}]
    with pytest.raises(DataError, match=r"a\.jsonl\.gz:1: the gzip data is damaged"):
        list(read_rows(put(tmp_path, "a.jsonl.gz", lines[0])))


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt"])
@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_empty_file(tmp_path: Path, name: str, pack: str, content: str) -> None:
    path = put(tmp_path, name, content, pack)
    with pytest.raises(DataError, match="the file holds no rows"):
        list(read_rows(path))
    assert [row.message for row in report(path)[1]] == ["the file holds no rows"]
    path.write_bytes(b"")
    with pytest.raises(DataError, match="the file holds no rows"):
        list(read_rows(path))


def test_header_or_array_without_rows(tmp_path: Path) -> None:
    for name, content in (("a.csv", "text\n"), ("a.json", "[]"), ("b.json", '{"data": []}')):
        with pytest.raises(DataError, match="holds no rows"):
            list(read_rows(put(tmp_path, name, content)))


@pytest.mark.parametrize(
    ("content", "kept", "line", "message"),
    [
        ('[{"a": 1},\n 5,\n{"b": 1}]', 2, 2, "wanted an object, got a number"),
        ('[{"a": 1},\n{"b": NaN},\n{"c": 1}]', 2, 2, "NaN is not JSON"),
        ('[{"a": 1},\n{"b": 1}', 2, 2, "wanted , or ], got the end of the file"),
        ('[{"a": 1}\n{"b": 1}]', 1, 2, "wanted , or ], got"),
        ('[{"a": 1},\n{"b": 1, oops}, {"c": "' + "x" * 300_000 + '"}]', 1, 2, "invalid JSON"),
        ('[{"a": 1},\n{"b": "no end', 1, 2, "Unterminated string"),
        ('[{"a": 1}] rest', 1, 1, "wanted an array or object"),
        ('{"a": 1}\n{"b": 1, "b": 2}\n{"c": 3}', 2, 2, "twice"),
        ('"text"', 0, 1, "wanted an array or object"),
    ],
)
def test_bad_json(tmp_path: Path, content: str, kept: int, line: int, message: str) -> None:
    rows, bad = report(put(tmp_path, "a.json", content))
    assert len(rows) == kept
    assert [(row.line, message in row.message) for row in bad] == [(line, True)], bad


@quick
@given(content=st.binary(max_size=200), name=st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt"]))
def test_any_bytes_give_rows_or_reports(tmp_path: Path, content: bytes, name: str) -> None:
    for pack in PACK:
        rows, bad = report(put(tmp_path, name, content, pack))
        assert rows or bad
        json.dumps([rows, [row.to_json() for row in bad]], ensure_ascii=False, allow_nan=False).encode()


def test_huge_line_is_reported_not_held(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "a"}\n{"text": "')
        for _ in range(MAX_LINE // (1 << 20) + 1):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n{"text": "b"}\n')
    rows, bad = report(path)
    assert rows == [{"text": "a"}, {"text": "b"}]
    assert [(row.line, row.message) for row in bad] == [(2, "the row is longer than 64 MiB")]


def test_long_documents_pass(tmp_path: Path) -> None:
    row = {"text": "很长的文档😀" * 300_000}
    for name, content in (("a.jsonl", json.dumps(row)), ("a.json", json.dumps([row])), ("a.csv", as_csv([row]))):
        assert list(read_rows(put(tmp_path, name, content))) == [row]


def test_unknown_extension_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no extension that Sibao reads") as caught:
        read_rows(put(tmp_path, "a.docx", "x"))
    assert ".parquet" in caught.value.hint and ".zst" in caught.value.hint
    with pytest.raises(DataError, match=r"no\.jsonl: no such file"):
        read_rows(tmp_path / "no.jsonl")
    with pytest.raises(BadInput, match="wanted a file"):
        read_rows(tmp_path)
    with pytest.raises(BadInput, match="needs a reporter"):
        read_rows(put(tmp_path, "a.txt", "x"), on_bad="report")
    with pytest.raises(BadInput, match="'skip'"):
        read_rows(put(tmp_path, "a.txt", "x"), on_bad="skip")  # type: ignore[arg-type]


def test_expand(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.csv.gz", "sub/c[1].txt", ".hidden/d.txt", "notes.docx", "sub/.e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    found = [tmp_path / name for name in ("a.csv.gz", "b.jsonl", "sub/c[1].txt")]
    assert expand(tmp_path) == found
    assert expand([tmp_path / "b.jsonl", tmp_path]) == [found[1], found[0], found[2]]
    assert expand(str(tmp_path / "*.jsonl")) == [found[1]]
    assert expand(str(tmp_path / "**/*.txt"))[-1:] == [found[2]]
    assert expand(found[2]) == [found[2]]
    assert expand("-") == [Path("-")]
    with pytest.raises(BadInput, match="no file matches"):
        expand(str(tmp_path / "*.tsv"))
    with pytest.raises(BadInput, match="no extension"):
        expand(tmp_path / "notes.docx")
    with pytest.raises(DataError, match="no such file"):
        expand(tmp_path / "nothing.txt")
    with pytest.raises(BadInput, match="no data file was given"):
        expand([])


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (' {"text": "你好"}\n{"text": "b"}\n', [{"text": "你好"}, {"text": "b"}]),
        ('[{"text": "你好"}]', [{"text": "你好"}]),
        ("[Chorus]\n歌", [{"text": "[Chorus]\n歌"}]),
        ("{curly} text", [{"text": "{curly} text"}]),
    ],
)
def test_stdin(monkeypatch: pytest.MonkeyPatch, pack: str, content: str, rows: list[Any]) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(PACK[pack](content.encode())))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert list(read_rows("-")) == rows


MESSAGES = [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]


@pytest.mark.parametrize(
    ("row", "kind", "text"),
    [
        ({"text": "诗"}, "text", "诗"),
        ({"prompt": "a", "completion": "b"}, "prompt_completion", "a\nb"),
        ({"prompt": MESSAGES[:1], "completion": MESSAGES[1:]}, "prompt_completion", "问\n答"),
        ({"messages": MESSAGES}, "messages", "问\n答"),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "preference", "a\nb"),
        ({"translation": {"en": "book", "zh": "书"}}, "translation", "book\n书"),
        ({"en": "book", "zh": "书", "file": "x"}, "translation", "book\n书"),
        ({"question": "谁", "context": "我", "answers": {"text": ["我"]}}, "qa", "我\n谁\n我"),
        ({"question": "谁", "context": "我"}, "qa", "我\n谁"),
        ({"article": "long", "summary": "s"}, "summary", "long\ns"),
        ({"text": "long", "summary": "s"}, "summary", "long\ns"),
        ({"form": "poem", "text": "诗"}, "form", "诗"),
    ],
)
def test_kind_and_text(row: dict[str, Any], kind: str, text: str) -> None:
    assert kind_of(row) == kind
    assert text_of(row) == text


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"text": 5}, "text"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages[0]"),
        ({"prompt": "a", "completion": None}, "completion"),
        ({"translation": "书"}, "translation"),
        ({"translation": {"en": "a"}}, "zh"),
        ({"question": "q", "context": "c", "answers": ["a"]}, "answers"),
        ({"question": "q", "context": 1}, "context"),
        ({"document": "d", "summary": 1}, "summary"),
    ],
)
def test_kind_faults_name_the_field(row: dict[str, Any], field: str) -> None:
    with pytest.raises(DataError) as caught:
        kind_of(row, file="f.jsonl", line=7)
    assert caught.value.field == field and "f.jsonl:7" in str(caught.value)


def test_unknown_kind_lists_the_forms() -> None:
    with pytest.raises(DataError, match="'a', 'b', which is no known form") as caught:
        text_of({"a": 1, "b": 2})
    assert "messages" in caught.value.hint and "translation" in caught.value.hint


_MEMORY = """
import sys
from pathlib import Path
from sibao.text.readers import read_rows
rows = sum(1 for _ in read_rows(sys.argv[1]))
# VmHWM, in KiB: ru_maxrss would count the process that started this one
print(rows, int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024)
"""


def _big(path: Path, megabytes: int) -> int:
    """About that many MB of rows with Chinese text."""
    count = megabytes * 500
    words = ("一行中文 and English 😀 " * 70)[:1300]
    if path.suffix == ".parquet":
        duckdb.sql(f"COPY (SELECT i, '{words}' || md5(i::TEXT) AS text FROM range({count}) r(i)) TO '{path}'")
        return count
    head, between, tail = {".json": ("[", ",", "]"), ".jsonl": ("", "\n", ""), ".csv": ("i,text\n", "\n", "\n")}.get(
        path.suffix, ("", "\n\n", "\n")
    )
    with path.open("w", encoding="utf-8") as file:
        file.write(head)
        for i in range(count):
            line = {".csv": f'{i},"{words}"', ".txt": f"{i} {words}"}.get(path.suffix) or json.dumps(
                {"i": i, "text": words}, ensure_ascii=False
            )
            file.write((between if i else "") + line)
        file.write(tail)
    return count


def _check_memory(path: Path, megabytes: int, limit: int) -> None:
    count = _big(path, megabytes)
    done = subprocess.run([sys.executable, "-c", _MEMORY, str(path)], capture_output=True, text=True, check=True)
    rows, peak = map(int, done.stdout.split())
    assert path.suffix == ".txt" or rows == count
    assert peak < limit, f"{peak} MB for {path.stat().st_size / 1e6:.0f} MB"


@pytest.mark.parametrize("ending", [".json", ".jsonl"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, ending: str) -> None:
    _check_memory(tmp_path / f"a{ending}", 40, 60)


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".json", ".jsonl", ".csv", ".txt", ".parquet"])
def test_memory_for_200_mb(tmp_path: Path, ending: str) -> None:
    # DuckDB holds a column of a row group (122,880 rows here) and is told to stay below 512 MB.
    _check_memory(tmp_path / f"a{ending}", 200, 512 if ending == ".parquet" else 100)
