"""What is read next and who gives way, without a model."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from sibao.engine.blocks import BlockPool
from sibao.engine.job import Job, Piece
from sibao.engine.request import Request
from sibao.engine.runner import BLOCK
from sibao.engine.scheduler import BESIDE_TOKENS, STEP_TOKENS, Scheduler


def job(
    name: str, length: int = 3, *, priority: int = 0, first: int = 1, max_tokens: int = 8, group: str | None = None
) -> Job:
    request = Request(name, [first] * length, priority=priority, max_tokens=max_tokens, group=group)
    return Job(request, torch.Generator())


def scheduler(blocks: int = 100, max_batch: int = 8) -> Scheduler:
    return Scheduler(max_batch, BlockPool(blocks, blocks))


def names(pieces: list[Piece]) -> list[str]:
    return [piece.job.request.id for piece in pieces]


def test_priority_then_arrival() -> None:
    queue = scheduler()
    for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5)):
        queue.add(job(name, priority=priority))
    assert names(queue.plan()) == ["b", "d", "a", "c"]


def started(queue: Scheduler, count: int) -> list[str]:
    """Who begins, one after the other; each is done at once."""
    found = []
    for _ in range(count):
        found += names(queue.plan())
        queue.remove(found[-1])
    return found


def test_groups_begin_one_request_each_in_turn() -> None:
    queue = scheduler(max_batch=1)
    for number in range(6):
        queue.add(job(f"many {number}", group="many"))
    assert started(queue, 2) == ["many 0", "many 1"]
    queue.add(job("late 0", group="late"))
    queue.add(job("late 1", group="late"))
    queue.add(job("urgent", group="many", priority=1))
    assert started(queue, 3) == ["urgent", "many 2", "late 0"]
    queue.add(job("later", group="later"))
    assert started(queue, 5) == ["many 3", "late 1", "later", "many 4", "many 5"]
    assert not len(queue)


def test_those_of_no_group_keep_their_order_and_no_group_is_kept() -> None:
    queue = scheduler(max_batch=1)
    for number in range(20):
        queue.add(job(f"{number}"))
    assert started(queue, 20) == [str(number) for number in range(20)]
    for number in range(50):
        queue.add(job(f"caller {number}", group=str(number)))
        started(queue, 1)
    assert len(queue._last) <= 2


def test_no_more_write_at_once_than_allowed() -> None:
    queue = scheduler(max_batch=2)
    for name in "abc":
        queue.add(job(name))
    assert names(queue.plan()) == ["a", "b"]
    queue.remove("a")
    assert names(queue.plan()) == ["c"]  # b has read all it has


def test_a_large_job_at_the_head_is_not_overtaken() -> None:
    queue = scheduler(blocks=10)
    queue.add(job("first", 4 * BLOCK))
    queue.add(job("large", 7 * BLOCK, first=2))
    queue.add(job("small", first=3))
    assert names(queue.plan()) == ["first"]
    queue.remove("first")
    assert names(queue.plan()) == ["large", "small"]


def test_long_prompts_are_read_in_pieces_beside_those_who_write() -> None:
    queue = scheduler()
    long = job("long", 2 * STEP_TOKENS + 10)
    queue.add(long)
    first = queue.plan()
    assert [(p.start, p.stop) for p in first] == [(0, STEP_TOKENS)] and not first[0].writes
    writer = job("writer", 5, first=2)
    queue.add(writer)
    sizes = []
    while not writer.read:
        sizes.append(queue.plan()[0].stop)
    assert sizes == [2 * STEP_TOKENS, 2 * STEP_TOKENS + 10]  # the writer started beside the last piece
    writer.ids.append(9)
    late = job("late", 3 * BESIDE_TOKENS, first=3)
    queue.add(late)
    assert [(p.job.request.id, p.stop - p.start) for p in queue.plan()] == [("writer", 1), ("late", BESIDE_TOKENS)]


def test_the_least_urgent_gives_way_and_comes_back() -> None:
    queue = scheduler(blocks=4)
    urgent, patient = job("urgent", BLOCK, priority=1), job("patient", BLOCK, first=2)
    for each in (urgent, patient):
        queue.add(each)
    assert len(queue.plan()) == 2
    for _ in range(2 * BLOCK + 1):  # the urgent one grows into a third and fourth block
        for each in (urgent, patient):
            if each in queue.running:
                each.ids.append(5)
        queue.plan()
    assert queue.preempted == 1 and queue.running == [urgent] and patient.read == 0 and len(patient.table) == 0
    queue.remove("urgent")
    (piece,) = queue.plan()
    assert piece.job is patient and piece.last and piece.stop == len(patient.ids)


def test_beginnings_in_common_are_read_once_even_in_one_step() -> None:
    queue = scheduler()
    one, two = job("one", 3 * BLOCK), job("two", 3 * BLOCK)
    other = job("other", 3 * BLOCK, first=7)
    for each in (one, two, other):
        queue.add(each)
    pieces = {piece.job.request.id: piece for piece in queue.plan()}
    assert (pieces["one"].start, pieces["two"].start, pieces["other"].start) == (0, 2 * BLOCK, 0)
    assert list(one.table[:2]) == list(two.table[:2]) and one.table[2] != two.table[2]
    for name in ("one", "two", "other"):
        queue.remove(name)
    assert queue.pool.held == 0
    again = job("again", 3 * BLOCK)
    queue.add(again)
    assert queue.plan()[0].start == 3 * BLOCK - 1


def test_what_a_failed_step_should_have_kept_is_not_shared() -> None:
    queue = scheduler()
    queue.add(job("one", 3 * BLOCK))
    pieces = queue.plan()
    queue.failed(pieces)
    queue.remove("one")
    queue.add(job("two", 3 * BLOCK))
    assert queue.plan()[0].start == 0


JOBS = st.lists(
    st.tuples(st.integers(1, 5 * BLOCK), st.integers(1, 40), st.integers(0, 2), st.integers(0, 6), st.booleans()),
    max_size=9,
)


@given(JOBS, st.integers(6, 12), st.integers(1, 4))
def test_every_token_is_read_once_its_blocks_are_its_own_and_all_end(mix: list, blocks: int, max_batch: int) -> None:
    """The contents of blocks are followed as a runner would fill them."""
    queue = scheduler(blocks, max_batch)
    jobs = [
        job(str(i), length, priority=priority, first=first, max_tokens=new)
        for i, (length, new, priority, _, same) in enumerate(mix)
        for first in [1 if same else i + 2]
    ]
    arrivals = [row[3] for row in mix]
    content: dict[tuple[int, int], tuple[int, ...]] = {}
    unfinished, step = set(range(len(jobs))), 0
    while unfinished:
        for i in unfinished:
            if arrivals[i] == step:
                queue.add(jobs[i])
        pieces = queue.plan()
        for old, new, count in queue.copies:
            content |= {(new, p): content[old, p] for p in range(count)}
        queue.copies = []
        for piece in pieces:
            for p in range(piece.start, piece.stop):
                content[piece.job.table[p // BLOCK], p % BLOCK] = tuple(piece.job.ids[: p + 1])
        for piece in pieces:
            for p in range(piece.stop):
                assert content[piece.job.table[p // BLOCK], p % BLOCK] == tuple(piece.job.ids[: p + 1])
            if piece.last:
                piece.job.ids.append(int(piece.job.request.id) + 50)
                if piece.job.answered == piece.job.request.max_tokens:
                    queue.remove(piece.job.request.id)
                    unfinished.discard(int(piece.job.request.id))
        step += 1
        assert pieces or any(arrivals[i] >= step for i in unfinished) or not unfinished
    assert queue.pool.held == 0


def scored(name: str, ids: list[int], start: int) -> Job:
    return Job(Request(name, ids, max_tokens=0, score_from=start), torch.Generator())


def read(queue: Scheduler) -> list[tuple[str, int]]:
    """What the next step reads; texts that are read to their end are done."""
    pieces = queue.plan()
    for piece in pieces:
        if piece.last:
            queue.remove(piece.job.request.id)
    queue.copies, copies = [], queue.copies
    return [(p.job.request.id, p.stop - p.start) for p in pieces] + [("copied", count) for _, _, count in copies]


def test_choices_wait_for_the_first_and_go_on_from_a_copy() -> None:
    queue, question = scheduler(), list(range(20))
    for number in range(3):
        queue.add(scored(f"choice {number}", [*question, 100 + number, 7], 20))
    queue.add(scored("another question", [*range(50, 70), 100, 7], 20))
    # what comes before the last token is read; the token before the first choice is read for its result
    assert read(queue) == [("choice 0", 21), ("another question", 21)]
    assert read(queue) == [("choice 1", 2), ("choice 2", 2), ("copied", 19), ("copied", 19)]
    assert not queue.pool.held and not len(queue)


def test_texts_that_have_little_in_common_do_not_wait() -> None:
    queue = scheduler()
    for number in range(3):
        queue.add(scored(str(number), [*range(10), *([100 + number] * 20), 7], 30))
    assert read(queue) == [(str(number), 30) for number in range(3)]
    queue.add(scored("later", [*range(10), *([200] * 20), 7], 30))
    assert read(queue) == [("later", 20), ("copied", 10)]


def test_a_beginning_that_was_given_away_is_not_copied() -> None:
    queue = scheduler(blocks=2)
    queue.add(scored("first", [*range(20), 7], 20))
    assert read(queue) == [("first", 20)]
    queue.add(scored("large", [9] * (2 * BLOCK), 1))
    assert read(queue) == [("large", 2 * BLOCK - 1)]
    queue.add(scored("sibling", [*range(20), 8], 20))
    assert read(queue) == [("sibling", 20)]


def test_a_step_that_failed_leaves_no_beginning() -> None:
    queue = scheduler()
    queue.add(scored("first", [*range(20), 7], 20))
    queue.failed(queue.plan())
    queue.remove("first")
    queue.add(scored("sibling", [*range(20), 8], 20))
    assert read(queue) == [("sibling", 20)]
