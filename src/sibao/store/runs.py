"""Runs - recorded trainings and evaluations - and their scores."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from sibao import __version__
from sibao.core.errors import BadInput, UnknownName
from sibao.core.types import Score
from sibao.store.database import reading, writing
from sibao.store.tables import RUNS, SCORES
from sibao.store.values import plain, text

Status = Literal["running", "done", "failed", "stopped"]
STATUSES: tuple[str, ...] = get_args(Status)

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u; sorts like the numbers do
_EPOCH = 1_735_689_600  # 2025-01-01: seven digits of 1/32 s reach to 2059


@dataclass(frozen=True)
class Run:
    """One recorded run. ``started`` and ``finished`` are seconds since 1970 UTC; ``message`` says why it failed.

    ``recipe`` is what the run was made from, ``result`` what is known of it besides its scores (speed, energy ...).
    """

    id: str
    kind: str
    model: str
    status: str
    recipe: dict[str, Any]
    result: dict[str, Any]
    message: str
    version: str
    started: float
    finished: float | None

    def to_json(self, scores: Sequence[Score] = ()) -> dict[str, Any]:
        """The run object of the JSON contract."""
        values = asdict(self)
        return {"run": values.pop("id"), **values, "scores": [score.to_json() for score in scores]}


def new_id() -> str:
    """``r``, seven digits of time (1/32 s) and a random one: sorts by time, can be read out and typed."""
    ticks = int((time.time() - _EPOCH) * 32)
    digits = [_DIGITS[(ticks >> shift) & 31] for shift in range(30, -1, -5)]
    return "r" + "".join(digits) + secrets.choice(_DIGITS)


def create_run(kind: str, model: str, recipe: dict[str, Any], status: Status = "running") -> str:
    """Record the start of a run; gives its id."""
    _check_status(status)
    while True:
        values = {
            "id": new_id(), "kind": text(kind), "model": text(model), "status": status, "recipe": recipe, "result": {},
            "message": "", "version": __version__, "started": time.time(), "finished": None,
        }  # fmt: skip
        with writing() as connection, suppress(IntegrityError):  # two runs in one tick drew the same last digit
            with connection.begin_nested():
                connection.execute(sa.insert(RUNS).values(values))
            return str(values["id"])


def update_run(run: str, *, status: Status | None = None, result: dict[str, Any] | None = None) -> None:
    """Change a run's status, or add to its result (keys given replace those of the same name).

    Raises:
        UnknownName: no such run.
    """
    _change(run, status=status, result=result)


def finish_run(run: str, status: Status = "done", result: dict[str, Any] | None = None, message: str = "") -> None:
    """Record the end of a run, and why when it failed.

    Raises:
        UnknownName: no such run.
    """
    _change(run, status=status, result=result, finished=time.time(), message=text(message))


def get_run(prefix: str) -> Run:
    """The run whose id begins with ``prefix``.

    Raises:
        UnknownName: no id begins so; the nearest ids are listed.
        BadInput: more than one id begins so.
    """
    with reading() as connection:
        return _find(connection, prefix)


def list_runs(
    kind: str | None = None, model: str | None = None, status: Status | None = None, limit: int | None = None
) -> list[Run]:
    """Runs that match, the newest first."""
    query = sa.select(RUNS).order_by(RUNS.c.started.desc(), RUNS.c.id.desc()).limit(limit)
    for column, value in ((RUNS.c.kind, kind), (RUNS.c.model, model), (RUNS.c.status, status)):
        if value is not None:
            query = query.where(column == value)
    with reading() as connection:
        return [Run(**row) for row in connection.execute(query).mappings()]


def delete_run(prefix: str) -> str:
    """Remove a run with its scores and rows; gives the id that was meant by ``prefix``.

    Raises:
        UnknownName, BadInput: as ``get_run``.
    """
    with writing() as connection:
        run = _find(connection, prefix).id
        connection.execute(sa.delete(RUNS).where(RUNS.c.id == run))
    return run


def add_scores(run: str, scores: Sequence[Score]) -> None:
    """Keep a run's scores. One of the same name and signature is replaced.

    Raises:
        UnknownName: no such run.
    """
    if not scores:
        return
    with writing() as connection:
        require(connection, run)
        for score in scores:
            values = asdict(score) | {"name": text(score.name), "signature": text(score.signature)}
            values |= {key: None for key, value in values.items() if isinstance(value, float) and math.isnan(value)}
            same = (SCORES.c.run == run, SCORES.c.name == values["name"], SCORES.c.signature == values["signature"])
            connection.execute(sa.delete(SCORES).where(*same))
            connection.execute(sa.insert(SCORES).values(values | {"run": run}))


def scores_of(run: str) -> list[Score]:
    """A run's scores in the order they were added."""
    columns = [SCORES.c[field.name] for field in fields(Score)]
    with reading() as connection:
        found = connection.execute(sa.select(*columns).where(SCORES.c.run == run).order_by(SCORES.c.id)).mappings()
        return [Score(**{**row, "value": math.nan if row["value"] is None else row["value"]}) for row in found]


def require(connection: sa.Connection, run: str) -> None:
    """Refuse an id that no run has.

    Raises:
        UnknownName: with the nearest ids.
    """
    if connection.execute(sa.select(RUNS.c.id).where(RUNS.c.id == run)).first() is None:
        raise _unknown(connection, run)


def _find(connection: sa.Connection, prefix: str) -> Run:
    wanted = prefix.strip().lower()
    query = sa.select(RUNS).where(RUNS.c.id.startswith(wanted, autoescape=True)).order_by(RUNS.c.id).limit(6)
    found = connection.execute(query).mappings().all() if wanted else []
    if not found:
        raise _unknown(connection, prefix)
    if len(found) > 1:
        ids = ", ".join(row["id"] for row in found[:5]) + (" ..." if len(found) > 5 else "")
        raise BadInput(f"{prefix!r} begins more than one run: {ids}", hint="write more of the id")
    return Run(**found[0])


def _unknown(connection: sa.Connection, run: str) -> UnknownName:
    newest = sa.select(RUNS.c.id).order_by(RUNS.c.started.desc()).limit(500)
    error = UnknownName("run", run, connection.execute(newest).scalars())
    if not error.known:
        error.hint = "there are no runs yet"
    elif len(error.known) > 5 and error.hint.startswith("known"):
        error.hint = f"the newest runs are {', '.join(error.known[-5:])}; sibao runs lists them all"
    return error


def _change(run: str, result: dict[str, Any] | None, **values: Any) -> None:
    values = {key: value for key, value in values.items() if value is not None}
    if "status" in values:
        _check_status(values["status"])
    with writing() as connection:
        require(connection, run)
        if result:
            before = connection.execute(sa.select(RUNS.c.result).where(RUNS.c.id == run).with_for_update()).scalar_one()
            values["result"] = before | plain(result)
        if values:
            connection.execute(sa.update(RUNS).where(RUNS.c.id == run).values(values))


def _check_status(status: str) -> None:
    if status not in STATUSES:
        raise UnknownName("status", status, STATUSES)
