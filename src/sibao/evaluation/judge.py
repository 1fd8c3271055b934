"""A model as a judge of answers, by a rubric, with the hygiene that makes its verdicts worth something.

A verdict is JSON: reason, score, pass; held to that form where the model can be, read from its words where it cannot. Repeats
with seeds of their own show how steady it is; alternatives to the score, where the model reports them, weight it (G-Eval). A
reply without a verdict is missing, never a fail. How far a judge is to be believed is measured on rows that people labelled
(``against_labels``), and its rates are corrected for its mistakes (``evaluation.agreement``). Two answers are compared in
``evaluation.judge_pairs``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sibao.core.errors import BadInput, MissingPackage, ProviderError
from sibao.core.types import Completion, GenerateOptions, Language, Model, Prompt, Sampling, Score
from sibao.evaluation._judge_prompts import PARTS, SCORE, VERSION
from sibao.evaluation._judge_replies import read_score, weighted
from sibao.evaluation.agreement import agreement, corrected_rate
from sibao.evaluation.asking import Failed, replies_to, request_key
from sibao.evaluation.reporting import interval_of
from sibao.evaluation.rubric import Rubric
from sibao.evaluation.sample import Generation
from sibao.metrics._intervals import wilson

ALTERNATIVES = 5
_UNSUPPORTED = (400, 404, 415, 422, 501)
"""What a server answers to an option that it does not know."""


@dataclass(frozen=True)
class Answer:
    """What is judged: an answer to a prompt, with the text it should keep to or a good answer, where there is one."""

    prompt: str
    answer: str
    source: str = ""
    reference: str = ""


@dataclass(frozen=True)
class JudgeSetting:
    """How a judge is asked: in which language, how often (from the second time on with ``temperature``), from which seed."""

    language: Language = "en"
    repeats: int = 1
    seed: int = 0
    temperature: float = 0.7
    max_tokens: int = 300


@dataclass(frozen=True)
class Judgement:
    """``score`` is the mean of ``scores``, one for each repeat that gave a verdict (weighted where alternatives were known);
    ``spread`` their standard deviation. ``missing`` says why there is no verdict at all."""

    score: float | None = None
    passed: bool | None = None
    reason: str = ""
    scores: tuple[float, ...] = ()
    spread: float = 0.0
    missing: str = ""


class Judge:
    """A model with a rubric.

    Raises:
        BadInput: a language that the rubric is not written in, or fewer than one repeat.
    """

    def __init__(self, model: Model, rubric: Rubric, setting: JudgeSetting | None = None) -> None:
        self.model, self.rubric, self.setting = model, rubric, setting or JudgeSetting()
        if self.setting.language not in rubric.languages:
            raise BadInput(f"rubric {rubric.name} has no text in {self.setting.language}, it has {rubric.languages}")
        if self.setting.repeats < 1:
            raise BadInput(f"got {self.setting.repeats} repeats, wanted at least 1")
        self.formed, self.alternatives, self._settled = False, False, False

    def score(self, answers: Sequence[Answer]) -> list[Judgement]:
        """A judgement of each answer, in order."""
        prompts = [self.prompt(one) for one in answers]
        replies = [self.ask(prompts, repeat) for repeat in range(self.setting.repeats)]
        return [self._judgement(given) for given in zip(*replies, strict=True)]

    @property
    def signature(self) -> str:
        """How the judgements are made, for a score."""
        how = f"{'schema' if self.formed else 'read'}{'+logprobs' if self.alternatives else ''}"
        return (
            f"judge:{self.model.name}|rubric:{self.rubric.name}.v{self.rubric.version}|prompt:{self.setting.language}.v{VERSION}"
            f"|repeats:{self.setting.repeats}|seed:{self.setting.seed}|form:{how}"
        )

    def prompt(self, one: Answer) -> Prompt:
        """The judge's task, as one turn."""
        language, rubric = self.setting.language, self.rubric
        names = PARTS[language]
        material = [f"{names[name]}:\n<<<\n{getattr(one, name)}\n>>>" for name in names if getattr(one, name)]
        meanings = "\n".join(f"{number}: {text}" for number, text in rubric.scale[language].items())
        text = SCORE[language].format(
            criteria=rubric.criteria[language], low=rubric.low, high=rubric.high, pass_at=rubric.pass_at, scale=meanings,
            material="\n\n".join(material),
        )  # fmt: skip
        return [{"role": "user", "content": text}]

    def ask(
        self, prompts: Sequence[Prompt], repeat: int, schema: Mapping[str, Any] | None = None
    ) -> list[Completion | Failed]:
        """A reply to each prompt: the first time greedy, then drawn with a seed for each repeat."""
        schema = schema or _schema(self.rubric)
        if not self._settled:
            self._settle(schema)
        setting = self.setting
        sampling = Sampling(setting.temperature if repeat else 0.0, seed=setting.seed + repeat)
        options = _options(GenerateOptions(setting.max_tokens, sampling), schema, self.formed, self.alternatives)
        requests = [Generation(prompt, options) for prompt in prompts]
        found = replies_to(self.model, requests)
        return [found[request_key(request)] for request in requests]  # type: ignore[misc]  # generations give completions

    def _settle(self, schema: Mapping[str, Any]) -> None:
        """Find out what the model can do, by one token each: a form for its answer, alternatives to its tokens, both, neither."""
        plain = GenerateOptions(1)
        for formed, alternatives in ((True, True), (True, False), (False, True), (False, False)):
            try:
                options = _options(plain, schema, formed, alternatives)
                self.model.generate([[{"role": "user", "content": "{}"}]], options)
            except (BadInput, MissingPackage):
                continue
            except ProviderError as error:
                if error.status in _UNSUPPORTED:
                    continue
                return  # a passing fault says nothing of what the model can do: ask plainly, and find out next time
            self.formed, self.alternatives, self._settled = formed, alternatives, True
            return

    def _judgement(self, replies: Sequence[Completion | Failed]) -> Judgement:
        rubric, read, why = self.rubric, [], ""
        for reply in replies:
            if isinstance(reply, Failed):
                why = why or reply.why
                continue
            found = read_score(reply.text, rubric.low, rubric.high)
            if found is None:
                why = why or f"no verdict in the reply: {reply.text[:80]!r}"
                continue
            finer = weighted(reply.logprobs, rubric.low, rubric.high)
            read.append((found[0] if finer is None else finer, found[1], found[2]))
        if not read:
            return Judgement(missing=why)
        scores = tuple(score for score, _, _ in read)
        mean = math.fsum(scores) / len(scores)
        spread = math.sqrt(math.fsum((s - mean) ** 2 for s in scores) / (len(scores) - 1)) if len(scores) > 1 else 0.0
        said = [passed for _, passed, _ in read if passed is not None]
        even = 2 * sum(said) == len(said)
        return Judgement(
            mean, mean >= rubric.pass_at if even else 2 * sum(said) > len(said), read[0][2], scores, spread
        )


def summary(judge: Judge, judgements: Sequence[Judgement]) -> list[Score]:
    """``score`` (mean, t interval), ``pass_rate`` (Wilson) and ``spread`` (mean over answers), each with the missing counted."""
    done = [one for one in judgements if one.score is not None]
    missing = len(judgements) - len(done)
    if not done:
        return [Score(name, math.nan, missing=missing, signature=judge.signature) for name in ("score", "pass_rate")]
    scores = [one.score for one in done if one.score is not None]
    low, high, how = interval_of(scores)
    passed = sum(bool(one.passed) for one in done)
    ends = wilson(passed, len(done))
    n, signature = len(done), judge.signature
    return [
        Score("score", math.fsum(scores) / n, low, high, 0.95, n, missing, signature=f"{signature}|interval:{how}"),
        Score("pass_rate", passed / n, ends.low, ends.high, 0.95, n, missing, signature=f"{signature}|interval:wilson"),
        Score("spread", math.fsum(one.spread for one in done) / n, n=n, missing=missing, signature=signature),
    ]


def against_labels(
    judge: Judge, answers: Sequence[Answer], labels: Sequence[bool], judged: Sequence[Judgement] = ()
) -> list[Score]:
    """How far the judge agrees with people (``agreement``, ``kappa``, ``sensitivity``, ``specificity``), and, where judgements of
    other answers are given, their ``corrected_rate`` of passing.

    Raises:
        BadInput: lengths that differ; nothing judged; see also ``agreement.corrected_rate``.
    """
    if len(answers) != len(labels):
        raise BadInput(f"got {len(answers)} answers and {len(labels)} labels, wanted as many of each")
    verdicts = [one.passed for one in judge.score(answers)]
    both = [(label, bool(v)) for label, v in zip(labels, verdicts, strict=True) if v is not None]
    if not both:
        raise BadInput(
            "the judge gave no verdict on any labelled answer", hint="take a model that follows instructions"
        )
    truth, said = [t for t, _ in both], [s for _, s in both]
    found = agreement(truth, said)
    rest = [bool(one.passed) for one in judged if one.passed is not None]
    if rest:
        found.append(corrected_rate(rest, truth, said))
    missing = len(labels) - len(both)
    return [replace(s, missing=missing, signature=f"{judge.signature}|{s.signature}") for s in found]


def _options(plain: GenerateOptions, schema: Mapping[str, Any], formed: bool, alternatives: bool) -> GenerateOptions:
    form = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}
    sampling = replace(plain.sampling, logprobs=ALTERNATIVES if alternatives else None)
    return replace(plain, sampling=sampling, response_format=form if formed else None)


def _schema(rubric: Rubric) -> dict[str, Any]:
    fields = {
        "reason": {"type": "string"},
        "score": {"type": "integer", "minimum": rubric.low, "maximum": rubric.high},
        "pass": {"type": "boolean"},
    }
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
