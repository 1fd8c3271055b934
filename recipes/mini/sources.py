"""Pretraining documents, source by source. Every function returns the documents to train on and those held out."""

from __future__ import annotations

import random
import re
import sysconfig
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from common import Doc, Held, Row, clean, fraction, part, pieces, read_rows, read_text, size, spans

Split = tuple[list[Doc], list[Doc]]

CODE_VALID = 0.03
TUNE_VALID = 0.05
SKIPPED_CODE = {"test", "tests", "idlelib", "lib2to3", "site-packages", "turtledemo", "__pycache__", "idle_test"}


def lowest(keys: Sequence[str], count: int) -> set[str]:
    """The `count` keys with the smallest hash: a held-out choice that no seed changes."""
    return set(sorted(set(keys), key=fraction)[:count])


def held_novels(data: Path) -> tuple[list[Row], list[Row]]:
    """English novels: (train books, six held-out books)."""
    rows = read_rows(data / "pretrain/en_novels/en_novels.jsonl.zst")
    held = lowest([row["id"] for row in rows], 6)
    return [r for r in rows if r["id"] not in held], [r for r in rows if r["id"] in held]


def novels(books: tuple[list[Row], list[Row]], rng: random.Random) -> Split:
    train, held = ([d for r in rows for d in spans(r["id"], r["text"], "en_novels", "en", rng)] for rows in books)
    return train, held


def classics(data: Path, rng: random.Random) -> Split:
    rows = read_rows(data / "pretrain/en_classic_books/en_classic_books.jsonl.zst")
    return [d for r in rows for d in spans(r["id"], r["text"], "en_classic_books", "en", rng)], []


def wiki_articles(data: Path) -> list[tuple[str, list[str]]]:
    """(train or valid, paragraphs) of each article. The file has lost its line breaks; glued capitals show where."""
    found = []
    for line in read_text(data / "pretrain/en_wiki_demo/wiki_demo.txt").split("\n"):
        if line.strip():
            text = re.sub(r"(?<=[a-z0-9)\"”])\.(?=[A-Z][a-z]+ )", ".\n", clean(line))
            text = re.sub(r"(?<=[a-z]{4})(?=[A-Z][a-z]+ )", "\n", text)  # a heading glued to its text
            found.append(("valid" if part(line[:80], 0.93, 0.07) == "valid" else "train", text.split("\n")))
    return found


def wiki(data: Path, held: Held, rng: random.Random) -> Split:
    docs: dict[str, list[Doc]] = {"train": [], "valid": []}
    for number, (where, paragraphs) in enumerate(wiki_articles(data)):
        text = "\n".join(p for p in paragraphs if p not in held)
        docs[where] += spans(f"wiki_demo/{number}", text, "en_wiki_demo", "en", rng)
    return docs["train"], docs["valid"]


def shakespeare_text(data: Path) -> tuple[str, str]:
    """The first nine tenths (train) and the rest, cut between speeches."""
    text = clean(read_text(data / "pretrain/tinyshakespeare/input.txt"))
    border = text.index("\n\n", int(len(text) * 0.9)) + 2
    return text[:border], text[border:]


def speech_pieces(text: str, rng: random.Random) -> list[Doc]:
    """Scripts cut between speeches (an empty line) into documents of 2 to 8 KB."""
    docs, held, start, wanted = [], "", 0, rng.uniform(2000, 8000)
    for speech in text.split("\n\n"):
        held += speech + "\n\n"
        if size(held) >= wanted:
            docs.append(Doc(held.strip(), "tinyshakespeare", "en", ("tinyshakespeare", start, start + len(held))))
            start, held, wanted = start + len(held), "", rng.uniform(2000, 8000)
    return [*docs, Doc(held.strip(), "tinyshakespeare", "en", ("tinyshakespeare", start, start + len(held)))]


def shakespeare(data: Path, rng: random.Random) -> Split:
    train, held = shakespeare_text(data)
    return speech_pieces(train, rng), speech_pieces(held, rng)


def poem_key(row: Row) -> str:
    return f"{row['author']}/{row['title']}"


def poems(data: Path) -> tuple[list[Row], list[Row]]:
    """Poems to train on and held-out poems (0.2 %, by author and title)."""
    train: list[Row] = []
    held: list[Row] = []
    for row in read_rows(data / "pretrain/zh_poetry/zh_poetry_simplified.jsonl.zst"):
        row = {
            **row,
            "paragraphs": [clean(line) for line in row["paragraphs"]],
            "title": " ".join(clean(row["title"]).split()),
        }
        (held if fraction(poem_key(row)) < 0.002 else train).append(row)
    return train, held


def poem_text(row: Row) -> str:
    tune = row.get("rhythmic") or ""
    title = row["title"] if not tune or tune in row["title"] else f"{tune}・{row['title']}"
    return f"《{title}》 {row['author']}\n" + "\n".join(row["paragraphs"])


def poetry(rows: list[Row], rng: random.Random) -> list[Doc]:
    """Documents of one to six poems by one author out of one collection."""
    by_author: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_author[row["collection"], row["author"]].append(row)
    docs = []
    for group in by_author.values():
        rng.shuffle(group)
        while group:
            count = rng.randint(1, 6)
            docs.append(Doc("\n\n".join(poem_text(r) for r in group[:count]), "zh_poetry", "zh"))
            group = group[count:]
    return docs


def chapters(data: Path) -> tuple[list[Row], list[Row]]:
    """Chapters of the four novels: (train, six held-out chapters)."""
    rows = read_rows(data / "pretrain/zh_novels/zh_novels.jsonl.zst")
    held = lowest([f"{r['title']}/{r['chapter']}" for r in rows], 6)
    split: tuple[list[Row], list[Row]] = ([], [])
    for row in rows:
        text = row["text"].replace("．", "。")  # the file of 红楼梦 closes sentences so
        split[f"{row['title']}/{row['chapter']}" in held].append({**row, "text": text})
    return split


def zh_novels(books: tuple[list[Row], list[Row]], rng: random.Random) -> Split:
    train, held = (
        [d for r in rows for d in spans(f"{r['title']}/{r['chapter']}", r["text"], "zh_novels", "zh", rng)]
        for rows in books
    )
    return train, held


def laws(data: Path, rng: random.Random) -> Split:
    """Laws; all versions of one law (same name, another date) stand on one side."""
    docs: dict[bool, list[Doc]] = {True: [], False: []}
    for row in read_rows(data / "pretrain/zh_laws/zh_laws.jsonl.zst"):
        name = re.sub(r"\(?\d{4}-\d\d-\d\d\)?|（.*?）", "", row["title"])
        docs[fraction(name) < 0.006] += spans(row["id"], row["text"], "zh_laws", "zh", rng)
    return docs[False], docs[True]


def javaguide(data: Path, rng: random.Random) -> Split:
    docs: dict[bool, list[Doc]] = {True: [], False: []}
    for row in read_rows(data / "pretrain/zh_javaguide/zh_javaguide.jsonl.zst"):
        text = f"# {row['title']}\n\n{row['text']}"
        docs[part(row["id"], 0.9, 0.05) == "train"] += spans(row["id"], text, "zh_javaguide", "zh", rng)
    return docs[True], docs[False]


def classical(data: Path, rng: random.Random) -> Split:
    """The classical side only; the modern renderings are not free enough to train shipped weights on."""
    docs: dict[bool, list[Doc]] = {True: [], False: []}
    for row in read_rows(data / "pretrain/zh_classical_modern/zh_classical_modern.jsonl.zst"):
        text = clean("\n".join(row["classical"]))
        for a, b in pieces(text, rng, 3000, 8000):
            doc = Doc(text[a:b].strip(), "zh_classical_modern", "zh", (row["id"], a, b))
            docs[fraction(row["id"]) < 0.01].append(doc)
    return docs[False], docs[True]


def code(rng: random.Random) -> Split:
    """The running interpreter's own standard library, a file a document (PSF licence)."""
    docs: dict[bool, list[Doc]] = {True: [], False: []}
    for name, text in stdlib():
        docs[fraction(name) < CODE_VALID].append(Doc(text.strip("\n"), "python_stdlib", "code"))
    return docs[False], docs[True]


def stdlib() -> list[tuple[str, str]]:
    root = Path(sysconfig.get_path("stdlib"))
    found = []
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root)
        if SKIPPED_CODE.isdisjoint(name.parts) and path.stat().st_size <= 60_000:
            try:
                found.append((name.as_posix(), clean(path.read_text(encoding="utf-8"))))
            except UnicodeDecodeError:
                continue  # a handful of files declare another encoding
    return found


def tunes(data: Path) -> tuple[list[str], list[str]]:
    """ABC tunes (train, held out); tunes of one title stand on one side."""
    text = clean((data / "pretrain/abc_tunes/tunes.abc").read_text(encoding="utf-8", errors="replace"))
    split: tuple[list[str], list[str]] = ([], [])
    for tune in re.split(r"(?m)^(?=X:)", text):
        title = re.search(r"(?m)^T:\s*(.+)$", tune)
        if title and "K:" in tune:
            split[fraction(title[1].strip().lower()) < TUNE_VALID].append(tune.strip())
    return split


def music(data: Path) -> Split:
    train, held = ([Doc(t, "abc_tunes", "music") for t in side] for side in tunes(data))
    return train, held


def parallel(name: str, pairs: list[Row], rng: random.Random) -> list[Doc]:
    """Sentence pairs of one source, about 1 KB a document, all in one direction."""
    rng.shuffle(pairs)
    docs: list[Doc] = []
    lines: list[str] = []
    order = ("en", "zh")
    for pair in pairs:
        if not lines:
            order = rng.choice((("en", "zh"), ("zh", "en")))
        lines += [pair[order[0]], pair[order[1]]]
        if sum(map(size, lines)) >= 1000:
            docs.append(Doc("\n".join(lines), name, "en-zh"))
            lines = []
    return [*docs, Doc("\n".join(lines), name, "en-zh")] if lines else docs


def pairs_of(data: Path, name: str, held: Held, split: str = "train") -> list[Row]:
    path = data / f"translation/{name}/{split}.jsonl{'.gz' if split == 'train' else ''}"
    rows = [{**row, "en": clean(row["en"]), "zh": clean(row["zh"])} for row in read_rows(path)]
    return [r for r in rows if split != "train" or (r["en"] not in held and r["zh"] not in held)]
