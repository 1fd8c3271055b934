"""What each API key of a server has spent, so that a restart refills no budget. A key is known here by its hash alone."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from sibao.store.database import reading, writing
from sibao.store.tables import SPENDING


def spent() -> dict[str, float]:
    """By hash of the key, in the catalogue's currency."""
    with reading() as connection:
        return {row.key: row.spent for row in connection.execute(sa.select(SPENDING))}


def add_spent(costs: Mapping[str, float]) -> None:
    """Add to what keys have spent; several processes may do so at once."""
    with writing() as connection:
        for key, cost in costs.items():
            more = sa.update(SPENDING).where(SPENDING.c.key == key).values(spent=SPENDING.c.spent + cost)
            if connection.execute(more).rowcount == 0:
                connection.execute(sa.insert(SPENDING), {"key": key, "spent": cost})
