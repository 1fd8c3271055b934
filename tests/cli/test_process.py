"""The command line as a real process: locale, pipes, signals, and what it loads."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Run, command, environment

from sibao.cli._failures import interrupted

LOADED = """
import sys
sys.argv = ["sibao", *{args!r}]
from sibao.cli.main import main
try:
    main()
finally:
    print(" ".join(sorted(sys.modules)), file=sys.stderr)
"""


def loaded(*args: str) -> set[str]:
    """Modules that a command line loads."""
    code = LOADED.format(args=args)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("locale", [{"LANG": "C"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"}])
def test_chinese_and_emoji_pass_in_any_locale(spawn: Run, locale: dict[str, str]) -> None:
    text = "床前明月光 👍🏽"
    done = spawn("generate", text, "--model", "mock:echo", **locale)
    assert (done.returncode, done.stdout.decode()) == (0, text + "\n")
    piped = spawn("generate", "-", "--model", "mock:echo", "--json", stdin=text.encode(), **locale)
    assert json.loads(piped.stdout)["text"] == text


def test_a_tiny_model_answers_in_a_real_process(spawn: Run, qwen_folder: Path) -> None:
    done = spawn("translate", "我喜欢读书。", "--to", "en", "--model", str(qwen_folder), "--max-tokens", "8", "--json")
    found = json.loads(done.stdout)
    assert found["usage"]["completion_tokens"] == 8 and done.stderr == b""


def test_a_reader_that_goes_away_is_no_error() -> None:
    args = command(["generate", "好" * 200_000, "--model", "mock:echo", "--max-tokens", "200000"])
    with subprocess.Popen(
        [*args[:3], "generate", "-", *args[5:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(),
    ) as process:  # fmt: skip
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(b"\xe5\xa5\xbd" * 200_000)
        process.stdin.close()
        process.stdout.read(1)
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr.read() == b""


def test_a_full_disk_is_said_once() -> None:
    with Path("/dev/full").open("wb") as full:
        args = command(["generate", "x", "--model", "mock:echo"])
        done = subprocess.run(args, stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == ["error: the output: no space left", "hint: make room on the disk"]


def test_bytes_that_are_no_text_are_refused(qwen_folder: Path) -> None:
    for verb in (["generate", b"\xff\xfe"], ["chat", "--message", b"\xff"]):
        args = [*command([]), *verb, "--model", str(qwen_folder)]
        done = subprocess.run(args, capture_output=True, env=environment(), timeout=60, check=False)
        assert done.returncode == 2 and b"is not UTF-8" in done.stderr and b"internal" not in done.stderr


def test_control_c_ends_quietly() -> None:
    args = command(["generate", "-", "--model", "mock:echo"])
    # a test run in the background ignores Ctrl-C, and its children would inherit that
    listening = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "preexec_fn": listening}
    with subprocess.Popen(args, env=environment(), **pipes) as process:
        assert process.stderr
        time.sleep(2)  # until it waits for its standard input
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert b"Traceback" not in process.stderr.read()


def test_help_loads_nothing_heavy() -> None:
    found = loaded("--help")
    assert not {"torch", "transformers", "numpy", "sqlalchemy", "duckdb", "tokenizers"} & found


def test_only_the_file_of_the_command_is_loaded() -> None:
    found = {name for name in loaded("generate", "x", "--model", "mock:echo") if name.startswith("sibao.cli.")}
    assert found == {f"sibao.cli.{name}" for name in ("_failures", "_flags", "_form", "_show", "main", "tasks")}


@pytest.mark.parametrize("task", [["generate", "x"], ["translate", "x"], ["answer", "x", "--context", "y"]])
def test_the_tasks_load_only_what_they_need(task: list[str], qwen_folder: Path) -> None:
    found = loaded(*task, "--model", str(qwen_folder), "--max-tokens", "2")
    heavy = {
        "transformers", "sqlalchemy", "duckdb", "matplotlib", "pandas", "sacrebleu", "jieba", "peft", "rich.progress",
        "sibao.training.loop",
    }  # fmt: skip
    assert "torch" in found and not heavy & found


def test_the_importing_program_stays_light() -> None:
    code = "import sibao, sys; print(sorted(n for n in sys.modules if n.startswith(('sibao.', 'torch', 'typer'))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=60)
    assert done.stdout.strip() == "[]"


def test_control_c_in_an_import_ends_at_once(tmp_path: Path) -> None:
    """A package that catches everything while it is imported does not keep the process alive."""
    (tmp_path / "stubborn.py").write_text(
        "import os, signal, time\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(9)\n"
        "except BaseException:\n    pass\n"
    )
    code = (
        "import signal; from sibao.cli._failures import interrupted; signal.signal(signal.SIGINT, interrupted)\n"
        "{}import stubborn\nprint('went on')"
    )
    for text in (code.format(""), code.format("try:\n    raise ValueError\nexcept ValueError:\n    ")):
        env = environment(PYTHONPATH=f"{tmp_path}{os.pathsep}{environment()['PYTHONPATH']}")
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, env=env, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"\n")
    with pytest.raises(KeyboardInterrupt):
        interrupted(2, None)
