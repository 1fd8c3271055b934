"""Hosted models on the command line: the tasks, evaluation under a limit of cost, and the choice, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.remote import COUNTED, Play, Remote, Seen, chat, chunk, failure, running, said, streamed

Run = Callable[..., Any]
KEY = "sk-SECRET-0123456789abcdef"
PRICED = "openai:gpt-5-nano"  # its price stands in the catalogue


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    """A server that says the last turn's words again, as OpenAI does."""
    with running() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        server.play(again)
        yield server


def again(seen: Seen) -> Play:
    """The same words, whole or streamed."""
    if seen.method == "GET":
        return said({"object": "list", "data": [{"id": "m", "object": "model"}]})
    words = seen.body["messages"][-1]["content"]
    if seen.body.get("stream"):
        return streamed(chunk(words), chunk(finish="stop"), COUNTED)
    return said(chat(words))


@pytest.fixture
def rows(tmp_path: Path) -> str:
    path = tmp_path / "rows.jsonl"
    data = [{"prompt": f"第{i}句", "completion": f"第{i}句"} for i in range(40)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in data), encoding="utf-8")
    return str(path)


def test_tasks(remote: Remote, run_json: Run, run: Run) -> None:
    found = run_json("generate", "写一首诗", "--model", "openai:m")
    assert found["text"] == "写一首诗" and found["model"] == "openai:m"
    assert (found["usage"]["prompt_tokens"], found["usage"]["completion_tokens"]) == (9, 3)
    assert "我喜欢读书" in run_json("translate", "我喜欢读书。", "--to", "en", "--model", "openai:m")["text"]
    streamed_out = run("generate", "hello", "--model", "openai:m")
    assert streamed_out.exit_code == 0 and streamed_out.stdout.strip() == "hello"
    compatible = run_json("generate", "hi", "--model", f"{remote.url}/v1#m")
    assert compatible["text"] == "hi"


def test_mistakes_are_messages(remote: Remote, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    remote.play(said(failure(f"Incorrect API key provided: {KEY}"), 401))
    done = run("generate", "x", "--model", "openai:m", "--json")
    assert done.exit_code == 1 and KEY not in done.stdout + done.stderr
    assert "OPENAI_API_KEY" in json.loads(done.stdout)["error"]["hint"]
    monkeypatch.delenv("OPENAI_API_KEY")
    done = run("generate", "x", "--model", "openai:m", "--json")
    assert done.exit_code == 1 and "OPENAI_API_KEY is not set" in json.loads(done.stdout)["error"]["message"]
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL")
    done = run("generate", "x", "--model", "openai:m", "--json")
    assert done.exit_code == 1 and "Sibao is offline" in json.loads(done.stdout)["error"]["message"]


def test_evaluation(remote: Remote, run_json: Run, rows: str) -> None:
    found = run_json("evaluate", PRICED, "--task", "generate", "--data", rows, "--max-tokens", "20", "--quiet")
    assert all(score["n"] == 40 and score["missing"] == 0 for score in found["scores"])
    assert found["speed"]["completion_tokens"] == 120


def test_a_limit_of_cost_is_kept(remote: Remote, run_json: Run, run: Run, rows: str) -> None:
    ask = ("evaluate", PRICED, "--task", "generate", "--data", rows, "--max-tokens", "100", "--batch", "1", "--quiet")
    one = (9 * 0.05 + 3 * 0.4) / 1e6  # what one answer costs at most, by its usage
    worst = 100 * 0.4 / 1e6
    found = run_json(*ask, "--max-cost", str(10 * one + worst))
    assert all(0 < score["missing"] < 40 for score in found["scores"])
    assert 8 <= len(remote.seen) < 20
    done = run("evaluate", "openai:nobody-priced-me", *ask[2:], "--max-cost", "1", "--json")
    assert done.exit_code == 2 and "nobody has said what" in json.loads(done.stdout)["error"]["message"]
    found = run_json("evaluate", "openai:nobody-priced-me", *ask[2:], "--max-cost", "1", "--price", "1,2")
    assert all(score["missing"] == 0 for score in found["scores"])


def test_a_choice_between_hosted_and_local(remote: Remote, run_json: Run, rows: str) -> None:
    models = ("--model", PRICED, "--model", "mock:empty", "--model", "openai:m")
    found = run_json("choose", "--data", rows, *models, "--price", "openai:m=2,2", "--quiet")
    assert found["pick"]["name"] in (PRICED, "openai:m")
    cost = found["candidates"][PRICED]["cost"]
    assert cost["value"] == pytest.approx((5 * 0.05 + 4 * 0.005 + 3 * 0.4) / 1e6 * 1000, rel=0.3)


def test_a_choice_goes_on_without_one_that_cannot_be_opened(
    remote: Remote, run_json: Run, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AI21_API_KEY", raising=False)
    monkeypatch.setenv("AI21_BASE_URL", f"{remote.url}/studio/v1")
    models = ("--model", "openai:m", "--model", "mock:empty", "--model", "ai21:jamba", "--model", "google:g")
    found = run_json("choose", "--data", rows, *models, "--quiet")
    out = {one["name"]: one["got"] for one in found["excluded"]}
    assert "AI21_API_KEY is not set" in out["ai21:jamba"] and "offline" in out["google:g"]
    assert found["pick"]["name"] == "openai:m"


def test_the_same_name_at_another_address_is_another_model(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    from sibao.workflows._models import identity_of, price_of

    here = identity_of("openai:m")
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert identity_of("openai:m") != here == f"openai:m#{here.partition('#')[2]}"
    free = price_of("http://127.0.0.1:1/v1#m")
    assert free is not None and free.output_per_million == 0 and price_of("https://a.example/v1#m") is None


def picky(seen: Seen) -> Play:
    """A server that refuses one text."""
    said_last = seen.body["messages"][-1]["content"] if seen.method == "POST" else ""
    return said(failure("content policy"), 400) if "bad" in said_last else again(seen)


def test_a_text_that_fails_leaves_the_others_theirs(remote: Remote, run: Run, tmp_path: Path) -> None:
    texts = [f"text {i}" if i != 11 else "bad text" for i in range(20)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts), encoding="utf-8")
    remote.play(picky)
    done = run("generate", "-f", str(path), "--model", "openai:m")
    assert done.exit_code == 1 and done.stdout.splitlines() == [text for text in texts if text != "bad text"]
    assert "text 12: openai:m: content policy (status 400)" in done.stderr and "1 of 20 texts failed" in done.stderr
    asked = [seen.body["messages"][-1]["content"] for seen in remote.seen]
    assert all(asked.count(text) == 1 for text in texts if text != "bad text"), "no answer is paid twice"
    found = run("translate", "我喜欢读书。", "bad 坏", "你好", "--to", "en", "--model", "openai:m", "--json")
    results = json.loads(found.stdout)["results"]
    assert found.exit_code == 1 and ["error" in one for one in results] == [False, True, False]
    assert results[1]["error"]["type"] == "ProviderError" and "你好" in results[2]["text"]


def test_where_all_fail_there_is_one_message(remote: Remote, run: Run) -> None:
    remote.play(said(failure("You exceeded your current quota", "insufficient_quota"), 429))
    done = run("generate", "a", "b", "c", "--model", "openai:m", "--json")
    assert done.exit_code == 1 and "exceeded" in json.loads(done.stdout)["error"]["message"]


def test_an_answer_that_a_filter_cut_is_told(remote: Remote, run: Run) -> None:
    remote.play(streamed(chunk("half an"), chunk(finish="content_filter"), COUNTED))
    done = run("generate", "x", "--model", "openai:m")
    assert done.stdout == "half an\n" and "note: this is no whole answer" in done.stderr
    remote.play(said(chat("half an", "content_filter")))
    assert run("generate", "x", "y", "--model", "openai:m").stderr.count("note: this is no whole answer") == 2


def test_an_evaluation_says_what_it_cost(remote: Remote, run_json: Run, run: Run, rows: str) -> None:
    ask = ("evaluate", "openai:m", "--task", "generate", "--data", rows, "--max-tokens", "100", "--quiet", "--no-cache")
    found = run_json(*ask, "--price", "1,2", "--batch", "16")["speed"]
    assert found["cost"] == pytest.approx(40 * (9 + 3 * 2) / 1e6) and (found["currency"], found["stopped"]) == (
        "USD",
        False,
    )
    shown = run(*ask, "--price", "1000,2000").stdout
    assert "0.6000 USD" in shown and "unasked" not in shown
    limited = run(*ask, "--price", "1000,2000", "--max-cost", "0.4")
    assert "USD; --max-cost left rows unasked: they are missing" in limited.stdout
    found = run_json(*ask, "--price", "1000,2000", "--max-cost", "0.4")
    assert found["speed"]["stopped"] and 0.1 < found["speed"]["cost"] <= 0.4 and found["scores"][0]["missing"] > 0
    unknown = run_json(*ask)["speed"]
    assert (unknown["cost"], unknown["currency"]) == (None, "")
    suite = run_json(
        "evaluate", "openai:m", "--suite", "xstest", "--limit", "4", "--price", "1,2", "--quiet", "--no-cache"
    )
    assert suite["results"][0]["speed"]["cost"] == pytest.approx(4 * (9 + 3 * 2) / 1e6)
