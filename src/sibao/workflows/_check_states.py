"""What an encoder computes for one text, on every back end: states, or what its head says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sibao.core.errors import BadInput
from sibao.models.weights import read_json
from sibao.nn.encoder import Encoder
from sibao.providers._encoder import EncoderModel
from sibao.text.reading import framed
from sibao.workflows._check_compare import far, finding, numbers
from sibao.workflows._check_server import Server
from sibao.workflows._check_tokens import CONVERSATION
from sibao.workflows._check_transformers import Reference
from sibao.workflows._check_types import Backend, Finding, Found, Subject

AUTO = {
    "none": "AutoModel", "masked": "AutoModelForMaskedLM", "classify": "AutoModelForSequenceClassification",
    "token": "AutoModelForTokenClassification", "span": "AutoModelForQuestionAnswering",
}  # fmt: skip
"""Transformers' loader for each head."""
APART = 0.05
"""Distance of two embeddings of length 1 that another precision of a server explains (a cosine of 0.999)."""
TEXTS = tuple(str(message["content"]) for message in CONVERSATION)


class Readings:
    """What an encoder makes of one text here, and how the other back ends stand to that."""

    first = None  # an encoder answers in numbers only: there is nothing to show

    def __init__(self, model: EncoderModel, folder: Path) -> None:
        self.model, self.folder = model, folder
        self.dtype = next(model.network.parameters()).dtype
        self.unit = "state" if model.network.config.head == "none" else "logit"
        self.ids = question(model)
        self.base = outputs(model.network, self.ids)

    def alone(self) -> Iterator[Found]:
        """Nothing is cached, so there is nothing to compare it with here."""
        yield from ()

    def with_transformers(self, subject: Subject) -> Found:
        """The same folder in Transformers, its head included."""
        theirs = Reference(subject, AUTO[self.model.network.config.head], self.dtype).outputs(self.ids)
        return self._compared("transformers", "transformers", theirs, "config.json or weights are read differently")

    def with_model(self, other: Any) -> Found:
        """Another folder's numbers for the same token ids."""
        theirs = outputs(other.network, self.ids)
        return self._compared("against", other.name, theirs, "not the same model: see what else differs from it")

    def _compared(self, name: str, backend: str, theirs: Tensor, hint: str) -> Found:
        told = numbers(backend, [self.base], [theirs], self.dtype)
        return finding(name, "fail" if far(told) else "ok", told, hint, self.unit), told

    def with_server(self, server: Server) -> list[Found]:
        """The embeddings that a server gives, against this model's with each way of pooling; lengths do not count."""
        texts = [text for text in TEXTS if self.model.count(text) <= self.model.context]
        theirs = server.embed(texts)
        distances = {pooling: _apart(self.model.embed(texts, pooling=pooling), theirs) for pooling in ("mean", "cls")}
        asked = _pooling(self.folder)
        best = asked or min(distances, key=lambda pooling: distances[pooling])
        backend = Backend(f"{server.url}#{server.model}", [], "", distances[best], APART)
        return [(_embedding_finding(len(texts), backend, best, asked), backend)]


def question(model: EncoderModel) -> list[int]:
    """The ids of a Chinese and an English sentence, framed and with one token hidden where the model guesses it."""
    tokenizer = model.tokenizer
    ids = tokenizer.encode(" ".join(TEXTS[:2]))[: model.context - 2]
    if model.network.config.head == "masked" and tokenizer.mask_id is not None:
        ids[len(ids) // 2] = tokenizer.mask_id
    return framed(tokenizer, ids)


@torch.inference_mode()
def outputs(network: Encoder, ids: list[int]) -> Tensor:
    """What the head says, float32; the states [1, T, D] of a network without a head."""
    states = network(torch.tensor([ids]))
    head = network.config.head
    if head == "none":
        return states.float()
    return network.label_logits(states) if head == "classify" else network.logits(states)


def refuse_server(name: str, head: str) -> None:
    """Servers of OpenAI's form know embeddings, and no other head of an encoder.

    Raises:
        BadInput: the encoder has a head.
    """
    if head != "none":
        body = "a copy of its body (architectures: the plain …Model) is compared through /v1/embeddings"
        raise BadInput(
            f"{name} is an encoder with the head {head!r}, which an OpenAI-compatible server has no way to ask",
            hint=f"leave out --url: Transformers is compared anyway, another folder with --against; {body}",
        )


def _apart(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> float:
    """The largest distance of two embeddings of one text, each brought to length 1; infinite where sizes differ."""
    if [len(vector) for vector in ours] != [len(vector) for vector in theirs]:
        return float("inf")
    a, b = (F.normalize(torch.tensor(list(vectors)), dim=-1) for vectors in (ours, theirs))
    return float((a - b).norm(dim=-1).max())


def _pooling(folder: Path) -> str | None:
    """The pooling that the folder itself asks for, in the file of sentence-transformers."""
    path = folder / "1_Pooling" / "config.json"
    data = read_json(path) if path.is_file() else {}
    return next(
        (name for name in ("mean", "cls") if data.get(f"pooling_mode_{name}_token{'s' * (name == 'mean')}")), None
    )


def _embedding_finding(count: int, backend: Backend, pooling: str, asked: str | None) -> Finding:
    got = f"{count} embeddings, at most {backend.max_difference:.2g} apart ({pooling} pooling), {APART:g} allowed"
    if far(backend):
        wanted = f"embeddings pooled as 1_Pooling/config.json says, {asked}" if asked else "the same embeddings"
        hint = "the server runs other weights, another tokenizer, another pooling or a prefix before each text"
        return Finding("server", "fail", got, wanted, hint)
    if pooling == "cls" and asked is None:
        hint = "ask for it with embed(..., pooling='cls'): the mean is taken otherwise"
        return Finding("server", "warn", got, "mean pooling, as here", hint)
    return Finding("server", "ok", got)
