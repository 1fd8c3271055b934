"""What docs/deploy.md says for nginx and Caddy, each before a real server: the page, a stream as it comes, refusals."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.serving import Served, serving

PAGE = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")
NGINX = """{user} daemon off; pid {place}/pid; error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {place}/a; proxy_temp_path {place}/b; fastcgi_temp_path {place}/c; uwsgi_temp_path {place}/d;
    scgi_temp_path {place}/e;
    server {{
        listen 127.0.0.1:{port};
        server_name sibao.example;
{lines}
    }}
}}
"""
WAIT = 20.0


def nginx(program: str, lines: str, place: Path, port: int) -> list[str]:
    """The command that runs these lines in nginx."""
    user = "user root;" if os.geteuid() == 0 else ""  # else its workers may not write where the test does
    (place / "nginx.conf").write_text(NGINX.format(user=user, place=place, port=port, lines=lines), encoding="utf-8")
    return [program, "-p", str(place), "-c", str(place / "nginx.conf")]


def caddy(program: str, lines: str, place: Path, port: int) -> list[str]:
    """The same for Caddy, without the certificate that it would ask for."""
    assert lines.startswith("sibao.example {")
    text = lines.replace("sibao.example", f"http://sibao.example:{port}", 1)
    (place / "Caddyfile").write_text(f"{{\n    admin off\n    auto_https off\n}}\n{text}", encoding="utf-8")
    return [program, "run", "--config", str(place / "Caddyfile"), "--adapter", "caddyfile"]


PROXIES = {"nginx": nginx, "caddy": caddy}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("home"), "--model", "mini", "--model", "slow=mock:slow") as running:
        yield running


@pytest.fixture(scope="module", params=PROXIES)
def proxy(
    request: pytest.FixtureRequest, server: Served, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    name = request.param
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip(f"{name} is not installed")
    place = tmp_path_factory.mktemp(name)
    found = re.search(rf"```{name}\n(.*?)```", PAGE, re.DOTALL)
    assert found and "127.0.0.1:8000" in found[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lines = found[1].replace("127.0.0.1:8000", server.url.removeprefix("http://"))
    surroundings = os.environ | {"HOME": str(place), "XDG_DATA_HOME": str(place), "XDG_CONFIG_HOME": str(place)}
    process = subprocess.Popen(PROXIES[name](program, lines, place, port), env=surroundings)
    try:
        head = {"host": "sibao.example"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=head, timeout=60, trust_env=False) as client:
            until = time.monotonic() + WAIT
            while not _listens(port):
                assert process.poll() is None and time.monotonic() < until, f"{name} did not start"
                time.sleep(0.05)
            yield client
    finally:
        process.terminate()
        process.wait(WAIT)


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def test_the_page_and_its_files_come_through(proxy: httpx.Client) -> None:
    page = proxy.get("/")
    assert page.status_code == 200
    for link in re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page.text):
        assert proxy.get(link).status_code == 200, link


def test_the_server_itself_does_not_answer_to_that_name(server: Served, proxy: httpx.Client) -> None:
    assert server.http.get("/v1/models", headers={"host": "sibao.example"}).status_code >= 400
    assert proxy.get("/v1/models").json()["data"][0]["id"] == "mini"


def test_pieces_of_a_stream_come_as_they_are_written(proxy: httpx.Client) -> None:
    body = {"model": "slow", "prompt": "one two three four five six", "stream": True, "max_tokens": 6}
    seen = list[float]()
    with proxy.stream("POST", "/v1/completions", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = list[str]()
        for line in answer.iter_lines():
            if line.startswith("data: "):
                seen.append(time.monotonic())
                lines.append(line)
    assert lines[-1] == "data: [DONE]" and len(lines) > 3
    assert seen[-1] - seen[0] > 0.2, "it came at once: something held it back"


def test_a_large_body_is_the_servers_to_refuse(proxy: httpx.Client) -> None:
    answer = proxy.post("/v1/completions", content=json.dumps({"model": "mini", "prompt": "x" * (9 << 20)}))
    assert answer.status_code == 413 and answer.json()["error"]["message"]
