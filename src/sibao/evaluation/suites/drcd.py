"""DRCD: questions on Taiwanese Wikipedia passages, here in simplified characters (Shao et al. 2018, arXiv 1806.00920)."""

from __future__ import annotations

from sibao.evaluation.own_split import SPLIT, own_test
from sibao.evaluation.places import Place
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._reading import ReadingSuite, document, questions


class DRCD(ReadingSuite):
    """The published test file; where that is missing the development file, of which ``mini`` was trained on a part: then the part
    that it has never seen, and by ``drcd:all`` every row."""

    name = "drcd"
    about = {
        "en": "answers from Chinese Wikipedia passages, converted to simplified",
        "zh": "繁体维基段落问答（已转简体）",
    }
    languages = ("zh",)
    license = "CC BY-SA 3.0"
    source = "https://github.com/DRCKnowledgeTeam/DRCD"
    folder = "drcd"
    variants = ("all",)
    files = ("[td]e[sv]*.json*",)
    caveat = {
        "en": "mini was trained on other passages of some of these articles, from the development file; on no row of the test",
        "zh": "mini 训练时读过其中部分条目的其他段落（取自开发集），但没有见过测试题",
    }

    def read(self, place: Place) -> Rows:
        """As all reading suites."""
        if place.has("test*.json*"):
            return Rows(questions(place, "test*.json*"))
        rows = questions(place, self.files[0])
        if self.variant == "all":
            return Rows(rows, split="dev")
        return Rows(own_test(rows, document), split=SPLIT.format("dev"))


SUITE = DRCD()
