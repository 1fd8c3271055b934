"""The same source for other processors: the same integers, the same floats to rounding."""

from __future__ import annotations

import ctypes
import platform
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.contract.peers import peer, some_ids
from tests.engine.native.steps import logits_of

from sibao.engine.build import build
from sibao.engine.native import runner as native_runner
from sibao.engine.native.library import CPUINFO, FLAGS, SOURCE, compiler, library, missing
from sibao.engine.native.product import Product
from sibao.engine.native.weights import pack
from sibao.models.folder import load_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()) or platform.machine() != "x86_64", reason="no compiler for x86-64"),
]
BUILDS = {"plain": (), "avx2": ("-mavx2", "-mfma")}


@pytest.fixture(scope="module", params=BUILDS)
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The kernels as another processor would have them."""
    if request.param == "avx2" and "avx2" not in CPUINFO.read_text(encoding="utf-8"):
        pytest.skip("this processor has no AVX2")
    made: Path = tmp_path_factory.mktemp(request.param) / "kernels.so"
    flags = [flag for flag in FLAGS if flag != "-march=native"] + list(BUILDS[request.param])
    subprocess.run([str(compiler()), *flags, str(SOURCE / "decoder.cpp"), "-o", str(made)], check=True)
    found = ctypes.CDLL(str(made))
    for name in ("work", "free", "forward", "head", "pack", "panel_bytes", "multiply"):
        own, theirs = getattr(library(), f"sibao_{name}"), getattr(found, f"sibao_{name}")
        theirs.argtypes, theirs.restype = own.argtypes, own.restype
    return found


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8", "int4"])
def test_products_are_the_same(other: Any, precision: str) -> None:
    draw = torch.Generator().manual_seed(0)
    for m, n, k in ((1, 33, 70), (5, 64, 256), (17, 90, 129)):
        weight, x = torch.randn(n, k, generator=draw), torch.randn(m, k, generator=draw)
        product = Product(n, k, precision, pack(weight, precision, 1), torch.randn(n, generator=draw))
        got, wanted = product(x, 1, other), product(x)
        if precision == "int8":
            assert (got - wanted).abs().max() <= 1e-6 * wanted.abs().max(), "the sums are whole numbers"
        assert (got - wanted).abs().max() <= 2e-6 * (x.abs() @ weight.abs().T).max()


@pytest.mark.parametrize(
    ("precision", "kv_cache"),
    [("fp32", "auto"), ("int8", "auto"), ("int4", "auto"), ("fp32", "bf16"), ("fp32", "int8")],
)
@pytest.mark.parametrize("shape", [("gemma2", 2), ("gpt2", 0), ("qwen3", 1)], ids=str)
def test_whole_steps_are_the_same(
    other: Any, shape: tuple[str, int], precision: str, kv_cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, rows = load_model(peer(*shape)[1], torch.float32), some_ids(3, 40).tolist()
    settings: dict[str, Any] = {"precision": precision, "kv_cache": kv_cache, "kernels": True}
    wanted = torch.stack(logits_of(build(model, **settings).runner, rows))
    monkeypatch.setattr(native_runner, "library", lambda: other)
    got = torch.stack(logits_of(build(model, **settings).runner, rows))
    far = (got - wanted).abs() / wanted.std()
    assert far.median() <= 1e-5 and far.mean() <= (1e-5 if (precision, kv_cache) == ("fp32", "auto") else 5e-3)


def test_weights_are_packed_the_same(other: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.randn(70, 130, generator=torch.Generator().manual_seed(1))
    from sibao.engine.native import weights

    for precision in ("int8", "int4", "bf16"):
        own = pack(weight, precision, 1)
        with monkeypatch.context() as patch:
            patch.setattr(weights, "library", lambda: other)
            assert all(torch.equal(own[key], value) for key, value in pack(weight, precision, 1).items())
