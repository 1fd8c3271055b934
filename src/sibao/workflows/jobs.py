"""One task on one model with one way of drawing tokens: what the Python verbs and the command line both run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypedDict

from sibao.core.errors import SibaoError, UnknownName
from sibao.core.types import (
    Completion,
    Delta,
    GenerateOptions,
    Head,
    Model,
    Prompt,
    Sampling,
    Scored,
    Scorer,
    SourceForm,
)
from sibao.tasks import long
from sibao.tasks.base import Task, TaskResult, load_task

SENTENCE_MODELS = {"mini": 70}
"""Models trained on single sentences, with the tokens of text that they translate well at once."""
SAMPLING = tuple(field.name for field in fields(Sampling) if field.name != "logprobs")


class Options(TypedDict, total=False):
    """What every task takes besides its text; None leaves the choice to the task. See ``core.types``: ``Sampling`` and
    ``GenerateOptions``."""

    max_tokens: int | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    typical_p: float | None
    repetition_penalty: float | None
    presence_penalty: float | None
    frequency_penalty: float | None
    logit_bias: tuple[tuple[int, float], ...] | None
    min_tokens: int | None
    seed: int | None
    num_beams: int | None
    num_return_sequences: int | None
    length_penalty: float | None
    stop: Sequence[str] | None
    response_format: Mapping[str, Any] | None
    adapter: str | None


class Settled:
    """A model that draws every token in one way, whatever a task asks for: with the sampling, the stop strings besides the
    task's, and the form of ``settled``. ``raw`` hides its chat template."""

    def __init__(self, model: Model, settled: GenerateOptions, *, raw: bool = False) -> None:
        self.name, self.context = model.name, model.context
        self.has_template = not raw and has_template(model)
        self.source_form: SourceForm | None = getattr(model, "source_form", None)
        self._model, self._settled = model, settled

    def generate(self, prompts: str | Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        """As the model's own."""
        return self._model.generate(prompts, self._options(options))

    def answered(self, prompts: Sequence[Prompt], options: GenerateOptions) -> list[Completion | None]:
        """As the model's own; one that keeps nothing when it fails has nothing."""
        own = getattr(self._model, "answered", None)
        found: list[Completion | None] = own(prompts, self._options(options)) if own else [None] * len(prompts)
        return found

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        """As the model's own."""
        return self._model.stream(prompt, self._options(options))

    def count(self, prompt: Prompt) -> int:
        """As the model's own."""
        return self._model.count(prompt)

    @property
    def guesses(self) -> tuple[int, int]:
        """As the model's own; a model without guesses made none."""
        made: tuple[int, int] = getattr(self._model, "guesses", (0, 0))
        return made

    def _options(self, options: GenerateOptions | None) -> GenerateOptions:
        options = options or GenerateOptions()
        own = self._settled
        stop = (*options.stop, *own.stop)
        form, adapter = own.response_format, own.adapter
        return replace(options, sampling=own.sampling, stop=stop, response_format=form, adapter=adapter)


class SettledScorer(Settled):
    """The same for a model whose probabilities can be read."""

    _model: Any

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Scored]:
        """As the model's own."""
        scored: list[Scored] = self._model.score(pairs)
        return scored

    def score_text(self, texts: Sequence[str]) -> list[Scored]:
        """As the model's own."""
        scored: list[Scored] = self._model.score_text(texts)
        return scored


def has_template(model: Model) -> bool:
    """Whether a model renders messages; hosted ones do."""
    own = getattr(model, "has_template", None)
    return bool(getattr(getattr(model, "tokenizer", None), "has_template", True) if own is None else own)


@dataclass(frozen=True)
class Job:
    """Made by ``job``. ``options`` None lets the task choose the number of new tokens; ``expect``: see ``tasks.long.run``;
    ``best``: how many texts of a search are wanted."""

    task: Task[Any]
    model: Model
    options: GenerateOptions | None
    piece_tokens: int | None
    expect: Callable[[int], object] | None = None
    best: int = 1

    def run(self, many: Sequence[Any]) -> list[TaskResult]:
        """A result for each inputs, in order; several are batched.

        Raises:
            ContextOverflow: an input that neither fits nor can be split.
        """
        if len(many) == 1:
            how: dict[str, Any] = {"piece_tokens": self.piece_tokens, "expect": self.expect}
            found = [long.run(self.task, self.model, many[0], self.options, **how)]
        else:
            found = long.run_many(self.task, self.model, many, self.options, piece_tokens=self.piece_tokens)
        return [self._noted(result) for result in found]

    def each(self, many: Sequence[Any]) -> list[TaskResult | SibaoError]:
        """As ``run``; inputs that fail by themselves have their error in the place of the result (``tasks.long.run_each``)."""
        found = long.run_each(self.task, self.model, many, self.options, piece_tokens=self.piece_tokens)
        return [one if isinstance(one, SibaoError) else self._noted(one) for one in found]

    def stream(self, inputs: Any, write: Callable[[str], object]) -> TaskResult:
        """One result, its text handed to ``write`` as it comes; at the end where it takes several calls.

        Raises:
            ContextOverflow: as ``run``; nothing was written then.
        """
        if not self._at_once(inputs):
            result = self.run([inputs])[0]
            write(result.text)
            return result
        form = getattr(inputs, "form", None)  # None: no writing, but a task whose text is stripped; "": free text
        trim = None if form == "" else _Trim(write, "\n" if form else None)
        last: Completion | None = None
        for delta in long.stream(self.task, self.model, inputs, self.options):
            (trim or write)(delta.text)
            last = delta.completion or last
        return long.finish(self.task, inputs, last or Completion("", "error"))

    def _noted(self, result: TaskResult) -> TaskResult:
        """Says where texts that were asked for cannot be told."""
        if self.best == 1 or result.fields.get("pieces", 1) == 1:
            return result
        note = "only the best text is told: the next best ones are those of one call, and this took several"
        return replace(result, notes=(*result.notes, note))

    def _at_once(self, inputs: Any) -> bool:
        """An answer is judged before it is shown, and a text in pieces is put together first."""
        if isinstance(self.model, Head) or self.task.strategy == "search":
            return False
        if not long.fits(self.task, self.model, inputs, self.options):
            return False
        if self.piece_tokens is None or not self.task.document:
            return True
        return self.model.count(getattr(inputs, self.task.document)) <= self.piece_tokens


class _Trim:
    """White space at both ends is no part of the text: at the end it is held back until something follows.

    ``front`` holds the characters left out at the beginning, None all white space (code begins with an indent).
    """

    def __init__(self, write: Callable[[str], object], front: str | None = None) -> None:
        self.write, self.front, self.held, self.begun = write, front, "", False

    def __call__(self, text: str) -> None:
        text = self.held + text
        text = text if self.begun else text.lstrip(self.front)
        body = text.rstrip()
        self.held = text[len(body) :]
        self.begun = self.begun or bool(body)
        self.write(body)


def job(task: str, model: Model, *, raw: bool = False, piece_tokens: int | None = None, **options: Any) -> Job:
    """A job for ``task`` on ``model``.

    Args:
        raw: give the model bare text even if it has a chat template.
        piece_tokens: tokens of a document in one prompt (None: what suits the model).
        options: see ``Options``.

    Raises:
        UnknownName: a task or an option that does not exist.
    """
    for name in options:
        if name not in Options.__annotations__:
            raise UnknownName("option", name, Options.__annotations__)
    given = {name: value for name, value in options.items() if value is not None}
    stop = given.get("stop", ())
    kind = SettledScorer if isinstance(model, Scorer) else Settled
    sampling = Sampling(**{name: given[name] for name in SAMPLING if name in given})
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    shape, adapter = given.get("response_format"), given.get("adapter")
    way = GenerateOptions(sampling=sampling, stop=stops, response_format=shape, adapter=adapter)
    settled: Model = kind(model, way, raw=raw)
    if isinstance(model, Head):
        settled = model  # it draws no tokens
    limit = GenerateOptions(given["max_tokens"]) if "max_tokens" in given else None
    if piece_tokens is None and task == "translate":
        form: SourceForm | None = getattr(model, "source_form", None)
        piece_tokens = form.piece_tokens if form else SENTENCE_MODELS.get(model.name.partition("+")[0])
    return Job(load_task(task), settled, limit, piece_tokens, best=sampling.num_return_sequences)
