"""Order, rows and memory of the queue, without a model."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from sibao.engine.request import Request
from sibao.engine.scheduler import PREFILL_TOKENS, Job, Scheduler, prefill_groups
from sibao.engine.slots import LENGTH_STEP, Slots
from sibao.models import qwen3
from sibao.models.base import Keys
from sibao.nn.config import DecoderConfig


def job(name: str, priority: int = 0, length: int = 3) -> Job:
    return Job(Request(name, [1] * length, priority=priority), torch.Generator())


def config() -> DecoderConfig:
    from tests.tiny import tiny_config

    return qwen3.read(Keys(tiny_config("qwen3", 400, 4096)))


def test_priority_then_arrival() -> None:
    scheduler = Scheduler(8)
    for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5)):
        scheduler.add(job(name, priority))
    assert [j.request.id for j in scheduler.admit(lambda _: True)] == ["b", "d", "a", "c"]


def test_a_large_job_at_the_head_is_not_overtaken() -> None:
    scheduler = Scheduler(8)
    for name, length in (("small", 1), ("large", 9), ("small 2", 1)):
        scheduler.add(job(name, length=length))
    assert [j.request.id for j in scheduler.admit(lambda j: len(j.ids) < 9)] == ["small"]
    scheduler.remove("small")
    assert [j.request.id for j in scheduler.admit(lambda j: len(j.ids) < 9)] == ["large", "small 2"]


@given(st.lists(st.tuples(st.sampled_from(["add", "admit", "remove"]), st.integers(0, 5)), max_size=40))
def test_rows_stay_dense_whatever_happens(moves: list[tuple[str, int]]) -> None:
    scheduler, alive = Scheduler(3), []
    for number, (verb, pick) in enumerate(moves):
        if verb == "add":
            alive.append(str(number))
            scheduler.add(job(str(number)))
        elif verb == "remove" and alive:
            scheduler.remove(alive.pop(pick % len(alive)))
        else:
            scheduler.admit(lambda _: True)
        assert [j.row for j in scheduler.running] == list(range(len(scheduler.running)))
        assert len(scheduler) == len(alive) and {j.request.id for j in scheduler.running} <= set(alive)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=20))
def test_prefill_groups_hold_every_job_once_with_little_padding(lengths: list[int]) -> None:
    jobs = [job(str(i), length=n) for i, n in enumerate(lengths)]
    groups = list(prefill_groups(jobs))
    assert sorted(j.request.id for g in groups for j in g) == sorted(j.request.id for j in jobs)
    for group in groups:
        sizes = [len(j.ids) for j in group]
        assert len(group) == 1 or (len(group) * max(sizes) <= PREFILL_TOKENS and min(sizes) >= 0.75 * max(sizes))


def test_slots_keep_content_when_they_grow_and_shrink_when_idle() -> None:
    slots = Slots(config(), torch.float32, torch.device("cpu"), limit=1 << 30)
    slots.reserve(1, 10, used=0)
    slots.view([0], 10).cache.keys[:, 0, :, :10] = 7.0
    slots.reserve(3, LENGTH_STEP + 1, used=1)
    grown = slots.view([0], 10).cache
    assert grown.keys.shape[1] == 3 and grown.length == 2 * LENGTH_STEP
    slots.reserve(4, 10, used=3)
    assert slots.view([0], 10).cache.keys.shape[1] == 6  # twice as many, so that the next ones need no copy
    assert bool((grown.keys[:, 0, :, :10] == 7.0).all())
    slots.reserve(4, 3 * LENGTH_STEP, used=4)
    assert slots.view([0], 10).cache.keys.shape[1] == 4  # longer, not wider
    slots.reserve(1, 4000, used=0)
    slots.reserve(1, 10, used=0)
    assert slots.view([0], 10).cache.length == LENGTH_STEP


def test_memory_limit_counts_rows_times_the_longest() -> None:
    # 2 layers x 2 (keys, values) x 2 heads x 16 x 4 bytes = 512 bytes a position
    slots = Slots(config(), torch.float32, torch.device("cpu"), limit=512 * 2 * 1024)
    assert slots.fits(2, 1024) and not slots.fits(3, 1024) and not slots.fits(2, 1025)
