"""Flags that several commands share, and the group that answers a mistyped name with the nearest right one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Literal, get_type_hints

import typer
from typer.core import TyperGroup

from sibao.core.errors import UnknownName

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8", "int4"]
Device = Literal["auto", "cpu", "cuda"]
KvCache = Literal["auto", "fp32", "bf16", "int8"]
Tongue = Literal["zh", "en"]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Files = Annotated[list[str], typer.Argument(help="Files, folders or patterns; - is standard input.", metavar="FILE...")]
FileOption = Annotated[
    list[str] | None,
    typer.Option(
        "--file", "-f", metavar="FILE", help="Take the text from a file, or each row of a data file; repeatable."
    ),
]


class Group(TyperGroup):
    """A group of commands."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is meant.

        Raises:
            UnknownName: no such command; the nearest ones are listed.
        """
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            group = ctx.command_path.partition(" ")[2]
            raise UnknownName(f"{group} command".strip(), args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)


def new_group(name: str | None = None, help: str | None = None, **settings: Any) -> typer.Typer:
    """An empty group of commands; a file of this package holds one as ``app``."""
    app = typer.Typer(
        name=name, help=help, cls=Group, add_completion=False, rich_markup_mode=None, no_args_is_help=False, **settings
    )
    if not settings.get("invoke_without_command"):
        app.callback()(_nothing)
    return app


def _nothing() -> None:
    """A group with one command stays a group."""


def example(*lines: str) -> str:
    """The end of a command's help; each line is a command that can be typed as it stands."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


@dataclass(frozen=True)
class TaskFlags:
    """What every task takes."""

    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", help="Model name or folder (default: mini).")
    ] = None
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Most new tokens; each piece of a long text counts anew.")
    ] = None
    temperature: Annotated[
        float | None, typer.Option(min=0.0, help="0 is greedy: the most likely token each time (default).")
    ] = None
    top_p: Annotated[float | None, typer.Option(help="Draw from the likeliest tokens that hold this share.")] = None
    top_k: Annotated[int | None, typer.Option(min=0, help="Draw from this many of the likeliest tokens; 0 is all.")] = (
        None
    )
    min_p: Annotated[
        float | None, typer.Option(help="Leave out tokens less likely than this share of the likeliest one.")
    ] = None
    typical_p: Annotated[
        float | None, typer.Option(help="Draw from the tokens of most usual surprise that hold this share.")
    ] = None
    repetition_penalty: Annotated[float | None, typer.Option(help="Above 1: repeat less, prompt and answer.")] = None
    presence_penalty: Annotated[
        float | None, typer.Option(help="Above 0: say less of what the answer said, -2 to 2.")
    ] = None
    frequency_penalty: Annotated[float | None, typer.Option(help="The same, for each time that it was said.")] = None
    min_tokens: Annotated[int | None, typer.Option(min=0, help="The answer does not end before so many tokens.")] = None
    num_beams: Annotated[
        int | None, typer.Option("--beams", min=1, help="Beam search: texts followed at once (default: the model's).")
    ] = None
    num_return_sequences: Annotated[
        int | None, typer.Option("--n-best", min=1, help="Of a beam search: so many of the best texts.")
    ] = None
    seed: Annotated[int | None, typer.Option(help="The same seed draws the same text.")] = None
    precision: Annotated[Precision, typer.Option(help="Number format of the weights in memory.")] = "auto"
    kv_cache: Annotated[
        KvCache, typer.Option("--kv-cache-dtype", help="Number format of the keys and values that are kept.")
    ] = "auto"
    draft: Annotated[
        str | None,
        typer.Option(
            "--draft-model",
            metavar="NAME",
            help="A smaller model of the same family guesses ahead: fewer steps. Without the kernels that may tip equal scores.",
        ),
    ] = None
    plain: Annotated[
        bool, typer.Option("--no-speculation", help="Guess nothing ahead, not even from the text itself.")
    ] = False
    device: Annotated[Device, typer.Option(help="Where the model computes; auto: a GPU where there is one.")] = "auto"
    deterministic: Annotated[
        bool,
        typer.Option("--deterministic", help="The same bits alone and in any company; slower without the kernels."),
    ] = False
    json: Json = False

    def loading(self) -> dict[str, Any]:
        """The flags that ``workflows.api.load`` knows."""
        asked = {"kv_cache": self.kv_cache, "draft": self.draft, "speculate": not self.plain}
        return {"precision": self.precision, "device": self.device, "deterministic": self.deterministic, **asked}

    def sampling(self) -> dict[str, Any]:
        """The flags that ``workflows.jobs.Options`` knows."""
        others = ("model", "json", "precision", "kv_cache", "draft", "plain", "device", "deterministic")
        return {name: value for name, value in asdict(self).items() if name not in others}


def with_task_flags(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags of every task; it gets them as its argument ``flags``."""
    return with_flags(TaskFlags)(function)


def with_flags(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the flags that are the fields of a dataclass; it gets them as its argument ``flags``."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        hints, shared = get_type_hints(function, include_extras=True), get_type_hints(kind, include_extras=True)
        own = [
            p.replace(annotation=hints[name])
            for name, p in inspect.signature(function).parameters.items()
            if name != "flags"
        ]
        keyword = inspect.Parameter.KEYWORD_ONLY
        common = [
            inspect.Parameter(f.name, keyword, default=f.default, annotation=shared[f.name]) for f in fields(kind)
        ]

        def command(**values: Any) -> None:
            function(flags=kind(**{f.name: values.pop(f.name) for f in fields(kind)}), **values)

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__signature__ = inspect.Signature([p.replace(kind=keyword) for p in own] + common)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in [*own, *common]}
        return command

    return decorate
