"""The transport under every hosted model, against a real server on loopback that does everything wrong."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from tests.remote import EVENTS, JSON, Play, Remote, failure, said, streamed

from sibao.core.errors import BadInput, ProviderError, SibaoError
from sibao.providers import _pace
from sibao.providers._calls import Call
from sibao.providers._http import Transport
from sibao.providers._keys import Key
from sibao.providers._pace import Policy
from sibao.providers._place import place_of

GOOD: dict[str, Any] = {"fine": True}
PATIENT = Policy(connect=2, read=5, total=10, retries=3)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of milliseconds."""
    monkeypatch.setattr(_pace, "BASE", 0.01)


def transport(remote: Remote, policy: Policy = PATIENT) -> Transport:
    return Transport("a:model", place_of(remote.url, "url"), Key(("SOME_KEY",), needed=False), policy)


def ask(remote: Remote, policy: Policy = PATIENT) -> dict[str, Any]:
    return transport(remote, policy).json("POST", "/x", {"q": "你好"})


def fault(remote: Remote, policy: Policy = PATIENT) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        ask(remote, policy)
    return caught.value


def test_an_object_comes_back(remote: Remote) -> None:
    remote.play(said(GOOD))
    assert ask(remote) == GOOD
    assert remote.seen[0].body == {"q": "你好"} and remote.seen[0].headers["content-type"] == JSON


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_tried_again(remote: Remote, status: int) -> None:
    remote.play(said(failure("a moment"), status), said(failure("a moment"), status), said(GOOD))
    assert ask(remote) == GOOD and len(remote.seen) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422, 501])
def test_what_stays_is_not(remote: Remote, status: int) -> None:
    remote.play(said(failure("never"), status))
    error = fault(remote)
    assert len(remote.seen) == 1 and (error.status, error.retryable) == (status, False)
    assert error.message == f"a:model: never (status {status})"


def test_tries_come_to_an_end(remote: Remote) -> None:
    remote.play(said(failure("down"), 503))
    error = fault(remote)
    assert len(remote.seen) == 4 and (error.status, error.retryable) == (503, True)


def test_no_credit_is_not_tried_again(remote: Remote) -> None:
    remote.play(said(failure("You exceeded your current quota", "insufficient_quota"), 429))
    error = fault(remote)
    assert len(remote.seen) == 1 and not error.retryable and "billing" in error.hint


@pytest.mark.parametrize("headers", [{"retry_after": "0.3"}, {"retry_after_ms": "300"}])
def test_the_wait_that_is_asked_for_is_kept(remote: Remote, headers: dict[str, Any]) -> None:
    remote.play(said(failure("slow down"), 429, **headers), said(GOOD))
    begun = time.monotonic()
    assert ask(remote) == GOOD and 0.3 <= time.monotonic() - begun < 3


def test_a_wait_may_be_a_date() -> None:
    then = datetime.now(UTC) + timedelta(seconds=30)
    assert 28 < (_pace.asked_wait({"retry-after": format_datetime(then, usegmt=True)}) or 0) <= 30
    assert _pace.asked_wait({"retry-after": format_datetime(then - timedelta(days=1), usegmt=True)}) == 0
    assert _pace.asked_wait({"retry-after": "tomorrow"}) is None and _pace.asked_wait({}) is None


def test_a_long_wait_is_told_instead_of_kept(remote: Remote) -> None:
    remote.play(said(failure("slow down"), 429, retry_after="3600"))
    begun = time.monotonic()
    error = fault(remote)
    assert time.monotonic() - begun < 2 and error.retryable and "asks to wait 3600 s" in error.hint
    assert len(remote.seen) == 1


def test_googles_wait_stands_in_the_body(remote: Remote) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3600s"}
    body = {"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED", "details": [info]}}
    remote.play(said(body, 429))
    assert "asks to wait 3600 s" in fault(remote).hint


def test_rate_limit_headers_hold_the_next_request_back(remote: Remote) -> None:
    used_up = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "400ms"}
    remote.play(said(GOOD, **used_up), said(GOOD))
    asked = transport(remote)
    asked.json("GET", "/x")
    begun = time.monotonic()
    asked.json("GET", "/x")
    assert time.monotonic() - begun > 0.3


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6m0s", 360), ("250ms", 0.25), ("1h2m3.5s", 3723.5), ("7", 7), ("soon", 0), ("", 0), ("1x", 0)],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert _pace.length(text) == seconds


def test_back_off_has_full_jitter_and_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pace, "BASE", 0.5)
    for attempt, most in ((1, 0.5), (2, 1.0), (3, 2.0), (5, 8.0), (50, 8.0)):
        drawn = [_pace.jitter(attempt) for _ in range(300)]
        assert 0 <= min(drawn) < 0.1 * most and 0.9 * most < max(drawn) <= most


def test_a_silent_server_is_left(remote: Remote) -> None:
    remote.play(Play(hang=True))
    with pytest.raises(ProviderError, match=r"silent for 0\.2 s") as caught:
        transport(remote, Policy(read=0.2, total=5, retries=1)).json("GET", "/x")
    assert caught.value.retryable and len(remote.seen) == 2 and remote.gone.wait(2)


def test_a_whole_answer_may_take_all_the_time_and_is_asked_for_once(remote: Remote) -> None:
    remote.play(Play((b'{"fine": ', b"true}"), pause=0.5))
    assert ask(remote, Policy(read=0.1, total=5)) == GOOD and len(remote.seen) == 1
    remote.play(Play(hang=True))
    error = fault(remote, Policy(read=0.1, total=0.5, retries=3))
    assert "no whole answer within 0.5 s" in error.message and error.retryable and len(remote.seen) == 1
    assert remote.gone.wait(2)


def test_the_beginning_of_a_stream_may_take_all_the_time(remote: Remote) -> None:
    remote.play(Play((b": wait\n\n", b"data: 1\n\n", b"data: 2\n\n"), kind=EVENTS, pause=0.4))
    events = transport(remote, Policy(read=0.1, total=5)).events("/x", {})
    assert next(events) == "1"
    with pytest.raises(ProviderError, match=r"silent for 0\.1 s"):
        next(events)
    assert len(remote.seen) == 1


def test_who_reads_slowly_loses_nothing(remote: Remote) -> None:
    remote.play(streamed(1, 2, pause=0.1))
    events = transport(remote, Policy(read=0.3, total=5)).events("/x", {})
    found = [next(events)]
    for _ in range(2):
        time.sleep(0.5)
        found.append(next(events))
    assert found == ["1", "2", "[DONE]"]


def test_a_dripping_body_ends_at_the_total(remote: Remote) -> None:
    remote.play(Play((b"{",) + (b" ",) * 100 + (b"}",), pause=0.1))
    begun = time.monotonic()
    error = fault(remote, Policy(read=5, total=0.5, retries=3))
    assert "no whole answer within 0.5 s" in error.message and time.monotonic() - begun < 2


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LATE = Policy(read=5, total=0.6, retries=3)


@pytest.mark.parametrize(
    ("chunks", "pause"),
    [
        ((HEAD, b"X-Slow: ", *[b"a"] * 60), 0.05),
        ((b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",) * 60, 0.05),
        ((HEAD + b"\r\n{", *[b" "] * 60), 0.05),
        ((HEAD + b"\r\n", b'{"fine": ', b"true}"), 0.5),
    ],
    ids=["a head that drips", "no end of early hints", "a body that drips", "a silence after a late piece"],
)
def test_the_total_holds_whatever_comes(remote: Remote, chunks: tuple[bytes, ...], pause: float) -> None:
    remote.play(Play(chunks, pause=pause, raw=True))
    begun = time.monotonic()
    assert "no whole answer within 0.6 s" in fault(remote, LATE).message
    assert 0.5 < time.monotonic() - begun < 1.5 and len(remote.seen) == 1


def test_the_total_holds_for_streams(remote: Remote) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"
    remote.play(Play((head, b"data: 2\n\n", b"data: 3\n\n"), pause=0.45, raw=True))
    events, begun = transport(remote, LATE).events("/x", {}), time.monotonic()
    assert [next(events), next(events)] == ["1", "2"]
    with pytest.raises(ProviderError, match=r"within 0\.6 s"):
        next(events)
    assert time.monotonic() - begun < 0.85


def test_nothing_is_sent_after_its_time(remote: Remote) -> None:
    used_up = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "30s"}
    remote.play(said(GOOD, **used_up))
    asked = transport(remote, Policy(total=0.3))
    asked.json("GET", "/x")
    with pytest.raises(ProviderError, match=r"within 0\.3 s"):
        asked.json("GET", "/x")
    assert len(remote.seen) == 1


def test_a_wait_of_all_that_is_waited_for_is_kept(remote: Remote) -> None:
    for asked, tries in (("0.2", 2), ("0.21", 1)):
        remote.play(said(failure("slow down"), 429, retry_after=asked), said(GOOD))
        (ask if tries == 2 else fault)(remote, Policy(most_wait=0.2))
        assert len(remote.seen) == tries


def test_a_wait_that_one_is_told_holds_all(remote: Remote) -> None:
    remote.play(said(failure("slow down"), 429, retry_after="0.5"), said(GOOD))
    asked = transport(remote)
    first = threading.Thread(target=asked.json, args=("GET", "/x"))
    begun = time.monotonic()
    first.start()
    while not asked._gate.left() and time.monotonic() - begun < 0.4:
        time.sleep(0.005)
    assert asked.json("GET", "/x") == GOOD and time.monotonic() - begun >= 0.5
    first.join(5)


BOMB = gzip.compress(b'{"x": "' + b" " * 10**6 + b'"}')


@pytest.mark.parametrize("kind", [JSON, EVENTS])
@pytest.mark.parametrize("body", [BOMB, b"no gzip at all"])
def test_a_compressed_answer_is_left(remote: Remote, body: bytes, kind: str) -> None:
    remote.play(Play((body,), kind=kind, headers={"Content-Encoding": "gzip"}))
    for asking in (lambda: ask(remote), lambda: list(transport(remote).events("/x", {}))):
        with pytest.raises(ProviderError, match=r"is compressed \(gzip\), wanted it as it is"):
            asking()
    remote.play(Play((body,), 401, headers={"Content-Encoding": "gzip"}))
    assert fault(remote).message == "a:model: no reason given (status 401)"
    remote.play(Play((b'{"fine": true}',), headers={"Content-Encoding": "identity"}))
    assert ask(remote) == GOOD


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        nobody = Transport("a:model", place_of(url, "url"), Key(("SOME_KEY",), needed=False), Policy(retries=1))
        with pytest.raises(ProviderError, match="cannot be reached") as caught:
            nobody.json("GET", "/x")
    assert caught.value.retryable and url in caught.value.message


def test_a_cut_body_is_tried_again(remote: Remote) -> None:
    remote.play(Play((b'{"fine": ',), cut=True), said(GOOD))
    assert ask(remote) == GOOD
    remote.play(Play((b'{"fine": ',), cut=True))
    assert "the connection broke" in fault(remote).message


@pytest.mark.parametrize("body", [b"{", b"", b"nope", b"[" * 200_000, b'"\xff\xfe"x', b"[1]", b"3", b"null"])
def test_bad_json_is_told(remote: Remote, body: bytes) -> None:
    remote.play(Play((body,) if body else ()))
    error = fault(remote)
    assert not error.retryable and ("is no JSON" in error.message or "wanted a JSON object" in error.message)


def test_a_wrong_type_is_told(remote: Remote) -> None:
    remote.play(Play((b"<html>Sign in</html>",), kind="text/html"))
    error = fault(remote)
    assert "text/html, wanted application/json" in error.message and remote.url in error.hint


def test_a_huge_body_is_left(remote: Remote) -> None:
    remote.play(Play((b'{"x": "',) + (b"x" * 65536,) * 64 + (b'"}',)))
    assert "more than 100000 bytes" in fault(remote, Policy(most_bytes=100_000)).message
    remote.play(Play((b"x" * 65536,) * 64, status=400, kind="text/plain"))
    assert len(fault(remote).message) < 700


def test_a_huge_event_is_left(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sibao.providers._http.EVENT_BYTES", 1000)
    remote.play(Play((b"data: ",) + (b"x" * 500,) * 8 + (b"\n\n",), kind=EVENTS))
    with pytest.raises(ProviderError, match=r"cannot be read.*1000 byte"):
        list(transport(remote).events("/x", {}))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(remote: Remote, status: int) -> None:
    remote.play(Play(status=status, headers={"Location": "http://evil.example/steal?key=1"}), said(GOOD))
    error = fault(remote)
    assert "sends on to evil.example" in error.message and len(remote.seen) == 1 and error.status == status


@pytest.mark.parametrize(
    ("chunks", "wanted"),
    [
        ((b"data: a\n\ndata: b\n\n",), ["a", "b"]),
        ((b": hello\n\ndata: a\r\n\r\n", b"event: x\r\ndata: b\r\nid: 3\r\n\r\n"), ["a", "b"]),
        ((b"data: one\ndata: two\n\n",), ["one\ntwo"]),
        ((b"da", b"ta: \xe4", b"\xbd\xa0\r", b"\n\r\n"), ["你"]),
        ((b"data:x\rdata:y\r\r",), ["x\ny"]),
        ((b"retry: 10\n\ndata\n\ndata: z\n\n",), ["", "", "z"]),
        ((b"data: whole\n\ndata: no end",), ["whole"]),
        ((b"\xef\xbb", b"\xbfdata: first\n\n"), ["first"]),
    ],
)
def test_streams_in_every_spelling(remote: Remote, chunks: tuple[bytes, ...], wanted: list[str]) -> None:
    remote.play(Play(chunks, kind=f"{EVENTS}; charset=latin-1"))
    assert list(transport(remote).events("/x", {})) == wanted


def test_a_stream_is_tried_again_before_its_first_piece_only(remote: Remote) -> None:
    remote.play(said(failure("busy"), 503), Play(kind=EVENTS, cut=True), streamed(1, 2))
    assert list(transport(remote).events("/x", {})) == ["1", "2", "[DONE]"] and len(remote.seen) == 3
    remote.play(streamed(1, done=False, cut=True), streamed(1, 2))
    events = transport(remote).events("/x", {})
    assert next(events) == "1"
    with pytest.raises(ProviderError, match="connection broke") as caught:
        next(events)
    assert caught.value.retryable and len(remote.seen) == 1


def test_a_stream_that_falls_silent_is_left(remote: Remote) -> None:
    remote.play(streamed(1, 2, pause=3))
    events = transport(remote, Policy(read=0.2)).events("/x", {})
    assert next(events) == "1"
    with pytest.raises(ProviderError, match="silent"):
        next(events)


def test_a_stream_of_signs_of_life_ends_at_the_total(remote: Remote) -> None:
    remote.play(Play((b"data: 1\n\n",) + (b": still here\n\n",) * 50, kind=EVENTS, pause=0.1))
    events = transport(remote, Policy(read=5, total=0.5)).events("/x", {})
    assert next(events) == "1"
    with pytest.raises(ProviderError, match=r"within 0\.5 s"):
        next(events)


def test_an_answer_that_is_no_stream(remote: Remote) -> None:
    remote.play(said(GOOD))
    with pytest.raises(ProviderError, match="wanted text/event-stream"):
        list(transport(remote).events("/x", {}))


def test_closing_a_stream_goes_away(remote: Remote) -> None:
    remote.play(streamed(*range(100), pause=0.02))
    events: Any = transport(remote).events("/x", {})
    next(events)
    events.close()
    assert remote.gone.wait(3)


def test_closing_ends_waits(remote: Remote) -> None:
    remote.play(said(failure("later"), 429, retry_after="30"))
    asked = transport(remote, Policy(total=100))
    found: list[SibaoError] = []

    def work() -> None:
        try:
            asked.json("GET", "/x")
        except SibaoError as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while not remote.seen:
        time.sleep(0.01)
    asked.close()
    thread.join(3)
    assert not thread.is_alive() and "was closed" in found[0].message


@pytest.mark.parametrize(
    "play", [Play(hang=True), said(failure("later"), 503, retry_after="30"), streamed(1, 2, pause=9)],
    ids=["before the first byte", "between two tries", "between two pieces"],
)  # fmt: skip
def test_another_thread_gives_a_stream_up(remote: Remote, play: Play) -> None:
    remote.play(play)
    asked = transport(remote, Policy(total=100, read=60))
    call = asked.call()
    ended = threading.Thread(target=lambda: drained(asked, call))
    ended.start()
    while not remote.seen:
        time.sleep(0.01)
    time.sleep(0.1)
    call.cancel()
    ended.join(3)
    assert not ended.is_alive() and len(remote.seen) == 1
    remote.play(streamed(1, 2))
    free = transport(remote) if "retry-after" in play.headers else asked
    assert list(free.events("/x", {})) == ["1", "2", "[DONE]"], "the next one is answered as if nothing had been"


def drained(asked: Transport, call: Call) -> None:
    """Read a stream to its end, whatever that is."""
    with pytest.raises(ProviderError):
        list(asked.events("/x", {}, call))


def test_a_call_given_up_before_it_begins_sends_nothing(remote: Remote) -> None:
    remote.play(said(GOOD))
    asked = transport(remote)
    call = asked.call()
    call.cancel()
    with pytest.raises(ProviderError, match="was closed"):
        list(asked.events("/x", {}, call))
    assert remote.seen == []


def test_streams_one_after_another_share_a_connection(remote: Remote) -> None:
    remote.play(streamed(1))
    asked = transport(remote)
    for _ in range(3):
        assert list(asked.events("/x", {})) == ["1", "[DONE]"]
    assert len(remote.seen) == 3 and len({seen.port for seen in remote.seen}) == 1


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/v1",
        "http://",
        "host:1/v1",
        "http://u:p@host/v1",
        "http://host/v1?key=1",
        "http://ho st/v1",
        "http://h:x/v1",
        "http://[::1].evil.com/v1",
        "http://[::1]evil.com/v1",
        "http://evil.com[::1]/v1",
        "http://127.0.0.1\\evil.com/v1",
        "http://127.0.0.1%2eevil.com/v1",
        "http://h:x/v1?key=u:p",
    ],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(BadInput) as caught:
        place_of(url, "the URL")
    assert "u:p" not in str(caught.value) and caught.value.hint


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1/v1", True), ("http://127.9.9.9", True), ("http://[::1]:8/v1", True), ("http://localhost/v1/", True),
        ("http://127.0.0.1.evil.example/v1", False), ("http://localhost.evil.example", False), ("http://10.0.0.1", False),
        ("https://api.openai.com/v1", False), ("http://0.0.0.0/v1", False), ("http://[fe80::1%eth0]:8/v1", False),
        ("http://例子.example", False), ("http://a_b.example:80", False),
    ],
)  # fmt: skip
def test_which_addresses_are_this_machine(url: str, here: bool) -> None:
    assert place_of(url, "url").here is here


def test_half_characters_are_sent_as_they_are(remote: Remote) -> None:
    remote.play(said(GOOD))
    transport(remote).json("POST", "/x", {"q": "a\ud800"})
    assert remote.seen[0].body == {"q": "a\ud800"}
    with pytest.raises(BadInput, match="cannot be written as JSON"):
        transport(remote).json("POST", "/x", {"q": float("nan")})


def test_tries_are_logged(remote: Remote, caplog: pytest.LogCaptureFixture) -> None:
    remote.play(said(failure("busy"), 503), said(GOOD))
    with caplog.at_level(logging.INFO, "sibao.remote"):
        ask(remote)
    assert "busy (status 503); try 2" in caplog.text
