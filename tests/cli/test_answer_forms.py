"""``sibao generate`` with a form for the answer: flags in, an answer of that form out, and mistakes told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.cli.conftest import Run

MINI = ("--model", "mini", "--max-tokens", "24", "--seed", "1", "--temperature", "1")


def test_one_of_the_choices(run: Run) -> None:
    done = run("generate", "这家店的面很好吃。", "--choices", "正面，负面, neutral", *MINI)
    assert done.exit_code == 0 and done.stdout.strip() in ("正面", "负面", "neutral")


def test_a_regex(run: Run) -> None:
    assert re.fullmatch(r"\d{3}号\n", run("generate", "门牌", "--regex", r"\d{3}号", *MINI).stdout)


def test_a_schema_as_text_and_from_a_file(run: Run, tmp_path: Path) -> None:
    schema = '{"enum": ["春", "秋"]}'
    (tmp_path / "形.json").write_text(schema, encoding="utf-8")
    for given in (schema, str(tmp_path / "形.json")):
        assert json.loads(run("generate", "季节", "--json-schema", given, *MINI).stdout) in ("春", "秋")


def test_a_grammar_from_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "g.lark").write_text('start: ("a" | "春")~2', encoding="utf-8")
    assert re.fullmatch("[a春]{2}\n", run("generate", "x", "--grammar", str(tmp_path / "g.lark"), *MINI).stdout)


def test_new_settings_reach_the_model(run: Run) -> None:
    flags = ("--typical-p", "0.5", "--presence-penalty", "1", "--frequency-penalty", "0.5", "--min-tokens", "5")
    found = json.loads(run("generate", "春", "--json", *flags, *MINI).stdout)
    assert found["usage"]["completion_tokens"] >= 5


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--regex", "a", "--choices", "b"), "got --regex and --choices, wanted one form"),
        (("--regex", "(a"), "at character 0: unclosed group"),
        (("--json-schema", "{"), "the schema is no JSON"),
        (("--json-schema", "nowhere.json"), "'nowhere.json' cannot be read"),
        (("--json-schema", '{"properties": {"a": {"type": "strin"}}}'), "at properties/a: Invalid type: strin"),
        (("--grammar", "nowhere.lark"), "'nowhere.lark' cannot be read"),
        (("--choices", ","), "wanted a list of at least one text"),
        (("--min-tokens", "99"), "min_tokens is 99 and max_tokens 24"),
        (("--typical-p", "0"), "typical_p is 0.0"),
        (("--presence-penalty", "3"), "presence_penalty is 3.0, wanted from -2 to 2"),
    ],
)
def test_mistakes_are_told(run: Run, flags: tuple[str, ...], message: str) -> None:
    done = run("generate", "x", *flags, *MINI)
    assert done.exit_code == 2 and message in done.stderr and done.stdout == ""


def test_a_model_that_cannot_says_so(run: Run) -> None:
    done = run("generate", "x", "--choices", "a,b", "--model", "mock:echo")
    assert done.exit_code == 2 and "mock:echo does not know response_format" in done.stderr
