"""What the doctor says of serving."""

from __future__ import annotations

import socket
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from sibao.server.options import ServeOptions
from sibao.server.page import FOLDER
from sibao.workflows import _doctor_serve as serving

ROOT = Path(__file__).parents[2]


def test_packages_are_those_of_the_extra() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"][
        "serve"
    ]
    named = {word.partition(">=")[0].partition("[")[0] for word in wanted}
    assert named <= set(serving.PACKAGES.values())
    held = {
        module: [name.replace("_", "-").lower() for name in names] for module, names in packages_distributions().items()
    }
    assert all(package in held[module] for module, package in serving.PACKAGES.items())
    assert serving.serve().status == "ok" and "fastapi" in serving.serve().value


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(serving.PACKAGES, "no_such_module", "no-such-package")
    found = serving.serve()
    assert found.status == "warn" and "no-such-package" in found.value and "sibao[serve]" in found.hint


def test_the_page_is_looked_for_where_the_server_takes_it_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert serving.PAGE == FOLDER and serving.page().status == "ok"
    monkeypatch.setattr(serving, "PAGE", tmp_path)
    assert serving.page().status == "warn" and "make web" in serving.page().hint


def test_a_port_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ServeOptions().port == serving.PORT
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setattr(serving, "PORT", other.getsockname()[1])
        assert serving.port().status == "warn" and "--port 0" in serving.port().hint
    monkeypatch.setattr(serving, "PORT", 0)
    assert serving.port().status == "ok"
