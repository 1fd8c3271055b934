"""``sibao serve``: the models over HTTP, and the web page."""

from __future__ import annotations

import shlex
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sibao.cli._flags import example, new_group
from sibao.cli._show import head, note, print_json, write

if TYPE_CHECKING:
    from sibao.server.options import ServeOptions

app = new_group()
GIGABYTE = 1 << 30
WELCOME = """Sibao serves {models} at {address}  (the page: open that address; Ctrl-C ends)

  curl {address}/v1/chat/completions -H 'Content-Type: application/json'{curl_key} \\
    -d {body}

  python -c {python}
"""
PYTHON = (
    'from openai import OpenAI; c = OpenAI(base_url="{address}/v1", api_key="{key}"); '
    'print(c.chat.completions.create(model={model!r}, messages=[dict(role="user", content="你好！")])'
    ".choices[0].message.content)"
)


@app.command(
    epilog=example(
        "sibao serve",
        "sibao serve --model mini --model org/name --precision int8 --port 9000",
        "sibao serve --model helper=mini+my-adapter --host 0.0.0.0 --keys keys.toml",
        "sibao serve --keys keys.toml --new-key laptop --requests-per-minute 60",
    )
)
def serve(
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model to serve, as NAME or ID=NAME; several may be given, the first is the default one."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen at; others than loopback let other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 is any free one.")] = 8000,
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16, fp16, int8 or int4.")] = "auto",
    kv_cache: Annotated[str, typer.Option(help="auto, fp32, bf16 or int8.")] = "auto",
    any_model: Annotated[
        bool, typer.Option("--any-model", help="Also answer as models that are not listed, by any name.")
    ] = False,
    memory: Annotated[
        float | None, typer.Option(min=0.001, max=1e6, help="Gigabytes that loaded models may take together.")
    ] = None,
    queue: Annotated[int, typer.Option(min=0, help="Requests that may wait for a model; more get 429.")] = 64,
    timeout: Annotated[float, typer.Option(min=0.1, max=1e6, help="Seconds that one request may take.")] = 600.0,
    keys: Annotated[Path | None, typer.Option(help="File of hashed API keys; then each caller needs one.")] = None,
    new_key: Annotated[
        str | None, typer.Option(metavar="NAME", help="Make a key, show it once, and end; then serve with --keys.")
    ] = None,
    requests_per_minute: Annotated[float | None, typer.Option(min=0.001, max=1e9, help="Limit of the new key.")] = None,
    tokens_per_minute: Annotated[float | None, typer.Option(min=0.001, max=1e12, help="Limit of the new key.")] = None,
    budget: Annotated[
        float | None, typer.Option(min=0, max=1e9, help="What the new key may spend on hosted models.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(help="Web page of another host that may ask (CORS), for example https://a.example."),
    ] = None,
    audit: Annotated[Path | None, typer.Option(help="File for one JSON line a request, without any text.")] = None,
    audit_text: Annotated[
        bool, typer.Option("--audit-text", help="Its lines also hold what was asked and answered, cut at some length.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Say where it listens as one JSON object.")] = False,
) -> None:
    """Serve models over HTTP (OpenAI's and Gemini's protocols) with a web page."""
    from sibao.core.config import settings
    from sibao.core.errors import BadInput, MissingPackage
    from sibao.server.options import ServeOptions

    if new_key is not None:
        _make_key(keys, new_key, requests_per_minute, tokens_per_minute, budget)
        return
    if not requests_per_minute is tokens_per_minute is budget is None:
        raise BadInput("limits were given without a key that has them", hint="make one: --keys FILE --new-key NAME")
    options = ServeOptions(
        models=tuple(model or [settings().model]), any_model=any_model, host=host, port=port,
        loading={"precision": precision, "kv_cache": kv_cache, "threads": settings().threads},
        memory_bytes=None if memory is None else int(memory * GIGABYTE), queue=queue, seconds=timeout, keys=keys,
        origins=tuple(allow_origin or ()), audit=audit, audit_text=audit_text,
    )  # fmt: skip
    try:
        from sibao.server.run import serve as run
    except ImportError as error:
        raise MissingPackage(error.name or "fastapi", extra="serve", purpose="sibao serve") from None
    run(options, lambda address: _welcome(options, address, as_json=json))


def _make_key(path: Path | None, name: str, requests: float | None, tokens: float | None, budget: float | None) -> None:
    from sibao.core.errors import BadInput
    from sibao.server.keys import new_key

    if path is None:
        raise BadInput("--new-key needs a file to keep its hash in", hint="give --keys FILE")
    write(new_key(path, name, requests_per_minute=requests, tokens_per_minute=tokens, budget=budget) + "\n")
    note("this is the only time that the key is shown")


def _welcome(options: ServeOptions, address: str, *, as_json: bool) -> None:
    from sibao.server.hall import Entry

    ids = list(dict.fromkeys(Entry.read(word).id for word in options.models))
    if as_json:
        print_json({**head("serve", ids[0]), "address": address, "models": ids})
        return
    locked = options.keys is not None and options.keys.exists()
    key = "YOUR_KEY" if locked else "none"
    body = {"model": ids[0], "messages": [{"role": "user", "content": "你好！"}]}
    write(
        WELCOME.format(
            models=", ".join(ids),
            address=address,
            body=shlex.quote(dumps(body, ensure_ascii=False)),
            python=shlex.quote(PYTHON.format(address=address, key=key, model=ids[0])),
            curl_key=" -H 'Authorization: Bearer YOUR_KEY'" if locked else "",
        )
    )
    if not options.local and not locked:
        note(f"warning: anyone who reaches {options.host} may use it; --keys FILE asks for API keys")
