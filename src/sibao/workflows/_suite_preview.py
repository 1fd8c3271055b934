"""What suites would cost on a model, from the first few rows of each; what these answer is kept, so nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sibao.core.errors import BadInput
from sibao.core.types import Usage
from sibao.evaluation.asking import ask, read_by
from sibao.evaluation.budget import Metered, Preview, preview
from sibao.evaluation.sample import Generation, Sample
from sibao.evaluation.suite import RequestSuite
from sibao.workflows._models import Opened

PILOT = 20
"""Rows asked before all."""


def preview_samples(opened: Opened, suite: RequestSuite, samples: Sequence[Sample]) -> Preview:
    """The cost of all samples, from the first ``PILOT`` at even distances.

    Raises:
        BadInput: nobody knows the model's price.
    """
    meter = opened.meter
    if meter is None:
        raise BadInput(f"{opened.model.name} writes nothing that could be priced")
    pilot = [samples[i * len(samples) // min(PILOT, len(samples))] for i in range(min(PILOT, len(samples)))]
    used: list[Usage] = []
    for sample in pilot:
        before = meter.usage
        ask(opened.model, [sample], judge=suite.judge)
        spent = Usage(
            meter.usage.prompt_tokens - before.prompt_tokens, meter.usage.completion_tokens - before.completion_tokens
        )
        used.append(
            spent if spent != Usage() else _counted(meter, sample)
        )  # kept from an earlier time: nothing was spent
    most = sum(_worst(meter, request) for sample in samples for request in sample.requests)
    return preview(used, len(samples), most, meter.price)


def _counted(meter: Metered, sample: Sample) -> Usage:
    """What a sample whose answer is kept already would have used, answers taken at half their length."""
    total = Usage()
    for request in sample.requests:
        if isinstance(request, Generation):
            total += Usage(read_by(meter, request), request.options.max_tokens // 2)
        else:
            total += Usage(read_by(meter, request))
    return total


def _worst(meter: Metered, request: Any) -> float:
    if isinstance(request, Generation):
        return meter.worst(request.prompt, request.options)
    return meter.price.cost(Usage(read_by(meter, request)))
