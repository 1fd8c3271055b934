"""The pages of running the server for others name commands and files that there are."""

from __future__ import annotations

import configparser
import importlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main

from sibao.cli.main import FILES
from sibao.server.options import ServeOptions
from sibao.server.run import drain_seconds

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
DOCKER = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
UNIT = ROOT / "deploy" / "sibao.service"
SERVE = re.compile(r"(?:^|[\s/])sibao ((?:serve|doctor)[^\n`]*)")


def flags(command: str) -> set[str]:
    """Flags of a command of ours."""
    group: Any = typer.main.get_command(importlib.import_module(f"sibao.cli.{FILES[command]}").app)
    found = group.commands[command]
    return {option for parameter in found.params for option in parameter.opts}


def used(text: str) -> list[tuple[str, list[str]]]:
    """Commands of ours with their flags, in a text."""
    lines = [shlex.split(line) for line in SERVE.findall(text.replace("\\\n", " "))]
    return [(words[0], [word for word in words[1:] if word.startswith("--")]) for words in lines]


@pytest.mark.parametrize("text", [PAGE, UNIT.read_text(encoding="utf-8")], ids=["deploy.md", "sibao.service"])
def test_commands_and_their_flags_exist(text: str) -> None:
    found = used(text)
    assert found
    for command, given in found:
        assert set(given) <= flags(command), command


def test_flags_behind_the_image_exist() -> None:
    words = re.findall(r"--(?:new-key|model|memory|timeout|audit|keys|host)\b", PAGE + DOCKER)
    assert {"--new-key", "--model", "--memory"} <= set(words) <= flags("serve")


def test_the_image_starts_the_server() -> None:
    entry = next(line for line in DOCKER.splitlines() if line.startswith("ENTRYPOINT"))
    words = re.findall(r'"([^"]+)"', entry)
    assert words[:2] == ["sibao", "serve"] and {w for w in words if w.startswith("--")} <= flags("serve")
    extras = re.search(r"/src\[([\w,]+)\]", DOCKER)
    assert extras
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras[1].split(","))


def test_files_that_the_page_names_are_there() -> None:
    for name in ("deploy.md", "serve-gemini.md", "serve-tasks.md"):
        page = (ROOT / "docs" / name).read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#]+)\)", page):
            assert (ROOT / "docs" / link).is_file(), f"{name}: {link}"


def test_the_unit_waits_longer_than_the_server_drains() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT, encoding="utf-8")
    assert int(unit["Service"]["TimeoutStopSec"]) > drain_seconds(ServeOptions())
    assert f"--stop-timeout {unit['Service']['TimeoutStopSec']}" in PAGE


def test_who_was_let_in_keeps_the_time_that_was_promised() -> None:
    for seconds in (0.5, 30.0, 600.0, 3600.5):
        assert drain_seconds(ServeOptions(seconds=seconds)) > seconds


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_reads_the_unit(tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8").replace("/opt/sibao/bin/sibao", "/bin/true")
    unit = tmp_path / "sibao.service"
    unit.write_text(re.sub(r"^(User|Group)=.*\n", "", text, flags=re.MULTILINE), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert "sibao.service" not in done.stderr, done.stderr
