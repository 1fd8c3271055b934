"""``sibao chat``: a conversation on the terminal, or one turn of it."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from sibao.cli._flags import TaskFlags, example, new_group, with_task_flags
from sibao.cli._show import failure, head, note, print_json, write

if TYPE_CHECKING:
    from sibao.core.types import Message
    from sibao.workflows.jobs import Job

app = new_group()
WELCOME = "/new starts again, /quit or Ctrl-D ends"


@app.command(epilog=example("sibao chat", "sibao chat --message '你好！' --json"))
@with_task_flags
def chat(
    flags: TaskFlags,
    message: Annotated[
        str | None, typer.Option(help="Say this, print the answer and end; - reads standard input.")
    ] = None,
    system: Annotated[str, typer.Option(help="An instruction that stands before the conversation.")] = "",
) -> None:
    """Talk with a model. Text from a pipe is one message."""
    from sibao.cli.tasks import remark_guesses
    from sibao.core.errors import BadInput
    from sibao.workflows.api import load
    from sibao.workflows.inputs import one_source
    from sibao.workflows.jobs import job

    if message is None and not sys.stdin.isatty():
        message = "-"
    if message is not None:
        message = one_source([message], [])[0]
    if message is None and flags.json:
        raise BadInput("--json needs a message", hint="give --message TEXT, or the message on standard input")
    work = job("generate", load(flags.model, **flags.loading()), **flags.sampling())
    if message is None:
        _converse(work, system)
    else:
        _once(work, message, system, as_json=flags.json)
    remark_guesses(work, flags)


def _once(work: Job, message: str, system: str, *, as_json: bool) -> None:
    from sibao.cli.tasks import remark
    from sibao.workflows.api import conversation

    inputs = conversation(message, system)
    if as_json:
        print_json({**head("chat", work.model.name), **work.run([inputs])[0].to_json()})
        return
    result = work.stream(inputs, write)
    write("\n")
    remark(result)


def _converse(work: Job, system: str) -> None:
    """Turn by turn until the user ends it."""
    note(f"{work.model.name}: {WELCOME}")
    turns: list[Message] = []
    while True:
        try:
            said = _ask()
        except EOFError:
            note("")
            return
        if said == "/quit":
            return
        if said == "/new":
            turns = []
        elif said:
            turns = _turn(work, turns, said, system)


def _ask() -> str:
    """A line from the user, with the terminal's own editing where it is there."""
    with suppress(ImportError):
        import readline  # noqa: F401 (input() uses it)
    return input("> ").strip()


def _turn(work: Job, turns: list[Message], said: str, system: str) -> list[Message]:
    """The conversation after one more turn; unchanged when the model could not answer."""
    from sibao.core.errors import ContextOverflow
    from sibao.workflows.api import conversation

    asked: list[Message] = [*turns, {"role": "user", "content": said}]
    try:
        result = work.stream(conversation(asked, system), write)
    except ContextOverflow as error:
        failure(error.message, "/new starts a new conversation")
        return turns
    except KeyboardInterrupt:
        note("\n(stopped; the turn is forgotten)")
        return turns
    write("\n")
    return [*asked, {"role": "assistant", "content": result.text}] if result.text.strip() else turns
