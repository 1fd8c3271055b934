"""Greedy answers equal Transformers' ``generate`` where layers differ: windows, soft-capping, local bases, experts."""

from __future__ import annotations

import pytest
import torch
from tests.contract.peers import load_peer, peer

from sibao.engine.build import build
from sibao.engine.request import Request
from sibao.models.folder import load_model

PROMPTS = [torch.randint(0, 97, (n,), generator=torch.Generator().manual_seed(n)).tolist() for n in (1, 6, 19, 23)]


@pytest.mark.parametrize(("name", "number"), [("gemma2", 2), ("gemma3_text", 2), ("phi3", 1), ("qwen3_moe", 2)])
def test_greedy_equals_generate(name: str, number: int) -> None:
    folder = peer(name, number)[1]
    engine = build(load_model(folder, torch.float32), max_batch=3)
    got: dict[str, list[int]] = {}
    for event in engine.submit(*(Request(str(i), ids, max_tokens=20) for i, ids in enumerate(PROMPTS))):
        got.setdefault(event.id, []).extend(event.token_ids)
    theirs = load_peer(folder)
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(theirs.generation_config, key, None)
    for i, prompt in enumerate(PROMPTS):
        ids = torch.tensor([prompt])
        expected = theirs.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False)
        assert got[str(i)] == expected[0, len(prompt) :].tolist()
    distinct = {token for tokens in got.values() for token in tokens}
    assert len(distinct) > 8, "the answers repeat one token; a wrong mask could hide"
