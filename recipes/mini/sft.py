"""Fine-tuning rows for translate, answer and summarize, with published field names; no article stands in two splits."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

from common import Held, Row, clean, fraction, part, read_rows, read_text
from questions import made_questions
from sources import pairs_of

Splits = dict[str, list[Row]]

# Chinese names of the 24 articles of XQuAD (which names its articles in English only).
XQUAD_ZH = {
    "1973年石油危机", "美国广播公司", "阿波罗计划", "建筑", "建筑业", "欧盟法", "欧洲联盟法", "力", "弗雷斯诺",
    "成吉思汗", "哈佛大学", "胡格诺派", "雨格诺派", "免疫系统", "政府间气候变化专门委员会", "伊斯兰主义", "马丁·路德",
    "尼古拉·特斯拉", "诺曼人", "药学", "药剂学", "素数", "质数", "南加州", "第50届超级碗", "联合卫理公会",
    "维多利亚和阿尔伯特博物馆", "华沙"
}  # fmt: skip


def translate(data: Path, held: Held, rng: random.Random) -> Splits:
    """Pairs for both directions. comprehensive_rust stays unseen: it measures a new domain."""

    def rows(name: str, split: str, count: int | None = None) -> list[Row]:
        pairs = pairs_of(data, name, held, split)
        if name.endswith("_docs"):
            pairs = [p for p in pairs if len(p["en"]) < 250]
        rng.shuffle(pairs)
        return [{"translation": {"en": p["en"], "zh": p["zh"]}, "source": name} for p in pairs[:count]]

    train = rows("tatoeba_cmn_eng", "train") + rows("3am", "train")
    train += rows("python_docs", "train", 10_000) + rows("django_docs", "train", 6_000)
    valid = [r for n, c in (("tatoeba_cmn_eng", 200), ("3am", 150), ("python_docs", 90)) for r in rows(n, "valid", c)]
    valid += rows("django_docs", "valid", 60)
    test = rows("tatoeba_cmn_eng", "test", 300) + rows("3am", "test", 200)
    rng.shuffle(train)
    return {"train": train, "valid": valid, "test": test}


def squad_rows(path: Path, lang: str) -> list[Row]:
    """Flat rows of a SQuAD-form file; an answer that does not stand where the file says is looked for, else dropped."""
    rows = []
    for article in json.loads(read_text(path))["data"]:
        for paragraph in article["paragraphs"]:
            context = clean(paragraph["context"])
            title = clean(article.get("title") or article.get("id") or context[:40])
            for item in paragraph["qas"]:
                answers = located(context, item["answers"])
                row = {"id": str(item["id"]), "title": title, "context": context, "question": clean(item["question"])}
                if answers["text"] and row["question"]:  # one CMRC trial question is empty
                    rows.append({**row, "answers": answers, "lang": lang})
    return rows


def located(context: str, answers: list[Row]) -> Row:
    found: dict[str, int] = {}
    for answer in answers:
        text, start = clean(answer["text"]).strip(), answer["answer_start"]
        place = start if context[start : start + len(text)] == text else context.find(text)
        if text and place >= 0:
            found.setdefault(text, place)
    return {"text": list(found), "answer_start": list(found.values())}


def answer(data: Path, rng: random.Random) -> Splits:
    """Reading comprehension by article. Whatever XQuAD also has goes to test, so English train rows are rule-made."""
    xquad = [r for lang in ("en", "zh") for r in squad_rows(data / f"qa/xquad/xquad.{lang}.json", lang)]
    barred = {r["title"] for r in xquad} | {r["context"] for r in xquad} | XQUAD_ZH
    rows = squad_rows(data / "qa/squad_v1.1/dev.json.gz", "en")
    for name in ("cmrc2018/dev.json.gz", "cmrc2018/trial.json.gz", "drcd/dev.simplified.json.gz"):
        rows += squad_rows(data / "qa" / name, "zh")
    barred |= {r["title"] for r in rows if r["context"] in barred}
    where = {r["title"]: part(r["title"]) for r in rows}
    # One paragraph may stand under two titles: it follows the strictest of them.
    for row in rows:
        barred |= {row["context"]} if row["title"] in barred or where[row["title"]] == "test" else set()
    splits: Splits = {"train": [], "valid": [], "test": []}
    for row in rows:
        side = "test" if row["title"] in barred or row["context"] in barred else where[row["title"]]
        if side != "train" or len(row["context"]) <= (900 if row["lang"] == "zh" else 2200):
            splits[side].append(row)
    measured = {r["context"] for side in ("valid", "test") for r in splits[side]}
    splits["train"] = [r for r in splits["train"] if r["context"] not in measured] + made_questions(data)
    rng.shuffle(splits["train"])
    splits["brief"] = [row for whole in splits["train"] if (row := brief(whole)) is not None]
    return splits


def brief(row: Row, longest: int = 110) -> Row | None:
    """The row with only the sentences around its answer: copying is learned on short passages first.

    ``longest``: characters of a Chinese passage; three times as many of an English one. None: the answer's own
    sentence is longer, or the passage is short already.
    """
    room = longest * (3 if row["lang"] == "en" else 1)
    text, said = row["context"], row["answers"]["text"][0]
    ends = [m.end() for m in re.finditer(r"[。！？；\n]|[.!?] (?=[A-Z])", text)]
    begins, start = [0, *ends], row["answers"]["answer_start"][0]
    begin = max(b for b in begins if b <= start)
    end = min([e for e in ends if e >= start + len(said)] or [len(text)])
    if len(text) <= room or end - begin > room:
        return None
    while True:  # grow by a sentence on either side while there is room
        before, after = (
            max((b for b in begins if b < begin), default=begin),
            min((e for e in ends if e > end), default=end),
        )
        if before < begin and end - before <= room:
            begin = before
        elif after > end and after - begin <= room:
            end = after
        else:
            break
    passage = text[begin:end]
    found = {"text": [said], "answer_start": [start - begin]}
    return {**row, "context": passage, "answers": found} if passage[start - begin :].startswith(said) else None


def summarize(data: Path) -> Splits:
    """Paper abstracts → one sentence (en) or title (zh), and articles → the author's description (zh).

    csl_keywords holds the same papers as csl_title, so it adds nothing here.
    """
    splits: Splits = {"train": [], "valid": [], "test": []}
    for name in ("train", "dev"):
        for row in read_rows(data / f"summarization/scitldr/{name}.jsonl.gz"):
            text = clean(" ".join(row["source"])).strip()
            side = "train" if name == "train" else "valid" if fraction(text) < 0.5 else "test"
            splits[side].append(summary(text, clean(row["target"][0]), "en", "scitldr"))
    for row in read_rows(data / "summarization/csl_title/dev.jsonl"):
        text = clean(row["source"]).strip()
        splits[part(text)].append(summary(text, clean(row["target"]), "zh", "csl_title"))
    for row in read_rows(data / "pretrain/zh_javaguide/zh_javaguide.jsonl.zst"):
        text, described = plain_markdown(row["text"])[:700], clean(row.get("description") or "").strip()
        if len(text) >= 150 and len(described) >= 15:
            splits[part(row["id"], 0.9, 0.05)].append(summary(cut(text), described, "zh", "zh_javaguide"))
    return disjoint(splits)


def disjoint(splits: Splits) -> Splits:
    measured = {r["text"] for side in ("valid", "test") for r in splits[side]}
    return {**splits, "train": [r for r in splits["train"] if r["text"] not in measured]}


def summary(text: str, target: str, lang: str, source: str) -> Row:
    return {"text": text.strip(), "summary": target.strip(), "lang": lang, "source": source}


def cut(text: str) -> str:
    """Ends on the last sentence mark, if there is one in the second half."""
    end = max(text.rfind(mark) for mark in "。！？\n")
    return text[: end + 1] if end > len(text) // 2 else text


def plain_markdown(text: str) -> str:
    """Markdown without code blocks, pictures, links, HTML tags, headings and bold marks."""
    text = re.sub(r"```.*?```|<!--.*?-->|!\[[^\]]*\]\([^)]*\)|<[^>\n]+>", "", clean(text), flags=re.S)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"(?m)^\s*(?:#+|>|:::.*)\s*|\*\*|`", "", text)
    return re.sub(r"\n\s*\n+", "\n", text).strip()
