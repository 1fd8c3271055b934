"""The kernels' threads are shared by all who call, whatever number each one asks for, and a forked child has its own."""

from __future__ import annotations

import os
import select
import threading

import pytest
import torch

from sibao.engine.native.library import missing
from sibao.engine.native.product import Product
from sibao.engine.native.weights import pack

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "there are kernels")
CALLS = 200
WITHIN = 60.0
"""Seconds after which a call that has not come back is taken to hang."""


def product() -> tuple[Product, torch.Tensor, torch.Tensor]:
    weight = torch.randn(300, 64, generator=torch.Generator().manual_seed(0))
    x = torch.randn(5, 64, generator=torch.Generator().manual_seed(1))
    made = Product(300, 64, "int8", pack(weight, "int8", 1))
    return made, x, made(x)


@pytest.mark.parametrize("threads", [0, 1, 2, 3, 7])
def test_any_number_of_threads_gives_the_same_bits(threads: int) -> None:
    made, x, wanted = product()
    assert all(torch.equal(made(x, threads), wanted) for _ in range(CALLS))


def test_callers_at_the_same_time_do_not_meet_each_others_work() -> None:
    made, x, wanted = product()
    right = list[bool]()

    def call(threads: int) -> None:
        right.append(all(torch.equal(made(x * threads, threads), made(x * threads)) for _ in range(CALLS)))

    callers = [threading.Thread(target=call, args=(1 + i % 3,), daemon=True) for i in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(WITHIN)
    assert right == [True] * 6
    assert torch.equal(made(x, 2), wanted)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_computes_with_threads_of_its_own() -> None:
    made, x, wanted = product()
    assert torch.equal(made(x, 2), wanted)  # the parent's threads are there
    reading, writing = os.pipe()
    child = os.fork()
    if not child:  # only what is needed: no cleaning up of the parent's things
        os.write(writing, b"same" if torch.equal(made(x, 2), wanted) else b"other")
        os._exit(0)
    try:
        ready, _, _ = select.select([reading], [], [], WITHIN)
        assert ready, "the child hangs"
        assert os.read(reading, 5) == b"same"
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)
    assert torch.equal(made(x, 2), wanted)
