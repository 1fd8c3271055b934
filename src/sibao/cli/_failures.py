"""Every way a command can end badly, as a message or a JSON object, and an exit code."""

from __future__ import annotations

import difflib
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

import typer

from sibao.cli._show import failure, head, print_json
from sibao.core.errors import BadInput, SibaoError, UnknownName

UsageError = typer.BadParameter.__bases__[0]  # typer brings its own click, or uses the package: this is right for both
INTERRUPTED, BROKEN_PIPE = 130, 141  # 128 + the signal, as shells count
PLACES = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG)
"""What a user mends by naming another file or folder."""
FULL = os.strerror(errno.ENOSPC)
"""As libraries say it that write files by themselves (safetensors)."""
DEBUG = "see the traceback with: SIBAO_DEBUG=1 sibao ..."


def interrupted(_: int, frame: FrameType | None) -> None:
    """Ctrl-C. In the middle of an import the process ends at once: some packages catch what is raised there and go on, and half
    a module would be a fault later on. Nothing is lost, files are written whole or not at all.

    Raises:
        KeyboardInterrupt: anywhere else.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os.write(2, b"\n")
            os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


def report(error: BaseException, args: Sequence[str], command: str) -> int:
    """Say what went wrong; gives the exit code."""
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if isinstance(error, BrokenPipeError):
        _forget_stdout()
        return BROKEN_PIPE
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        print(file=sys.stderr)
        return INTERRUPTED
    if isinstance(error, UsageError):
        error = _usage(error)
    if _debug():
        traceback.print_exception(error, file=sys.stderr)
    known = error if isinstance(error, SibaoError) else _internal(error)
    if wants_json(args):
        print_json({**head(command, None), **known.to_json()})
    else:
        failure(known.message, known.hint)
    return known.exit_code


def wants_json(args: Sequence[str]) -> bool:
    """Whether ``--json`` was asked for; what stands behind ``--`` is text."""
    end = args.index("--") if "--" in args else len(args)
    return "--json" in args[:end]


def _forget_stdout() -> None:
    """Nobody reads our output any more (``| head``), or it cannot be written: the last flush must not fail again."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError):  # a stdout that is no real file
        os.dup2(quiet, sys.stdout.fileno())


def _internal(error: BaseException) -> SibaoError:
    if isinstance(error, MemoryError):
        return SibaoError("out of memory", hint="use a smaller model, a shorter text or less at once")
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or FULL in str(error):
        _forget_stdout()
        return SibaoError(
            f"{getattr(error, 'filename', '') or 'the output'}: no space left", hint="make room on the disk"
        )
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        if error.errno in PLACES:
            return BadInput(f"{where}{error.strerror}", hint="name a place that this user may read and write")
        return SibaoError(f"{where}{error.strerror}", hint=DEBUG)
    kind = type(error).__name__
    return SibaoError(f"internal error: {kind}: {error}".rstrip(": "), hint=f"this is a fault of Sibao; {DEBUG}")


def _debug() -> bool:
    from sibao.core.config import settings

    try:
        return settings().debug
    except SibaoError:  # the settings themselves are what is wrong
        return False


def _usage(error: Any) -> SibaoError:
    """A mistake in the command line."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "sibao"
    option = getattr(error, "option_name", None)
    if option and context and hasattr(error, "possibilities"):
        known = [name for parameter in context.command.params for name in parameter.opts if name.startswith("-")]
        if difflib.get_close_matches(option.lower(), known, n=1, cutoff=0.5):
            return UnknownName("option", option, known)
        return BadInput(f"no option named {option!r}", hint=f"{path} --help lists them")
    message = error.format_message().rstrip(".").replace("Value error, ", "")
    return BadInput(message, hint=f"see {path} --help")
