"""Databases for the store's tests: a SQLite file, and a real PostgreSQL server that lives as long as the tests."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sibao.core import config
from sibao.store import database

PASSWORD = "四宝 p@ss"  # needs escaping in an address
PASSWORD_ESCAPED = "%E5%9B%9B%E5%AE%9D%20p%40ss"
SOURCE = Path(__file__).parents[2] / "src"


def _binaries() -> Path | None:
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found and shutil.which("pg_ctl") else None


def _unprivileged() -> list[str]:
    """What goes before a command so that root runs it as somebody else: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    users = {entry.pw_name for entry in pwd.getpwall()}
    name = "postgres" if "postgres" in users else "nobody"
    return ["runuser", "-u", name, "--"]


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a server's maintenance database, user and password included."""
    pytest.importorskip("psycopg", reason="the package psycopg is not installed (pip install 'sibao[postgres]')")
    binaries, prefix = _binaries(), _unprivileged()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (make system installs it)")
    if prefix and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root and there is no runuser to run it as another user")
    folder = Path(tempfile.mkdtemp(prefix="sibao-pg-"))
    (folder / "password").write_text(PASSWORD, encoding="utf-8")
    if prefix:
        shutil.chown(folder, prefix[2])
        shutil.chown(folder / "password", prefix[2])
    port = _free_port()

    def run(*command: str) -> None:
        done = subprocess.run([*prefix, *command], capture_output=True, text=True, cwd="/", timeout=120)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    data, log = str(folder / "data"), str(folder / "log")
    run(
        str(binaries / "initdb"), "-D", data, "-U", "sibao", "-A", "scram-sha-256", f"--pwfile={folder}/password",
        "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
    )  # fmt: skip
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    run(str(binaries / "pg_ctl"), "-D", data, "-l", log, "-w", "-o", options, "start")
    try:
        yield f"postgresql://sibao:{PASSWORD_ESCAPED}@127.0.0.1:{port}/postgres"
    finally:
        run(str(binaries / "pg_ctl"), "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The address of a database of this test's own."""
    import psycopg

    name = f"test_{os.urandom(4).hex()}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield postgres_server.rpartition("/")[0] + f"/{name}"
        database.close()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of this test's own, and so a fresh SQLite file."""
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SIBAO_DATABASE_URL", raising=False)
    config.reload()
    yield tmp_path / "home"
    database.close()
    config.reload()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def store(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, chosen by the settings; gives its kind."""
    if request.param == "postgresql":
        monkeypatch.setenv("SIBAO_DATABASE_URL", request.getfixturevalue("postgres_url"))
    return str(request.param)


@pytest.fixture
def start():
    """Start a real Python process on a piece of code, with the settings of this one."""
    started: list[subprocess.Popen[str]] = []

    def _start(code: str, *arguments: str) -> subprocess.Popen[str]:
        environment = os.environ | {"PYTHONPATH": str(SOURCE)}
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        started.append(process)
        return process

    yield _start
    for process in started:
        process.kill()
        process.communicate()
