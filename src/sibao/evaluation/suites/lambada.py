"""LAMBADA: the last word of a passage (Paperno et al. 2016, arXiv 1606.06031).

Two forms of the data are about and give very different figures: ``openai`` keeps case and layout of the books (GPT-2's
paper), ``standard`` is lower-cased and tokenized as first published. The file's name says which it is, and scores say it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sibao.core.errors import BadInput, DataError
from sibao.core.types import Row, Score
from sibao.evaluation.places import Place, field
from sibao.evaluation.sample import Judged, Loglikelihood, Outcome, Reply, Sample
from sibao.evaluation.suite import RequestSuite, Rows, Setting
from sibao.evaluation.targets import judged, scores

FORMS = ("openai", "standard")


class LAMBADA(RequestSuite):
    """``acc``: every token of the word is the likeliest one; ``perplexity``: exp of the mean of -log p(word)."""

    name = "lambada"
    area = "language"
    about = {"en": "the last word of a passage of a novel", "zh": "小说段落的最后一个词（英文）"}
    license = "CC BY 4.0"
    source = "https://zenodo.org/records/2630551"
    folder = "lambada"
    files = ("lambada*.jsonl*",)
    ran_on_real_data = False
    caveat = {
        "en": "tried on rows of our own in the published form only",
        "zh": "仅用自拟的同格式样例试过，未在真实数据上运行",
    }

    def read(self, place: Place) -> Rows:
        """Rows of ``text``; the form is in the name of the file (``lambada_openai.jsonl``)."""
        rows = list(place.rows(self.files[0]))
        for row in rows:
            if len(field(row, "text").split(" ")) < 2:
                raise DataError("got one word, wanted a passage", file=row["_file"], line=row["_line"], field="text")
        return Rows(rows, split=f"test ({', '.join(sorted({form(row) for row in rows}))})")

    def samples(self, rows: Rows, setting: Setting) -> list[Sample]:
        """One likelihood a passage: the last word after all before it; cut at single spaces, as lm-evaluation-harness does.

        Raises:
            BadInput: worked examples or turns, which a passage has none of.
        """
        if setting.shots or setting.chat:
            raise BadInput(f"{self.name} is running text", hint="leave out --shots and --chat-template")
        return [_sample(row, number) for number, row in enumerate(rows.test)]

    def judge(self, sample: Sample, replies: Sequence[Reply]) -> Judged:
        """Whether the word would have been written, and how likely it is."""
        return judged(replies, sample.target)

    def report(self, outcomes: Sequence[Outcome]) -> list[Score]:
        """Accuracy and perplexity; accuracy for each form where the files hold both."""
        return scores(outcomes)


def form(row: Row) -> str:
    """The form that the name of the row's file says."""
    stem = Path(str(row.get("_file", ""))).name
    return next((name for name in FORMS if name in stem), "unnamed form")


def _sample(row: Row, number: int) -> Sample:
    *before, word = row["text"].split(" ")
    request = Loglikelihood(" ".join(before), f" {word}")
    return Sample(f"{form(row)}.{number}", (request,), word, form(row), language="en")


SUITE = LAMBADA()
