"""What the databases' own errors mean, and what to do about them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sibao.core.errors import StoreError


@dataclass(frozen=True)
class Fault:
    """``pattern`` is searched in the driver's message; ``{url}`` in the text is the address without its password."""

    pattern: str
    message: str
    hint: str


FAULTS = (
    Fault(
        r"database is locked|database table is locked|lock timeout|deadlock detected|could not obtain lock",
        "the database {url} is locked by another program",
        "wait for the other run to finish writing, or stop it, then try again",
    ),
    Fault(
        r"password authentication failed|no password supplied|authentication failed|pg_hba\.conf",
        "the database {url} refuses the user or password",
        "correct the user and password in SIBAO_DATABASE_URL (write special characters as %XX)",
    ),
    Fault(
        r'role ".*" does not exist|permission denied',
        "the user of {url} lacks the right to do this",
        "ask for a user that owns the database, or grant it: GRANT ALL ON SCHEMA public TO the_user",
    ),
    Fault(
        r'database ".*" does not exist',
        "the server has no such database: {url}",
        "make it once: createdb NAME",
    ),
    Fault(
        r"readonly database|read-only (transaction|file system)",
        "the database {url} can only be read",
        "make the file and its folder writable, or set SIBAO_HOME or SIBAO_DATABASE_URL to another place",
    ),
    Fault(
        r"file is not a database|malformed|database corruption",
        "the file behind {url} is damaged or is no database",
        "move the file away and start anew; 'sqlite3 FILE .recover' saves what can be read",
    ),
    Fault(
        r"disk is full|No space left|disk I/O error",
        "the disk under {url} is full or failing",
        "free some space, or set SIBAO_HOME to another disk",
    ),
    Fault(
        r"unable to open database file",
        "the file of {url} cannot be opened",
        "make its folder, and make it writable, or set SIBAO_DATABASE_URL to another file",
    ),
    Fault(
        r"[Cc]onnection refused|could not translate|resolve host|[Tt]imeout|timed out|server closed|terminating "
        r"connection|connection failed|No route|unreachable|shutting down|starting up|No such file|connection is lost",
        "the database server of {url} cannot be reached",
        "start the server, check host and port in SIBAO_DATABASE_URL, or unset it to use the local file",
    ),
)


def explain(error: Exception, url: str) -> StoreError:
    """The driver's error in words: what it is and what to do.

    Args:
        error: what the driver or SQLAlchemy raised.
        url: the database's address, its password hidden.
    """
    detail = str(getattr(error, "orig", None) or error).strip()
    for fault in FAULTS:
        if re.search(fault.pattern, detail):
            return StoreError(f"{fault.message.format(url=url)} ({_short(detail)})", hint=fault.hint)
    return StoreError(
        f"the database {url} failed: {_short(detail)}", hint="sibao doctor checks the database and says what it finds"
    )


def _short(detail: str) -> str:
    """The first line that says something, without the echo of the statement."""
    return detail.splitlines()[0][:200] if detail else "no message"
