"""``sibao quantize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sibao.cli._flags import Json, example, new_group
from sibao.cli._show import head, print_json

app = new_group()


@app.command(
    epilog=example(
        "sibao quantize mini --out mini-int8",
        "sibao quantize org/name+my-adapter --precision int4 --out small",
        "sibao generate '春天' --model mini-int8",
    )
)
def quantize(
    model: Annotated[str, typer.Argument(help="Model name or folder; BASE+ADAPTER is merged.", metavar="MODEL")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="A new folder to write into.")],
    precision: Annotated[Literal["int8", "int4"], typer.Option(help="Bits of the weights of linear layers.")] = "int8",
    json: Json = False,
) -> None:
    """Write a decoder out in 8 or 4 bits, as vLLM and Transformers read it (compressed-tensors).

    Sibao itself needs no such folder: --precision int8 of any command quantises on loading and keeps the result."""
    from sibao.workflows.quantize import quantize as run

    done = run(model, out, precision)
    if json:
        print_json({**head("quantize", model), **done.to_json()})
        return
    total = sum(done.files.values())
    print(f"{done.folder}: {done.family}, {done.precision}, {total / 1e6:,.1f} MB")
    for file, size in done.files.items():
        print(f"  {file}  {size:,} bytes")
