"""A conversation: one turn, piped, and on the terminal."""

import json
import os
import pty
import subprocess
import time

from tests.cli.conftest import Run, command, environment

ECHO = ("--model", "mock:echo")


def test_one_message(run: Run, run_json: Run) -> None:
    assert run("chat", "--message", "你好 👍", *ECHO).stdout == "你好 👍\n"
    found = run_json("chat", "--message", "你好", "--system", "Be brief.", *ECHO)
    assert (found["command"], found["text"]) == ("chat", "你好")
    assert found["usage"]["prompt_tokens"] == len("Be brief.") + 2


def test_a_pipe_is_one_message(run: Run) -> None:
    assert run("chat", *ECHO, stdin="line one\nline two\n").stdout == "line one\nline two\n\n"


def test_an_empty_pipe_is_bad_input(run: Run) -> None:
    done = run("chat", *ECHO, "--json", stdin="")
    assert done.exit_code == 2 and "is empty" in json.loads(done.stdout)["error"]["message"]


def test_a_conversation_on_a_terminal() -> None:
    main, side = pty.openpty()
    with subprocess.Popen(
        command(["chat", *ECHO]), stdin=side, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        os.close(side)
        for line in ("你好", "/new", "再见", "/quit"):
            os.write(main, (line + "\n").encode())
            time.sleep(0.1)
        out, error = process.communicate(timeout=60)
        os.close(main)
    assert process.returncode == 0 and b"/quit" in error
    assert "你好\n" in out.decode() and "再见\n" in out.decode()
