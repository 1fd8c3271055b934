"""Tatoeba, Chinese and English: everyday sentences translated by volunteers (tatoeba.org)."""

from __future__ import annotations

from sibao.evaluation.suites._pairs import PairSuite


class Tatoeba(PairSuite):
    """There is no published split: the test rows are those of a split in which no sentence stands in two parts."""

    name = "tatoeba"
    about = {"en": "everyday sentences, both ways", "zh": "日常句子，中英互译"}
    license = "CC BY 2.0 FR"
    source = "https://tatoeba.org"
    folder = "tatoeba_cmn_eng"


SUITE = Tatoeba()
