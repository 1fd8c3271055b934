"""Resized vocabularies of encoders and encoder-decoders (decoders are in the contract): saved, they load in Transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sibao.core.errors import ModelError
from sibao.models.base import Keys
from sibao.models.folder import family_of, load_network, new_network, save_model
from sibao.models.resize import resize_vocabulary
from sibao.nn.network import Network

IDS = torch.randint(3, 60, (2, 15), generator=torch.Generator().manual_seed(0))


def network(family: str, **keys: Any) -> Network:
    module = family_of(family)
    model = new_network(module.read(Keys(module.TINY | keys)))
    model.initialize(0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.2)
    return model.eval()


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    if model.config.__class__.__name__ == "Seq2SeqConfig":
        return model.logits(model(IDS, torch.ones_like(IDS, dtype=torch.bool), IDS))
    return model.logits(model(IDS))


@pytest.mark.parametrize(
    ("family", "keys"),
    [("bert", {}), ("modernbert", {}), ("t5", {}), ("mt5", {}), ("marian", {"pad_token_id": 1, "decoder_start_token_id": 1})],
    ids=lambda v: v if isinstance(v, str) else "",
)  # fmt: skip
@pytest.mark.parametrize("size", [120, 64])
def test_a_resized_vocabulary_is_read_by_transformers(
    family: str, keys: dict[str, Any], size: int, tmp_path: Path
) -> None:
    import transformers

    model = network(family, **keys)
    before = logits(model)
    resize_vocabulary(model, size)
    after, kept = logits(model), min(size, 97)
    assert after.shape[-1] == size
    assert torch.allclose(after[..., :kept], before[..., :kept], atol=1e-5)
    if size > 97:  # logits are linear in the rows, so those of a mean are the mean
        assert torch.allclose(after[..., 97:], before.mean(-1, keepdim=True).expand(-1, -1, size - 97), atol=1e-4)
    # what a folder's config.json says of tokens comes from its tokenizer; Transformers' own defaults lie outside
    ends = {k: v for k, v in family_of(family).TINY.items() if k.endswith("token_id")} if family == "modernbert" else {}
    save_model(model, tmp_path, family, extra=ends)
    assert torch.equal(logits(load_network(tmp_path)), after)
    theirs = getattr(transformers, family_of(family).ARCHITECTURE).from_pretrained(
        tmp_path, attn_implementation="eager"
    )
    more = {"decoder_input_ids": IDS} if theirs.config.is_encoder_decoder else {}
    with torch.no_grad():
        assert (theirs.eval()(input_ids=IDS, **more).logits - after).abs().max() <= 1e-4


def test_labels_are_no_vocabulary() -> None:
    model = network(
        "bert", architectures=["BertForSequenceClassification"], id2label={str(i): str(i) for i in range(97)}
    )
    output = model.get_parameter("output.weight").clone()
    resize_vocabulary(model, 200)
    assert torch.equal(model.get_parameter("output.weight"), output)
    assert model.get_parameter("embed_tokens.weight").shape == (200, 32)


def test_two_vocabularies_are_refused() -> None:
    model = network("marian", share_encoder_decoder_embeddings=False, decoder_vocab_size=103)
    with pytest.raises(ModelError, match="reads one vocabulary and writes another"):
        resize_vocabulary(model, 110)
