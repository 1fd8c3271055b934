"""Prepare the text that `mini` is trained on: `python recipes/mini/prepare.py --data ../shared/data --out build/mini`.

Writes pretrain.jsonl, valid.en.jsonl, valid.zh.jsonl, sft/<task>.<split>.jsonl, cuts.jsonl and manifest.json. The same
data, seed, size and Python version give the same bytes. What measures never trains: see README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import random
import time
from collections import Counter
from pathlib import Path

import forms
import sft
import sources
from common import Doc, Held, Row, clean, read_rows, size, take, write_rows

# Megabytes of each source in a corpus of 70 MB (none: all of it).
SHARES: dict[str, float | None] = {
    "en_novels": 9, "en_classic_books": 7, "en_wiki_demo": None, "scitldr": None, "tinyshakespeare": None,
    "zh_poetry": 9, "zh_novels": 5, "zh_laws": 9, "zh_javaguide": 4, "zh_classical_modern": 3, "cmrc_drcd": None,
    "csl": None, "tatoeba_cmn_eng": None, "3am": None, "python_docs": 3.7, "django_docs": 2, "python_stdlib": 4,
    "abc_tunes": None,
}  # fmt: skip
VALID_KB = {
    "en_novels": 180, "en_wiki_demo": 70, "zh_laws": 80, "zh_javaguide": 40, "zh_poetry": 50, "zh_novels": 40,
    "zh_classical_modern": 40,
}  # fmt: skip
LICENCES = json.loads(Path(__file__).with_name("licences.json").read_text(encoding="utf-8"))


def held_out(data: Path) -> Held:
    """Exact texts of the translation, answer and summary files that only measure."""
    held = Held()
    for path in sorted(data.glob("translation/*/*.jsonl")):
        for row in read_rows(path):
            held.add(*(row[k] for k in ("en", "zh", "source", "reference_a", "reference_b") if k in row))
    for name, lang in (("xquad/xquad.en.json", "en"), ("xquad/xquad.zh.json", "zh"), ("squad_v1.1/dev.json.gz", "en"),
                       ("drcd/test.simplified.json.gz", "zh")):  # fmt: skip
        held.add(*(row["context"] for row in sft.squad_rows(data / "qa" / name, lang)))
    return held


def fine_tuning(data: Path, held: Held, books: dict[str, tuple[list[Row], list[Row]]], seed: int) -> dict[str, Row]:
    tables = {
        "translate": sft.translate(data, held, random.Random(f"{seed}/translate")),
        "answer": sft.answer(data, random.Random(f"{seed}/answer")),
        "summarize": sft.summarize(data),
        "generate": forms.generate(
            data, books["poems"], books["en"], books["zh"], random.Random(f"{seed}/generate")
        ),
    }  # fmt: skip
    for task in ("answer", "summarize"):
        for split in ("valid", "test"):
            key = "context" if task == "answer" else "text"
            held.add(*(row[key] for row in tables[task][split]))
    return tables


def documents(
    data: Path, held: Held, tables: dict[str, Row], books: dict[str, tuple[list[Row], list[Row]]], seed: int
) -> dict[str, sources.Split]:
    """Every source's documents: (train, held out)."""

    def rng(name: str) -> random.Random:
        return random.Random(f"{seed}/{name}")

    papers = [r for r in tables["summarize"]["train"] if not r["source"].startswith("zh_")]
    contexts = dict.fromkeys(r["context"] for r in tables["answer"]["train"] if r["lang"] == "zh")
    found: dict[str, sources.Split] = {
        "en_novels": sources.novels(books["en"], rng("en_novels")),
        "en_classic_books": sources.classics(data, rng("en_classic_books")),
        "en_wiki_demo": sources.wiki(data, held, rng("en_wiki_demo")),
        "scitldr": ([Doc(r["text"], "scitldr", "en") for r in papers if r["lang"] == "en"], []),
        "tinyshakespeare": sources.shakespeare(data, rng("tinyshakespeare")),
        "zh_poetry": tuple(sources.poetry(p, rng("zh_poetry")) for p in books["poems"]),  # type: ignore[dict-item]
        "zh_novels": sources.zh_novels(books["zh"], rng("zh_novels")),
        "zh_laws": sources.laws(data, rng("zh_laws")),
        "zh_javaguide": sources.javaguide(data, rng("zh_javaguide")),
        "zh_classical_modern": sources.classical(data, rng("zh_classical_modern")),
        "cmrc_drcd": ([Doc(c, "cmrc_drcd", "zh") for c in contexts], []),
        "csl": ([Doc(f"{r['summary']}\n{r['text']}", "csl", "zh") for r in papers if r["lang"] == "zh"], []),
        "python_stdlib": sources.code(rng("python_stdlib")),
        "abc_tunes": sources.music(data),
    }
    for name in ("tatoeba_cmn_eng", "3am", "python_docs", "django_docs"):
        found[name] = (sources.parallel(name, sources.pairs_of(data, name, held), rng(name)), [])
    return found


def choose(found: dict[str, sources.Split], megabytes: float, seed: int) -> tuple[list[Doc], dict[str, list[Doc]]]:
    """The shuffled corpus and the validation documents of each language."""
    scale = megabytes / 70 if megabytes else math.inf
    corpus: list[Doc] = []
    for name, (train, _) in found.items():
        share = SHARES[name]
        budget = math.inf if share is None and scale >= 1 else (share or total(train) / 1e6) * 1e6 * scale
        corpus += take(train, budget, random.Random(f"{seed}/take/{name}"))
    random.Random(f"{seed}/shuffle").shuffle(corpus)
    valid: dict[str, list[Doc]] = {"en": [], "zh": []}
    for name, kilobytes in VALID_KB.items():
        valid[name[:2]] += take(found[name][1], kilobytes * 1e3, random.Random(f"0/valid/{name}"))
    return corpus, valid


def total(docs: list[Doc]) -> int:
    return sum(size(doc.text) for doc in docs)


def summary(docs: list[Doc]) -> dict[str, Row]:
    names = sorted({doc.source for doc in docs})
    groups = {name: [doc for doc in docs if doc.source == name] for name in names}
    return {n: {"documents": len(g), "bytes": total(g), "licence": LICENCES[n]} for n, g in groups.items()}


def write_all(
    out: Path, corpus: list[Doc], valid: dict[str, list[Doc]], tables: dict[str, Row], options: Row
) -> Row:  # fmt: skip
    files: dict[str, list[Row]] = {"pretrain.jsonl": [doc.row() for doc in corpus]}
    files |= {f"valid.{lang}.jsonl": [doc.row() for doc in docs] for lang, docs in valid.items()}
    files |= {f"sft/{task}.{split}.jsonl": rows for task, table in tables.items() for split, rows in table.items()}
    split_docs = [("pretrain", corpus), *((f"valid.{lang}", docs) for lang, docs in valid.items())]
    files["cuts.jsonl"] = [
        {"split": split, "number": number, "source": doc.source}
        | dict(zip(("id", "start", "end"), doc.cut, strict=True))
        for split, docs in split_docs for number, doc in enumerate(docs) if doc.cut
    ]  # fmt: skip
    written = {name: write_rows(out / name, rows) for name, rows in files.items()}
    manifest: Row = {
        "made_with": {**options, "python": platform.python_version()},
        "files": {name: {"rows": count, "bytes": length} for name, (count, length) in written.items()},
        "sources": {split: summary(docs) for split, docs in split_docs},
        "fine_tuning": {
            name: dict(Counter(r.get("source") or r.get("form") or f"published.{r['lang']}" for r in rows))
            for name, rows in files.items() if name.startswith("sft/")
        },
    }  # fmt: skip
    aside = out / "manifest.json.part"
    aside.write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    aside.replace(out / "manifest.json")
    return manifest


def deduplicate(corpus: list[Doc], valid: dict[str, list[Doc]]) -> list[Doc]:
    """No document of the corpus twice, nor one that also stands in validation."""
    seen = {doc.text for docs in valid.values() for doc in docs}
    kept = []
    for doc in corpus:
        if doc.text not in seen:
            seen.add(doc.text)
            kept.append(doc)
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with pretrain/, translation/, qa/, ...")
    parser.add_argument("--out", type=Path, default=Path("build/mini"))
    parser.add_argument("--megabytes", type=float, default=70, help="size of pretrain.jsonl's text; 0 takes everything")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if not (args.data / "pretrain").is_dir():
        parser.error(f"--data {args.data} has no folder pretrain/; give the folder that README.md there describes")
    begun = time.monotonic()
    held = held_out(args.data)
    books = {"en": sources.held_novels(args.data), "zh": sources.chapters(args.data), "poems": sources.poems(args.data)}
    tables = fine_tuning(args.data, held, books, args.seed)
    corpus, valid = choose(documents(args.data, held, tables, books, args.seed), args.megabytes, args.seed)
    corpus = [Doc(clean(d.text), d.source, d.lang, d.cut) for d in deduplicate(corpus, valid)]
    manifest = write_all(args.out, corpus, valid, tables, {"megabytes": args.megabytes, "seed": args.seed})
    for name, row in {**manifest["files"], **manifest["sources"]["pretrain"]}.items():
        print(f"{name:26} {row.get('rows', row.get('documents')):>8,} {row['bytes'] / 1e6:9.2f} MB")
    print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
