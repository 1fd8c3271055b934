"""A model that really answers, with a context that can be made small: a token is a character."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from sibao.core.types import Completion, Delta, GenerateOptions, Prompt, Scored, Usage


class RuleModel:
    """Answers by a rule on the prompt's text; refuses what its context cannot hold, as a real one does."""

    name = "rule"

    def __init__(self, rule: Callable[[str], str], context: int, *, has_template: bool = True) -> None:
        self.rule, self.context, self.has_template = rule, context, has_template
        self.prompts: list[str] = []
        self.options: list[GenerateOptions] = []

    def generate(self, prompts: Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        return [self._one(prompt, options or GenerateOptions()) for prompt in prompts]

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        completion = self._one(prompt, options or GenerateOptions())
        yield from (Delta(char) for char in completion.text)
        yield Delta("", completion)

    def count(self, prompt: Prompt) -> int:
        return len(_text(prompt))

    def _one(self, prompt: Prompt, options: GenerateOptions) -> Completion:
        text = _text(prompt)
        assert len(text) + options.max_tokens <= self.context, "the task sent more than the model holds"
        self.prompts.append(text)
        self.options.append(options)
        begun, answer = time.perf_counter(), self.rule(text)
        cut = answer[: options.max_tokens]
        reason = "stop" if cut == answer else "length"
        usage = Usage(len(text), len(cut))
        return Completion(cut, reason, usage, time.perf_counter() - begun)


class ScoringModel(RuleModel):
    """Also scores: an answer is as likely as the rule says."""

    def __init__(self, rule: Callable[[str], str], context: int, likely: Callable[[str], float]) -> None:
        super().__init__(rule, context)
        self.likely = likely

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Scored]:
        return [Scored(self.likely(answer) * len(answer), len(answer), False) for _, answer in pairs]

    def score_text(self, texts: Sequence[str]) -> list[Scored]:
        return [Scored(-float(len(text)), len(text), False) for text in texts]


def _text(prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else "".join(turn["content"] for turn in prompt)


@pytest.fixture
def rule_model() -> type[RuleModel]:
    return RuleModel


@pytest.fixture
def scoring_model() -> type[ScoringModel]:
    return ScoringModel
