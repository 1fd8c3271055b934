"""Suites of documents and their summaries."""

from __future__ import annotations

from sibao.evaluation.on_tasks import TaskSuite


class SummarySuite(TaskSuite):
    """ROUGE by the task's own rules: per word in English, per character in Chinese, the best of several references."""

    version = "2"
    area = "summarization"
    task = "summarize"
    metrics = ("rougel", "rouge1", "rouge2")
    headline = "rougel"
