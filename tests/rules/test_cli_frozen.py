"""Commands, options and JSON fields are promises: docs/cli.md and docs/json.md hold them, and change on purpose only."""

from pathlib import Path
from typing import Any

import pytest
import typer

from sibao.cli.main import app
from sibao.cli.reference import command_document, commands, json_document

DOCS = Path(__file__).parents[2] / "docs"
ALL: dict[str, Any] = dict(commands(typer.main.get_command(app), "sibao"))


def test_the_list_of_commands_is_fresh() -> None:
    written = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert written == command_document(), "options have changed: run make docs, and say so in the CHANGELOG"


def test_the_list_of_json_fields_is_fresh() -> None:
    assert (DOCS / "json.md").read_text(encoding="utf-8") == json_document(), "run make docs"


def test_the_promised_commands_are_there() -> None:
    wanted = "demo generate translate answer summarize chat data tokenizer pretrain finetune evaluate runs doctor"
    assert {f"sibao {name}" for name in wanted.split()} <= set(ALL)


@pytest.mark.parametrize("path", ALL)
def test_every_command_has_plain_help_and_an_example(path: str) -> None:
    from typer.testing import CliRunner

    shown = CliRunner().invoke(app, [*path.split()[1:], "--help"])
    assert shown.exit_code == 0 and "Example:" in shown.stdout
    assert any("sibao " in line and not line.startswith("Usage") for line in shown.stdout.splitlines())
    assert all(parameter.help for parameter in ALL[path].params), path


@pytest.mark.parametrize("path", [path for path in ALL if not hasattr(ALL[path], "list_commands")])
def test_every_command_speaks_json(path: str) -> None:
    assert any("--json" in parameter.opts for parameter in ALL[path].params)
