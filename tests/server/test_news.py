"""When the pieces of an answer leave: the first and the last at once, those between together."""

from __future__ import annotations

import asyncio
import time

import pytest

from sibao.engine.request import Event
from sibao.server._news import PIECE_SECONDS, News


def ids(events: list[Event]) -> list[int]:
    return [token for event in events for token in event.token_ids]


def test_tokens_that_come_soon_go_out_together() -> None:
    async def read() -> list[list[int]]:
        news = News()
        box = news.open("a", asyncio.get_running_loop().time() + 60)
        for token in range(3):
            news.tell([Event("a", (token,)), Event("nobody", (9,))])
        first = ids(await box.get())
        assert box.queue.empty()
        time.sleep(PIECE_SECONDS)  # a slow step
        news.tell([Event("a", (3,))])
        second = ids(await box.get())
        news.tell([Event("a", (4,))])
        news.tell([Event("a", (5,), finish_reason="stop")])
        last = ids(await box.get())
        news.close("a")
        return [first, second, last]

    assert asyncio.run(read()) == [[0], [1, 2, 3], [4, 5]]


def test_answers_do_not_wait_for_each_other() -> None:
    async def read() -> list[list[int]]:
        news, end = News(), asyncio.get_running_loop().time() + 60
        boxes = {name: news.open(name, end) for name in "ab"}
        news.tell([Event("a", (1,))])
        news.tell([Event("a", (2,)), Event("b", (3,))])
        news.tell([Event("a", finish_reason="length")])
        news.close("b")
        news.tell([Event("b", (4,), finish_reason="stop")])
        await asyncio.sleep(0)
        found = [ids(await boxes[name].get()) for name in "aba"]
        assert boxes["b"].queue.empty()
        return found

    assert asyncio.run(read()) == [[1], [3], [2]]


def test_time_ends_the_waiting_after_what_came_before() -> None:
    async def read() -> None:
        news = News()
        box = news.open("a", asyncio.get_running_loop().time() + 0.05)
        news.tell([Event("a", (1,))])
        await asyncio.sleep(0.1)
        assert ids(await box.get()) == [1]
        with pytest.raises(TimeoutError):
            await box.get()

    asyncio.run(read())
