"""Products of the kernels in every precision against PyTorch, over odd sizes and extreme numbers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sibao.engine.native.library import missing
from sibao.engine.native.panels import pack_codes
from sibao.engine.native.product import Product
from sibao.engine.native.weights import pack
from sibao.nn.integer import IntegerLinear, quantize

pytestmark = pytest.mark.skipif(bool(missing()), reason="no compiler")
SIZES = st.tuples(st.integers(1, 40), st.integers(1, 130), st.integers(1, 200))
ROWS = ("zero", "same", "huge", "minus zero", "denormal", "nan", "inf", "plain")
PRECISIONS = ("fp32", "bf16", "int8", "int4")


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def reference(weight: Tensor, x: Tensor, bias: Tensor | None, precision: str) -> Tensor:
    if precision in ("int8", "int4"):
        return IntegerLinear(quantize(weight, precision), bias)(x)
    if precision == "bf16":
        weight, x = weight.bfloat16().float(), x.bfloat16().float()
    y = x.double() @ weight.double().T
    return (y if bias is None else y + bias.double()).float()


@pytest.mark.parametrize("precision", PRECISIONS)
@settings(max_examples=60, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 99), half=st.booleans(), biased=st.booleans(), threads=st.integers(1, 2))
def test_products_are_pytorchs(
    precision: str, sizes: tuple[int, int, int], seed: int, half: bool, biased: bool, threads: int
) -> None:
    m, n, k = sizes
    weight, x = numbers(seed, n, k), numbers(seed + 1, m, k)
    weight = weight.bfloat16() if half else weight
    bias = numbers(seed + 2, n) if biased else None
    got = Product(n, k, precision, pack(weight, precision, threads), bias)(x, threads)
    wanted = reference(weight.float(), x, bias, precision)
    scale = (x.abs() @ weight.float().abs().T + 1).max()
    assert (got - wanted).abs().max() <= 1e-6 * scale
    if precision == "int8" and bias is None:
        assert torch.equal(got, wanted)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@settings(max_examples=40, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 99))
def test_flat_weights_give_what_packed_ones_give(precision: str, sizes: tuple[int, int, int], seed: int) -> None:
    m, n, k = sizes
    weight, x = numbers(seed, n, k), numbers(seed + 1, m, k)
    flat = weight if precision == "fp32" else weight.bfloat16()
    product = Product(n, k, precision, {"weight": flat}, numbers(seed + 2, n))
    got, wanted = product(x), Product(n, k, precision, pack(weight, precision, 1), product.bias)(x)
    assert (got - wanted).abs().max() <= 1e-6 * (x.abs() @ weight.abs().T + 1).max()
    assert all(torch.equal(product(x[i : i + 1])[0], got[i]) for i in range(m)), "a row is the same in any company"


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 80), k=st.integers(1, 200), power=st.integers(-44, 36), seed=st.integers(0, 99), same=st.booleans()
)
def test_packed_weights_are_pytorchs_to_the_bit(n: int, k: int, power: int, seed: int, same: bool) -> None:
    weight = torch.full((n, k), 0.7) if same else numbers(seed, n, k)
    weight = weight * 10.0**power
    weight[:, ::7], weight[: n // 3] = -0.0, 0.0
    for precision in ("int8", "int4"):
        packed, made = pack(weight, precision, 1), pack_codes(quantize(weight, precision))
        assert packed.keys() == made.keys()
        for key, tensor in packed.items():
            assert torch.equal(tensor, made[key]), key


@pytest.mark.parametrize("precision", PRECISIONS)
@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.sampled_from(ROWS), min_size=1, max_size=30),
    k=st.integers(1, 100),
)
def test_a_row_does_not_feel_its_neighbours(precision: str, rows: list[str], k: int) -> None:
    kinds = {
        "zero": torch.zeros(k), "same": torch.full((k,), 3.0), "huge": numbers(1, k) * 1e30, "denormal": numbers(2, k) * 1e-40,
        "minus zero": torch.full((k,), -0.0), "nan": torch.full((k,), torch.nan), "inf": torch.full((k,), -torch.inf),
    }  # fmt: skip
    x = torch.stack([kinds.get(row, numbers(5 + i, k)) for i, row in enumerate(rows)])
    weight = numbers(0, 45, k)
    product = Product(45, k, precision, pack(weight, precision, 1), numbers(3, 45))
    together = product(x)
    for i, row in enumerate(rows):
        alone = product(x[i : i + 1])
        if row in ("nan", "inf"):
            continue
        assert torch.equal(together[i : i + 1], alone) and alone.isfinite().all(), row
        wanted = reference(weight, x[i : i + 1], product.bias, precision)
        assert torch.allclose(alone, wanted, rtol=1e-4, atol=1e-5 * float(x[i].abs().max() + 1)), row


def test_what_is_too_small_for_an_inverse_counts_as_nothing() -> None:
    x = torch.full((1, 40), 1e-38)
    for precision in ("int8", "int4"):
        assert not Product(8, 40, precision, pack(numbers(0, 8, 40), precision, 1))(x).any()
