"""Brings a database's tables up to date when it is first opened; costs one query when they are."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import exc

from sibao.core.errors import StoreError
from sibao.store.faults import explain

MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 5_149_711_130  # any fixed number: processes that migrate at once wait for each other on it


@cache
def known_versions() -> tuple[str, ...]:
    """Schema versions this release knows, oldest first; the last one is what it works with."""
    return tuple(sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py")))


def ensure_schema(engine: sa.Engine) -> None:
    """Migrate the database to this release's schema.

    Raises:
        StoreError: the database cannot be opened, or a newer release has changed it.
    """
    url = engine.url.render_as_string(hide_password=True)
    try:
        with engine.connect() as connection:
            if _up_to_date(connection, url):
                return
        with engine.connect().execution_options(sibao_write=True) as connection, connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            if not _up_to_date(connection, url):  # another process may have done it meanwhile
                _upgrade(connection)
    except exc.DBAPIError as error:
        raise explain(error, url) from error


def schema_version(connection: sa.Connection) -> str | None:
    """The version the database says it has; None when it holds no tables of ours."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _up_to_date(connection: sa.Connection, url: str) -> bool:
    version, known = schema_version(connection), known_versions()
    if version is not None and version not in known:
        raise StoreError(
            f"the database {url} has schema {version}, this version of Sibao knows up to {known[-1]}",
            hint="upgrade Sibao (pip install -U sibao), or set SIBAO_DATABASE_URL to another database",
        )
    return version == known[-1]


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
