"""Several inputs of which some fail: the others have their results, each asked for once where the model keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sibao.core.errors import ContextOverflow, ProviderError
from sibao.core.types import Completion, GenerateOptions
from sibao.tasks import translate
from sibao.tasks.base import TaskResult
from sibao.tasks.long import run_each, run_many


class Failing:
    """Says a prompt again, and fails at some; ``keeps``: what it had answered then can be had."""

    name, context, has_template = "failing", 1000, False

    def __init__(self, fails: dict[str, Exception], keeps: bool) -> None:
        self.fails, self.asked, self.kept = fails, list[str](), dict[str, Completion]()
        if keeps:
            self.answered = lambda prompts, options: [self.kept.pop(prompt, None) for prompt in prompts]

    def count(self, prompt: Any) -> int:
        return len(prompt)

    def generate(self, prompts: Sequence[str], options: GenerateOptions) -> list[Completion]:
        done = []
        for prompt in prompts:
            self.asked.append(prompt)
            fault = next((error for word, error in self.fails.items() if word in prompt), None)
            if fault is not None:
                self.kept |= dict(zip(prompts, done, strict=False))
                raise fault
            done.append(Completion(f"{prompt[-2:]}{options.max_tokens}", "stop"))
        return done


INPUTS = [translate.Inputs(f"{'长' * i}{i}。", "en") for i in range(8)]


@pytest.mark.parametrize("keeps", [True, False])
def test_results_stand_in_order(keeps: bool) -> None:
    busy, long = ProviderError("busy", retryable=True, status=503), ContextOverflow(9, 8)
    whole = run_many(translate.TASK, Failing({}, keeps), INPUTS)  # type: ignore[arg-type]
    model = Failing({"2。": busy, "7。": long}, keeps)
    found = run_each(translate.TASK, model, INPUTS)  # type: ignore[arg-type]
    assert [found[2], found[7]] == [busy, long]
    for i in (0, 1, 3, 4, 5, 6):
        assert isinstance(one := found[i], TaskResult) and one.text == whole[i].text, "the same limits hold for all"
        assert not keeps or sum(f"{i}。" in prompt for prompt in model.asked) == 1


def test_nothing_is_asked_where_no_other_could_go_better() -> None:
    for refused in (ProviderError("no key", status=401), ProviderError("no credit", status=429)):
        model = Failing({"2。": refused}, True)
        found = run_each(translate.TASK, model, INPUTS)  # type: ignore[arg-type]
        assert [isinstance(one, TaskResult) for one in found] == [True, True] + [False] * 6
        assert found[3:] == [refused] * 5 and len(model.asked) == 3
