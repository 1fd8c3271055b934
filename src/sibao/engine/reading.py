"""What a step reads, as its runner wants it, and the scores that come of it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sibao.core.errors import SibaoError
from sibao.engine.adapters import Adapter, Adapters
from sibao.engine.job import Piece
from sibao.engine.runner import Runner, Step
from sibao.engine.scoring import likelihoods
from sibao.nn.decoder import Decoder


def adapted_models(
    adapters: Adapters | None, pieces: Sequence[Piece]
) -> tuple[dict[Adapter, Decoder], dict[Adapter, SibaoError]]:
    """The models with the adapters of these pieces, and why others are not there: their files have gone, say."""
    found: dict[Adapter, Decoder] = {}
    lost: dict[Adapter, SibaoError] = {}
    if adapters is None:
        return found, lost
    wanted = {piece.job.adapter: None for piece in pieces if piece.job.adapter is not None}
    for adapter in wanted:
        try:
            found[adapter] = adapters.get(adapter, wanted)
        except SibaoError as error:
            lost[adapter] = error
    return found, lost


def step_of(pieces: Sequence[Piece], models: Mapping[Adapter, Decoder]) -> Step:
    """The step that reads these pieces."""
    step = Step()
    for piece in pieces:
        job = piece.job
        adapted = None if job.adapter is None else models[job.adapter]
        step.add(piece.ids, piece.start, job.table, piece.wanted, adapted, job.source)
    return step


def scores_of(runner: Runner, pieces: Sequence[Piece], step: Step) -> Tensor:
    """Scores of the tokens that may come next, float32 [B, V]: of each piece that writes, after its last token and after
    each guess. What is to be scored is, on the way."""
    if all(piece.job.request.score_from is None for piece in pieces):
        return runner.logits(step)
    hidden_WD = runner.hidden(step)
    rows = hidden_WD.split([len(piece.wanted) for piece in pieces])
    scored = [(piece, row[: len(piece.targets)]) for piece, row in zip(pieces, rows, strict=True) if piece.targets]
    if scored:
        targets = [token for piece, _ in scored for token in piece.targets]
        width = max(piece.job.request.sampling.logprobs or 0 for piece, _ in scored)
        found = iter(likelihoods(runner, torch.cat([row for _, row in scored]), targets, width))
        for piece, _ in scored:
            piece.job.found += itertools.islice(found, len(piece.targets))
    last = [row[-1 - len(piece.guessed) :] for piece, row in zip(pieces, rows, strict=True) if piece.writes]
    return runner.head(torch.cat(last)) if last else hidden_WD
