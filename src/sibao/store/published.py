"""Results that others have published, as they were imported: leaderboards, model cards, evaluation files.

Each belongs to the source (a file's path or an address) that it was read from; importing a source again replaces all that
it gave before.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields

import sqlalchemy as sa

from sibao.core.errors import UnknownName
from sibao.store.database import reading, writing
from sibao.store.tables import PUBLISHED
from sibao.store.values import text

_BATCH = 500


@dataclass(frozen=True)
class Published:
    """One published figure.

    ``subset`` is the part of the dataset (a subdataset, a configuration, a task id), empty for the whole. ``value`` is the
    number, ``shown`` what stood in its place ("85.6%"), ``unit`` "%" or empty. ``low``/``high`` are its interval of
    confidence ``level``; None for ``level`` where a ± came without saying what it means. ``date`` is as published
    (YYYY-MM-DD as a rule), ``title`` and ``url`` those of the paper or page. ``signature`` says how the figure was made,
    empty where the publisher does not. ``imported``: seconds since 1970 UTC, filled by the store with ``source``.
    """

    task: str
    dataset: str
    model: str
    metric: str
    value: float
    subset: str = ""
    unit: str = ""
    shown: str = ""
    low: float | None = None
    high: float | None = None
    level: float | None = None
    n: int | None = None
    date: str = ""
    title: str = ""
    url: str = ""
    note: str = ""
    signature: str = ""
    source: str = ""
    imported: float = 0.0


def replace_published(source: str, results: Iterable[Published]) -> int:
    """Keep the results of a source in place of all that it gave before, in one transaction; gives their number."""
    now, kept = time.time(), [_values(result, source) for result in results]
    with writing() as connection:
        connection.execute(sa.delete(PUBLISHED).where(PUBLISHED.c.source == text(source)))
        for begin in range(0, len(kept), _BATCH):
            part = [values | {"imported": now} for values in kept[begin : begin + _BATCH]]
            connection.execute(sa.insert(PUBLISHED), part)
    return len(kept)


def published() -> list[Published]:
    """All imported results, in the order of their sources' import and of the sources themselves."""
    columns = [PUBLISHED.c[field.name] for field in fields(Published)]
    with reading() as connection:
        found = connection.execute(sa.select(*columns).order_by(PUBLISHED.c.id)).mappings()
        return [Published(**row) for row in found]


def sources() -> dict[str, int]:
    """Every source with the number of its results, the newest import last."""
    query = sa.select(PUBLISHED.c.source, sa.func.count()).group_by(PUBLISHED.c.source)
    with reading() as connection:
        return {row[0]: row[1] for row in connection.execute(query.order_by(sa.func.max(PUBLISHED.c.id)))}


def forget_published(wanted: Sequence[str]) -> int:
    """Drop all results of some sources; gives the number of results.

    Raises:
        UnknownName: a source that nothing was imported from.
    """
    known = sources()
    for source in wanted:
        if text(source) not in known:
            raise UnknownName("imported source", source, known)
    with writing() as connection:
        query = sa.delete(PUBLISHED).where(PUBLISHED.c.source.in_([text(source) for source in wanted]))
        return int(connection.execute(query).rowcount)


def _values(result: Published, source: str) -> dict[str, object]:
    values = asdict(result) | {"source": source}
    return {key: text(value) if isinstance(value, str) else value for key, value in values.items()}
