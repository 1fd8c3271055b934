"""What docs/deploy.md says for nginx, in a real nginx before a real server: the page, a stream as it is written, refusals."""

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

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
PAGE = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")
AROUND = """{user} daemon off; pid {place}/pid; error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {place}/a; proxy_temp_path {place}/b; fastcgi_temp_path {place}/c; uwsgi_temp_path {place}/d;
    scgi_temp_path {place}/e;
    server {{
        listen 127.0.0.1:{port};
        server_name sibao.example;
{location}
    }}
}}
"""
WAIT = 20.0
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("home"), "--model", "mini", "--model", "slow=mock:slow") as running:
        yield running


@pytest.fixture(scope="module")
def proxy(server: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    place = tmp_path_factory.mktemp("nginx")
    found = re.search(r"```nginx\n(.*?)```", PAGE, re.DOTALL)
    assert found and "http://127.0.0.1:8000" in found[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = "user root;" if os.geteuid() == 0 else ""  # else its workers may not write where the test does
    text = AROUND.format(
        user=user, place=place, port=port, location=found[1].replace("http://127.0.0.1:8000", server.url)
    )
    (place / "nginx.conf").write_text(text, encoding="utf-8")
    assert NGINX
    process = subprocess.Popen([NGINX, "-p", str(place), "-c", str(place / "nginx.conf")])
    try:
        head = {"host": "sibao.example"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=head, timeout=60, trust_env=False) as client:
            until = time.monotonic() + WAIT
            while not _listens(port):
                assert process.poll() is None and time.monotonic() < until, "nginx did not start"
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
