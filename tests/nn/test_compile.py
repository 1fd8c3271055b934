"""Layers compile one by one, as training does with ``run.compile``, and compute the same: windows, caps, experts, parts."""

from __future__ import annotations

import pytest
import torch
from tests.contract.peers import peer, some_ids

from sibao.models.folder import load_model


@pytest.mark.filterwarnings("ignore::UserWarning")  # the tracer asks tensors on its way for gradients they do not keep
@pytest.mark.parametrize("name", ["gemma2", "phi3", "qwen3_moe"])
def test_compiled_layers_compute_the_same(name: str) -> None:
    model, ids = load_model(peer(name)[1]), some_ids(2, 20)
    mask = torch.ones(20, 20, dtype=torch.bool).tril()
    mask[12:, :12] = False
    positions = torch.cat((torch.arange(12), torch.arange(8)))[None].expand(2, 20)
    model(ids, positions, mask=mask[None, None]).square().sum().backward()
    want = model.embed_tokens.weight.grad
    model.zero_grad()
    plain = model(ids, positions, mask=mask[None, None])
    torch._dynamo.reset()
    for layer in model.layers:
        layer.compile(backend="eager")  # what is traced is the same for any code generator; this one needs none
    compiled = model(ids, positions, mask=mask[None, None])
    compiled.square().sum().backward()
    assert torch.allclose(compiled, plain, atol=1e-5)
    assert torch.allclose(model.embed_tokens.weight.grad, want, rtol=1e-3, atol=1e-3)
