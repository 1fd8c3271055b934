"""CMRC 2018: questions on Chinese Wikipedia passages (Cui et al. 2019, arXiv 1810.07366)."""

from __future__ import annotations

from sibao.evaluation.own_split import SPLIT, own_test
from sibao.evaluation.places import Place
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._reading import ReadingSuite, document, questions


class CMRC2018(ReadingSuite):
    """The development file, of which ``mini`` was trained on a part: by default the part that it has never seen is scored,
    by ``cmrc2018:all`` every row."""

    name = "cmrc2018"
    about = {"en": "answers from Chinese Wikipedia passages", "zh": "中文维基段落的抽取式问答"}
    languages = ("zh",)
    license = "CC BY-SA 4.0"
    source = "https://github.com/ymcui/cmrc2018"
    folder = "cmrc2018"
    variants = ("all",)
    caveat = {
        "en": "figures on the own test part do not compare with published ones; those of :all do, for models other than mini",
        "zh": "自有测试部分的分数不可与公开结果比较；:all 可以，但不适用于 mini",
    }

    def read(self, place: Place) -> Rows:
        """As all reading suites; without ``all`` the rows of the own test part."""
        rows = questions(place, self.files[0])
        if self.variant == "all":
            return Rows(rows, split=self.split)
        return Rows(own_test(rows, document), split=SPLIT.format(self.split))


SUITE = CMRC2018()
