"""The parts of a measurement of `mini`. Each gives ``{"lines": [...], ...}``: one line for each score, with the same
score of every baseline on the same rows and a paired comparison."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import baselines

from sibao.core.errors import SibaoError
from sibao.core.progress import progress
from sibao.core.types import GenerateOptions, Row, Sampling, Score
from sibao.evaluation import harness, likelihood
from sibao.evaluation.harness import Answered
from sibao.evaluation.statistics import Comparison, compare, wilson
from sibao.metrics import perplexity
from sibao.metrics.perplexity import Likelihood
from sibao.providers.local import LocalModel
from sibao.tasks import long
from sibao.tasks.base import Task, load_task
from sibao.tasks.forms.base import load_form

SEED = 2024
SAMPLES = 3
"""Rows of each set that are shown in the card: the first ones drawn, not chosen."""
DRAWN: tuple[tuple[str, str], ...] = (
    ("poem", "五言"), ("poem", "七言"), ("code", ""), ("music", ""), ("script", ""), ("story", ""),
)  # fmt: skip
DRAWS = 20
SAMPLING = Sampling(temperature=0.8, top_p=0.9)
ROUGE = ("rouge1", "rouge2", "rougel")


@dataclass(frozen=True)
class Setting:
    """What every part is given. ``limit``: rows of each set; ``ngram``: a run's folder or a file of bench/ngram.py."""

    model: LocalModel
    data: Path
    limit: int
    ngram: str | None = None


def read(path: Path) -> list[Row]:
    """All rows of a JSON Lines file."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def draw(rows: Sequence[Row], limit: int) -> list[Row]:
    """At most ``limit`` rows in a fixed random order."""
    order = list(rows)
    random.Random(SEED).shuffle(order)
    return order[:limit]


def line(
    data: str, language: str, score: Score, rivals: dict[str, tuple[Score, Comparison | None]], better: bool = True
) -> Row:
    """One line of the report."""
    shown = {
        name: {"score": rival.to_json(), "comparison": None if test is None else test.__dict__}
        for name, (rival, test) in rivals.items()
    }
    head = {"data": data, "language": language, "higher_is_better": better}
    return {**head, "score": score.to_json(), "baselines": shown}


def scored(
    task: Task[Any], data: str, language: str, given: list[Answered], rivals: dict[str, list[Answered]],
    metrics: Sequence[str],
) -> list[Row]:  # fmt: skip
    """Lines for the answers of one language on one set."""
    own = harness.score(task, given, metrics)[0].scores
    theirs = {name: harness.score(task, said, metrics)[0].scores for name, said in rivals.items()}
    tests = {name: harness.compare_answers(task, given, said, metrics) for name, said in rivals.items()}
    return [
        line(data, language, score, {name: (theirs[name][i], tests[name].get(score.name)) for name in rivals})
        for i, score in enumerate(own)
    ]


def ask(
    setting: Setting, task: Task[Any], rows: Sequence[Row], language: str, title: str, **options: Any
) -> list[Answered]:
    """The model's greedy answers; all references count as being in ``language``."""
    todo = [replace(item, language=language) for item in harness.items(task, enumerate(rows), **options)]
    with progress(len(todo), title, unit="row") as bar:
        return harness.answer(task, setting.model, todo, on_done=lambda _: bar.advance())


def shown(given: Iterable[Answered], source: Callable[[Any], str]) -> list[Row]:
    """The first answers, beside what went in and what was wanted."""
    return [
        {"input": source(a.item.inputs), "output": a.result.text, "reference": a.item.references[0]}
        for a in list(given)[:SAMPLES] if a.result is not None
    ]  # fmt: skip


def bits(found: Sequence[Likelihood], language: str) -> Score:
    """Bits per byte of texts."""
    return perplexity.score(found, language=language, measure="bits_per_byte")


def paired_bits(first: Sequence[Likelihood], second: Sequence[Likelihood]) -> Comparison:
    """Paired test over documents of two models' bits per byte."""
    rows = [[[-f.loglikelihood / math.log(2), f.bytes] for f in side] for side in (first, second)]
    return compare(rows[0], rows[1], statistic=lambda sums: sums[:, 0] / sums[:, 1], higher_is_better=False)


def language_model(setting: Setting) -> Row:
    """Bits per byte of held-out documents in each language, beside the 5-gram model."""
    texts = {lang: [row["text"] for row in read(setting.data / f"valid.{lang}.jsonl")] for lang in ("en", "zh")}
    texts = {lang: group[: setting.limit] for lang, group in texts.items()}
    own: dict[str, list[Likelihood]] = {}
    for lang, group in texts.items():
        with progress(len(group), f"bits per byte {lang}", unit="text") as bar:
            own[lang] = likelihood.likelihoods(setting.model, group, bar.advance)
    rivals, facts = _ngram(setting, texts, own)
    lines = [line(f"valid.{lang}.jsonl", lang, bits(own[lang], lang), rivals[lang], better=False) for lang in texts]
    return {"lines": lines, "ngram": facts}


def _ngram(
    setting: Setting, texts: dict[str, list[str]], own: dict[str, list[Likelihood]]
) -> tuple[dict[str, dict[str, tuple[Score, Comparison | None]]], Row]:
    """The 5-gram model from a run (paired with ``own``), or its totals from a file of bench/ngram.py."""
    if setting.ngram is None:
        return {lang: {} for lang in texts}, {"missing": "not measured: no --ngram"}
    path = Path(setting.ngram)
    if not path.is_file():
        found, facts = baselines.ngram(setting.ngram, texts)
        return {
            lang: {"5-gram": (bits(found[lang], lang), paired_bits(own[lang], found[lang]))} for lang in texts
        }, facts
    report = json.loads(path.read_text(encoding="utf-8").strip().splitlines()[-1])
    totals = report.pop("bits_per_byte")
    name, how = f"{report['order']}-gram", "bench/ngram.py, whole file, ends of documents included"
    return {
        lang: {name: (Score("bits_per_byte", totals[f"valid.{lang}.jsonl"], signature=how), None)} for lang in texts
    }, report


def translate(setting: Setting) -> Row:
    """chrF and BLEU in both directions, on all rows and by source, beside copying the source."""
    task = load_task("translate")
    rows = draw(read(setting.data / "sft/translate.test.jsonl"), setting.limit)
    lines, samples = [], {}
    for to in ("en", "zh"):
        given = ask(setting, task, rows, to, f"translate to {to}", to=to)
        samples[to] = shown(given, lambda inputs: str(inputs.text))
        for name in ("all", *sorted({row["source"] for row in rows})):
            part = [a for a, row in zip(given, rows, strict=True) if name in ("all", row["source"])]
            rivals = {"copy": baselines.answers([a.item for a in part], lambda inputs: str(inputs.text))}
            lines += scored(task, name, to, part, rivals, ("chrf", "bleu"))
    return {"lines": lines, "samples": samples}


def answer(setting: Setting) -> Row:
    """Exact match and F1 in both languages, beside the sentence that BM25 ranks best."""
    task = load_task("answer")
    rows = read(setting.data / "sft/answer.test.jsonl")
    lines, samples = [], {}
    for lang, name in (("zh", "CMRC 2018 + DRCD, own held-out part"), ("en", "SQuAD 1.1")):
        part = draw([row for row in rows if row["lang"] == lang], setting.limit)
        given = ask(setting, task, part, lang, f"answer {lang}")
        samples[lang] = shown(given, lambda inputs: str(inputs.question))
        found = baselines.answers([a.item for a in given], lambda i: baselines.best_sentence(i.context, i.question))
        lines += scored(task, name, lang, given, {"best sentence": found}, ("exact_match", "f1"))
    return {"lines": lines, "samples": samples}


def summarize(setting: Setting) -> Row:
    """ROUGE on each source, beside its first sentence, its first three and the whole text."""
    task = load_task("summarize")
    rows = read(setting.data / "sft/summarize.test.jsonl")
    lines, samples = [], {}
    for name in sorted({row["source"] for row in rows}):
        part = draw([row for row in rows if row["source"] == name], setting.limit)
        lang = part[0]["lang"]
        given = ask(setting, task, part, lang, f"summarize {name}")
        samples[name] = shown(given, lambda inputs: str(inputs.text))
        todo = [a.item for a in given]
        rivals = {
            "lead-1": baselines.answers(todo, lambda inputs: baselines.lead(inputs.text, 1)),
            "lead-3": baselines.answers(todo, lambda inputs: baselines.lead(inputs.text, 3)),
            "copy": baselines.answers(todo, lambda inputs: str(inputs.text)),
        }
        lines += scored(task, name, lang, given, rivals, ROUGE)
    return {"lines": lines, "samples": samples}


def generate(setting: Setting) -> Row:
    """How many drawn pieces have their form, beside how many of the human ones have it by the same checker."""
    rows = draw(read(setting.data / "sft/generate.valid.jsonl"), 10**9)
    lines, samples = [], {}
    for form, style in DRAWN:
        part = [r for r in rows if r["form"] == form and r.get("style", "") == style][: min(DRAWS, setting.limit)]
        name = f"{form} {style}".strip()
        texts = _drawn(setting, part, name)
        own = [text for text in texts if text is not None]
        checker = load_form(form)
        shares = [
            _share([checker.check(t, style).ok for t in group]) for group in (own, [r["completion"] for r in part])
        ]
        lines.append(
            line(name, part[0]["lang"], replace(shares[0], missing=len(part) - len(own)), {"human": (shares[1], None)})
        )
        samples[name] = [
            {"input": row["prompt"], "output": text} for row, text in zip(part, texts, strict=True) if text
        ][:SAMPLES]
    rhyme = find_spec("pypinyin") is not None
    return {"lines": lines, "samples": samples, "rhyme_checked": rhyme, "sampling": SAMPLING.__dict__, "seed": SEED}


def _drawn(setting: Setting, rows: Sequence[Row], title: str) -> list[str | None]:
    """One piece for each row; the i-th is drawn with seed SEED + i. None where it could not be made."""
    task, texts = load_task("generate"), list[str | None]()
    with progress(len(rows), f"generate {title}", unit="piece") as bar:
        for i, row in enumerate(rows):
            inputs, _ = task.read(row)
            options = GenerateOptions(task.max_tokens(inputs), replace(SAMPLING, seed=SEED + i))
            try:
                texts.append(long.run(task, setting.model, inputs, options).text)
            except SibaoError:
                texts.append(None)
            bar.advance()
    return texts


def _share(passed: list[bool]) -> Score:
    if not passed:
        return Score("form", float("nan"), signature="nothing to check")
    low, high = wilson(sum(passed), len(passed))
    return Score("form", sum(passed) / len(passed), low, high, n=len(passed), signature="share that passes|wilson")


PARTS: dict[str, Callable[[Setting], Row]] = {
    "language_model": language_model, "translate": translate, "answer": answer, "summarize": summarize,
    "generate": generate,
}  # fmt: skip
