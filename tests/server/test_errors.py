"""A fault of the program: an answer like every other one."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from sibao.server.app import create_app
from sibao.server.options import ServeOptions


@pytest.mark.parametrize("path", ["/v1/broken", "/v1beta/broken", "/api/broken"])
def test_a_fault_has_a_request_id_and_says_nothing(path: str, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(ServeOptions(("echo=mock:echo",), origins=("http://page.example",)))

    async def broken() -> None:
        raise KeyError("secret")

    app.add_api_route(path, broken)
    app.router.routes.insert(0, app.router.routes.pop())  # before the page, which takes every path
    with TestClient(app, base_url="http://localhost") as client:
        answer = client.get(path, headers={"origin": "http://page.example"})
    assert answer.status_code == 500 and "secret" not in answer.text and answer.json()["error"]["message"]
    assert answer.headers["x-request-id"] and answer.headers["access-control-allow-origin"] == "http://page.example"
    assert "x-request-id" in answer.headers["access-control-expose-headers"]
    assert "secret" in caplog.text
