"""Where things lie on disk, and the one way to write a file that is never half-written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sibao.core.errors import ModelError


def home() -> Path:
    """``SIBAO_HOME``, default ``~/.sibao``; made when first asked for."""
    path = Path(os.environ.get("SIBAO_HOME") or Path.home() / ".sibao").expanduser()
    path.mkdir(parents=True, exist_ok=True)
    return path


def cache_dir() -> Path:
    """Files that can be made again."""
    path = home() / "cache"
    path.mkdir(exist_ok=True)
    return path


def runs_dir() -> Path:
    """One folder for each training or evaluation run."""
    path = home() / "runs"
    path.mkdir(exist_ok=True)
    return path


def model_file(path: Path, most: int | None = None) -> Path:
    """The same path, once it is sure that it may be read as a part of its model folder.

    Args:
        most: bytes above which it is refused.

    Raises:
        FileNotFoundError: it is not there.
        ModelError: a pipe or device, too large, or a link that leads out of the folder. The links of a hub cache, from
            ``snapshots/<revision>/`` (or a folder in it) into ``blobs/`` beside ``snapshots``, are fine.
    """
    try:
        size, real, folder = path.stat().st_size, path.resolve(), path.parent.resolve()
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError) as error:  # a circle of links
        raise ModelError(f"{path} cannot be read: {error}", hint="the folder is damaged; copy it again") from None
    hub = [place.parent / "blobs" for place in (folder.parent, folder.parent.parent) if place.name == "snapshots"]
    if not any(real.is_relative_to(place) for place in (folder, *hub)):
        raise ModelError(f"{path} is a link out of its folder, to {real}", hint="put the file itself into the folder")
    if not path.is_file():
        raise ModelError(f"{path} is no ordinary file", hint="a model folder holds plain files only")
    if most is not None and size > most:
        raise ModelError(f"{path} has {size} bytes; at most {most} are read", hint="no real model's file is so large")
    return path


def stamp(path: Path) -> tuple[int, int]:
    """Size and time of the last change of a file: it differs once the file was written anew.

    Raises:
        OSError: it cannot be looked at.
    """
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def fsync_dir(path: Path) -> None:
    """Make a rename inside ``path`` durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A temporary path beside ``target``; renamed onto it when the block ends well, removed when it does not.

    The content is synced before the rename, so that after a crash the target is either the old file or the new one.

    Raises:
        OSError: it cannot be written; it names ``target``.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        fd, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        error.filename = str(target)
        raise
    os.close(fd)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as f:
            os.fsync(f.fileno())
        temporary.chmod(0o644)
        temporary.replace(target)
        fsync_dir(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
