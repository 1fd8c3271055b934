"""Putting samples to a model: likelihoods and texts in batches, and a row that fails is missing, never wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from sibao.core.errors import BadInput, BudgetExceeded, ContextOverflow, ProviderError
from sibao.core.types import BROKEN_OFF, Completion, GenerateOptions, Model, Scored, Scorer
from sibao.evaluation.sample import Generation, Judged, Loglikelihood, Outcome, Reply, Request, Rolling, Sample
from sibao.tasks.long import FAULTS, hopeless

LEAST = 16
BROKE_OFF = "the model failed while it wrote"
"""Why a row is missing whose text broke off."""
Judge = Callable[[Sample, Sequence[Reply]], Judged]


class Failed:
    """In place of a reply: why there is none, and the error that said so."""

    def __init__(self, why: str, error: Exception | None = None) -> None:
        self.why, self.error = why, error


class Patience:
    """Ends the asking of a provider that answers no more: as many rows on end as a batch has (at least ``LEAST``) failed
    there. Rows that the model cannot hold, or that a limit of cost has stopped, say nothing of it."""

    def __init__(self, batch: int) -> None:
        self._most, self._failed = max(batch, LEAST), 0

    def row(self, error: object) -> None:
        """The next row, in order: how it failed, or None.

        Raises:
            ProviderError: no other row can go better, or too many failed.
        """
        if hopeless(error) and isinstance(error, ProviderError):
            raise error
        if isinstance(error, BudgetExceeded | ContextOverflow):
            return
        self._failed = self._failed + 1 if isinstance(error, ProviderError) else 0
        if isinstance(error, ProviderError) and self._failed >= self._most:
            raise ProviderError(
                f"{self._failed} rows on end failed, the last one so: {error.message}",
                hint="what was answered is kept: run it again when the provider answers", status=error.status,
            )  # fmt: skip


def ask(
    model: Model,
    samples: Sequence[Sample],
    *,
    judge: Judge,
    batch: int = 64,
    on_done: Callable[[Outcome], object] = lambda _: None,
) -> list[Outcome]:
    """The outcome of every sample, in order; ``batch`` samples are put to the model at once.

    A request that several samples of a batch share is made once. Neighbours should share their beginnings (few-shot
    prompts of one subject), which the engine then reads once.

    Raises:
        BadInput: likelihoods are wanted of a model that gives none. ProviderError: the key is refused, no credit is left, or the
        provider answers no more (``Patience``).
    """
    _refuse_no_scorer(model, samples)
    outcomes: list[Outcome] = []
    patience = Patience(batch)
    for begin in range(0, len(samples), batch):
        part = samples[begin : begin + batch]
        replies = replies_to(model, [request for sample in part for request in sample.requests])
        for sample in part:
            own = [replies[request_key(r)] for r in sample.requests]
            patience.row(next((reply.error for reply in own if isinstance(reply, Failed)), None))
            outcome = _outcome(sample, own, judge)
            outcomes.append(outcome)
            on_done(outcome)
    return outcomes


def read_by(model: Any, request: Request) -> int:
    """Tokens that a model reads for a request, as its ``count`` says."""
    if isinstance(request, Rolling):
        return int(model.count(request.text))
    if isinstance(request, Generation):
        return int(model.count(request.prompt))
    if isinstance(request.context, str):
        return int(model.count(request.context + request.continuation))
    return int(model.count(request.context)) + int(model.count(request.continuation))


def request_key(request: Request) -> str:
    """Equal for equal requests (messages are lists, which cannot be keys)."""
    return repr(request)


def replies_to(model: Any, requests: Sequence[Request]) -> dict[str, Reply | Failed]:
    """A reply to each different request, or why it failed, by ``request_key``."""
    distinct = {request_key(r): r for r in requests}
    found: dict[str, Reply | Failed] = {}
    pairs = {k: r for k, r in distinct.items() if isinstance(r, Loglikelihood)}
    found |= _each(lambda many: model.score([(r.context, r.continuation) for r in many]), pairs, (*FAULTS, BadInput))
    for stride in {r.stride for r in distinct.values() if isinstance(r, Rolling)}:
        texts = {k: r for k, r in distinct.items() if isinstance(r, Rolling) and r.stride == stride}
        found |= _each(partial(_texts, model, stride), texts, FAULTS)
    written: dict[str, dict[str, Generation]] = {}  # by what their options say: a form for the answer is a dict, no key
    for key, request in distinct.items():
        if isinstance(request, Generation):
            written.setdefault(repr(request.options), {})[key] = request
    for group in written.values():
        options = next(iter(group.values())).options
        found |= _each(partial(_written, model, options), group, FAULTS)
    return found


def _written(model: Any, options: GenerateOptions, many: Sequence[Generation]) -> list[Completion]:
    found: list[Completion] = model.generate([one.prompt for one in many], options)
    return found


def _texts(model: Any, stride: int, rolling: Sequence[Rolling]) -> list[Scored]:
    texts = [one.text for one in rolling]
    found: list[Scored] = model.score_strided(texts, stride) if stride else model.score_text(texts)
    return found


def _each(
    call: Callable[[Sequence[Any]], Sequence[Reply]], wanted: dict[str, Any], faults: tuple[type[Exception], ...]
) -> dict[str, Reply | Failed]:
    """All at once; where that fails the halves, down to the one request that cannot be answered."""
    if not wanted:
        return {}
    try:
        return dict(zip(wanted, call(list(wanted.values())), strict=True))
    except faults as error:
        if hopeless(error):
            raise
        if len(wanted) == 1:
            return dict.fromkeys(wanted, Failed(getattr(error, "message", str(error)), error))
    found: dict[str, Reply | Failed] = {}
    for half in _halves(wanted):
        found |= _each(call, half, faults)
    return found


def _halves(wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    keys, middle = list(wanted), (len(wanted) + 1) // 2
    for part in (keys[:middle], keys[middle:]):
        yield {key: wanted[key] for key in part}


def _outcome(sample: Sample, replies: Sequence[Reply | Failed], judge: Judge) -> Outcome:
    for reply in replies:
        if isinstance(reply, Failed):
            return Outcome(sample, missing=reply.why)
        if isinstance(reply, Completion) and reply.finish_reason in BROKEN_OFF:
            return Outcome(sample, missing=BROKE_OFF)
    good = tuple(reply for reply in replies if not isinstance(reply, Failed))
    return Outcome(sample, good, judge(sample, good))


def _refuse_no_scorer(model: Model, samples: Sequence[Sample]) -> None:
    likelihoods = any(isinstance(r, Loglikelihood | Rolling) for s in samples for r in s.requests)
    if likelihoods and not isinstance(model, Scorer):
        raise BadInput(f"{model.name} gives no token probabilities, which this suite needs", hint="use a local model")
