"""CMMLU: 67 subjects, many of them about China (Li et al. 2023, arXiv 2306.09212)."""

from __future__ import annotations

from sibao.evaluation.suites._chinese_exams import ChineseExams


class CMMLU(ChineseExams):
    """The ``test`` split. Columns: a number without a name, ``Question``, ``A`` … ``D``, ``Answer``."""

    name = "cmmlu"
    about = {"en": "67 subjects in Chinese, many about China", "zh": "67 门中文学科（含中国特有学科）的四选一题"}
    source = "https://huggingface.co/datasets/haonan-li/cmmlu"
    folder = "cmmlu"
    files = ("test/*.csv", "dev/*.csv")
    question = "Question"
    answer = "Answer"
    line = "以下是关于{}的单项选择题，请直接给出正确答案的选项。"


SUITE = CMMLU()
