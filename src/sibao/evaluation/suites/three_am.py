"""3AM: ambiguous image descriptions and their professional translations, text only (Ma et al. 2024, arXiv 2404.18413)."""

from __future__ import annotations

from sibao.evaluation.suites._pairs import PairSuite


class ThreeAM(PairSuite):
    """The pictures that settle an ambiguity are not shown, so a wrong reading may be nobody's fault."""

    name = "three_am"
    about = {"en": "descriptions of pictures, both ways, without the pictures", "zh": "图片描述的互译（不看图）"}
    license = "MIT"
    source = "https://github.com/MaxyLee/3AM"
    folder = "3am"
    caveat = {
        "en": "written to need the picture; here it is not shown",
        "zh": "原数据须看图才能消歧，此处不给图",
    }


SUITE = ThreeAM()
