"""Settings: who wins, what is refused, and what is read when."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sibao.core import config
from sibao.core.config import Settings, settings
from sibao.core.errors import ConfigError, UnknownName


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with no config.toml and an environment without SIBAO_ variables but SIBAO_HOME."""
    for name in [name for name in os.environ if name.startswith("SIBAO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path))
    config.reload()
    yield tmp_path
    config.reload()


def write(home: Path, text: str) -> None:
    (home / "config.toml").write_text(text, encoding="utf-8")
    config.reload()


def test_defaults(home: Path) -> None:
    found = settings()
    assert found.home == home and found.database_url == f"sqlite:///{home}/sibao.db"
    assert found.offline is True and found.model == "mini" and found.threads >= 1 and found.language == "auto"


def test_flag_beats_variable_beats_file_beats_default(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, 'model = "file"\nthreads = 3\noffline = false\n')
    assert (settings().model, settings().threads, settings().offline) == ("file", 3, False)
    monkeypatch.setenv("SIBAO_MODEL", "variable")
    assert (settings().model, settings().threads) == ("variable", 3)
    assert settings(model="flag").model == "flag" and settings(model=None).model == "variable"
    assert settings().model == "variable"


def test_an_empty_variable_is_unset(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_THREADS", "")
    assert settings().threads == Settings().threads


def test_home_flag_moves_the_database(home: Path) -> None:
    assert settings(home="/elsewhere").database_url == "sqlite:////elsewhere/sibao.db"
    assert settings(home="/elsewhere", database_url="sqlite:///x.db").database_url == "sqlite:///x.db"


def test_home_flag_leaves_a_chosen_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_DATABASE_URL", "sqlite:///chosen.db")
    assert settings(home="/elsewhere").database_url == "sqlite:///chosen.db"


def test_file_is_read_once(home: Path) -> None:
    write(home, 'model = "one"')
    assert settings().model == "one"
    (home / "config.toml").write_text('model = "two"')
    assert settings().model == "one"
    config.reload()
    assert settings().model == "two"


def test_unknown_key_in_file(home: Path) -> None:
    write(home, "treads = 2")
    with pytest.raises(UnknownName, match=r"no key of .*config\.toml named 'treads'") as error:
        settings()
    assert error.value.hint == "did you mean threads?" and error.value.exit_code == 2


def test_unknown_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_DATABSE_URL", "x")
    with pytest.raises(UnknownName, match=r"no SIBAO_\* variable named 'databse_url'") as error:
        settings()
    assert "database_url" in error.value.hint


def test_unknown_flag() -> None:
    with pytest.raises(UnknownName, match="no setting named 'modle'"):
        settings(modle="x")


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("THREADS", "two", "a whole number"),
        ("THREADS", "2.5", "a whole number"),
        ("THREADS", "0", "1 or more"),
        ("OFFLINE", "perhaps", "true or false"),
        ("ENERGY_WATTS_PER_CORE", "many", "a number"),
        ("ENERGY_WATTS_PER_CORE", "-1", "from 0"),
        ("ENERGY_WATTS_PER_CORE", "nan", "from 0"),
        ("LANGUAGE", "fr", "one of auto, zh, en"),
    ],
)
def test_wrong_variables(name: str, text: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"SIBAO_{name}", text)
    with pytest.raises(ConfigError, match=wanted):
        settings()


@pytest.mark.parametrize("line", ["threads = true", "threads = 1.5", "threads = [1]", "model = 3", "offline = 'maybe'"])
def test_wrong_types_in_file(home: Path, line: str) -> None:
    write(home, line)
    with pytest.raises(ConfigError, match=r"config\.toml key .* wanted"):
        settings()


@pytest.mark.parametrize("content", [b"model = ", b"\xff\xfe", b"= 3"])
def test_file_that_is_not_toml(home: Path, content: bytes) -> None:
    (home / "config.toml").write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        settings()


def test_home_in_its_own_file(home: Path) -> None:
    write(home, 'home = "/x"')
    with pytest.raises(ConfigError, match="lies in the home itself"):
        settings()


def test_home_that_cannot_be_made(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").write_text("x")
    monkeypatch.setenv("SIBAO_HOME", str(home / "file" / "below"))
    with pytest.raises(ConfigError, match="SIBAO_HOME cannot be made"):
        settings()


@given(st.text(max_size=20))
def test_any_text_is_a_value_or_one_clear_error(text: str) -> None:
    for name in ("threads", "offline", "energy_watts_base", "language"):
        try:
            assert isinstance(settings(**{name: text}), Settings)
        except ConfigError as error:
            assert name in error.message


def test_importing_settings_loads_no_pydantic() -> None:
    code = "import sys, sibao.core.config; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_path(), check=True)
    assert done.stdout.strip() == "False"


def _path() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
