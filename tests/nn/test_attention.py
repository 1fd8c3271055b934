"""Attention and rotary positions against their formulas written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sibao.nn.attention import attend, attend_capped, window_mask
from sibao.nn.norm import OffsetRMSNorm, RMSNorm
from sibao.nn.rope import rope_table, rotate


def written_out(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float | None = None, cap: float | None = None
) -> Tensor:
    """softmax(Q Kᵀ / √E) V, one head and one query at a time; query heads share keys in order."""
    B, H, T, E = q.shape
    share = H // k.shape[1]
    out = torch.zeros(B, H, T, E)
    for b in range(B):
        for h in range(H):
            for t in range(T):
                scores = k[b, h // share] @ q[b, h, t] * (scale or 1 / math.sqrt(E))
                scores = cap * torch.tanh(scores / cap) if cap else scores
                scores[~mask[b, 0, t]] = -torch.inf
                weights = scores.exp() / scores.exp().sum()
                out[b, h, t] = weights @ v[b, h // share]
    return out


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_causal_attention_is_the_formula(kv_heads: int) -> None:
    q, k, v = random(2, 4, 6, 8), random(2, kv_heads, 6, 8, seed=1), random(2, kv_heads, 6, 8, seed=2)
    causal = torch.ones(6, 6, dtype=torch.bool).tril().expand(2, 1, 6, 6)
    want = written_out(q, k, v, causal)
    assert torch.allclose(attend(q, k, v, None), want, atol=1e-5)
    assert torch.allclose(attend(q, k, v, causal), want, atol=1e-5)


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_one_query_over_a_cache_is_the_formula(kv_heads: int) -> None:
    q, k, v = random(3, 4, 1, 8), random(3, kv_heads, 9, 8, seed=1), random(3, kv_heads, 9, 8, seed=2)
    mask = window_mask(torch.tensor([[0], [4], [8]]), 9, 3)
    assert mask.sum(-1).flatten().tolist() == [1, 3, 3]
    assert torch.allclose(attend(q, k, v, mask), written_out(q, k, v, mask), atol=1e-5)


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("cap", [None, 0.7])
def test_scale_and_cap_are_the_formula(kv_heads: int, cap: float | None) -> None:
    q, k, v = random(2, 4, 6, 8), random(2, kv_heads, 6, 8, seed=1), random(2, kv_heads, 6, 8, seed=2)
    causal = torch.ones(6, 6, dtype=torch.bool).tril().expand(2, 1, 6, 6)
    want = written_out(q, k, v, causal, 0.9, cap)
    assert not torch.allclose(want, written_out(q, k, v, causal), atol=1e-2)
    for mask in (None, causal):
        got = attend(q, k, v, mask, 0.9) if cap is None else attend_capped(q, k, v, mask, 0.9, cap)
        assert torch.allclose(got, want, atol=1e-5)


def test_a_query_that_may_look_nowhere_has_a_value() -> None:
    mask = torch.ones(1, 1, 3, 3, dtype=torch.bool).tril()
    mask[..., 0, :] = False
    q = random(1, 2, 3, 4)
    assert attend_capped(q, q, q, mask, 0.5, 2.0).isfinite().all()


def test_the_window_is_counted_back_from_the_query() -> None:
    positions = torch.tensor([[2, 3]])
    assert window_mask(positions, 5, None)[0, 0].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]
    assert window_mask(positions, 5, 2)[0, 0].tolist() == [[0, 1, 1, 0, 0], [0, 0, 1, 1, 0]]


def test_rotary_angles_are_the_formula() -> None:
    cos, sin = rope_table(6, 10, 100.0)
    for p in (0, 1, 7):
        for i in range(3):
            angle = p / 100.0 ** (2 * i / 6)
            for column in (i, i + 3):
                assert cos[p, column].item() == pytest.approx(math.cos(angle), abs=1e-6)
                assert sin[p, column].item() == pytest.approx(math.sin(angle), abs=1e-6)


def test_rotation_turns_pairs_and_depends_on_the_distance_only() -> None:
    cos, sin = rope_table(8, 50, 10000.0)
    q, k = random(1, 1, 1, 8), random(1, 1, 1, 8, seed=1)

    def at(x: Tensor, p: int) -> Tensor:
        return rotate(x, cos[None, p : p + 1], sin[None, p : p + 1])

    def product(p: int, s: int) -> float:
        return (at(q, p) * at(k, s)).sum().item()

    assert product(13, 6) == pytest.approx(product(40, 33), abs=1e-5)
    assert product(13, 6) != pytest.approx(product(13, 7), abs=1e-3)
    turned = rotate(torch.tensor([1.0, 0.0]).view(1, 1, 1, 2), *(t[None, 3:4] for t in rope_table(2, 4, 10.0)))
    assert turned.flatten().tolist() == pytest.approx([math.cos(3), math.sin(3)], abs=1e-6)


def test_rms_norm_is_the_formula() -> None:
    norm, x = RMSNorm(5, 1e-3), random(2, 5)
    torch.nn.init.uniform_(norm.weight)
    want = [[w * v / math.sqrt(sum(u * u for u in row) / 5 + 1e-3) for w, v in zip(norm.weight.tolist(), row, strict=True)]
            for row in x.tolist()]  # fmt: skip
    assert torch.allclose(norm(x), torch.tensor(want), atol=1e-6)
    assert norm(x.bfloat16().float()).dtype == torch.float32


def test_offset_rms_norm_counts_from_one() -> None:
    plain, offset, x = RMSNorm(5, 1e-3), OffsetRMSNorm(5, 1e-3), random(2, 5)
    assert torch.allclose(offset(x), plain(x), atol=1e-6)
    torch.nn.init.uniform_(offset.weight)
    with torch.no_grad():
        plain.weight.copy_(offset.weight + 1)
    assert torch.allclose(offset(x), plain(x), atol=1e-6)
    assert offset(x.bfloat16()).dtype == torch.bfloat16
