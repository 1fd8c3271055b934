"""Migrations: they make exactly the tables of ``tables.py``, once, and cost nothing afterwards."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from sibao.core.config import settings
from sibao.core.errors import StoreError
from sibao.store import database, runs, schema
from sibao.store.schema import known_versions, schema_version
from sibao.store.tables import METADATA


def test_migrations_make_the_tables(store: str) -> None:
    with database.reading() as connection:
        assert schema_version(connection) == known_versions()[-1]
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_every_migration_has_its_own_number() -> None:
    versions = known_versions()
    assert versions == tuple(f"{n:04}" for n in range(1, len(versions) + 1))


def test_opening_runs_no_migration_when_up_to_date(store: str, start) -> None:
    runs.create_run("evaluate", "m", {})
    code = "import sys; from sibao.store import runs; print(len(runs.list_runs()), 'alembic' in sys.modules)"
    out, err = start(code).communicate(timeout=120)
    assert out.split() == ["1", "False"], err


def test_a_newer_schema_is_refused(store: str) -> None:
    with database.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    newest = known_versions()[-1]
    with pytest.raises(StoreError, match=f"has schema 9999, this version of Sibao knows up to {newest}") as error:
        runs.list_runs()
    assert "upgrade Sibao" in error.value.hint


def test_two_processes_migrate_a_fresh_database_at_once(store: str, start) -> None:
    code = "from sibao.store.runs import create_run; print(create_run('evaluate', 'm', {}))"
    processes = [start(code) for _ in range(3)]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert len(runs.list_runs()) == 3


def test_a_migration_that_fails_leaves_nothing_behind(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: sa.Connection) -> None:
        upgrade(connection)
        connection.execute(sa.text("SELECT something FROM nowhere"))

    upgrade = schema._upgrade
    monkeypatch.setattr(schema, "_upgrade", fail)
    with pytest.raises(StoreError, match="nowhere"):
        runs.list_runs()
    engine = database._create(database.parse_url(settings().database_url))
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()
