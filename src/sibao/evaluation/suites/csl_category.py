"""CSL, title to one of 13 categories."""

from __future__ import annotations

from sibao.evaluation.suites._csl import CSLSuite


class CSLCategory(CSLSuite):
    """The category (学科门类) of a paper by its title."""

    name = "csl_category"
    about = {"en": "category of a Chinese paper by its title, of 13", "zh": "按标题判断中文论文的学科门类（13 类）"}
    folder = "csl_category"
    files = ("dev.jsonl*", "train.jsonl*")
    what = "学科门类"
    given = "标题"
    asked = "门类"


SUITE = CSLCategory()
