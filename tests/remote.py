"""A server on loopback that plays what a test hands it: the good answers of hosted models, and everything that goes wrong."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

JSON, EVENTS = "application/json", "text/event-stream"
WAIT = 20.0
"""Seconds after which a server that hangs gives up by itself, so that a failed test ends."""


@dataclass(frozen=True)
class Seen:
    """A request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    port: int = 0
    """Of the client: the same port, the same connection."""


@dataclass(frozen=True)
class Play:
    """One answer. ``chunks`` are sent one by one, ``pause`` seconds apart; ``cut``: the connection ends where more was
    promised; ``hang``: nothing is sent at all until the client goes; ``raw``: the chunks are the whole answer, with its head."""

    chunks: tuple[bytes, ...] = ()
    status: int = 200
    kind: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: float = 0.0
    cut: bool = False
    hang: bool = False
    raw: bool = False


def said(body: Any, status: int = 200, **headers: str) -> Play:
    """A JSON answer; ``retry_after="1"`` becomes a header."""
    return Play((json.dumps(body).encode(),), status, headers={k.replace("_", "-"): v for k, v in headers.items()})


def streamed(*events: Any, done: bool = True, **how: Any) -> Play:
    """A stream of JSON events, as OpenAI ends it."""
    data = [json.dumps(event, ensure_ascii=False) for event in events] + (["[DONE]"] if done else [])
    return Play(tuple(f"data: {one}\n\n".encode() for one in data), kind=EVENTS, **how)


Answer = Play | Callable[[Seen], Play]


class Remote:
    """The running server. ``plays`` are given in order, the last one again and again; ``seen`` holds what came in."""

    def __init__(self) -> None:
        self.plays: list[Answer] = []
        self.seen: list[Seen] = []
        self.gone = threading.Event()
        """Set once a client went away in the middle of an answer."""
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    def play(self, *plays: Answer) -> None:
        """What to answer from now on; what came in so far is forgotten."""
        with self._lock:
            self.plays, self.seen = list(plays), []

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def next(self, seen: Seen) -> Play:
        """The answer to a request."""
        with self._lock:
            self.seen.append(seen)
            play = self.plays[0] if len(self.plays) == 1 else self.plays.pop(0)
        return play if isinstance(play, Play) else play(seen)

    def _handler(remote: Remote) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Be quiet."""

            def do_GET(self) -> None:
                self.answer(None)

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                self.answer(json.loads(raw))

            def answer(self, body: Any) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                play = remote.next(Seen(self.command, self.path, headers, body, self.client_address[1]))
                try:
                    self.send(play)
                except OSError:
                    remote.gone.set()

            def send(self, play: Play) -> None:
                if play.hang:
                    self.wait_for_end()
                    return
                if play.raw:
                    self.close_connection = True
                    self.send_raw(play)
                    return
                self.send_response(play.status)
                self.send_header("Content-Type", play.kind)
                for name, value in play.headers.items():
                    self.send_header(name, value)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for number, chunk in enumerate(play.chunks):
                    if number and play.pause:
                        time.sleep(play.pause)
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                    self.wfile.flush()
                if play.cut:
                    self.close_connection = True
                else:
                    self.wfile.write(b"0\r\n\r\n")

            def send_raw(self, play: Play) -> None:
                for number, chunk in enumerate(play.chunks):
                    time.sleep(play.pause if number else 0)
                    self.wfile.write(chunk)
                    self.wfile.flush()

            def wait_for_end(self) -> None:
                self.connection.settimeout(WAIT)
                self.close_connection = True
                if self.rfile.read(1) == b"":
                    remote.gone.set()

        return Handler


@contextmanager
def running() -> Iterator[Remote]:
    """A server for the time of a test."""
    remote = Remote()
    try:
        yield remote
    finally:
        remote.close()


# The shapes of answers below are those that the providers document and their SDKs read.

USAGE = {
    "prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}  # fmt: skip


def chat(text: str | None = "你好 there", finish: str = "stop", **more: Any) -> dict[str, Any]:
    """A whole answer of OpenAI's chat completions."""
    message = {"role": "assistant", "content": text, "refusal": None, "annotations": [], **more.pop("message", {})}
    choice = {"index": 0, "message": message, "logprobs": more.pop("logprobs", None), "finish_reason": finish}
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m-2026", "choices": [choice],
        "usage": USAGE, "service_tier": "default", "system_fingerprint": "fp_1", **more,
    }  # fmt: skip


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One event of OpenAI's stream."""
    delta = {} if text is None else {"role": "assistant", "content": text}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice],
        "usage": None, **more,
    }  # fmt: skip


COUNTED = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "choices": [],
    "usage": USAGE,
}
"""The last event of a stream that was asked for its usage."""


def failure(message: str, code: str | None = None, kind: str = "invalid_request_error") -> dict[str, Any]:
    """A refusal of OpenAI."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def gemini(text: str = "你好 there", finish: str | None = "STOP", **more: Any) -> dict[str, Any]:
    """An answer of Gemini, whole or a piece."""
    candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, "avgLogprobs": -0.1}
    if finish:
        candidate["finishReason"] = finish
    usage = {
        "promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 17, "thoughtsTokenCount": 5,
        "cachedContentTokenCount": 4, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
    }  # fmt: skip
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m-1", "responseId": "r", **more}


HOLDS = {
    "name": "models/m", "version": "001", "displayName": "M", "description": "", "inputTokenLimit": 1000,
    "outputTokenLimit": 24,
}  # fmt: skip
"""What Gemini tells of a model."""


def gemini_failure(code: int, message: str, status: str, *details: Any) -> dict[str, Any]:
    """A refusal of Gemini."""
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}
