"""The best of a row, by the kernels and by PyTorch's operators."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sibao.engine import likeliest as module
from sibao.engine.likeliest import likeliest
from sibao.engine.native.library import missing


@pytest.fixture(params=["kernels", "operators"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "operators":
        monkeypatch.setattr(module, "ready", lambda: False)
    elif missing():
        pytest.skip(missing())
    return str(request.param)


@pytest.mark.parametrize("width", [1, 7, 255, 256, 257, 300, 1031, 32000])
def test_the_best_and_the_sum(width: int, way: str) -> None:
    scores = torch.randn(5, width, generator=torch.Generator().manual_seed(width)) * 4
    scores[1] = scores[1].round()  # many equals
    scores[2, : width // 2] = -math.inf
    for count in {1, min(3, width), min(17, width)}:
        got = likeliest(scores, count)
        assert torch.equal(got.values, scores.topk(count).values)
        assert torch.equal(scores.gather(1, got.ids), got.values)
        assert all(len(set(row)) == count for row in got.ids.tolist())
        torch.testing.assert_close(got.totals, scores.double().logsumexp(-1).float(), rtol=1e-6, atol=2e-6)


@pytest.mark.skipif(bool(missing()), reason=missing() or "there are kernels")
@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=700), st.integers(1, 9))
def test_of_equals_the_first_comes_first(row: list[int], count: int) -> None:
    count = min(count, len(row))
    wanted = sorted(range(len(row)), key=lambda i: (-row[i], i))[:count]
    assert likeliest(torch.tensor([row]).float(), count).ids[0].tolist() == wanted


def test_a_row_does_not_depend_on_the_others(way: str) -> None:
    scores = torch.randn(6, 5000, generator=torch.Generator().manual_seed(1))
    whole = likeliest(scores, 4)
    for i in range(6):
        one = likeliest(scores[i : i + 1], 4)
        assert all(torch.equal(a[0], b[i]) for a, b in zip(one, whole, strict=True))


@pytest.mark.parametrize("place", [0, 1, 255, 300, 511, 512, 599])
def test_what_is_no_number_has_no_sum(place: int, way: str) -> None:
    scores = torch.zeros(3, 600)
    scores[1, place], scores[2, place] = math.nan, math.inf
    totals = likeliest(scores, 2).totals
    assert totals[0] == pytest.approx(math.log(600)) and not totals[1:].isfinite().any()


def test_where_nothing_may_come(way: str) -> None:
    found = likeliest(torch.full((2, 400), -math.inf), 1)
    assert found.values.tolist() == [[-math.inf]] * 2 and found.totals.tolist() == [-math.inf] * 2
