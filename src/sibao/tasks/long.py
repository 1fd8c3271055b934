"""Run a task on a model, whatever the length of the text.

A document that does not fit is split on sentence borders and merged (summaries), searched (answers) or translated
piece by piece; free writing is refused with the numbers. Nothing is cut in silence: ``pieces`` counts the parts and
``notes`` say what was done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sibao.core.errors import SibaoError
from sibao.core.types import Delta, GenerateOptions, Model
from sibao.tasks._call import Call, finish
from sibao.tasks._direct import direct
from sibao.tasks._each import FAULTS, hopeless
from sibao.tasks._pieces import DoesNotFitError
from sibao.tasks._strategies import STRATEGIES
from sibao.tasks.base import Task, TaskResult

LEAST = 16
"""New tokens below which free writing is refused rather than made shorter."""

__all__ = ["FAULTS", "finish", "fits", "hopeless", "run", "run_each", "run_many", "stream"]


def fits(task: Task[Any], model: Model, inputs: Any, options: GenerateOptions | None = None) -> bool:
    """Whether one prompt holds the inputs, so that ``stream`` can serve them."""
    call = _whole(Call(task, model, options), inputs)[0]
    return call.fits(inputs) and not _cut_by_stop(call, inputs)


def run(
    task: Task[Any],
    model: Model,
    inputs: Any,
    options: GenerateOptions | None = None,
    *,
    piece_tokens: int | None = None,
    expect: Callable[[int], object] | None = None,
) -> TaskResult:
    """Do the task; ``options.max_tokens`` holds for each call, None lets the task choose.

    Args:
        piece_tokens: at most so many tokens of the document in one prompt (None: as many as fit). A model trained on
            single sentences translates better with small pieces.
        expect: called before the model is asked, with the number of its answers: a long text takes several, and what a
            merge will still take is not known before.

    Raises:
        ContextOverflow: the task cannot be split, or its fixed part alone does not fit.
    """
    if done := direct(task, model, [inputs]):
        return done[0]
    begun = time.perf_counter()
    call, notes = _whole(Call(task, model, options, piece_tokens, expect), inputs)
    if call.fits(inputs) and not _cut_by_stop(call, inputs):
        result = finish(task, inputs, call.generate([inputs])[0], notes)
    else:
        try:
            result = STRATEGIES[task.strategy](call, inputs)
        except DoesNotFitError:
            raise call.overflow(call.with_text(inputs, "字"), hint=_fixed_part(call)) from None
    return replace(result, seconds=time.perf_counter() - begun)


def run_many(
    task: Task[Any],
    model: Model,
    many: Sequence[Any],
    options: GenerateOptions | None = None,
    *,
    piece_tokens: int | None = None,
) -> list[TaskResult]:
    """``run`` for each inputs, in order; those that fit go through the model as one batch."""
    if done := direct(task, model, many):
        return done
    call = Call(task, model, options, piece_tokens)
    short = _short(call, many)
    results: dict[int, TaskResult] = {}
    for i, completion in zip(short, call.generate([many[i] for i in short]), strict=True):
        results[i] = finish(task, many[i], completion)
    for i, inputs in enumerate(many):
        if i not in results:
            results[i] = run(task, model, inputs, options, piece_tokens=piece_tokens)
    return [results[i] for i in range(len(many))]


def run_each(
    task: Task[Any],
    model: Model,
    many: Sequence[Any],
    options: GenerateOptions | None = None,
    *,
    piece_tokens: int | None = None,
) -> list[TaskResult | SibaoError]:
    """``run_many`` where a provider that fails at some inputs, or inputs that do not fit, leave the others their results: the
    error stands in the place of the result. Nothing more is asked where no other could go better (``hopeless``)."""
    if done := direct(task, model, many):
        return list(done)
    call = Call(task, model, options, piece_tokens)
    short = _short(call, many)
    results: dict[int, TaskResult | SibaoError] = {}
    for i, one in zip(short, call.each([many[i] for i in short]), strict=True):
        results[i] = one if isinstance(one, SibaoError) else finish(task, many[i], one)
    end = next((one for one in results.values() if isinstance(one, SibaoError) and hopeless(one)), None)
    for i, inputs in enumerate(many):
        if i in results:
            continue
        tried = results[i] = end or _tried(call, inputs)
        if isinstance(tried, SibaoError) and hopeless(tried):
            end = tried
    return [results[i] for i in range(len(many))]


def _tried(call: Call, inputs: Any) -> TaskResult | SibaoError:
    try:
        return run(call.task, call.model, inputs, call.options, piece_tokens=call.piece_tokens)
    except FAULTS as error:
        return error


def _short(call: Call, many: Sequence[Any]) -> list[int]:
    """Which inputs go through the model as one batch, under the largest limit."""
    limit = max((call.limit(inputs) for inputs in many), default=0)
    shared = replace(call, options=call.options or GenerateOptions(max_tokens=limit))
    return [i for i, inputs in enumerate(many) if shared.fits(inputs) and not _cut_by_stop(call, inputs)]


def stream(task: Task[Any], model: Model, inputs: Any, options: GenerateOptions | None = None) -> Iterator[Delta]:
    """The model's text piece by piece, for inputs that fit; ``finish`` makes the result from the last delta.

    Raises:
        ContextOverflow: at once, before anything is generated.
    """
    call = _whole(Call(task, model, options), inputs)[0]
    if not call.fits(inputs) or _cut_by_stop(call, inputs):
        raise call.overflow(inputs, hint="a long text is worked on in pieces and cannot be streamed: use run")
    return model.stream(call.prompt(inputs), call.settings(call.limit(inputs)))


def _whole(call: Call, inputs: Any) -> tuple[Call, tuple[str, ...]]:
    """Free writing takes the room there is when nobody asked for a number of tokens, and says so."""
    if call.options is not None or call.task.strategy != "refuse":
        return call, ()
    wanted = call.limit(inputs)
    room = call.model.context - (call.model.count(call.prompt(inputs)) if call.source is None else 0)
    if room >= wanted or room < LEAST:
        return call, ()
    return replace(call, options=GenerateOptions(max_tokens=room)), (f"the prompt leaves room for {room} new tokens",)


def _cut_by_stop(call: Call, inputs: Any) -> bool:
    """A plain prompt stops the answer at a blank line, so text with paragraphs is translated one by one; so it is for an
    encoder-decoder, whose tokenizer makes a line break a space."""
    if call.task.strategy != "pieces" or (call.templated and call.source is None):
        return False
    if call.source is not None:
        return "\n" in getattr(inputs, call.task.document).strip()
    return any(mark in getattr(inputs, call.task.document).strip() for mark in call.task.stop)


def _fixed_part(call: Call) -> str:
    return f"instruction, question and answer leave no room for the {call.task.document}; use a longer context"
