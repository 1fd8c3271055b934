"""One task on one model: prompts, token limits and whether a text fits. What ``long`` and its parts share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sibao.core.errors import ContextOverflow, SibaoError
from sibao.core.types import Completion, FinishReason, GenerateOptions, Model, Prompt, SourceForm, Usage
from sibao.tasks._each import each
from sibao.tasks.base import Task, TaskResult

_WORST: tuple[FinishReason, ...] = ("error", "cancelled", "length", "stop")


@dataclass(frozen=True)
class Call:
    """``options`` None lets the task choose the number of new tokens; ``piece_tokens`` bounds the tokens of document
    text that one prompt may hold (None: as many as fit); ``expect`` is told how many answers the model is asked for next."""

    task: Task[Any]
    model: Model
    options: GenerateOptions | None = None
    piece_tokens: int | None = None
    expect: Callable[[int], object] | None = None

    def prompt(self, inputs: Any) -> Prompt:
        """The source for an encoder-decoder, else messages, or the plain form for a model that says it has no chat
        template."""
        if self.source is not None:
            return self.source.prefixes.get(self.task.kind(inputs), "") + self.task.source(inputs)
        return self.task.messages(inputs) if self.templated else self.task.plain(inputs)

    @property
    def templated(self) -> bool:
        """A model without the attribute renders messages somehow (hosted models do)."""
        return bool(getattr(self.model, "has_template", True))

    @property
    def source(self) -> SourceForm | None:
        """Set for an encoder-decoder, which has ``context`` tokens for the source and as many for the answer."""
        return getattr(self.model, "source_form", None)

    def limit(self, inputs: Any) -> int:
        """New tokens allowed for these inputs."""
        if self.options:
            return self.options.max_tokens
        generous = self.task.max_tokens(inputs)
        return generous if self.source is None else min(generous, self.model.context)

    def together(self, prompt: int, answer: int) -> int:
        """What prompt and answer take of the context: their sum, or the longer one where each has its own."""
        return prompt + answer if self.source is None else max(prompt, answer)

    def need(self, inputs: Any) -> int:
        """Tokens of prompt and answer together."""
        return self.together(self.model.count(self.prompt(inputs)), self.limit(inputs))

    def fits(self, inputs: Any) -> bool:
        """Whether one prompt can hold the inputs."""
        if self.need(inputs) > self.model.context:
            return False
        if self.piece_tokens is None or not self.task.document:
            return True
        return self.model.count(getattr(inputs, self.task.document)) <= self.piece_tokens

    def with_text(self, inputs: Any, text: str) -> Any:
        """The inputs with another document."""
        return replace(inputs, **{self.task.document: text})

    def settings(self, limit: int) -> GenerateOptions:
        """Options for one call; a plain prompt adds the task's stop strings."""
        options = self.options or GenerateOptions()
        stop = options.stop if self.templated or self.source is not None else (*options.stop, *self.task.stop)
        return replace(options, max_tokens=limit, stop=stop)

    def generate(self, many: Sequence[Any]) -> list[Completion]:
        """A completion for each: in one batch under the largest limit, or one by one where that does not fit."""
        if not many:
            return []
        if self.expect is not None:
            self.expect(len(many))
        prompts = [self.prompt(inputs) for inputs in many]
        limit = max(self.limit(inputs) for inputs in many)
        if self.together(max(self.model.count(prompt) for prompt in prompts), limit) <= self.model.context:
            return self.model.generate(prompts, self.settings(limit))
        alone = zip(many, prompts, strict=True)
        return [self.model.generate([prompt], self.settings(self.limit(inputs)))[0] for inputs, prompt in alone]

    def each(self, many: Sequence[Any]) -> list[Completion | SibaoError]:
        """A completion for each, or why there is none; for inputs that fit under the largest limit."""
        if not many:
            return []
        limit = max(self.limit(inputs) for inputs in many)
        return each(self.model, [self.prompt(inputs) for inputs in many], self.settings(limit))

    def overflow(self, inputs: Any, *, hint: str = "") -> ContextOverflow:
        """The refusal, with the numbers."""
        return ContextOverflow(self.need(inputs), self.model.context, hint=hint)


def total(completions: Sequence[Completion]) -> tuple[FinishReason, Usage]:
    """The worst way to finish and the tokens of all."""
    reasons = {completion.finish_reason for completion in completions}
    usage = sum((completion.taken for completion in completions), Usage())
    return next((reason for reason in _WORST if reason in reasons), "stop"), usage


def finish(task: Task[Any], inputs: Any, completion: Completion, notes: tuple[str, ...] = ()) -> TaskResult:
    """The result of a task that took one call."""
    fields = task.parse(completion.text, inputs)
    text = fields.pop("text")
    if task.document:
        fields.setdefault("pieces", 1)
    if completion.others:
        fields["search_score"] = completion.search_score
        fields["others"] = [
            {"text": task.parse(other.text, inputs)["text"], "search_score": other.search_score}
            for other in completion.others
        ]
    return TaskResult(text, completion.finish_reason, completion.taken, completion.seconds, fields, notes)


def length_notes(completions: Sequence[Completion]) -> tuple[str, ...]:
    """Says when parts of a long answer stopped at the token limit."""
    short = sum(completion.finish_reason == "length" for completion in completions)
    return (f"{short} of {len(completions)} calls stopped at the limit of new tokens",) if short else ()
