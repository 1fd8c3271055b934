"""Choices under way: one is made at a time, a few may wait, each in a process of its own."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sibao.core.errors import Refused, UnknownName
from sibao.server._choose_form import ChooseFailure, ChooseJob, ChooseLane, State

WAITING, KEPT = 4, 20
"""Choices that may wait, and ended ones that are remembered (their results stay in the store)."""
GRACE = 10.0
"""Seconds that a process has to end by itself."""
Settle = Callable[[float, int], object]
"""Is told the money and the tokens that a choice took."""
_COMMAND = [sys.executable, "-m", "sibao.server._choose_child"]


@dataclass
class Choice:
    """One choice. ``said`` is what its process is told; ``settle`` is told what it took, and None from then on; ``asked``: a
    model may have answered."""

    id: str
    said: dict[str, Any]
    settle: Settle | None
    asked: bool = False
    state: State = "queued"
    opening: str = ""
    lanes: dict[str, tuple[int, int]] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    failure: dict[str, str] | None = None
    began: float = 0.0
    ended: float = 0.0
    process: subprocess.Popen[bytes] | None = None

    def settled(self, cost: float, tokens: int) -> None:
        """It took so much."""
        settle, self.settle = self.settle, None
        if settle is not None:
            settle(cost, tokens)


class Choices:
    """All choices of one server."""

    def __init__(self) -> None:
        self._all: OrderedDict[str, Choice] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        self._worker: threading.Thread | None = None

    def submit(self, said: dict[str, Any], settle: Settle) -> str:
        """Take a choice; gives its id.

        Args:
            settle: called once, when it has ended, from any thread. Not where its process died at work and could not say
                what it took.

        Raises:
            Refused: too many wait already.
        """
        with self._changed:
            if self._closed or len(self._waiting()) >= WAITING:
                hint = "wait for one to end, or cancel one"
                raise Refused(429, f"{WAITING} choices are waiting already", hint=hint, seconds=30)
            choice = Choice(secrets.token_hex(8), said, settle)
            self._all[choice.id] = choice
            self._forget()
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="choices", daemon=True)
                self._worker.start()
            self._changed.notify_all()
        return choice.id

    def look(self, job: str) -> ChooseJob:
        """How a choice stands.

        Raises:
            UnknownName: no such choice.
        """
        with self._changed:
            one = self._find(job)
            waiting = self._waiting()
            ahead = waiting.index(one) + any(c.state == "running" for c in self._all.values()) if one in waiting else 0
            lanes = [ChooseLane(name=name, done=done, total=total) for name, (done, total) in one.lanes.items()]
            until = one.ended or time.monotonic()
            return ChooseJob.model_validate({
                "job": one.id, "state": one.state, "ahead": ahead, "opening": one.opening, "lanes": lanes,
                "seconds": round(until - one.began, 2) if one.began else 0.0, "result": one.result,
                "failure": None if one.failure is None else ChooseFailure(**one.failure),
            })  # fmt: skip

    def cancel(self, job: str) -> ChooseJob:
        """Give a choice up; one that has ended stays as it is.

        Raises:
            UnknownName: no such choice.
        """
        with self._changed:
            one = self._find(job)
            if one.state in ("queued", "running"):
                self._give_up(one)
        return self.look(job)

    def close(self) -> None:
        """Give all up; returns when no process is left."""
        with self._changed:
            self._closed = True
            for one in self._all.values():
                if one.state in ("queued", "running"):
                    self._give_up(one)
            self._changed.notify_all()
        if self._worker is not None:
            self._worker.join(GRACE + 5)

    def _find(self, job: str) -> Choice:
        if job not in self._all:
            error = UnknownName("choice", job, [])
            error.hint = "the server remembers the last ones only; sibao runs has the results of all"
            raise error
        return self._all[job]

    def _waiting(self) -> list[Choice]:
        return [one for one in self._all.values() if one.state == "queued"]

    def _forget(self) -> None:
        ended = [one.id for one in self._all.values() if one.state not in ("queued", "running")]
        for job in ended[: max(0, len(ended) - KEPT)]:
            del self._all[job]

    def _give_up(self, one: Choice) -> None:
        one.state, one.ended, one.said = "cancelled", time.monotonic(), {}
        if one.process is None:
            one.settled(0.0, 0)
        else:
            one.process.terminate()
            last = threading.Timer(GRACE, one.process.kill)
            last.daemon = True
            last.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting())
                if self._closed:
                    return
                one = self._waiting()[0]
                one.state, one.began = "running", time.monotonic()
            self._make(one)

    def _make(self, one: Choice) -> None:
        """Run the process of a choice to its end."""
        with tempfile.TemporaryFile() as words:
            with self._changed:
                if one.state != "running":
                    return
                one.process = subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words)
                process, said = one.process, json.dumps(one.said).encode()
            with process:
                self._speak(process, said)
                for line in process.stdout or ():
                    if line.endswith(b"\n"):  # half a line is a killed process's last
                        self._heard(one, json.loads(line))
            if not one.asked:
                one.settled(0.0, 0)
            with self._changed:
                one.said, one.process = {}, None
                if one.state == "running":
                    one.state, one.ended, one.failure = "failed", time.monotonic(), _died(process.returncode, words)

    def _speak(self, process: subprocess.Popen[bytes], said: bytes) -> None:
        with suppress(BrokenPipeError):  # it has ended already, and its end says why
            if process.stdin is not None:
                process.stdin.write(said)
                process.stdin.close()

    def _heard(self, one: Choice, said: dict[str, Any]) -> None:
        if "spent" in said:
            one.settled(said["spent"], said["tokens"])
            return
        one.asked = one.asked or "stage" in said
        with self._changed:
            if one.state != "running":  # given up meanwhile
                return
            if "result" in said or "error" in said:  # the process needs a moment more to go
                one.result, one.failure, one.ended = said.get("result"), said.get("error"), time.monotonic()
                one.state = "done" if one.result is not None else "failed"
            elif said["stage"] == "open":
                one.opening = said["name"]
            else:
                one.opening = ""
                one.lanes[said["name"]] = (said["done"], said["total"])


def _died(code: int, words: Any) -> dict[str, str]:
    """What is said of a process that ended without a word."""
    words.seek(0, 2)
    words.seek(max(0, words.tell() - 500))
    last = words.read().decode("utf-8", "replace").strip().splitlines()
    hint = "memory may have run out; race fewer or smaller models" if code < 0 else (last[-1] if last else "")
    return {"type": "SibaoError", "message": f"the process of the choice ended with {code}", "hint": hint}
