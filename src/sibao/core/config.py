"""Settings: flag > ``SIBAO_*`` variable > ``config.toml`` in the home > default. Read once, unknown keys refused.

from sibao.core.config import settings
settings().threads              # what this machine and this user chose
settings(threads=1).threads     # a flag of the command line wins; None means "no flag given"
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from sibao.core import paths
from sibao.core.errors import ConfigError, UnknownName
from sibao.core.system import physical_cores

PREFIX = "SIBAO_"
CONFIG_FILE = "config.toml"
LANGUAGES = ("auto", "zh", "en")
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Settings:
    """Everything a user can set once for all commands.

    The three energy figures are *stated*, not measured: they are used only where no meter can be read
    (see ``core.energy``). 10 W is the order of a busy server core (300 W over 32 cores), 5 W stands for
    memory and board, 473 g/kWh is the world's average electricity of 2024 (Ember, Global Electricity Review 2025).
    """

    home: Path = field(default_factory=lambda: Path.home() / ".sibao")
    database_url: str = ""  # empty: sqlite:///{home}/sibao.db
    threads: int = field(default_factory=physical_cores)
    offline: bool = True
    model: str = "mini"
    language: str = "auto"
    suites: str = ""  # folder with the published files of evaluation suites
    debug: bool = False  # show the traceback of every error
    remote_timeout: float = 600.0  # seconds that a hosted model has for one answer, all tries together
    remote_retries: int = 4  # how often a request to a hosted model is sent again after what may pass
    energy_watts_per_core: float = 10.0
    energy_watts_base: float = 5.0
    grid_grams_per_kwh: float = 473.0

    def __post_init__(self) -> None:
        if not self.database_url:
            object.__setattr__(self, "database_url", f"sqlite:///{self.home}/sibao.db")
        if self.threads < 1:
            raise ConfigError(f"threads is {self.threads}, wanted 1 or more")
        if self.language not in LANGUAGES:
            raise ConfigError(f"language is {self.language!r}, wanted one of {', '.join(LANGUAGES)}")
        if not 0 < self.remote_timeout <= 86_400:
            raise ConfigError(f"remote_timeout is {self.remote_timeout}, wanted seconds above 0, at most a day")
        if not 0 <= self.remote_retries <= 100:
            raise ConfigError(f"remote_retries is {self.remote_retries}, wanted 0 to 100")
        for name in ("energy_watts_per_core", "energy_watts_base", "grid_grams_per_kwh"):
            if not 0 <= getattr(self, name) < 1e6:
                raise ConfigError(f"{name} is {getattr(self, name)}, wanted a number from 0 to a million")


_TYPES: dict[str, str] = {f.name: str(f.type) for f in fields(Settings)}
_cache: dict[tuple[tuple[str, str], ...], Settings] = {}


def settings(**overrides: Any) -> Settings:
    """The settings in force; keyword arguments are flags and win, ``None`` among them means "not given".

    Raises:
        UnknownName: a key of ``config.toml``, a ``SIBAO_*`` variable or a flag that does not exist.
        ConfigError: a value of the wrong type or out of range, or a ``config.toml`` that is not TOML.
    """
    environment = tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith(PREFIX)))
    if environment not in _cache:
        _cache[environment] = _read(environment)
    flags = {name: value for name, value in overrides.items() if value is not None}
    if not flags:
        return _cache[environment]
    _check_names(flags, "setting")
    values = {name: _convert(name, value, f"flag {name}") for name, value in flags.items()}
    base = _cache[environment]
    if "home" in values and base.database_url == f"sqlite:///{base.home}/sibao.db":
        values.setdefault("database_url", "")  # the default one moves with the home
    return replace(base, **values)


def reload() -> None:
    """Forget what was read, so that the next ``settings()`` reads ``config.toml`` again."""
    _cache.clear()


def _read(environment: tuple[tuple[str, str], ...]) -> Settings:
    variables = {k.removeprefix(PREFIX).lower(): v for k, v in environment}
    _check_names(variables, f"{PREFIX}* variable")
    try:
        home = paths.home()
    except OSError as error:
        raise ConfigError(
            f"SIBAO_HOME cannot be made: {error}", hint="set SIBAO_HOME to a folder you can write to"
        ) from error
    values: dict[str, Any] = {}
    for name, value in _read_file(home / CONFIG_FILE).items():
        values[name] = _convert(name, value, f"{home / CONFIG_FILE} key {name}")
    for name, text in variables.items():
        if text:  # an empty variable is an unset one, as in most shells' scripts
            values[name] = _convert(name, text, f"variable {PREFIX}{name.upper()}")
    return Settings(**(values | {"home": home}))


def _read_file(path: Path) -> dict[str, Any]:
    """The table in ``config.toml``; empty when there is no file."""
    import tomllib

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(
            f"{path} cannot be read as TOML: {error}", hint='write lines such as: model = "mini"'
        ) from error
    if "home" in table:
        raise ConfigError(f"{path} sets home, but lies in the home itself", hint="set the variable SIBAO_HOME instead")
    _check_names(table, f"key of {path}")
    return table


def _check_names(given: dict[str, Any], kind: str) -> None:
    for name in given:
        if name not in _TYPES:
            raise UnknownName(kind, name, _TYPES)


def _convert(name: str, value: Any, where: str) -> Any:
    """A value of a flag, variable or TOML key as the field's type."""
    kind = _TYPES[name]
    try:
        if kind == "bool":
            return value if isinstance(value, bool) else _WORDS[str(value).strip().lower()]
        if isinstance(value, bool):
            raise ValueError("true or false")
        if kind == "int":
            return int(value) if isinstance(value, str) else _whole(value)
        if kind == "float":
            return float(value)
        if kind == "Path":
            return Path(value).expanduser()
        if not isinstance(value, str):
            raise ValueError("not a text")
        return value
    except (KeyError, ValueError, TypeError):
        wanted = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text in quotes"}
        raise ConfigError(f"{where} is {value!r}, wanted {wanted.get(kind, 'a path')}") from None


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError("not whole")
    return value
