"""CSL: keywords of a Chinese paper from its abstract and title (Li et al. 2022, arXiv 2209.05034)."""

from __future__ import annotations

import re

from sibao.evaluation.places import Place, field
from sibao.evaluation.sample import Judged, Sample
from sibao.evaluation.suite import Rows
from sibao.evaluation.writing import Exercise, WritingSuite

_BETWEEN = re.compile(r"[_；;、，,\n]+")


class CSLKeywords(WritingSuite):
    """F1 of the set of keywords written against the set published; a keyword counts when it is the same to the letter, case
    and spaces at its ends aside (the F1@M of keyphrase generation, Yuan et al. 2020)."""

    name = "csl_keywords"
    area = "summarization"
    about = {"en": "keywords of Chinese papers", "zh": "由论文摘要和标题写出关键词"}
    languages = ("zh",)
    license = "Apache-2.0"
    source = "https://github.com/ydli-ai/CSL"
    folder = "csl_keywords"
    files = ("dev.jsonl*",)
    headline = "f1"
    stop = ("\n",)
    max_tokens = 64
    delimiter = ""
    caveat = {
        "en": "mini has read most of these abstracts with their titles, but none of the keywords",
        "zh": "mini 读过其中多数摘要和标题，但没有见过关键词",
    }

    def read(self, place: Place) -> Rows:
        """Rows of ``source`` (abstract, a space, title) and ``target`` (keywords joined by ``_``)."""
        return Rows(list(place.rows(self.files[0])), split="dev")

    def exercises(self, rows: Rows) -> list[Exercise]:
        """Ids are the lines of the file."""
        return [
            Exercise(
                str(row.get("_line", number)),
                f"写出这篇论文的关键词，用“_”隔开。\n{field(row, 'source')}\n关键词：",
                tuple(keywords(field(row, "target"))),
                worked=row["target"],
                language="zh",
            )
            for number, row in enumerate(rows.test)
        ]

    def grade(self, exercise: Sample, text: str) -> Judged:
        """F1, precision and recall of the keywords."""
        said = keywords(text)
        wanted = {word.lower() for word in exercise.data["accepted"]}
        shared = len(wanted & {word.lower() for word in said})
        values = {
            "f1": 2 * shared / (len(said) + len(wanted)) if said or wanted else 0.0,
            "precision": shared / len(said) if said else 0.0,
            "recall": shared / len(wanted) if wanted else 0.0,
            "parsed": float(bool(said)),
        }
        return Judged(values, "_".join(said), tuple(exercise.data["accepted"]))


def keywords(text: str) -> list[str]:
    """The different keywords in a text, in order; joined by ``_`` as published, or by commas, semicolons, 、 or lines."""
    found: dict[str, str] = {}
    for word in _BETWEEN.split(text.strip().removeprefix("关键词：").rstrip("。.")):
        if word.strip():
            found.setdefault(word.strip().lower(), word.strip())
    return list(found.values())


SUITE = CSLKeywords()
