"""The four output types of YAML tasks: what is asked for a row, and what the replies are worth."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from sibao.core.errors import BadInput
from sibao.core.names import load_module
from sibao.core.types import Completion, Language, Row, Score
from sibao.core.types import Scored as Likelihood
from sibao.evaluation import targets
from sibao.evaluation.conventions import right
from sibao.evaluation.places import Place
from sibao.evaluation.reporting import means
from sibao.evaluation.sample import Generation, Judged, Loglikelihood, Outcome, Reply, Request, Rolling, Sample
from sibao.evaluation.suite import Area, RequestSuite, Rows, Setting
from sibao.evaluation.texts import counted
from sibao.evaluation.yaml_config import TaskFile
from sibao.evaluation.yaml_metrics import CORPUS, Pipeline, exact_match
from sibao.evaluation.yaml_prompt import Prompts, answers_of, choices_of, gold_of, target_of
from sibao.metrics import perplexity
from sibao.text.language import detect


class YamlSuite(RequestSuite):
    """What the four output types share."""

    area: ClassVar[Area] = "accuracy"
    about: ClassVar[dict[Language, str]] = {
        "en": "a task of lm-evaluation-harness, in YAML",
        "zh": "lm-evaluation-harness 的 YAML 任务",
    }
    languages: ClassVar[tuple[Language, ...]] = ("en", "zh")
    license = "the task's own"

    def __init__(self, task: TaskFile) -> None:
        self.task = task

    def read(self, place: Place) -> Rows:
        """The rows of the split that is scored, and those that worked examples come from, where they are there."""
        task = self.task
        shots = list(task.shots.rows)
        if not shots and task.shots.split and all(place.has(pattern) for pattern in task.files.of(task.shots.split)):
            shots = task.files.rows(place, task.shots.split)
        return Rows(task.files.rows(place, task.split), shots, task.split)

    def samples(self, rows: Rows, setting: Setting) -> list[Sample]:
        """One sample a row."""
        prompts = Prompts(self.task, rows.shots, setting)
        return [self.sample(number, row, prompts) for number, row in enumerate(rows.test)]

    @abstractmethod
    def sample(self, number: int, row: Row, prompts: Prompts) -> Sample:
        """A row's requests and what is wanted."""

    def keep(self, values: dict[str, float]) -> dict[str, float]:
        """The metrics of the task, in its order."""
        return {metric.name: values[metric.name] for metric in self.task.metrics if metric.name in values}


class Choices(YamlSuite):
    """``multiple_choice``."""

    def sample(self, number: int, row: Row, prompts: Prompts) -> Sample:
        """The choices' likelihoods, and those without the question where ``acc_mutual_info`` is wanted."""
        context, choices = prompts.of(row), choices_of(self.task.texts, row)
        delimiter = "" if prompts.setting.chat else self.task.texts.target_delimiter
        requests: list[Request] = [Loglikelihood(context, delimiter + choice) for choice in choices]
        if prompts.setting.pmi or any(metric.name == "acc_mutual_info" for metric in self.task.metrics):
            requests += [Loglikelihood("", delimiter + choice) for choice in choices]
        language = detect("".join(choices) + str(context)[-200:])
        gold = gold_of(self.task.texts, row)
        return Sample(str(number), tuple(requests), gold, language=language, data={"choices": choices})

    def judge(self, sample: Sample, replies: Sequence[Reply]) -> Judged:
        """Right or wrong by each convention that is wanted."""
        choices: list[str] = sample.data["choices"]
        found = [reply for reply in replies if isinstance(reply, Likelihood)]
        given, alone = found[: len(choices)], found[len(choices) :]
        values = {name: float(hit) for name, hit in right(choices, given, alone, sample.target).items()}
        values |= {"acc_mutual_info": values["acc_pmi"]} if alone else {}
        best = max(range(len(choices)), key=lambda i: given[i].loglikelihood)
        values["brier_score"] = brier([one.loglikelihood for one in given], sample.target[0])
        return Judged(self.keep(values), choices[best], tuple(choices[i] for i in sample.target))

    def chance(self, name: str, outcomes: Sequence[Outcome]) -> float | None:
        """The mean over questions of right choices / choices."""
        rates = [len(o.sample.target) / len(o.sample.data["choices"]) for o in outcomes]
        return sum(rates) / len(rates) if rates and name.startswith("acc") else None


def brier(loglikelihoods: Sequence[float], gold: int) -> float:
    """Sum over choices of (p - right)^2, p the softmax of the log-likelihoods (Brier 1950)."""
    top = max(loglikelihoods)
    weights = [math.exp(one - top) for one in loglikelihoods]
    return math.fsum((w / math.fsum(weights) - (i == gold)) ** 2 for i, w in enumerate(weights))


class Target(YamlSuite):
    """``loglikelihood``: one text after its context."""

    def sample(self, number: int, row: Row, prompts: Prompts) -> Sample:
        """The target as it stands: no delimiter before it."""
        context, (target, *_) = prompts.of(row), answers_of(self.task.texts, row)
        return Sample(str(number), (Loglikelihood(context, target),), target, language=detect(str(context) + target))

    def judge(self, sample: Sample, replies: Sequence[Reply]) -> Judged:
        """Whether it would have been written, and how likely it is."""
        return targets.judged(replies, sample.target)

    def report(self, outcomes: Sequence[Outcome]) -> list[Score]:
        """The metrics of the task, in its order."""
        found = {s.name: s for s in targets.scores(outcomes)}
        return [found[m.name] for m in self.task.metrics if m.name in found] or list(found.values())


class Text(YamlSuite):
    """``loglikelihood_rolling``: words and bytes are counted in the text that is scored."""

    area = "language"

    def sample(self, number: int, row: Row, prompts: Prompts) -> Sample:
        """A whole text.

        Raises:
            BadInput: worked examples or turns.
        """
        if prompts.setting.shots or prompts.setting.chat:
            raise BadInput(f"{self.name} is running text", hint="leave out --shots and --chat-template")
        text = str(target_of(self.task.texts, row))
        return Sample(str(number), (Rolling(text),), text, language=detect(text), data={"page": text})

    def judge(self, sample: Sample, replies: Sequence[Reply]) -> Judged:
        """What the sums need."""
        found = counted(sample, replies[0])
        return Judged({"loglikelihood": found.loglikelihood, "tokens": float(found.tokens)})

    def report(self, outcomes: Sequence[Outcome]) -> list[Score]:
        """The measures over the sums of all texts."""
        done = [counted(o.sample, o.replies[0]) for o in outcomes if o.judged is not None]
        missing = len(outcomes) - len(done)
        if not done:
            return [Score(metric.name, math.nan, n=0, missing=missing) for metric in self.task.metrics]
        measures: list[Any] = [metric.name for metric in self.task.metrics]
        return [replace(perplexity.score(done, measure=measure), missing=missing) for measure in measures]


class Writing(YamlSuite):
    """``generate_until``: greedy; each list of filters is scored by itself."""

    def sample(self, number: int, row: Row, prompts: Prompts) -> Sample:
        """One text; with turns the model's own end is the only one besides the task's."""
        context, accepted = prompts.of(row), tuple(answers_of(self.task.texts, row))
        asked = (Generation(context, self.task.options),)
        return Sample(str(number), asked, accepted, language=detect("".join(accepted)))

    def judge(self, sample: Sample, replies: Sequence[Reply]) -> Judged:
        """Each metric after each list of filters; of metrics over all rows the row's own value."""
        (reply,) = replies
        if not isinstance(reply, Completion):
            raise BadInput(f"{self.name} got a likelihood, wanted a text")
        values = {}
        for pipeline in self.task.pipelines:
            said = pipeline(reply.text)
            for metric in self.task.metrics:
                if metric.name == "exact_match":
                    value = float(exact_match(said, sample.target, metric.settings))
                else:
                    (value,) = _metric(metric.name).per_row([said], [list(sample.target)], language=sample.language)
                values[self._name(metric.name, pipeline)] = value
        return Judged(values, self.task.pipelines[0](reply.text), sample.target)

    def report(self, outcomes: Sequence[Outcome]) -> list[Score]:
        """Shares of exact matches; BLEU and chrF over all rows at once."""
        done = [o for o in outcomes if o.judged is not None]
        whole = {}
        for pipeline in self.task.pipelines if done else ():
            said = [pipeline(reply.text) for o in done for reply in o.replies if isinstance(reply, Completion)]
            for metric in self.task.metrics:
                if metric.name in CORPUS:
                    one = _metric(metric.name).score(said, [list(o.sample.target) for o in done])
                    whole[self._name(metric.name, pipeline)] = one
        return [
            replace(whole[s.name], name=s.name, missing=s.missing) if s.name in whole else s for s in means(outcomes)
        ]

    def _name(self, metric: str, pipeline: Pipeline) -> str:
        return f"{metric},{pipeline.name}" if len(self.task.pipelines) > 1 else metric


def _metric(name: str) -> Any:
    return load_module("sibao.metrics", CORPUS[name], "metric")
