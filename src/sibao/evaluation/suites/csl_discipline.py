"""CSL, abstract to one of 67 disciplines."""

from __future__ import annotations

from sibao.evaluation.suites._csl import CSLSuite


class CSLDiscipline(CSLSuite):
    """The discipline (一级学科) of a paper by its abstract."""

    name = "csl_discipline"
    about = {"en": "discipline of a Chinese paper by its abstract, of 67", "zh": "按摘要判断中文论文的学科（67 类）"}
    folder = "csl_discipline"
    files = ("dev.jsonl*", "train.jsonl*")
    what = "学科"
    given = "摘要"
    asked = "学科"


SUITE = CSLDiscipline()
