"""The application: routes of every protocol around one service."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Request
from starlette.middleware.cors import CORSMiddleware

from sibao import __version__
from sibao.core.names import module_names
from sibao.server import errors, page, reference
from sibao.server.limits import Limits
from sibao.server.options import ServeOptions
from sibao.server.service import Service, service_of
from sibao.server.watch import Watch, begin_audit

OPEN = frozenset({"status"})
"""Files of routes that check the key themselves, or need none."""
ROUTES = ("status", "openai_", "gemini_", "room_", "tasks", "votes")
"""How names of files with routes begin."""


def create_app(options: ServeOptions) -> FastAPI:
    """The server's application. The files of this package that ``ROUTES`` names take part.

    Raises:
        ConfigError, StoreError: the file of keys, or what they have spent, cannot be read. BadInput: the audit log cannot be
            written, or as ``Hall`` has it. ModelError: as ``Hall`` has it.
    """
    service = Service(options)
    if options.audit is not None:
        begin_audit(options.audit)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.close()

    app = FastAPI(
        title="Sibao", version=__version__, lifespan=life, docs_url=None, redoc_url=None,
        description="Generate, translate, answer, summarize: OpenAI's and Gemini's protocols, and the tasks themselves.",
    )  # fmt: skip
    app.state.service = service
    errors.install(app)
    for name in route_files():
        guard = [] if name in OPEN else [Depends(with_key)]
        app.include_router(importlib.import_module(f"sibao.server.{name}").router, dependencies=guard)
    page.install(app)
    reference.install(app)
    app.add_middleware(Limits, service=service)
    if options.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(options.origins),
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["x-request-id", "retry-after"],
        )
    app.add_middleware(Watch, service=service)
    return app


def with_key(request: Request) -> None:
    """Refuse callers without a key, where one is needed."""
    service_of(request).caller(request)


def route_files() -> list[str]:
    """Files of this package that hold routes; Gemini's stand before OpenAI's, with which they share some paths."""
    return [name for name in module_names("sibao.server") if name.startswith(ROUTES)]
