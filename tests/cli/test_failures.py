"""Every way to go wrong ends in one clear message, or one JSON object, and the right exit code."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Run

from sibao.cli import schema
from sibao.cli._failures import wants_json
from sibao.cli._show import failure
from sibao.cli.main import FILES, command_of
from sibao.core.paths import atomic_path


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        (["transalte", "x"], "did you mean translate"),
        (["data", "inspct", "x"], "did you mean inspect"),
        (["translate", "x", "--max-token", "3"], "did you mean --max-tokens"),
        (["generate", "x", "--form", "pome"], "did you mean poem"),
        (["generate", "x", "--model", "mock:ecoh"], "did you mean echo"),
        (["translate", "x", "--to", "fr"], "is not one of 'zh', 'en'"),
        (["translate", "x", "--zzzzzz"], "--help lists them"),
        (["translate", "x", "--max-tokens", "many"], "--max-tokens"),
        (["translate", "x", "--max-tokens", "0"], "--max-tokens"),
        (["translate", "x", "--to", "en", "--from", "en"], "the other one"),
        (["answer", "who?"], "--context"),
        (["runs", "show"], "RUN"),
        (["--nonsense"], "--help"),
    ],
)
def test_mistakes_are_answered_with_what_was_meant(run: Run, args: list[str], wanted: str) -> None:
    model = ["--model", "mock:echo"] if args[0] in ("translate", "generate", "answer") and "--model" not in args else []
    done = run(*args, *model)
    assert done.exit_code == 2, done.stderr
    assert wanted in done.stderr and done.stdout == "" and "Traceback" not in done.stderr


def test_a_failure_is_one_json_object(run: Run) -> None:
    done = run("translate", "x", "--model", "mock:fail-429", "--json")
    found = json.loads(done.stdout)
    schema.FailureOut.model_validate(found)
    assert done.exit_code == 1 and done.stderr == ""
    assert found["command"] == "translate" and found["error"]["type"] == "ProviderError"


def test_a_mistyped_option_is_one_json_object_too(run: Run) -> None:
    done = run("data", "prepare", "x", "--outt", "y", "--json")
    found = json.loads(done.stdout)
    schema.FailureOut.model_validate(found)
    assert done.exit_code == 2 and found["command"] == "data prepare" and "--out" in found["error"]["hint"]


def test_an_unforeseen_error_is_short(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("the moon is full")

    monkeypatch.setattr("sibao.workflows.api.load", broken)
    done = run("generate", "x")
    assert done.exit_code == 1 and "internal error: RuntimeError: the moon is full" in done.stderr
    assert "SIBAO_DEBUG=1" in done.stderr and "Traceback" not in done.stderr
    monkeypatch.setenv("SIBAO_DEBUG", "1")
    assert "in broken" in run("generate", "x").stderr


def test_a_wrong_setting_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_THREADS", "many")
    done = run("generate", "x", "--model", "mock:echo")
    assert done.exit_code == 2 and "SIBAO_THREADS" in done.stderr


def test_text_behind_two_dashes_is_text(run: Run) -> None:
    assert run("generate", "--model", "mock:echo", "--", "--json").stdout == "--json\n"
    assert wants_json(["x", "--json"]) and not wants_json(["x", "--", "--json"])


def test_the_command_that_was_meant_is_found() -> None:
    assert command_of(["data", "prepare", "x"]) == "data prepare"
    assert command_of(["runs", "--json"]) == "runs"
    assert command_of(["nonsense"]) == command_of([]) == ""
    assert set(FILES) >= {"generate", "translate", "answer", "summarize", "chat"}


def test_without_arguments_the_help_is_shown(run: Run) -> None:
    done = run()
    assert done.exit_code == 0 and "translate" in done.stdout
    assert run("--version").stdout.startswith("sibao 0.")


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (["--timeout", "nan"], "--timeout"),
        (["--timeout", "inf"], "--timeout"),
        (["--memory", "nan"], "--memory"),
        (["--memory", "0"], "--memory"),
        (["--requests-per-minute", "60"], "--new-key"),
        (["--keys", "k.toml", "--new-key", "a", "--requests-per-minute", "-3"], "--requests-per-minute"),
        (["--keys", "k.toml", "--new-key", ""], "no name of a key"),
        (["--model", "mimi"], "no model named 'mimi'"),
        (["--model", ""], "no model's name"),
        (["--audit", "nowhere/a.jsonl"], "cannot be written"),
    ],
)
def test_what_cannot_be_served_is_told_before_it_listens(run: Run, flags: list[str], wanted: str) -> None:
    done = run("serve", "--port", "0", *flags)
    assert done.exit_code == 2 and wanted in done.stderr and done.stdout == "", done.stderr


def test_places_that_cannot_be_written_are_the_users_to_mend(run: Run, tmp_path: Path) -> None:
    done = run("serve", "--keys", str(tmp_path), "--new-key", "laptop")
    assert done.exit_code == 2 and f"{tmp_path}: Is a directory" in done.stderr
    with pytest.raises(OSError) as told, atomic_path(tmp_path / ("a" * 300)):
        pass
    assert told.value.filename == str(tmp_path / ("a" * 300))


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    failure("x", "y")
    assert "\033[31m" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    failure("x", "y")
    assert capsys.readouterr().err == "error: x\nhint: y\n"
