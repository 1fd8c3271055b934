"""JSON over HTTP to a hosted model: tries, time-outs and limits; the key goes to its one host and into no message.

A request is sent again after what may pass by itself (see ``_refusals.RETRYABLE``, and broken connections), with back-off
and full jitter, and only until the first piece of an answer was given out. No redirect is followed: a key and a prompt go
where the user said, or nowhere.
"""

from __future__ import annotations

import json
import logging
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any, TypeVar

import httpx2

from sibao.core.config import settings
from sibao.core.errors import ProviderError, SibaoError
from sibao.providers._bodies import Bounded, written
from sibao.providers._calls import Call, Lanes
from sibao.providers._clients import client, host_of, packed
from sibao.providers._keys import Key
from sibao.providers._pace import Gate, Policy, asked_wait, jitter, reset_wait
from sibao.providers._place import Place
from sibao.providers._refusals import Said, line, refusal, said

log = logging.getLogger("sibao.remote")
REFUSAL_BYTES = 64 * 2**10
"""So much of a refusal's body is read."""
EVENT_BYTES = 8 * 2**20
"""The largest piece of a stream."""
T = TypeVar("T")


class _Again(Exception):
    """A try that failed in a way that may pass. ``wait``: seconds that the server asked for."""

    def __init__(self, error: SibaoError, wait: float | None = None) -> None:
        super().__init__(error.message)
        self.error, self.wait = error, wait


def _gladly() -> bool:
    return True


def _any(_: str) -> bool:
    return True


class Transport:
    """Requests to one place. ``who`` names the model in messages."""

    def __init__(self, who: str, place: Place, key: Key, policy: Policy | None = None) -> None:
        chosen = settings()
        self.who, self.place, self.key = who, place, key
        self.policy = policy or Policy(total=chosen.remote_timeout, retries=chosen.remote_retries)
        self._gate = Gate()
        key.headers()  # a missing key is told before anything is sent
        self._lanes = Lanes(partial(client, key, place, httpx2.create_ssl_context(trust_env=not place.here)))
        self._calls = weakref.WeakSet[Call]()
        weakref.finalize(self, self._lanes.close)  # idle connections go with the last user

    def json(
        self, method: str, path: str, body: dict[str, Any] | None = None, lost: Callable[[], bool] = _gladly
    ) -> dict[str, Any]:
        """The object that the server answers with. It may take all the time that there is.

        Args:
            lost: called when the server had a whole request, did not refuse it, and gave no answer that can be used: it may
                have to be paid for. It says whether the request may be sent again.

        Raises:
            ProviderError: it cannot be reached, refuses, or answers in another form. ContextOverflow: the prompt is too long.
        """
        call = self.call()
        try:
            return self._patiently(lambda deadline: self._whole(method, path, body, deadline, call), call, lost)
        finally:
            call.end()

    def events(
        self,
        path: str,
        body: dict[str, Any],
        call: Call | None = None,
        opens: Callable[[str], bool] = _any,
        lost: Callable[[], bool] = _gladly,
    ) -> Generator[str, None, None]:
        """The data of each event of a stream. Closing the iterator closes the connection, which ends the request; so does
        cancelling the call, from another thread.

        Args:
            opens: whether data of an event is (or ends) an answer. Up to the first such event nothing was given out, and a
                stream that breaks is asked for again; it may raise what an event tells.
            lost: as in ``json``, up to that event.

        Raises:
            ProviderError: as ``json``; ``retryable`` where the stream broke off.
        """
        mine = call or self.call()
        try:
            begun = self._patiently(lambda deadline: self._begun(path, body, deadline, mine, opens), mine, lost)
        except BaseException:
            mine.end()
            raise
        return self._rest(*begun, mine)

    def call(self) -> Call:
        """For ``events``: what another thread cancels."""
        made = Call(self._lanes, self._gate.wake)
        self._calls.add(made)
        return made

    def failed(self, body: str) -> SibaoError:
        """What an event that tells of a failure means."""
        told = said(body, self.key.hide)
        return refusal(self.who, told.status or 500, told, self.key.names)

    def close(self) -> None:
        """End all waits and connections."""
        self._gate.close()
        for call in list(self._calls):
            call.cancel()
        self._lanes.close()

    def _patiently(self, attempt: Callable[[float], T], call: Call, lost: Callable[[], bool]) -> T:
        deadline = time.monotonic() + self.policy.total
        number = 0
        while True:
            number += 1
            self._pause(self._gate.left(), deadline, call)
            if time.monotonic() >= deadline:
                raise self._passing(self._no_time())
            call.begin(deadline)
            try:
                return attempt(deadline)
            except _Again as again:
                if not self._may_again(again.error, call, lost) or number > self.policy.retries:
                    raise again.error from None
                wait = jitter(number) + (again.wait or 0)
                if (again.wait or 0) > self.policy.most_wait or time.monotonic() + wait > deadline:
                    raise self._too_long(again) from None
                log.info("%s; try %d in %.1f s", again.error.message, number + 1, wait)
                self._pause(wait, deadline, call)
            except SibaoError as error:
                self._may_again(error, call, lost)
                raise

    def _may_again(self, error: SibaoError, call: Call, lost: Callable[[], bool]) -> bool:
        refused = not isinstance(error, ProviderError) or error.status is not None
        return refused or not call.sent or lost()

    def _pause(self, seconds: float, deadline: float, call: Call) -> None:
        limit = min(self.policy.most_wait, deadline - time.monotonic())
        if self._gate.wait(min(seconds, max(0.0, limit)), lambda: call.gone):
            raise ProviderError(f"{self.who}: the connection was closed")

    def _too_long(self, again: _Again) -> SibaoError:
        if again.wait is not None and isinstance(again.error, ProviderError):
            again.error.hint = f"the server asks to wait {again.wait:.0f} s: try again then"
        return again.error

    def _whole(
        self, method: str, path: str, body: dict[str, Any] | None, deadline: float, call: Call
    ) -> dict[str, Any]:
        response = self._sent(method, path, body, deadline, call)
        try:
            self._must_be(response, "application/json", call)
            text = self._text(response, call)
        finally:
            response.close()
        found = self.parse(text)
        if found.get("error"):
            raise self._fault(text)
        return found

    def _text(self, response: httpx2.Response, call: Call) -> str:
        return self._guarded(lambda: response.read().decode("utf-8-sig", "replace"), call)

    def parse(self, text: str) -> dict[str, Any]:
        """The object in a text.

        Raises:
            ProviderError: it is no JSON, or no object.
        """
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise ProviderError(f"{self.who}: the answer is no JSON: {self.key.hide(text)[:80]!r}") from None
        if not isinstance(found, dict):
            raise ProviderError(f"{self.who}: the answer is a {type(found).__name__}, wanted a JSON object")
        return found

    def _begun(
        self, path: str, body: dict[str, Any], deadline: float, call: Call, opens: Callable[[str], bool]
    ) -> tuple[httpx2.Response, Iterator[httpx2.ServerSentEvent], list[str]]:
        response = self._sent("POST", path, body, deadline, call)
        try:
            self._must_be(response, "text/event-stream", call)
            response.encoding = "utf-8-sig"
            source = iter(httpx2.EventSource(response, max_event_size=EVENT_BYTES))
            first: list[str] = []
            while (data := self._next(source, call)) is not None:
                first.append(data)
                if opens(data):
                    break
            else:
                raise _Again(self._passing("the answer broke off before it began"))
            return response, source, first
        except BaseException as error:
            response.close()
            if isinstance(error, ProviderError) and error.retryable and error.status is not None:
                raise _Again(error) from None
            raise

    def _rest(
        self, response: httpx2.Response, source: Iterator[httpx2.ServerSentEvent], first: list[str], call: Call
    ) -> Generator[str, None, None]:
        try:
            yield from first
            call.hear(self.policy.read)
            while (data := self._next(source, call)) is not None:
                call.paused = True
                yield data
                call.paused = False
                call.alive()
        except _Again as broken:
            raise broken.error from None
        finally:
            response.close()
            call.end()

    def _next(self, source: Iterator[httpx2.ServerSentEvent], call: Call) -> str | None:
        event = self._guarded(lambda: next(source, None), call)
        if event is not None and event.event == "error":
            raise self._fault(event.data)
        return None if event is None else event.data

    def _sent(
        self, method: str, path: str, body: dict[str, Any] | None, deadline: float, call: Call
    ) -> httpx2.Response:
        """A response whose body is not read yet, of status 200 to 299."""
        content = None if body is None else written(body)
        lane = call.client
        call.free = method == "GET"
        if call.free:
            call.hear(self.policy.read)  # such an answer is not written first, which could take long
        left = max(0.001, deadline - time.monotonic())
        request = lane.build_request(
            method, self.place.base + path, content=content,
            headers={} if content is None else {"Content-Type": "application/json"},
            timeout=httpx2.Timeout(left, connect=min(self.policy.connect, left)), extensions={"trace": call.heed},
        )  # fmt: skip
        response = self._guarded(lambda: lane.send(request, stream=True), call)
        response.stream = Bounded(self.who, response.stream, self.policy.most_bytes, call)
        self._gate.hold(min(reset_wait(response.headers), self.policy.most_wait))
        if not response.is_success:
            self._refuse(response)
        self._must_be_plain(response)
        return response

    def _refuse(self, response: httpx2.Response) -> None:
        told, status = self._told(response), response.status_code
        if 300 <= status < 400:
            elsewhere = host_of(self.key.hide(response.headers.get("location", "")))
            raise ProviderError(
                f"{self.who}: {self.place.host} sends on to {elsewhere} (status {status}), which is not followed",
                hint="name the right address yourself", status=status,
            )  # fmt: skip
        error = refusal(self.who, status, told, self.key.names)
        wait = asked_wait(response.headers)
        wait = told.wait if wait is None else wait
        if not error.retryable:
            raise error
        if wait is not None and wait <= self.policy.most_wait:
            self._gate.hold(wait)  # for all that ask: each would be refused
        raise _Again(error, wait)

    def _told(self, response: httpx2.Response) -> Said:
        found = b""
        try:
            for chunk in () if packed(response) else response.iter_raw():
                found += chunk
                if len(found) > 2 * REFUSAL_BYTES:  # a key that is cut here is not among what is shown
                    break
        except (httpx2.TransportError, ProviderError):
            pass  # the status says enough
        finally:
            response.close()
        return said(self.key.hide(found.decode("utf-8", "replace"))[:REFUSAL_BYTES], self.key.hide)

    def _must_be_plain(self, response: httpx2.Response) -> None:
        """A compressed answer could unpack to any size; none was asked for."""
        if packing := packed(response):
            response.close()
            raise ProviderError(
                f"{self.who}: the answer is compressed ({line(self.key.hide(packing))[:40]}), wanted it as it is",
                hint=f"does something between here and {self.place.host} compress it?",
            )

    def _must_be(self, response: httpx2.Response, kind: str, call: Call) -> None:
        got = line(self.key.hide(response.headers.get("content-type", ""))).partition(";")[0].strip().lower()
        plain = got == "application/json" or got.endswith("+json")
        if got == kind or (kind == "application/json" and plain):
            return
        if plain and self.parse(text := self._text(response, call)).get("error"):
            raise self._fault(text)  # a stream was asked for, and the server says why there is none
        raise ProviderError(
            f"{self.who}: the answer is {got or 'of no type'}, wanted {kind}",
            hint=f"is {self.place.base} the address of the interface?",
        )

    def _fault(self, body: str) -> Exception:
        """A failure that an answer tells of whose status is a good one."""
        error = self.failed(body)
        return _Again(error) if error.retryable else error

    def _guarded(self, work: Callable[[], T], call: Call) -> T:
        """Work on a connection; what the network does to it is told as something that may pass. A request that the server
        has and whose time is over is not sent again: it may be paid for each time."""
        try:
            return work()
        except httpx2.SSEError as error:
            raise ProviderError(f"{self.who}: the stream cannot be read: {error}") from None
        except httpx2.TransportError as error:
            fault = self._passing(self._why(error, call))
            over = call.sent and (call.late or isinstance(error, httpx2.TimeoutException))
        except RuntimeError:  # the client was closed while others used it
            raise ProviderError(f"{self.who}: the connection was closed") from None
        raise fault if over else _Again(fault)

    def _passing(self, why: str) -> ProviderError:
        return ProviderError(f"{self.who}: {why}", hint="check the network and the address", retryable=True)

    def _why(self, error: httpx2.TransportError, call: Call) -> str:
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout) and not call.late:
            return f"{self.place.base} cannot be reached: {str(error) or 'no answer'}"
        if call.late or isinstance(error, httpx2.TimeoutException):
            return self._no_time() if call.over else f"silent for {self.policy.read:g} s"
        return f"the connection broke: {self.key.hide(str(error)) or type(error).__name__}"

    def _no_time(self) -> str:
        return f"no whole answer within {self.policy.total:g} s"
