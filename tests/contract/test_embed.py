"""Vectors of texts are Transformers' states, whatever the kind of network, and whatever stands beside a text."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.tiny import TEXTS, tiny_folder

from sibao.core.errors import BadInput, ContextOverflow
from sibao.models.base import Keys
from sibao.models.folder import family_of, new_network
from sibao.providers.load import load
from sibao.text.sentinels import train_source_target
from sibao.workflows.pretrain import write_folder

SHORT = [text[:24] for text in TEXTS]
DECODERS = sorted(
    {"gpt2", "llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3", "qwen3_moe", "mixtral"}
)


def folder_of(family: str, place: Path) -> Path:
    if family in DECODERS:
        return tiny_folder(place, family)
    tokenizer = train_source_target(iter(TEXTS), 400)
    network = new_network(family_of(family).read(Keys(family_of(family).TINY | {"vocab_size": tokenizer.vocab_size})))
    network.initialize(0)
    write_folder(network, tokenizer, family, place)
    return place


@pytest.mark.parametrize("family", [*DECODERS, "t5", "marian"])
def test_vectors_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    folder = folder_of(family, tmp_path / "model")
    own, peer = load(str(folder), precision="fp32"), load(f"transformers:{folder}", precision="fp32")
    for pooling in ("mean", "cls"):
        got, want = (torch.tensor(model.embed(SHORT, pooling=pooling)) for model in (own, peer))
        assert (got - want).abs().max() <= 1e-4
        single = torch.tensor([vector for text in SHORT for vector in own.embed(text, pooling=pooling)])
        assert (got - single).abs().max() <= 1e-5
    assert got.std(0).max() > 1e-3, "all texts are alike: nothing is told apart"


def test_what_has_no_vector(tmp_path: Path) -> None:
    model = load(str(tiny_folder(tmp_path, context=32)))
    with pytest.raises(ContextOverflow, match="text 2"):
        model.embed(["短", "长" * 100])
    with pytest.raises(BadInput, match="text 1 has no token"):
        model.embed([""])
    with pytest.raises(BadInput, match="max"):
        model.embed(["a"], pooling="max")
