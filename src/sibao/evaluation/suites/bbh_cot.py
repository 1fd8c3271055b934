"""BIG-Bench Hard with the working written out, as most published figures have it (Suzgun et al. 2022)."""

from __future__ import annotations

from sibao.core.types import Row
from sibao.evaluation.places import Place
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites.bbh import BBH, THINKING


class BBHThinking(BBH):
    """``exact_match``: what stands behind the first "the answer is" is the target.

    The published folder ``cot-prompts`` holds the worked examples; without it the working of other rows is not known, and
    there are none.
    """

    name = "bbh_cot"
    about = {"en": "27 hard tasks, with the working written out", "zh": "27 项困难任务，写出推理过程（英文）"}
    max_tokens = 512
    stop = ("\n\nQ:", "Q: ", "</s>")
    delimiter = "\n"
    last_line = THINKING

    def read(self, place: Place) -> Rows:
        """As ``bbh`` reads them; all rows are scored where there are no published worked examples."""
        rows = super().read(place)
        if all("_working" in row for row in rows.shots):
            return rows
        return Rows([*rows.shots, *rows.test])

    def worked(self, row: Row) -> str:
        """The published working."""
        return str(row.get("_working", ""))  # rows that are scored have none

    def strict(self, text: str) -> str:
        """What is said to be the answer, to the end of its line."""
        _, said, rest = text.replace("The answer is", "the answer is").partition("the answer is ")
        return rest.partition("\n")[0].strip().removesuffix(".") if said else ""


SUITE = BBHThinking()
