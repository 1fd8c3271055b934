"""What a model answered to each row of an evaluation, and how each answer scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice

import sqlalchemy as sa

from sibao.store.database import reading, writing
from sibao.store.runs import require
from sibao.store.tables import ROWS
from sibao.store.values import text

_BATCH = 500


@dataclass(frozen=True)
class ResultRow:
    """One row of an evaluation.

    ``row`` counts from 0 in the data; ``metrics`` maps a metric's name to this row's value; ``missing`` says why there
    is no answer (empty when there is one): such a row is reported, never counted as wrong. Rows of one ``cluster``
    (questions on one passage) are not independent; an empty one stands alone.
    """

    row: int
    prediction: str | None
    references: list[str] = field(default_factory=list)
    metrics: dict[str, float | None] = field(default_factory=dict)
    missing: str = ""
    cluster: str = ""


def add_rows(run: str, rows: Iterable[ResultRow]) -> int:
    """Keep rows of a run, in transactions of some hundred; a row that is there already is replaced. Gives the number.

    Raises:
        UnknownName: no such run.
    """
    source, kept = iter(rows), 0
    while batch := {row.row: _values(run, row) for row in islice(source, _BATCH)}:
        with writing() as connection:
            require(connection, run)
            connection.execute(sa.delete(ROWS).where(ROWS.c.run == run, ROWS.c.row.in_(list(batch))))
            connection.execute(sa.insert(ROWS), list(batch.values()))
        kept += len(batch)
    return kept


def rows_of(run: str) -> Iterator[ResultRow]:
    """A run's rows in order; read batch by batch, so a long evaluation does not fill the memory."""
    columns = [column for column in ROWS.c if column.name != "run"]
    query = sa.select(*columns).where(ROWS.c.run == run).order_by(ROWS.c.row).limit(_BATCH)
    last = -1
    while True:
        with reading() as connection:
            batch = [ResultRow(**row) for row in connection.execute(query.where(ROWS.c.row > last)).mappings()]
        yield from batch
        if len(batch) < _BATCH:
            return
        last = batch[-1].row


def _values(run: str, row: ResultRow) -> dict[str, object]:
    prediction = None if row.prediction is None else text(row.prediction)
    return asdict(row) | {
        "run": run,
        "prediction": prediction,
        "missing": text(row.missing),
        "cluster": text(row.cluster),
    }
