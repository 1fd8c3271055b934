"""SQuAD 1.1: questions on Wikipedia passages (Rajpurkar et al. 2016, arXiv 1606.05250)."""

from __future__ import annotations

from sibao.evaluation.suites._reading import ReadingSuite


class SQuAD(ReadingSuite):
    """The published development file. ``mini`` was trained on no question of it."""

    name = "squad"
    about = {"en": "answers from English Wikipedia passages", "zh": "英文维基段落的抽取式问答"}
    license = "CC BY-SA 4.0"
    source = "https://rajpurkar.github.io/SQuAD-explorer/"
    folder = "squad_v1.1"


SUITE = SQuAD()
