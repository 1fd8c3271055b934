"""C-Eval: 52 subjects of Chinese exams (Huang et al. 2023, arXiv 2305.08322)."""

from __future__ import annotations

from sibao.evaluation.suites._chinese_exams import ChineseExams


class CEval(ChineseExams):
    """The ``val`` split, whose answers are public; those of ``test`` are not. Columns ``id``, ``question``, ``A`` … ``D``,
    ``answer`` (``explanation`` in ``dev``)."""

    name = "ceval"
    about = {"en": "52 subjects of Chinese exams, four options each", "zh": "52 门中文考试学科的四选一题"}
    source = "https://huggingface.co/datasets/ceval/ceval-exam"
    folder = "ceval"
    files = ("val/*.csv", "dev/*.csv")
    split = "val"
    line = "以下是中国关于{}的单项选择题，请选出其中的正确答案。"


SUITE = CEval()
