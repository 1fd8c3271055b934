"""Suites of running text: how well a model predicts it, in every measure of ``metrics.perplexity``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from sibao.core.errors import BadInput
from sibao.core.types import Score
from sibao.core.types import Scored as Likelihood
from sibao.evaluation.likelihood import MEASURES, scores
from sibao.evaluation.sample import Judged, Outcome, Reply, Rolling, Sample
from sibao.evaluation.suite import RequestSuite, Rows, Setting
from sibao.metrics.perplexity import Likelihood as Counted
from sibao.text.language import detect


class TextSuite(RequestSuite):
    """A suite of pages. What is scored may differ from the page as published, whose words and bytes are counted."""

    headline = "bits_per_byte"
    higher_is_better = False

    @abstractmethod
    def pages(self, rows: Rows) -> list[tuple[str, str]]:
        """(page as published, text that is scored)."""

    def samples(self, rows: Rows, setting: Setting) -> list[Sample]:
        """One rolling likelihood a page. Worked examples and turns mean nothing here.

        Raises:
            BadInput: shots or chat were asked for.
        """
        if setting.shots or setting.chat:
            raise BadInput(f"{self.name} is running text", hint="leave out --shots and --chat-template")
        strides = (0, setting.stride) if setting.stride else (0,)
        return [
            Sample(str(n), tuple(Rolling(text, s) for s in strides), page, language=detect(page), data={"page": page})
            for n, (page, text) in enumerate(self.pages(rows))
        ]

    def judge(self, sample: Sample, replies: Sequence[Reply]) -> Judged:
        """What the sums need: the log-likelihood, and the tokens that were scored."""
        found = counted(sample, replies[0])
        return Judged({"loglikelihood": found.loglikelihood, "tokens": float(found.tokens)}, "", ())

    def report(self, outcomes: Sequence[Outcome]) -> list[Score]:
        """All measures for each language of the pages."""
        done = [o for o in outcomes if o.judged is not None]
        missing = len(outcomes) - len(done)
        if not done:
            return [Score(name, float("nan"), n=0, missing=missing) for name in MEASURES["en"]]
        pages = [o.sample.data["page"] for o in done]
        found = scores(pages, [counted(o.sample, o.replies[0]) for o in done])
        if all(len(o.replies) > 1 for o in done):
            strided = scores(pages, [counted(o.sample, o.replies[1]) for o in done])
            found += [replace(s, name=f"strided_{s.name}") for s in strided if s.name.startswith("token_perplexity")]
        return [replace(s, missing=missing) for s in found]


def counted(sample: Sample, reply: Reply) -> Counted:
    """A page's likelihood beside the counts of the page as published."""
    if not isinstance(reply, Likelihood):
        raise BadInput("got a completion, wanted a likelihood")
    return Counted.of(sample.data["page"], reply.loglikelihood, reply.tokens)
