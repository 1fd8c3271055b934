"""Greedy answers equal Transformers' ``generate`` on random models of two families, read from the same folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sibao.core.types import Sampling
from sibao.engine.build import build
from sibao.engine.request import Request
from sibao.models.folder import load_model


def save_random(path: Path, family: str) -> Path:
    from transformers import GPT2Config, GPT2LMHeadModel, Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    if family == "gpt2":
        shape = GPT2Config(vocab_size=211, n_embd=32, n_layer=2, n_head=4, n_positions=64, initializer_range=0.3)
        model = GPT2LMHeadModel(shape)
    else:
        model = Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=211, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                head_dim=16, intermediate_size=64, max_position_embeddings=64, initializer_range=0.3,
            )
        )  # fmt: skip
    model.eval().save_pretrained(path)
    return path


@pytest.mark.parametrize("family", ["qwen3", "gpt2"])
@pytest.mark.parametrize("penalty", [1.0, 1.4])
def test_greedy_equals_generate(tmp_path: Path, family: str, penalty: float) -> None:
    from transformers import AutoModelForCausalLM

    folder = save_random(tmp_path, family)
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ends = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))
    prompts = [torch.randint(0, 211, (n,), generator=torch.Generator().manual_seed(n)).tolist() for n in (1, 7, 20)]
    requests = [
        Request(str(i), ids, Sampling(repetition_penalty=penalty), max_tokens=40) for i, ids in enumerate(prompts)
    ]
    engine = build(load_model(folder, torch.float32))
    got: dict[str, list[int]] = {r.id: [] for r in requests}
    for event in engine.submit(*requests):
        got[event.id] += event.token_ids
    for request in requests:
        ids = torch.tensor([request.prompt_ids])
        for name, value in ends.items():
            setattr(reference.generation_config, name, value)
        expected = reference.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=40, do_sample=False, repetition_penalty=penalty
        )
        assert got[request.id] == expected[0, ids.shape[1] :].tolist()
