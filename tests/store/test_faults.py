"""Every way a database fails ends in one clear message with a next step."""

import sqlite3
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
import sqlalchemy as sa

from sibao.core.errors import ConfigError, MissingPackage, StoreError
from sibao.store import database, runs

CUT = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


def failure(act=runs.list_runs) -> StoreError:
    """The StoreError that an action ends in."""
    with pytest.raises(StoreError) as error:
        act()
    assert error.value.hint and error.value.exit_code == 1
    return error.value


def test_locked(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    run = runs.create_run("evaluate", "m", {})
    with database.writing() as connection:
        connection.execute(sa.text("UPDATE runs SET model = 'other'"))
        error = failure(lambda: runs.update_run(run, result={"a": 1}))
    assert "is locked by another program" in error.message and "wait" in error.hint


def test_sqlite_that_may_only_be_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.create_run("evaluate", "m", {})
    database.close()
    sqlite3.connect(home / "sibao.db").execute("PRAGMA journal_mode=DELETE").connection.close()
    monkeypatch.setenv("SIBAO_DATABASE_URL", f"sqlite:///file:{home}/sibao.db?mode=ro&uri=true")
    error = failure(lambda: runs.create_run("evaluate", "m", {}))
    assert "can only be read" in error.message and "writable" in error.hint


def test_sqlite_file_that_is_no_database(home: Path) -> None:
    home.mkdir()
    (home / "sibao.db").write_text("这不是数据库" * 1000, encoding="utf-8")
    error = failure()
    assert "damaged or is no database" in error.message and str(home / "sibao.db") in error.message
    assert ".recover" in error.hint


def test_sqlite_file_with_damaged_pages(home: Path) -> None:
    for n in range(50):
        runs.create_run("evaluate", "m" * 500, {"n": n})
    database.close()
    content = bytearray((home / "sibao.db").read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    (home / "sibao.db").write_bytes(content)
    assert "damaged" in failure().message


def test_sqlite_folder_missing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_DATABASE_URL", f"sqlite:///{home}/nowhere/x.db")
    error = failure()
    assert "cannot be opened" in error.message and "folder" in error.hint


@pytest.mark.system
def test_postgresql_wrong_password(home: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "SIBAO_DATABASE_URL", sa.make_url(postgres_url).set(password="sesame").render_as_string(hide_password=False)
    )
    error = failure()
    assert "refuses the user or password" in error.message and "SIBAO_DATABASE_URL" in error.hint
    assert "sesame" not in str(error)


@pytest.mark.system
def test_postgresql_missing_database(home: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_DATABASE_URL", postgres_url + "_not")
    error = failure()
    assert "no such database" in error.message and "createdb" in error.hint
    password = str(sa.make_url(postgres_url).password)
    assert password in unquote(postgres_url) and password not in unquote(str(error))


@pytest.mark.system
def test_postgresql_comes_back_after_its_connections_were_cut(store: str) -> None:
    runs.create_run("evaluate", "m", {})
    if store == "postgresql":
        import psycopg

        from sibao.core.config import settings

        with psycopg.connect(settings().database_url, autocommit=True) as other:
            other.execute(CUT)
    assert len(runs.list_runs()) == 1


def test_postgresql_unreachable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv("SIBAO_DATABASE_URL", "postgresql://u:sesame@127.0.0.1:1/x")
    error = failure()
    assert "cannot be reached" in error.message and "start the server" in error.hint
    assert "sesame" not in str(error)


def test_postgresql_without_its_driver(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_DATABASE_URL", "postgres://u@127.0.0.1:1/x")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingPackage) as error:
        runs.list_runs()
    assert error.value.hint == "pip install 'sibao[postgres]'"


@pytest.mark.parametrize("address", ["mysql://u@h/x", "not an address", "sqlite+aiosqlite:///x", "oracle://h"])
def test_other_addresses_are_refused(home: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_DATABASE_URL", address)
    with pytest.raises(ConfigError) as error:
        runs.list_runs()
    assert "sqlite:///FILE" in error.value.hint


def test_shown_url_hides_the_password(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_DATABASE_URL", "postgres://u:sesame@h:5432/x")
    assert database.shown_url() == "postgresql+psycopg://u:***@h:5432/x"
