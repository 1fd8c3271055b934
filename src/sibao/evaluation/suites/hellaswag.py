"""HellaSwag: how a scene goes on (Zellers et al. 2019, arXiv 1905.07830)."""

from __future__ import annotations

import re

from sibao.core.types import Row
from sibao.evaluation.choice import ChoiceSuite, Question
from sibao.evaluation.places import Place, field
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._options import ids, index, refuse

_BRACKETS = re.compile(r"\[.*?\]")


class HellaSwag(ChoiceSuite):
    """Four endings of a scene, by the likelihood of their text; ``acc_norm`` is the figure that is usually given.

    GPT-2's published 28.9 (``acc``) and 31.1 (``acc_norm``) are without worked examples. Files: ``hellaswag_val.jsonl``, and
    ``hellaswag_train.jsonl`` for worked examples. Endings to one video or article are one cluster.
    """

    name = "hellaswag"
    area = "accuracy"
    about = {"en": "the likeliest ending of a scene", "zh": "场景续写四选一（英文）"}
    license = "MIT"
    source = "https://github.com/rowanz/hellaswag"
    folder = "hellaswag"
    files = ("hellaswag_val*.jsonl*", "hellaswag_train*.jsonl*")
    headline = "acc_norm"
    lettered = False
    ran_on_real_data = False
    caveat = {
        "en": "tried on rows of our own in the published form only",
        "zh": "仅用自拟的同格式样例试过，未在真实数据上运行",
    }

    def read(self, place: Place) -> Rows:
        """Rows of ``ind``, ``activity_label``, ``ctx_a``, ``ctx_b``, ``endings``, ``label``, ``split_type``, ``source_id``."""
        shots = list(place.rows(self.files[1])) if place.has(self.files[1]) else []
        return Rows(list(place.rows(self.files[0])), shots, split="val")

    def questions(self, rows: Rows) -> list[Question]:
        """Ids are the published ``ind`` where those are unique; groups ``indomain`` and ``zeroshot``."""
        return [_question(row, name) for row, name in zip(rows.test, ids(rows.test, "ind"), strict=True)]

    def examples(self, rows: Rows, question: Question, shots: int) -> list[Question]:
        """The first rows of the training file, for every question the same."""
        return self.questions(Rows(rows.shots[:shots], [], "shots"))

    def prompt(self, question: Question) -> str:
        """The scene as it stands: its ending follows."""
        return question.text


def clean(text: str) -> str:
    """Without the marks of WikiHow: " [title]" ends a sentence, other words in brackets go."""
    return _BRACKETS.sub("", text.strip().replace(" [title]", ". ")).replace("  ", " ")


def _question(row: Row, name: str) -> Question:
    endings = field(row, "endings", list)
    if len(endings) < 2 or not all(isinstance(one, str) and clean(one) for one in endings):
        refuse(row, "endings", "wanted at least two texts")
    scene = f"{field(row, 'activity_label')}: {field(row, 'ctx_a')} {field(row, 'ctx_b').capitalize()}"
    return Question(
        name,
        clean(scene),
        tuple(clean(one) for one in endings),
        (index(row, "label", len(endings)),),
        group=str(row.get("split_type") or ""),
        cluster=str(row.get("source_id") or ""),
    )


SUITE = HellaSwag()
