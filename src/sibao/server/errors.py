"""Every failure as a status and a body in the form of the protocol that was spoken."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sibao.core.errors import (
    BadInput,
    BudgetExceeded,
    ContextOverflow,
    MissingPackage,
    ProviderError,
    Refused,
    SibaoError,
    UnknownName,
)
from sibao.server._faults import first_fault

log = logging.getLogger("sibao.server")
GEMINI = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED", 413: "INVALID_ARGUMENT", 415: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
OPENAI = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
VERBS = (":generateContent", ":streamGenerateContent", ":countTokens", ":embedContent", ":batchEmbedContents")
"""What stands behind a model's name in what Gemini's clients post."""
VALUES = ("form", "style of", "response_format", "option", "task")
"""How the kinds of names begin that only fields of a body have; one that is not known is a wrong value there, not a thing that
is missing."""
SECONDS = 1
"""What a client is asked to wait where nothing better is known."""


def status_of(error: SibaoError) -> int:
    """The HTTP status of a failure."""
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, BudgetExceeded):
        return 429
    if isinstance(error, ProviderError):
        return error.status if error.status in (400, 404, 429) else 502
    if isinstance(error, UnknownName) and not error.kind.startswith(VALUES):
        return 404
    if isinstance(error, BadInput | ContextOverflow):
        return 400
    return 501 if isinstance(error, MissingPackage) else 500


def code_of(error: SibaoError) -> str | None:
    """OpenAI's word for some failures."""
    if isinstance(error, ContextOverflow):
        return "context_length_exceeded"
    if isinstance(error, UnknownName) and error.kind == "model":
        return "model_not_found"
    return (error.code or None) if isinstance(error, Refused) else None


def protocol(request: Request) -> str:
    """``openai``, ``gemini`` or ``sibao``, by the path and, where two share one, by Gemini's verbs and the key's place: a
    colon alone says nothing, names of models hold some."""
    path = path_of(request)
    verb = request.method == "POST" and path.endswith(VERBS)
    if path.startswith("/v1beta") or (path.startswith("/v1/models") and (verb or gemini_key(request))):
        return "gemini"
    return "openai" if path.startswith("/v1/") and not path.startswith("/v1/tasks") else "sibao"


def path_of(request: Request) -> str:
    """The path; some of Starlette's versions read the Host header for ``request.url``, and fail where it is none."""
    return str(request.scope["path"])


def gemini_key(request: Request) -> str | None:
    """A key as Gemini's clients send it."""
    return request.headers.get("x-goog-api-key") or request.query_params.get("key")


def body(form: str, status: int, message: str, *, hint: str = "", kind: str = "", code: str | None = None,
         param: str | None = None) -> dict[str, Any]:  # fmt: skip
    """The error object of a protocol."""
    said = f"{message} ({hint})" if hint and form != "sibao" else message
    if form == "gemini":
        return {"error": {"code": status, "message": said, "status": GEMINI.get(status, "INTERNAL")}}
    if form == "openai":
        usual = "invalid_request_error" if status < 500 else "server_error"
        return {"error": {"message": said, "type": OPENAI.get(status, usual), "param": param, "code": code}}
    return {"error": {"type": kind or "BadInput", "message": message, "hint": hint}}


def told(error: SibaoError, form: str) -> tuple[int, dict[str, Any]]:
    """Status and body of a failure."""
    status = status_of(error)
    kind = type(error).__name__
    return status, body(form, status, error.message, hint=error.hint, kind=kind, code=code_of(error))


def answer(
    request: Request, status: int, content: Mapping[str, Any], seconds: float | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:  # fmt: skip
    """The response of a failure. ``Retry-After`` goes with 429 and 503."""
    headers = dict(headers or {})
    if status in (429, 503):
        headers["Retry-After"] = str(max(1, round(seconds or SECONDS)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(dict(content), status_code=status, headers=headers)


def install(app: FastAPI) -> None:
    """Let the application answer failures so."""

    async def of_ours(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, SibaoError):
            raise error
        status, content = told(error, protocol(request))
        if status >= 500:
            log.error("%s %s: %s", request.method, path_of(request), error)
        return answer(request, status, content, getattr(error, "seconds", None))

    async def of_http(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HTTPException):
            raise error
        message = str(error.detail) if error.status_code != 404 else f"there is nothing at {path_of(request)}"
        content = body(protocol(request), error.status_code, message)
        return answer(request, error.status_code, content, headers=error.headers)

    async def of_fields(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, RequestValidationError):
            raise error
        sent = request.headers.get("content-type", "")
        if isinstance(error.body, bytes) and "json" not in sent:
            said = f"the body is {sent[:80] or 'of no content type'}, wanted application/json"
            return answer(request, 415, body(protocol(request), 415, said, kind="BadInput"))
        message, param = first_fault(error.errors(), error.body)
        return answer(request, 400, body(protocol(request), 400, message, param=param, kind="BadInput"))

    app.add_exception_handler(SibaoError, of_ours)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_fields)
    app.add_middleware(Faults)


class Faults:
    """Answers faults of the program within all other middleware, so that such an answer has what every other one has. After
    the first byte of an answer nothing but cutting it off is left."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            request = Request(scope)
            log.exception("%s %s failed", request.method, path_of(request), exc_info=error)
            content = body(protocol(request), 500, "the server failed; its log says why", kind="Error")
            await answer(request, 500, content)(scope, receive, send)
