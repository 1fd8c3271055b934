"""How many worked examples a model can hold: published figures use five, a small model's context may have room for two."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sibao.core.types import Prompt
from sibao.evaluation.asking import read_by
from sibao.evaluation.sample import Generation, Loglikelihood, Request, Rolling, Sample
from sibao.evaluation.suite import RequestSuite, Rows, Setting, spread

log = logging.getLogger("sibao.evaluate")
SHARE = 0.95
"""Of the rows must fit with all their worked examples."""
LOOKED_AT = 400
"""Rows that are measured, spread over the file."""


def fitting(suite: RequestSuite, rows: Rows, setting: Setting, model: Any) -> Setting:
    """The setting with as many of its worked examples as nearly all rows have room for, the same number for all of them.
    Where not even the rows alone have room it stays as it is: those that do not fit are missing, and counted."""
    if not setting.shots:
        return setting
    some = replace(rows, test=spread(rows.test, LOOKED_AT) if len(rows.test) > LOOKED_AT else rows.test)
    for shots in range(setting.shots, -1, -1):
        fewer = replace(setting, shots=shots)
        if share_that_fits(suite.samples(some, fewer), model) >= SHARE:
            if shots == setting.shots:
                return setting
            log.warning(
                "%s: %d of %d worked examples, for more do not fit into the %d tokens that %s holds",
                suite.name, shots, setting.shots, model.context, model.name,
            )  # fmt: skip
            return replace(fewer, fitted=model.context)
    return setting


def share_that_fits(samples: Sequence[Sample], model: Any) -> float:
    """Of samples whose requests all fit into the model's context."""
    fits = sum(all(needed(request, model) <= model.context for request in longest(sample)) for sample in samples)
    return fits / max(1, len(samples))


def longest(sample: Sample) -> list[Request]:
    """The request with most characters: choices of one question differ by little else."""
    return [max(sample.requests, key=_characters)] if sample.requests else []


def _characters(request: Request) -> int:
    if isinstance(request, Loglikelihood):
        return _size(request.context) + len(request.continuation)
    return _size(request.prompt) if isinstance(request, Generation) else 0


def _size(prompt: Prompt) -> int:
    return len(prompt) if isinstance(prompt, str) else sum(len(str(turn["content"])) for turn in prompt)


def needed(request: Request, model: Any) -> int:
    """Tokens of a request; 0 for running text, which is read in windows."""
    if isinstance(request, Rolling):
        return 0
    return read_by(model, request) + (request.options.max_tokens if isinstance(request, Generation) else 0)
