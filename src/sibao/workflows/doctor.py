"""``sibao doctor``: is this machine ready? Looks at this machine only, never at the network (a database excepted, if
the settings name one that lies elsewhere)."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sibao import __version__
from sibao.core.config import settings
from sibao.core.errors import SibaoError
from sibao.core.system import machine
from sibao.workflows import _doctor_serve
from sibao.workflows._doctor_check import Check, Status

if TYPE_CHECKING:
    from rich.console import RenderableType

NEEDED = ("numpy", "tokenizers", "safetensors", "pydantic", "sqlalchemy", "duckdb", "sacrebleu")
OPTIONAL = {  # module: (extra, what it is for)
    "tensorboard": ("train", "curves of a training run"),
    "transformers": ("dev", "the reference that parity is tested against"),
    "peft": ("dev", "checking adapters against PEFT"),
    "matplotlib": ("plots", "pictures"),
    "gguf": ("gguf", "writing GGUF files for llama.cpp"),
    "pynvml": ("energy", "measuring the energy of a GPU"),
    "psycopg": ("postgres", "results in PostgreSQL"),
}
LEAST_DISK, LEAST_MEMORY = 2 << 30, 2 << 30
"""Bytes below which a warning is given: a run with checkpoints of ``mini`` fits in both."""


@dataclass(frozen=True)
class Diagnosis:
    """All checks; ``ok`` when none has failed."""

    checks: list[Check]

    @property
    def ok(self) -> bool:
        """Whether Sibao can work here."""
        return all(check.status != "fail" for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """The doctor object of the JSON contract."""
        return {"ok": self.ok, "checks": [asdict(check) for check in self.checks]}

    def render(self) -> RenderableType:
        """For a terminal."""
        from rich.table import Table

        table = Table("", "what", title=f"sibao {__version__}", title_justify="left", box=None)
        table.add_column("found", overflow="fold")
        table.add_column("to do", overflow="fold")
        marks = {"ok": "ok", "warn": "warn", "fail": "FAIL"}
        colors = {"ok": "green", "warn": "yellow", "fail": "red"}
        for check in self.checks:
            row = (marks[check.status], check.name, check.value, check.hint)
            table.add_row(*row, style=None if check.status == "ok" else colors[check.status])
        return table


def doctor() -> Diagnosis:
    """Look at everything. A check that breaks is a failed check, never an exception."""
    checks = [
        _python,
        _torch,
        _packages,
        _cores,
        _memory,
        _home,
        _disk,
        _database,
        _mini,
        _terminal,
        *_doctor_serve.CHECKS,
    ]
    found = [_guarded(check) for check in checks]
    return Diagnosis([*found, *_optional()])


def _guarded(check: Callable[[], Check]) -> Check:
    name = check.__name__.lstrip("_")
    try:
        return check()
    except SibaoError as error:
        return Check(name, "fail", error.message, error.hint)
    except Exception as error:
        return Check(name, "fail", f"{type(error).__name__}: {error}")


def _python() -> Check:
    return Check("python", "ok", f"{machine().python}, {sys.executable}")


def _torch() -> Check:
    import torch

    device = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return Check("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads{device}")


def _packages() -> Check:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        return Check("packages", "fail", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return Check("packages", "ok", ", ".join(f"{name} {_version(name)}" for name in NEEDED))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(unknown version)"


def _cores() -> Check:
    found = machine()
    try:
        used = settings().threads
    except SibaoError:  # what is wrong with the settings is told where they are checked
        return Check("cores", "ok", f"{found.cores} cores, {found.threads} threads of {found.cpu}")
    value = f"{found.cores} cores, {found.threads} threads of {found.cpu}; {used} used"
    if used > found.threads:
        return Check("cores", "warn", value, f"SIBAO_THREADS={found.cores} would be faster")
    return Check("cores", "ok", value)


def _memory() -> Check:
    size = machine().memory_bytes
    status: Status = "ok" if size >= LEAST_MEMORY else "warn"
    return Check("memory", status, _gib(size), "" if status == "ok" else "large models and files may not fit")


def _home() -> Check:
    folder = settings().home
    probe = folder / ".doctor"
    try:
        probe.write_text("", encoding="utf-8")
        probe.unlink()
    except OSError as error:
        hint = "set SIBAO_HOME to a folder you can write to"
        return Check("home", "fail", f"{folder} cannot be written: {error.strerror}", hint)
    return Check("home", "ok", str(folder))


def _disk() -> Check:
    free = shutil.disk_usage(settings().home).free
    if free < LEAST_DISK:
        return Check("disk", "warn", f"{_gib(free)} free", "training runs need room for checkpoints")
    return Check("disk", "ok", f"{_gib(free)} free")


def _database() -> Check:
    from sibao.store.database import shown_url
    from sibao.store.runs import list_runs

    list_runs(limit=1)
    return Check("database", "ok", shown_url())


def _mini() -> Check:
    from sibao.models.names import MINI, resolve

    resolve("mini")
    size = sum(path.stat().st_size for path in Path(MINI).rglob("*") if path.is_file())
    return Check("mini", "ok", f"the embedded model, {size / 1e6:.1f} MB")


def _terminal() -> Check:
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if encoding == "utf8":
        return Check("terminal", "ok", "UTF-8")
    return Check("terminal", "warn", f"{encoding or 'no encoding'}", "set LANG=C.UTF-8 to read Chinese")


def _optional() -> Iterator[Check]:
    for name, (extra, purpose) in OPTIONAL.items():
        if find_spec(name) is not None:
            yield Check(name, "ok", f"installed, for {purpose}")
        else:
            yield Check(name, "warn", f"not installed, for {purpose}", f"pip install 'sibao[{extra}]'")


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
