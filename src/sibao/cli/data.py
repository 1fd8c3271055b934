"""``sibao data`` and ``sibao tokenizer``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sibao.cli._flags import Files, Json, example, new_group
from sibao.cli._show import head, print_json, render

app = new_group()
data = new_group("data", "Look at data files, clean them and remove duplicates.")
tokenizer = new_group("tokenizer", "Train a tokenizer, or see how one cuts a text.")
app.add_typer(data, epilog=example("sibao data inspect corpus/ --json"))
app.add_typer(tokenizer, epilog=example("sibao tokenizer inspect '我喜欢读书。'"))
Workers = Annotated[int | None, typer.Option(min=1, help="Processes (default: all cores, one for small files).")]
Counter = Annotated[
    str | None, typer.Option("--tokenizer", metavar="NAME", help="Count tokens with this model's tokenizer.")
]


@data.command(epilog=example("sibao data inspect corpus/ poems.jsonl.gz --tokenizer mini"))
def inspect(files: Files, tokenizer: Counter = None, workers: Workers = None, json: Json = False) -> None:
    """Show what files hold: rows by form and language, duplicates, bad rows. Nothing is changed."""
    from sibao.workflows.data import inspect as run

    _report("data inspect", run(files, tokenizer=_encoder(tokenizer), workers=workers), json)


@data.command(epilog=example("sibao data prepare corpus/ --out train.jsonl.zst"))
def prepare(
    files: Files,
    out: Annotated[Path, typer.Option(help="File to write: .jsonl, .jsonl.gz or .jsonl.zst.", metavar="FILE")],
    clean: Annotated[
        bool, typer.Option("--clean/--no-clean", help="Repair text and drop documents of bad quality.")
    ] = True,
    dedup: Annotated[bool, typer.Option("--dedup/--no-dedup", help="Remove exact and near duplicates.")] = True,
    on_bad: Annotated[
        Literal["raise", "report"], typer.Option(help="A row that cannot be read: stop there, or count it and go on.")
    ] = "raise",
    tokenizer: Counter = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Clean and deduplicate files into one file of JSON lines."""
    from sibao.text.clean import CleanOptions
    from sibao.text.dedup import DedupOptions
    from sibao.workflows.data import prepare as run

    steps: dict[str, Any] = {
        "clean": CleanOptions() if clean else None, "dedup": DedupOptions() if dedup else None,
    }  # fmt: skip
    report = run(files, out, **steps, tokenizer=_encoder(tokenizer), workers=workers, on_bad=on_bad)
    _report("data prepare", report, json)


@tokenizer.command(epilog=example("sibao tokenizer train corpus/ --vocab-size 8000 --out my-tokenizer"))
def train(
    files: Files,
    out: Annotated[Path, typer.Option(help="Folder to write.", metavar="FOLDER")],
    vocab_size: Annotated[int, typer.Option(min=300, help="Entries in all.")] = 8000,
    min_frequency: Annotated[int, typer.Option(min=1, help="How often a pair must be seen to become a token.")] = 2,
    json: Json = False,
) -> None:
    """Train a byte-level BPE tokenizer and measure it by language."""
    from sibao.workflows.tokenizer import train as run

    _report("tokenizer train", run(files, out, vocab_size=vocab_size, min_frequency=min_frequency, quiet=json), json)


@tokenizer.command("inspect", epilog=example("sibao tokenizer inspect '我喜欢读书。' --model mini"))
def inspect_text(
    text: Annotated[str, typer.Argument(help="Text; - reads standard input.", metavar="TEXT")],
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", help="Model name, or folder of a tokenizer.")
    ] = None,
    json: Json = False,
) -> None:
    """Show the tokens of a text."""
    from sibao.core.config import settings
    from sibao.workflows.inputs import one_source
    from sibao.workflows.tokenizer import inspect as run

    name = model or settings().model
    _report("tokenizer inspect", run(name, one_source([text], [])[0]), json, name)


def _encoder(name: str | None) -> Any:
    if name is None:
        return None
    from sibao.workflows.tokenizer import load_tokenizer

    return load_tokenizer(name)


def _report(command: str, report: Any, as_json: bool, model: str | None = None) -> None:
    if as_json:
        print_json({**head(command, model), **report.to_json()})
    else:
        render(report.render())
