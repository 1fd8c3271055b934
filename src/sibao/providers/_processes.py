"""Workers that are processes of this machine."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from sibao.core.system import physical_cores
from sibao.providers._worker import Died, Worker, fault_of, raised

_JOIN_SECONDS = 5.0


def _work(link: Connection, name: str, how: dict[str, Any]) -> None:
    """A process's life: load, then answer until the other end is closed."""
    from sibao.core.errors import SibaoError

    try:
        worker = Worker(name, how)
    except SibaoError as error:
        link.recv()  # the first piece of work gets the reason
        link.send(("fault", fault_of(error)))
        return
    with suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        while True:
            link.send(worker.do(*link.recv()))


class Processes:
    """Implements ``workers.Crew``. Processes are spawned, not forked: threads of a forked one may hang."""

    def __init__(self, name: str, how: dict[str, Any], workers: int | None, threads: int) -> None:
        self.size = workers or max(1, physical_cores() // threads)
        self._name, self._how = name, how
        self._context = multiprocessing.get_context("spawn")
        self._links: dict[int, Connection] = {}
        self.processes: dict[int, Any] = {}

    def start(self, number: int) -> None:
        """Start a process in place of that number's."""
        self._end(number)
        here, there = self._context.Pipe()
        process = self._context.Process(target=_work, args=(there, self._name, self._how), daemon=True)
        process.start()
        there.close()
        self._links[number], self.processes[number] = here, process

    def give(self, number: int, method: str, arguments: tuple[Any, ...]) -> None:
        """Send the work; a process that is gone is seen by ``wait``."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._links[number].send((method, arguments))

    def wait(self, busy: Sequence[int]) -> list[tuple[int, Any]]:
        """Results of those whose link has something, the end of it included."""
        by_link = {id(self._links[number]): number for number in busy}
        ready = wait([self._links[number] for number in busy])
        return [(number, self._result(number)) for number in (by_link[id(link)] for link in ready)]

    def close(self) -> None:
        """End all processes."""
        for number in list(self.processes):
            self._end(number)

    def _result(self, number: int) -> Any:
        try:
            kind, value = self._links[number].recv()
        except (EOFError, ConnectionResetError):
            return Died()
        return raised(value) if kind == "fault" else value

    def _end(self, number: int) -> None:
        if number not in self.processes:
            return
        self._links.pop(number).close()
        process = self.processes.pop(number)
        process.terminate()
        process.join(_JOIN_SECONDS)
        if process.is_alive():
            process.kill()
            process.join(_JOIN_SECONDS)
        process.close()
