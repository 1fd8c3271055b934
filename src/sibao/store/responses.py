"""What models answered, by a key made from the question's content. Nothing here knows what a question is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import sqlalchemy as sa

from sibao.store.database import reading, writing
from sibao.store.tables import RESPONSES
from sibao.store.values import text

_BATCH = 500


def responses(keys: Iterable[str]) -> dict[str, Any]:
    """The kept values of those keys that have one."""
    found: dict[str, Any] = {}
    source = iter(dict.fromkeys(keys))
    while part := list(islice(source, _BATCH)):
        with reading() as connection:
            query = sa.select(RESPONSES.c.key, RESPONSES.c.value).where(RESPONSES.c.key.in_(part))
            found |= {row.key: row.value for row in connection.execute(query)}
    return found


def keep_responses(model: str, values: Mapping[str, Any]) -> None:
    """Keep values by key, in one transaction; a key that is there already keeps what it has."""
    if not values:
        return
    now = time.time()
    with writing() as connection:
        for part in _parts(values):
            known = set(connection.execute(sa.select(RESPONSES.c.key).where(RESPONSES.c.key.in_(part))).scalars())
            fresh = [
                {"key": key, "model": text(model), "value": value, "created": now}
                for key, value in part.items()
                if key not in known
            ]
            if fresh:
                connection.execute(sa.insert(RESPONSES), fresh)


def forget_responses(older_than: float | None = None) -> int:
    """Drop kept responses, all or those made before a time (seconds since 1970, UTC); gives their number."""
    query = sa.delete(RESPONSES)
    if older_than is not None:
        query = query.where(RESPONSES.c.created < older_than)
    with writing() as connection:
        return int(connection.execute(query).rowcount)


def _parts(values: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    source = iter(values.items())
    while part := dict(islice(source, _BATCH)):
        yield part
