"""JSON over HTTP to a hosted model: tries, time-outs and limits; the key goes to its one host and into no message.

A request is sent again after what may pass by itself (see ``_refusals.RETRYABLE``, and broken connections), with back-off
and full jitter, and only until the first piece of an answer was given out. No redirect is followed: a key and a prompt go
where the user said, or nowhere.
"""

from __future__ import annotations

import json
import logging
import ssl
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import httpx2

from sibao import __version__
from sibao.core.config import settings
from sibao.core.errors import ProviderError, SibaoError
from sibao.providers._bodies import Bounded, written
from sibao.providers._calls import Call, Lanes
from sibao.providers._keys import Key
from sibao.providers._pace import Gate, Policy, asked_wait, jitter, reset_wait
from sibao.providers._place import Place
from sibao.providers._refusals import Said, line, refusal, said

log = logging.getLogger("sibao.remote")
REFUSAL_BYTES = 64 * 2**10
"""So much of a refusal's body is read."""
EVENT_BYTES = 8 * 2**20
"""The largest piece of a stream."""
CONNECTIONS = 64
T = TypeVar("T")


class _Again(Exception):
    """A try that failed in a way that may pass. ``wait``: seconds that the server asked for."""

    def __init__(self, error: SibaoError, wait: float | None = None) -> None:
        super().__init__(error.message)
        self.error, self.wait = error, wait


class Transport:
    """Requests to one place. ``who`` names the model in messages."""

    def __init__(self, who: str, place: Place, key: Key, policy: Policy | None = None) -> None:
        chosen = settings()
        self.who, self.place, self.key = who, place, key
        self.policy = policy or Policy(total=chosen.remote_timeout, retries=chosen.remote_retries)
        self._gate = Gate()
        key.headers()  # a missing key is told before anything is sent
        new = partial(_client, key, place, httpx2.create_ssl_context(trust_env=not place.here))
        self._client, self._lanes, self._calls = new(CONNECTIONS), Lanes(partial(new, 1)), weakref.WeakSet[Call]()
        weakref.finalize(self, self._client.close)  # idle connections go with the last user
        weakref.finalize(self, self._lanes.close)

    def json(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The object that the server answers with.

        Raises:
            ProviderError: it cannot be reached, refuses, or answers in another form. ContextOverflow: the prompt is too long.
        """
        return self._patiently(lambda deadline: self._whole(method, path, body, deadline))

    def events(self, path: str, body: dict[str, Any], call: Call | None = None) -> Iterator[str]:
        """The data of each event of a stream. Closing the iterator closes the connection, which ends the request; so does
        cancelling the call, from another thread.

        Raises:
            ProviderError: as ``json``; ``retryable`` where the stream broke off.
        """
        mine = call or self.call()
        try:
            begun = self._patiently(lambda deadline: self._begun(path, body, deadline, mine), mine)
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
        self._client.close()
        self._lanes.close()

    def _patiently(self, attempt: Callable[[float], T], call: Call | None = None) -> T:
        deadline = time.monotonic() + self.policy.total
        number = 0
        while True:
            number += 1
            self._pause(self._gate.left(), deadline, call)
            try:
                return attempt(deadline)
            except _Again as again:
                if number > self.policy.retries:
                    raise again.error from None
                wait = jitter(number) if again.wait is None else again.wait + jitter(1)
                if wait > self.policy.most_wait or time.monotonic() + wait > deadline:
                    raise self._too_long(again, wait) from None
                log.info("%s; try %d in %.1f s", again.error.message, number + 1, wait)
                self._pause(wait, deadline, call)

    def _pause(self, seconds: float, deadline: float, call: Call | None) -> None:
        limit = min(self.policy.most_wait, deadline - time.monotonic())
        if self._gate.wait(min(seconds, max(0.0, limit)), lambda: call is not None and call.gone):
            raise ProviderError(f"{self.who}: the connection was closed")

    def _too_long(self, again: _Again, wait: float) -> SibaoError:
        if again.wait is not None and isinstance(again.error, ProviderError):
            again.error.hint = f"the server asks to wait {wait:.0f} s: try again then"
        return again.error

    def _whole(self, method: str, path: str, body: dict[str, Any] | None, deadline: float) -> dict[str, Any]:
        response = self._sent(method, path, body, deadline)
        try:
            self._must_be(response, "application/json")
            text = self._guarded(lambda: response.read().decode("utf-8", "replace"), deadline)
        finally:
            response.close()
        return self.parse(text)

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
        self, path: str, body: dict[str, Any], deadline: float, call: Call
    ) -> tuple[httpx2.Response, Iterator[httpx2.ServerSentEvent], str | None, float]:
        response = self._sent("POST", path, body, deadline, call)
        try:
            self._must_be(response, "text/event-stream")
            response.encoding = "utf-8"
            source = iter(httpx2.EventSource(response, max_event_size=EVENT_BYTES))
            return response, source, self._next(source, deadline), deadline
        except BaseException:
            response.close()
            raise

    def _rest(
        self, response: httpx2.Response, source: Iterator[httpx2.ServerSentEvent], first: str | None, deadline: float,
        call: Call,
    ) -> Iterator[str]:  # fmt: skip
        try:
            while first is not None:
                yield first
                first = self._next(source, deadline)
        except _Again as broken:
            raise broken.error from None
        finally:
            response.close()
            call.end()

    def _next(self, source: Iterator[httpx2.ServerSentEvent], deadline: float) -> str | None:
        event = self._guarded(lambda: next(source, None), deadline)
        return None if event is None else event.data

    def _sent(
        self, method: str, path: str, body: dict[str, Any] | None, deadline: float, call: Call | None = None
    ) -> httpx2.Response:
        """A response whose body is not read yet, of status 200 to 299."""
        content = None if body is None else written(body)
        client = self._client if call is None else call.client
        read = max(0.001, min(self.policy.read, deadline - time.monotonic()))
        request = client.build_request(
            method, self.place.base + path, content=content,
            headers={} if content is None else {"Content-Type": "application/json"},
            timeout=httpx2.Timeout(read, connect=min(self.policy.connect, read)),
            extensions={} if call is None else {"trace": call.heed},
        )  # fmt: skip
        response = self._guarded(lambda: client.send(request, stream=True), deadline)
        response.stream = Bounded(self.who, response.stream, deadline, self.policy.most_bytes)
        self._gate.hold(min(reset_wait(response.headers), self.policy.most_wait))
        if not response.is_success:
            self._refuse(response)
        return response

    def _refuse(self, response: httpx2.Response) -> None:
        told, status = self._told(response), response.status_code
        if 300 <= status < 400:
            elsewhere = _host(self.key.hide(response.headers.get("location", "")))
            raise ProviderError(
                f"{self.who}: {self.place.host} sends on to {elsewhere} (status {status}), which is not followed",
                hint="name the right address yourself", status=status,
            )  # fmt: skip
        error = refusal(self.who, status, told, self.key.names)
        wait = asked_wait(response.headers)
        if error.retryable:
            raise _Again(error, told.wait if wait is None else wait)
        raise error

    def _told(self, response: httpx2.Response) -> Said:
        found = b""
        try:
            for chunk in response.iter_raw():
                found += chunk
                if len(found) > 2 * REFUSAL_BYTES:  # a key that is cut here is not among what is shown
                    break
        except (httpx2.TransportError, ProviderError):
            pass  # the status says enough
        finally:
            response.close()
        return said(self.key.hide(found.decode("utf-8", "replace"))[:REFUSAL_BYTES], self.key.hide)

    def _must_be(self, response: httpx2.Response, kind: str) -> None:
        got = line(self.key.hide(response.headers.get("content-type", ""))).partition(";")[0].strip().lower()
        if got != kind and not (kind == "application/json" and got.endswith("+json")):
            raise ProviderError(
                f"{self.who}: the answer is {got or 'of no type'}, wanted {kind}",
                hint=f"is {self.place.base} the address of the interface?",
            )

    def _guarded(self, work: Callable[[], T], deadline: float) -> T:
        """Work on a connection; what the network does to it is told as something that may pass."""
        try:
            return work()
        except httpx2.SSEError as error:
            raise ProviderError(f"{self.who}: the stream cannot be read: {error}") from None
        except httpx2.TransportError as error:
            why = self._why(error, deadline)
        except RuntimeError:  # the client was closed while others used it
            raise ProviderError(f"{self.who}: the connection was closed") from None
        raise _Again(ProviderError(f"{self.who}: {why}", hint="check the network and the address", retryable=True))

    def _why(self, error: httpx2.TransportError, deadline: float) -> str:
        if time.monotonic() >= deadline:
            return f"no whole answer within {self.policy.total:g} s"
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            return f"{self.place.base} cannot be reached: {str(error) or 'no answer'}"
        if isinstance(error, httpx2.TimeoutException):
            return f"silent for {self.policy.read:g} s"
        return f"the connection broke: {self.key.hide(str(error)) or type(error).__name__}"


def _host(url: str) -> str:
    try:
        return line(httpx2.URL(url).host) or "nowhere"
    except httpx2.InvalidURL:
        return "an address that is none"


def _client(key: Key, place: Place, trusted: ssl.SSLContext, connections: int) -> httpx2.Client:
    return httpx2.Client(
        auth=_signer(key), trust_env=not place.here, follow_redirects=False, verify=trusted,
        limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
        # compressed answers could unpack to any size
        headers={"User-Agent": f"sibao/{__version__}", "Accept-Encoding": "identity"},
    )  # fmt: skip


def _signer(key: Key) -> Callable[[httpx2.Request], httpx2.Request]:
    """Puts the key on a request as it leaves; the client itself, which might be shown, holds none."""

    def sign(request: httpx2.Request) -> httpx2.Request:
        request.headers.update(key.headers())
        return request

    return sign
