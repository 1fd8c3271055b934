"""Models of a family that Sibao lacks, which run through Transformers: their kind, tied weights, and answers or states."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sibao.core.errors import ModelError
from sibao.core.types import Sampling
from sibao.engine.request import Request
from sibao.models.names import resolve
from sibao.providers._transformers_load import kind_of, quiet
from sibao.providers.transformers import TransformersModel
from sibao.text.tokenizer import Tokenizer
from sibao.workflows._check_compare import Question, Trace
from sibao.workflows._check_replay import Answers, network_of, question, recorded
from sibao.workflows._check_states import TEXTS, Readings
from sibao.workflows._check_transformers import Reference
from sibao.workflows._check_types import Backend, Finding, Found, Kind, Subject, verdict
from sibao.workflows._check_weights import Place, equal, stored_names

_KINDS: dict[str, Kind] = {"decoder": "decoder", "seq2seq": "encoder-decoder", "encoder": "encoder"}
CACHED, UNCACHED = "transformers, cached", "transformers, uncached"


def foreign_kind(folder: Path) -> Kind:
    """What a network that only Transformers has can do.

    Raises:
        ModelError: it does not have it either.
    """
    return _KINDS.get(kind_of(folder), "unknown")


def head_of(subject: Subject) -> str:
    """Transformers' class of an encoder with its head; ``none`` where the config names a body, or nothing."""
    names = subject.config.get("architectures") or ["Model"]
    return "none" if str(names[0]).endswith("Model") else str(names[0])


def tied_finding(folder: Path, network: Any) -> Finding:
    """Weights that Transformers ties: a file that holds both must hold them alike."""
    tied = network.get_expanded_tied_weights_keys(all_submodels=True)
    names = stored_names(folder)
    faults = []
    for name, source in tied.items():
        here, there = _place(names, name), _place(names, source)
        if here and there and not equal(here, there):
            faults.append(f"config.json ties {here[1]} to {there[1]}, but the file holds different values")
    hint = "set tie_word_embeddings in config.json as the model was trained, or copy the weights again"
    return verdict("tied_weights", faults, "tied" if tied else "untied", "weights as config.json says", hint)


def _place(names: dict[str, Path], name: str) -> Place | None:
    """Where a tensor is stored: files of a body alone leave out the first word of a name."""
    found = name if name in names else name.partition(".")[2]
    return (names[found], found) if found in names else None


class ForeignAnswers(Answers):
    """What a decoder or an encoder-decoder of Transformers answers."""

    def __init__(self, model: TransformersModel, subject: Subject, count: int) -> None:
        self.model, self.tokenizer = model, model.tokenizer
        self.tied = tied_finding(subject.folder, network_of(model))
        self.asked = question(model, count, source=model.kind == "seq2seq")
        self.base = _uncached(model, self.asked)
        self.dtype = network_of(model).dtype
        self.first = Backend(UNCACHED, self.base.tokens, self.tokenizer.decode(self.base.tokens, skip_special=False))

    def alone(self) -> Iterator[Found]:
        """The answer that users get, which keeps a cache, against the one with all read again for every token."""
        yield self.tied, None
        hint = "this family's cache changes what is computed in this version of Transformers"
        yield self._compared("cached", CACHED, _cached(self.model, self.asked), hint)

    def with_model(self, other: Any) -> Found:
        """Another folder's answer to the same token ids."""
        hint = "not the same model: see what else differs from it"
        return self._compared("against", other.name, _uncached(other, self.asked), hint)


def _cached(model: Any, asked: Question) -> Trace:
    request = Request("check", asked.ids, stop_ids=frozenset(asked.ends), max_tokens=asked.count,
                      sampling=Sampling(temperature=0, num_beams=1))  # fmt: skip
    found = recorded(model.engine, request)
    return Trace(found.tokens, [_finite(step) for step in found.logits])


@torch.inference_mode()
def _uncached(model: Any, asked: Question) -> Trace:
    ids = torch.tensor([asked.ids])
    network = network_of(model)
    with quiet(logging.CRITICAL):
        made = network.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=asked.count, do_sample=False, num_beams=1,
            use_cache=False, eos_token_id=list(asked.ends) or None, output_scores=True, return_dict_in_generate=True,
        )  # fmt: skip
    new = made.sequences[0, 1 if model.kind == "seq2seq" else len(asked.ids) :]
    return Trace(new.tolist(), [_finite(step[0].float()) for step in made.scores])


def _finite(logits_V: Tensor) -> Tensor:
    """What the settings of a folder forbid is -inf, which has no difference: it gets the least of the others."""
    barred = logits_V == -torch.inf
    return logits_V.masked_fill(barred, float(logits_V[~barred].min())) if bool(barred.any()) else logits_V


class ForeignReadings(Readings):
    """What an encoder of Transformers makes of one text, its head included."""

    def __init__(self, model: TransformersModel, subject: Subject) -> None:
        self.model: Any = model
        self.folder = subject.folder
        self.head = head_of(subject)
        self.unit = "state" if self.head == "none" else "logit"
        self.dtype = network_of(model).dtype
        ids = [i for text in TEXTS[:2] for i in model.tokenizer.encode(text, add_special_tokens=True)]
        self.ids = ids[: model.context]
        reference = self._reference(subject)
        self.tied = tied_finding(subject.folder, reference.model)
        self.base = reference.outputs(self.ids)
        if not bool(self.base.isfinite().all()):
            raise ModelError(f"its {self.unit}s for a short text are not numbers", hint="the weights are damaged")

    def alone(self) -> Iterator[Found]:
        """Nothing is cached; the head is there and tied, or reading it would have failed."""
        yield self.tied, None

    def with_model(self, other: Any) -> Found:
        """Another folder's numbers for the same token ids, through the head of this one."""
        source = resolve(other.name)
        theirs = self._reference(Subject(other.name, source.folder, source.adapter)).outputs(self.ids)
        return self._compared("against", other.name, theirs, "not the same model: see what else differs from it")

    def _reference(self, subject: Subject) -> Reference:
        auto = "AutoModel" if self.head == "none" else self.head
        return Reference(subject, auto, self.dtype, whole=True)


def unreplayed(model: Any) -> str:
    """Why a model is not asked anything; empty where it is."""
    if not isinstance(model, TransformersModel) or model.kind == "encoder":
        return ""
    if model.kind == "sees":
        return "answers: a model that sees is not asked"
    return "" if isinstance(model.tokenizer, Tokenizer) else "answers: its tokenizer exists in Python only"


def foreign_replay(subject: Subject, model: TransformersModel, count: int) -> ForeignAnswers | ForeignReadings:
    """What is compared with the other back ends, by the kind of model."""
    return ForeignReadings(model, subject) if model.kind == "encoder" else ForeignAnswers(model, subject, count)
