"""The weights of a folder: do they belong to config.json, are they whole, and do they look as if trained with its rotary base?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sibao.core.errors import ModelError
from sibao.models.base import fill, matcher
from sibao.models.folder import family_of, new_network, renames_of
from sibao.models.weights import open_weights, weight_files
from sibao.nn.decoder import Decoder
from sibao.nn.network import Network
from sibao.text.tokenizer import Tokenizer
from sibao.workflows._check_types import Finding, Subject, verdict

Place = tuple[Path, str]
"""A file and the name of a tensor in it."""
DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}
"""Number formats of safetensors, as config.json names them."""
BASES = (1e4, 1e5, 5e5, 1e6, 1e7)
"""Rotary bases that published models use."""
UNTRAINED = 0.8
"""A model whose loss is above this share of ln(vocabulary) knows too little of the text to tell bases apart."""
CLEAR = 2.5
"""Standard errors by which another base must win before it is mentioned."""
TEXT = (
    "北京是中华人民共和国的首都，位于华北平原的北部。这座城市有三千多年的历史，曾经是辽、金、元、明、清五个朝代的都城。"
    "今天的北京是全国的政治中心和文化中心，有许多著名的大学、博物馆和公园。\n"
    "The Great Wall is a series of walls and towers in the north of China. It was built over many centuries to protect "
    "the country from its neighbours. Today it is one of the most famous buildings in the world, and many people visit "
    "it every year.\n"
)
"""Plain facts, read three times over: what was read once can be foretold the second time, if positions are right."""


def header_findings(subject: Subject) -> Iterator[Finding]:
    """Tied and untied weights, from the headers of the files and the one or two tensors that matter."""
    names = stored_names(subject.folder)
    shape = subject.shape
    if settle := getattr(family_of(subject.family or ""), "settle", None):  # as loading does: the file decides
        shape = settle(shape, open_weights(subject.folder))
    with torch.device("meta"):
        network = new_network(shape)
    where = _stored(subject, names)
    if not network.tied and not _untied_twin(network):
        return
    faults = []
    for name, source in network.tied.items():
        if name in where and source in where and not equal(where[name], where[source]):
            faults.append(
                f"config.json ties {where[name][1]} to {where[source][1]}, but the file holds different values"
            )
    missing = [name for name in _untied_twin(network) if name not in where]
    faults += [f"config.json says untied, but the file has no {_checkpoint_name(subject, name)}" for name in missing]
    hint = "set tie_word_embeddings in config.json as the model was trained, or copy the weights again"
    fine = "untied, both are there" if _untied_twin(network) else "tied"
    yield verdict("tied_weights", faults, fine, "weights as config.json says", hint)


def stored_names(folder: Path) -> dict[str, Path]:
    """Every tensor of the folder's safetensors files, and the file that holds it.

    Raises:
        ModelError: no weights, or a file that cannot be read.
    """
    found: dict[str, Path] = {}
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                found |= dict.fromkeys(file.keys(), path)
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} cannot be read: {error}", hint="the file is damaged; copy it again") from None
    return found


def _stored(subject: Subject, names: Mapping[str, Path]) -> dict[str, tuple[Path, str]]:
    """The network's name of each stored tensor that stands for one parameter → its file and its name there."""
    match = matcher(renames_of(family_of(subject.family or ""), subject.shape), lambda r: r.checkpoint)
    out = {}
    for name, path in names.items():
        found = match(name) or match(f"transformer.{name}") or match(f"model.{name}")
        if found is not None and len(found[0].fused) == 1:
            out[fill(found[0].fused[0], found[1])] = (path, name)
    return out


def _untied_twin(network: Network) -> list[str]:
    """The output projection onto the vocabulary of a network that does not tie it."""
    guesses = getattr(network.config, "head", "masked") == "masked"
    ends = ("lm_head.weight", "output.weight") if guesses else ("lm_head.weight",)
    return [n for n, _ in network.named_parameters() if n in ends and n not in network.tied]


def _checkpoint_name(subject: Subject, name: str) -> str:
    rules = renames_of(family_of(subject.family or ""), subject.shape)
    return next((r.checkpoint for r in rules if r.fused == (name,) and not r.alias), name)


def equal(one: Place, other: Place) -> bool:
    """Whether two stored tensors are the same."""

    def read(place: Place) -> Tensor:
        with safe_open(place[0], framework="pt") as file:
            tensor: Tensor = file.get_tensor(place[1])
        return tensor

    first, second = read(one), read(other)
    return first.shape == second.shape and bool(torch.equal(first, second))


def weight_finding(subject: Subject, network: Network) -> Finding:
    """What was loaded; reading it has refused NaN, wrong shapes, and tensors too many or too few."""
    count = sum(p.numel() for p in network.parameters())
    stored = _stored_dtypes(subject.folder)
    told = f"{count:,} parameters stored as {', '.join(stored)}: all there, finite, of the right shapes"
    named = str(subject.config.get("dtype") or subject.config.get("torch_dtype") or "").removeprefix("torch.")
    if named and named not in stored:
        hint = "programs that take the precision from config.json compute in another one than the weights were saved in"
        return Finding("weights", "warn", f"{told}; config.json says {named}", "the same dtype", hint)
    return Finding("weights", "ok", told)


def _stored_dtypes(folder: Path) -> list[str]:
    """The number formats of a folder's tensors, the most frequent first."""
    seen: Counter[str] = Counter()
    for path in weight_files(folder):
        with safe_open(path, framework="pt") as file:
            seen.update(file.get_slice(name).get_dtype() for name in file.keys())  # noqa: SIM118 - no mapping
    return [DTYPES.get(name, name) for name, _ in seen.most_common()]


@torch.inference_mode()
def rope_evidence(model: Decoder, tokenizer: Tokenizer) -> Iterator[Finding]:
    """Whether a plain text is likelier under another rotary base than under the one in config.json.

    Evidence, no proof, hence a warning at most: a trained model is best at its own base. The mean difference of the
    tokens' log-likelihoods must exceed ``CLEAR`` standard errors (paired over tokens). Silent where there is nothing to
    learn: no rotary positions, or a model that does not know the language.
    """
    config: Any = model.config
    if getattr(config, "positions", None) != "rope" or not hasattr(config, "rope_theta"):
        return
    ids = [tokenizer.document_id, *tokenizer.encode(TEXT * 3)][: config.max_position_embeddings]
    if max(ids) >= config.vocab_size or len(ids) < 32:
        return
    own = _likelihoods(model, ids)
    if -own.mean() > UNTRAINED * torch.tensor(float(config.vocab_size)).log():
        return
    best = max((_against(model, ids, own, base) for base in BASES if base != config.rope_theta), key=lambda b: b[2])
    base, errors, gain = best
    told = f"{config.rope_theta:g}: loss {-own.mean():.3f} a token on {len(ids)} tokens"
    if errors > CLEAR:
        got = f"{told}; {base:g} would give {gain:.3f} less ({errors:.1f} standard errors)"
        hint = (
            "config.json may name another base than the model was trained with: compare with the original (--against)"
        )
        yield Finding("rope_evidence", "warn", got, "no base that fits better", hint)
    else:
        yield Finding("rope_evidence", "ok", f"{told}; no common base fits better")


def _against(model: Decoder, ids: list[int], own: Tensor, base: float) -> tuple[float, float, float]:
    """(base, standard errors by which it wins, nats a token it wins)."""
    other = new_network(replace(model.config, rope_theta=base))
    other.load_state_dict(model.state_dict(), assign=True)
    other.tie()
    gain = _likelihoods(other.eval(), ids) - own
    spread = float(gain.std()) / len(gain) ** 0.5
    return base, float(gain.mean()) / spread if spread else 0.0, float(gain.mean())


def _likelihoods(model: Any, ids: list[int]) -> Tensor:
    x = torch.tensor([ids])
    logprobs = model.logits(model(x))[0, :-1].log_softmax(-1)
    return torch.as_tensor(logprobs.gather(-1, x[0, 1:, None])[:, 0])
