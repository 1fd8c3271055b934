"""From the engine's thread to event loops: what a step wrote, for whoever waits for it.

A small model takes a millisecond for a token, and a piece sent through HTTP costs a fifth of that on the processor that
the model needs. So the pieces of one answer leave at most ``1 / PIECE_SECONDS`` times a second: tokens that come sooner
go out with the next step's, the first and the last one at once. Slower models are not touched by this.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sibao.engine.request import Event

PIECE_SECONDS = 0.02
"""Between two pieces of one answer, at least: fifty a second look like one flow."""
Loop = asyncio.AbstractEventLoop


@dataclass
class Box:
    """What arrived for one answer, in its event loop. ``timer`` puts a None there when its time is over."""

    loop: Loop
    queue: asyncio.Queue[list[Event] | None]
    timer: asyncio.TimerHandle
    held: list[Event] = field(default_factory=list)
    sent: float = 0.0

    async def get(self) -> list[Event]:
        """The next events.

        Raises:
            TimeoutError: the end of its time came first.
        """
        events = await self.queue.get()
        if events is None:
            raise TimeoutError
        return events


class News:
    """Boxes by the names of their requests."""

    def __init__(self) -> None:
        self._boxes: dict[str, Box] = {}

    def open(self, name: str, end: float) -> Box:
        """A box for this event loop; the waiting ends at that time of the loop. ``close`` it."""
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[list[Event] | None]()
        box = self._boxes[name] = Box(loop, queue, loop.call_at(end, queue.put_nowait, None))
        return box

    def close(self, name: str) -> None:
        """What comes now is for nobody. In the event loop that opened it."""
        self._boxes.pop(name).timer.cancel()

    def tell(self, events: Sequence[Event]) -> None:
        """In the engine's thread: a step's news, at most one message for each event loop."""
        now, due = time.monotonic(), dict[str, Box]()
        for event in events:
            if (box := self._boxes.get(event.id)) is not None:
                box.held.append(event)
                if event.finish_reason is not None or now - box.sent >= PIECE_SECONDS:
                    due[event.id] = box
        loops: dict[Loop, list[tuple[Box, list[Event]]]] = defaultdict(list)
        for box in due.values():
            loops[box.loop].append((box, box.held))
            box.held, box.sent = [], now
        for loop, news in loops.items():
            loop.call_soon_threadsafe(_put, news)


def _put(news: list[tuple[Box, list[Event]]]) -> None:
    for box, events in news:
        box.queue.put_nowait(events)
