"""``sibao``: finds the command, imports only its file, and turns every error into a message and an exit code."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, NoReturn

import typer

from sibao import __version__
from sibao.cli._failures import interrupted, report
from sibao.cli._flags import Group

FILES = {
    "demo": "demo", "generate": "tasks", "translate": "tasks", "answer": "tasks", "summarize": "tasks",
    "describe": "tasks",
    "chat": "chat", "data": "data", "tokenizer": "data", "pretrain": "training", "finetune": "training",
    "evaluate": "evaluation", "compare": "compare", "choose": "choose", "leaderboard": "leaderboard",
    "scorecard": "scorecard", "export": "export", "quantize": "quantize", "serve": "serve",
    "runs": "runs", "check": "check", "fit": "fit", "doctor": "doctor",
}  # fmt: skip
"""Each command and the file of this package that holds it."""


class Root(Group):
    """All commands; a command's file is imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All commands, in the order of the help."""
        return list(FILES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One command, from its file."""
        if cmd_name not in FILES:
            return None
        module = importlib.import_module(f"sibao.cli.{FILES[cmd_name]}")
        group: Any = typer.main.get_command(module.app)
        return group.commands[cmd_name]

    def main(self, args: Sequence[str] | None = None, *_: Any, **__: Any) -> NoReturn:
        """Run one command line and exit: 0, 1 failure, 2 bad input, 130 interrupted."""
        words = list(sys.argv[1:] if args is None else args)
        _speak_utf8()
        try:
            with self.make_context("sibao", words[:] or ["--help"]) as context:
                self.invoke(context)
            sys.stdout.flush()
            code = 0
        except SystemExit:
            raise
        except BaseException as error:
            code = report(error, words, command_of(words))
        sys.exit(code)


def command_of(words: Sequence[str]) -> str:
    """The command that was meant: ``translate``, ``data prepare``."""
    if not words or words[0] not in FILES:
        return ""
    if words[0] in ("data", "tokenizer", "runs") and len(words) > 1 and words[1].isalpha():
        return f"{words[0]} {words[1]}"
    return words[0]


def _speak_utf8() -> None:
    """UTF-8 out whatever the locale says, so that Chinese is never a crash; half a surrogate is shown by its number."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # a stream that was replaced by something simpler
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]


app = typer.Typer(cls=Root, add_completion=False, rich_markup_mode=None)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"sibao {__version__}")
        raise typer.Exit


@app.callback(epilog="\b\nExample:\n  sibao translate '我喜欢读书。' --to en\n  sibao COMMAND --help")
def _sibao(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Write, translate, answer and summarize in Chinese and English, on this machine; train models and measure them."""


def main() -> NoReturn:
    """The entry point of the command ``sibao``."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupted)
    command: Any = typer.main.get_command(app)
    command.main()
    raise SystemExit


if __name__ == "__main__":
    main()
