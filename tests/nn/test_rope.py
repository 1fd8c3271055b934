"""Stretched rotary positions against Transformers' own functions, and tables that grow."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sibao.models._rotary import rope, scaling_json
from sibao.models.base import Keys
from sibao.nn.rope import FIRST_POSITIONS, Rotary, rope_table, rotate
from sibao.nn.scaling import LinearScaling

LENGTHS = {"max_position_embeddings": 4096}
KINDS: list[dict[str, Any]] = [
    {"rope_type": "linear", "factor": 3.5},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
     "original_max_position_embeddings": 512},
    {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 0.5, "high_freq_factor": 9.0,
     "original_max_position_embeddings": 100},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024},
    {"rope_type": "yarn", "factor": None, "original_max_position_embeddings": 256},
    {"rope_type": "yarn", "factor": 40.0, "original_max_position_embeddings": 64, "mscale": 0.7, "mscale_all_dim": 1.0},
    {"rope_type": "yarn", "factor": 2.0, "attention_factor": 0.9, "beta_fast": 8.0, "beta_slow": 3.0, "truncate": False,
     "original_max_position_embeddings": 512},
    {"rope_type": "yarn", "factor": 0.5, "original_max_position_embeddings": 4096},
    {"rope_type": "longrope", "short_factor": [1.0 + i / 7 for i in range(32)], "long_factor": [4.0] * 32,
     "original_max_position_embeddings": 512},
    {"rope_type": "longrope", "short_factor": [1.5] * 32, "long_factor": [4.0] * 32, "factor": 6.0,
     "original_max_position_embeddings": 512},
    {"rope_type": "longrope", "short_factor": [1.5] * 32, "long_factor": [4.0] * 32, "attention_factor": 1.2,
     "original_max_position_embeddings": 512},
]  # fmt: skip


@pytest.mark.parametrize("theta", [10000.0, 1e6])
@pytest.mark.parametrize("parameters", KINDS, ids=lambda p: p["rope_type"])
def test_scaling_is_that_of_transformers(parameters: dict[str, Any], theta: float) -> None:
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    given = parameters | {"rope_theta": theta}
    theirs = LlamaConfig(hidden_size=128, num_attention_heads=2, rope_parameters=dict(given), **LENGTHS)
    want, factor = ROPE_INIT_FUNCTIONS[parameters["rope_type"]](theirs, "cpu")
    fields = rope(Keys({"rope_parameters": given, **LENGTHS}))
    scaling = fields["rope_scaling"]
    assert fields["rope_theta"] == theta
    assert torch.allclose(scaling.frequencies(64, theta), want, rtol=1e-5, atol=0)
    assert scaling.attention == pytest.approx(factor, rel=1e-6)
    written = {"rope_parameters": scaling_json(scaling), "rope_theta": theta, **LENGTHS}
    assert rope(Keys(written)) == fields


def test_the_old_place_of_the_original_length_wins() -> None:
    yarn = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512}
    beside = rope(Keys({"rope_scaling": yarn, "original_max_position_embeddings": 256, **LENGTHS}))
    assert beside["rope_scaling"].original_max_position_embeddings == 256
    silent = rope(Keys({"rope_scaling": {"type": "yarn", "factor": 4.0}, **LENGTHS}))
    assert silent["rope_scaling"].original_max_position_embeddings == 4096


@pytest.mark.parametrize("scaling", [None, LinearScaling(2.0)])
def test_a_table_grows_with_the_text_and_not_before(scaling: LinearScaling | None) -> None:
    rotary = Rotary(8, 3 * FIRST_POSITIONS, 500.0, scaling)
    whole = rope_table(8, 3 * FIRST_POSITIONS, 500.0, scaling)
    assert len(rotary.cos) == FIRST_POSITIONS and not rotary.state_dict()
    for last, length in ((10, 1), (FIRST_POSITIONS, 2), (3 * FIRST_POSITIONS - 1, 3), (5, 3)):
        positions = torch.tensor([[0, last]])
        with torch.inference_mode():
            cos, sin = rotary(positions, last + 1)
        assert torch.allclose(cos, whole[0][positions], atol=1e-6)
        assert torch.allclose(sin, whole[1][positions], atol=1e-6)
        assert len(rotary.cos) == length * FIRST_POSITIONS
    assert not rotary.cos.is_inference()
    with pytest.raises(IndexError):
        rotary(torch.tensor([[3 * FIRST_POSITIONS]]), 3 * FIRST_POSITIONS + 1)


def test_dims_beyond_the_rotation_stay() -> None:
    x = torch.randn(2, 3, 4, 10, generator=torch.Generator().manual_seed(0))
    cos, sin = (t[None, :4].expand(2, 4, 6) for t in rope_table(6, 9, 100.0))
    turned = rotate(x, cos, sin)
    assert torch.equal(turned[..., 6:], x[..., 6:])
    assert torch.equal(turned[..., :6], rotate(x[..., :6], cos, sin))
