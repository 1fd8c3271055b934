"""One engine per database and process, opened with its schema up to date.

Reading and writing are blocks: ``with reading() as connection``, ``with writing() as connection``. A block is one
transaction: all of it happens or nothing. SQLite runs in WAL mode, so that readers never wait for a writer, a killed
process leaves the last finished transaction, and writers of several processes queue up.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc

from sibao.core.config import settings
from sibao.core.errors import ConfigError, MissingPackage
from sibao.store.faults import explain
from sibao.store.values import dumps

BUSY_SECONDS = 30.0
"""How long a writer waits for another one."""

_engines: dict[tuple[str, int], sa.Engine] = {}
_lock = threading.Lock()


@contextmanager
def reading() -> Iterator[sa.Connection]:
    """A connection that reads one consistent state.

    Raises:
        StoreError: the database cannot be opened or read.
        ConfigError: the address is not one of SQLite or PostgreSQL.
    """
    with _transaction(write=False) as connection:
        yield connection


@contextmanager
def writing() -> Iterator[sa.Connection]:
    """A connection whose changes are kept when the block ends well, and undone when it does not.

    Raises:
        StoreError: the database cannot be opened or written.
        ConfigError: the address is not one of SQLite or PostgreSQL.
    """
    with _transaction(write=True) as connection:
        yield connection


def shown_url() -> str:
    """The database's address with the password hidden: the one form that may be printed."""
    return parse_url(settings().database_url).render_as_string(hide_password=True)


def close() -> None:
    """Close this process's connections; the next use opens the database again."""
    with _lock:
        for key in [key for key in _engines if key[1] == os.getpid()]:
            _engines.pop(key).dispose()


def parse_url(text: str) -> sa.URL:
    """The address in SQLAlchemy's form; ``postgres://`` and ``postgresql://`` mean the driver psycopg.

    Raises:
        ConfigError: not an address, or neither SQLite nor PostgreSQL.
    """
    wanted = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
    try:
        url = sa.make_url(text)
    except (exc.ArgumentError, ValueError):
        raise ConfigError("database_url is not a database address", hint=f"wanted {wanted}") from None
    if url.drivername in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername in ("sqlite", "postgresql+psycopg"):
        return url
    raise ConfigError(f"database_url names {url.drivername!r}, which is not supported", hint=f"wanted {wanted}")


@contextmanager
def _transaction(write: bool) -> Iterator[sa.Connection]:
    url = parse_url(settings().database_url)
    try:
        with _engine(url).connect().execution_options(sibao_write=write) as connection, connection.begin():
            yield connection
    except (exc.DBAPIError, exc.TimeoutError) as error:
        raise explain(error, url.render_as_string(hide_password=True)) from error


def _engine(url: sa.URL) -> sa.Engine:
    """The engine of this process: connections must not be shared with a forked child."""
    key = (url.render_as_string(hide_password=False), os.getpid())
    with _lock:
        if key not in _engines:
            engine = _create(url)
            from sibao.store.schema import ensure_schema

            try:
                ensure_schema(engine)
            except BaseException:
                engine.dispose()
                raise
            _engines[key] = engine
        return _engines[key]


def _create(url: sa.URL) -> sa.Engine:
    sqlite = url.get_backend_name() == "sqlite"
    options: dict[str, Any] = {"timeout": BUSY_SECONDS} if sqlite else {"connect_timeout": 5}
    try:
        engine = sa.create_engine(
            url, connect_args=options, json_serializer=dumps, pool_pre_ping=not sqlite, hide_parameters=True
        )
    except ImportError:
        raise MissingPackage("psycopg", extra="postgres", purpose="a PostgreSQL database") from None
    event.listen(engine, "connect", _prepare_sqlite if sqlite else _prepare_postgresql)
    if sqlite:
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late: _begin_sqlite says it
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _prepare_postgresql(connection: Any, record: object) -> None:
    connection.execute(f"SET lock_timeout = {int(BUSY_SECONDS * 1000)}")
    connection.commit()


def _begin_sqlite(connection: sa.Connection) -> None:
    # A writer takes the lock at once and waits for it; taking it later, after a read, would fail without waiting.
    write = connection.get_execution_options().get("sibao_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
