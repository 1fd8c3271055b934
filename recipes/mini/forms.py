"""Fine-tuning rows for the forms of `generate`: poem, story, code, script, music."""

from __future__ import annotations

import ast
import random
import re
import textwrap
import warnings
from pathlib import Path

from common import Row, clean, fraction, sentences
from sources import CODE_VALID, shakespeare_text, stdlib, tunes


def made(form: str, prompt: str, completion: str, lang: str, **more: str) -> Row:
    return {"form": form, "prompt": prompt, "completion": completion, "lang": lang, **more}


def instruction(prompt: str) -> str:
    """Code and tunes have no language of their own: half of them are asked for in Chinese, half in English."""
    return "zh" if fraction(prompt) < 0.5 else "en"


def poem_rows(rows: list[Row]) -> list[Row]:
    """Short poems: quatrains and regulated verse of five or seven syllables, and 词 of at most 120 characters."""
    return [r for r in map(poem_row, rows) if r]


def poem_row(row: Row) -> Row | None:
    title, text = row["title"].strip(), "\n".join(row["paragraphs"])
    if not 2 <= len(title) <= 20 or not 20 <= len(text) <= 120 or re.search(r"[^\u4e00-\u9fff，。！？；：、\n]", text):
        return None
    if row.get("rhythmic"):
        return made("poem", title, text, "zh", style="词")
    verses = [v for v in re.split(r"[，。！？；：、\n]+", text) if v]
    styles = {5: "五言", 7: "七言"}
    if len(verses) not in (4, 8) or len({len(v) for v in verses}) != 1 or len(verses[0]) not in styles:
        return None
    return made("poem", title, text, "zh", style=styles[len(verses[0])])


def story_rows(books: list[Row], lang: str) -> list[Row]:
    """A first sentence and the 200 to 500 characters that follow it, out of running prose."""
    rows = []
    for book in books:
        lines = clean(book["text"]).split("\n")[1 if lang == "zh" else 0 :]
        blocks = ["".join(lines)] if lang == "zh" else [line for line in lines if len(line) > 260]
        for block in blocks:
            rows += windows(sentences(block, lang), lang)
    return rows


def windows(parts: list[str], lang: str) -> list[Row]:
    rows, low, high = [], (10 if lang == "zh" else 25), (60 if lang == "zh" else 180)
    while parts:
        first, body, used = parts[0].strip(), "", 1
        for used, sentence in enumerate(parts[1:], 2):
            if len(body) + len(sentence) > 500:
                used -= 1
                break
            body += sentence
            if len(body) >= 360:
                break
        if low <= len(first) <= high and 200 <= len(body.strip()) <= 500:
            rows.append(made("story", first, body.strip(), lang))
        parts = parts[used:]
    return rows


def code_rows() -> tuple[list[Row], list[Row]]:
    """Short documented functions of the standard library (train, held out), each complete and parsing."""
    split: tuple[list[Row], list[Row]] = ([], [])
    seen: set[str] = set()
    for name, text in stdlib():
        for row in functions(text):
            if row["completion"] not in seen:
                seen.add(row["completion"])
                split[fraction(name) < CODE_VALID].append(row)
    return split


def functions(text: str) -> list[Row]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except SyntaxError:
        return []
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and ast.get_docstring(n)]
    return [row for node in nodes if (row := function_row(node, text.split("\n")))]


def function_row(node: ast.FunctionDef, lines: list[str]) -> Row | None:
    source = textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno])).strip("\n")
    doc = (ast.get_docstring(node) or "").strip().split("\n")[0].strip()
    if len(source) > 900 or len(node.body) < 2 or not 10 <= len(doc) <= 120 or '"' in doc or "\\" in source:
        return None
    try:
        ast.parse(source)
    except SyntaxError:
        return None
    prompt = f'def {node.name}({ast.unparse(node.args)}):\n    """{doc}"""'
    return made("code", prompt, source, instruction(prompt))


def script_rows(text: str) -> list[Row]:
    """Runs of four to ten speeches by two to four speakers; a second pass starts between those of the first."""
    speeches = [s.strip() for s in text.split("\n\n") if re.match(r"[A-Z][A-Za-z' ]*:\n\S", s)]
    rows, seen = [], set()
    for start, step in ((0, 6), (3, 7)):
        at = start
        while at < len(speeches):
            count = 4 + (at * step) % 7
            run = speeches[at : at + count]
            speakers = list(dict.fromkeys(s.split(":")[0] for s in run))
            completion = "\n\n".join(run)
            if len(run) >= 4 and 2 <= len(speakers) <= 4 and len(completion) <= 1000 and completion not in seen:
                seen.add(completion)
                rows.append(made("script", ", ".join(speakers), completion, "en"))
            at += count
    return rows


def music_rows(texts: list[str]) -> list[Row]:
    rows = []
    for text in texts:
        fields = {k: m[1].strip() for k in "TMK" if (m := re.search(rf"(?m)^{k}:\s*(.+)$", text))}
        if len(fields) == 3 and len(text) <= 900:
            prompt = f"T:{fields['T']}\nM:{fields['M']}\nK:{fields['K']}"
            rows.append(made("music", prompt, text, instruction(prompt)))
    return rows


def generate(
    data: Path,
    poems: tuple[list[Row], list[Row]],
    en: tuple[list[Row], list[Row]],
    zh: tuple[list[Row], list[Row]],
    rng: random.Random,
) -> dict[str, list[Row]]:
    """Train rows and 200 held-out rows of all forms; held-out ones come from held-out books, files and tunes."""
    code, play, music = code_rows(), shakespeare_text(data), tunes(data)
    splits: dict[str, list[Row]] = {}
    for side, name in enumerate(("train", "valid")):
        groups = [
            (poem_rows(poems[side]), (12_000, 60)), (story_rows(en[side], "en"), (3_000, 30)),
            (story_rows(zh[side], "zh"), (3_000, 30)), (code[side], (3_000, 30)),
            (script_rows(play[side]), (1_500, 25)), (music_rows(music[side]), (10_000, 25)),
        ]  # fmt: skip
        rows = [r for group, wanted in groups for r in rng.sample(group, min(len(group), wanted[side]))]
        rng.shuffle(rows)
        splits[name] = rows
    return splits
