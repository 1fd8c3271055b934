"""``sibao export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sibao.cli._flags import Json, example, new_group
from sibao.cli._show import head, note, print_json

app = new_group()


@app.command(
    epilog=example(
        "sibao export mini --out my-model --precision fp32",
        "sibao export mini+my-adapter --merge --out merged",
        "sibao export mini --format gguf --precision q8_0 --out mini-gguf",
    )
)
def export(
    model: Annotated[str, typer.Argument(help="Model name or folder; BASE+ADAPTER with an adapter.", metavar="MODEL")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="A new folder to write into.")],
    format: Annotated[
        Literal["hf", "gguf", "adapter"],
        typer.Option(help="A Hugging Face folder, a GGUF file for llama.cpp, or the adapter alone."),
    ] = "hf",
    merge: Annotated[bool, typer.Option("--merge", help="Write the adapter into the weights.")] = False,
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16", "q8_0"],
        typer.Option(help="Number format of the weights (auto: as they are); q8_0, 8 bits, is for gguf."),
    ] = "auto",
    shard_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Most bytes of one file of weights (default: 4GB).")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name in the model card (default: the folder's).")] = None,
    json: Json = False,
) -> None:
    """Write a model out, with its tokenizer and a model card.

    The card holds the scores that the store has of the model. A model that was named with an adapter wants --merge or
    --format adapter."""
    from sibao.workflows.export import Options
    from sibao.workflows.export import export as run

    done = run(model, out, Options(format, merge, precision, shard_size, name))
    if json:
        print_json({**head("export", model), **done.to_json()})
        return
    total = sum(done.files.values())
    print(f"{done.folder}: {done.format}, {done.family}, {done.precision}, {total / 1e6:,.1f} MB")
    for file, size in done.files.items():
        print(f"  {file}  {size:,} bytes")
    print(f"{done.scores} scores in the model card")
    note(*done.notes)
