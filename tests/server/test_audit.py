"""The audit log: a line a request, without text unless it is asked for."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.serving import Served, serving

from sibao.core.errors import BadInput
from sibao.server._audit import LONGEST, MOST, note
from sibao.server.app import create_app
from sibao.server.options import ServeOptions

HELLO = "你好，𠮷田先生👍"


def lines(file: Path, wanted: int) -> list[dict[str, Any]]:
    """So many lines, once they are there."""
    end = time.monotonic() + 10
    while len(found := file.read_text(encoding="utf-8").splitlines() if file.exists() else []) < wanted:
        assert time.monotonic() < end, f"{len(found)} lines, wanted {wanted}"
        time.sleep(0.02)
    return [json.loads(line) for line in found]


def ask(server: Served, path: str, **body: Any) -> None:
    answer = server.post(path, body)
    assert answer.status_code == 200, answer.text


def test_no_text_is_kept_unless_asked(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    with serving(tmp_path / "home", "--model", "echo=mock:echo", "--audit", str(file)) as server:
        ask(server, "/v1/completions", prompt=HELLO)
        (line,) = lines(file, 1)
        assert "你好" not in file.read_text(encoding="utf-8") and "texts" not in line
        assert line["model"] == "echo" and line["status"] == 200 and line["completion_tokens"] > 0


def test_texts_are_kept_where_they_are_asked_for(tmp_path: Path) -> None:
    file, flags = (
        tmp_path / "audit.jsonl",
        ("--model", "mini", "--model", "echo=mock:echo", "--model", "slow=mock:slow"),
    )
    with serving(tmp_path / "home", *flags, "--audit", str(file), "--audit-text") as server:
        messages = [{"role": "system", "content": "用中文"}, {"role": "user", "content": HELLO}]
        ask(server, "/v1/chat/completions", model="echo", messages=messages)
        ask(server, "/v1/chat/completions", model="echo", messages=messages, stream=True)
        ask(server, "/v1/completions", model="echo", prompt=[HELLO, "b"], stream=True)
        ask(server, "/v1beta/models/echo:generateContent", contents=[{"parts": [{"text": HELLO}]}])
        ask(server, "/v1/tasks/translate", model="echo", text=HELLO, to="en")
        ask(server, "/v1/tasks/translate", model="echo", text=HELLO, to="en", stream=True)
        ask(server, "/v1/completions", model="mini", prompt=HELLO, echo=True, logprobs=0, max_tokens=2)
        with server.http.stream(
            "POST", "/v1/completions", json={"model": "slow", "prompt": HELLO * 9, "stream": True}
        ) as gone:
            next(gone.iter_lines())
        found = [line["texts"] for line in lines(file, 8)]
    chat = {"prompt": f"system: 用中文\nuser: {HELLO}", "answer": HELLO}
    assert found[:2] == [[chat], [chat]]
    assert sorted(one["answer"] for one in found[2]) == sorted([HELLO, "b"])
    assert found[3][0]["answer"] == HELLO
    assert all(HELLO in texts[0]["prompt"] and texts[0]["answer"] for texts in found[4:6])
    assert found[6][0]["prompt"] == HELLO and found[6][0]["answer"]
    assert found[7][0]["prompt"] == HELLO * 9 and 0 < len(found[7][0]["answer"]) < len(HELLO * 9)


def test_long_texts_and_many_are_cut() -> None:
    audit: dict[str, Any] = {}
    for _ in range(MOST + 3):
        note(audit, None, "墨" * (LONGEST + 5), "👍" * LONGEST)
    assert audit["texts"] == [{"prompt": "墨" * LONGEST + "… (5 more)", "answer": "👍" * LONGEST}] * MOST
    assert audit["texts_left_out"] == 3


def test_only_its_owner_reads_the_audit_log(tmp_path: Path) -> None:
    create_app(ServeOptions(("echo=mock:echo",), audit=tmp_path / "audit.jsonl"))
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600
    with pytest.raises(BadInput, match="cannot be written"):
        create_app(ServeOptions(("echo=mock:echo",), audit=tmp_path))
