"""The tasks over real HTTP: the JSON of the command line, many texts at once, events, an end when the client goes away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.serving import Served, serving

from sibao.server._task_schema import AnswerBody, GenerateBody, SummarizeBody, TranslateBody
from sibao.tasks.base import load_task

ZH = "我喜欢读书。"
LONG = "".join(f"On day {i} we walked in the park and the weather was fine. " for i in range(60))
PAPER = {"context": "造纸术在汉代发明。蔡伦改进了它。", "question": "谁改进了造纸术？"}
TASKS = {"generate": GenerateBody, "translate": TranslateBody, "answer": AnswerBody, "summarize": SummarizeBody}


def post(served: Served, task: str, **body: Any) -> Any:
    answer = served.post(f"/v1/tasks/{task}", body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def events(served: Served, task: str, **body: Any) -> list[dict[str, Any]]:
    with served.http.stream("POST", f"/v1/tasks/{task}", json=body | {"stream": True}) as answer:
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line]


def refused(served: Served, task: str, **body: Any) -> dict[str, str]:
    answer = served.post(f"/v1/tasks/{task}", body)
    error: dict[str, str] = answer.json()["error"]
    assert 400 <= answer.status_code < 500 and set(error) == {"type", "message", "hint"}
    return error


@pytest.mark.parametrize("task", TASKS)
def test_bodies_have_the_tasks_own_fields(task: str) -> None:
    own = {field.name for field in fields(load_task(task).fields)}
    row = next(base for base in TASKS[task].__mro__ if base.__name__.endswith("Row"))
    assert set(row.model_fields) == own


def test_the_same_json_as_the_command_line(served: Served, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sibao", "translate", ZH, "--to", "en", "--json"]
    env = {**os.environ, "SIBAO_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    said = json.loads(subprocess.run(command, capture_output=True, check=True, env=env).stdout)
    told = post(served, "translate", text=ZH, to="en")
    assert said.pop("seconds") >= 0 and told.pop("seconds") >= 0
    assert told == said and told["text"] == "I like reading books." and told["from"] == "zh"


def test_languages_by_either_name(served: Served) -> None:
    by_alias, by_name = (
        post(served, "translate", text=ZH, **{"from": "zh"}),
        post(served, "translate", text=ZH, source="zh"),
    )
    assert by_alias["text"] == by_name["text"] and by_name["to"] == "en"


def test_an_answer_says_where_it_stands(served: Served) -> None:
    found = post(served, "answer", model="echo", context="甲", question="乙")
    assert found["span"] is None and found["start"] is None  # echo gives the prompt, which is not in the passage
    question = {"context": "The sea. " + "Read the passage and answer the question.", "question": "What?"}
    found = post(served, "answer", model="echo", **question)
    assert found["span"] == {"start": 9, "end": 9 + len(found["text"])}
    assert question["context"][9 : found["span"]["end"]] == found["text"]


def test_a_form_and_a_shape(served: Served) -> None:
    poem = post(served, "generate", prompt="春天", form="poem", style="五言", temperature=0.7, seed=1, max_tokens=30)
    again = post(served, "generate", prompt="春天", form="poem", style="五言", temperature=0.7, seed=1, max_tokens=30)
    assert poem["text"] == again["text"] and {"form", "style", "check"} <= set(poem)
    shape = {"type": "choice", "choices": ["好", "坏"]}
    assert post(served, "generate", prompt="这家店很好。", response_format=shape)["text"] in ("好", "坏")


def test_history_and_bare_text(served: Served) -> None:
    turns = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": [{"type": "text", "text": "Hi."}]}]
    long = post(served, "generate", prompt="Bye.", history=turns, max_tokens=4)["usage"]["prompt_tokens"]
    short = post(served, "generate", prompt="Bye.", max_tokens=4)["usage"]["prompt_tokens"]
    bare = post(served, "generate", prompt="Bye.", max_tokens=4, raw=True)["usage"]["prompt_tokens"]
    assert long > short > bare


def test_many_texts_and_those_that_fail(served: Served) -> None:
    rows = [
        ZH,
        {"text": "I like tea.", "to": "zh"},
        {"text": " "},
        {"txt": "x"},
        5,
        {"text": 7},
        {},
        {"text": ZH, "from": "zh", "to": "zh"},
    ]
    found = post(served, "translate", inputs=rows)
    assert [("error" in row) for row in found["results"]] == [False, False, *[True] * 6]
    assert found["results"][0]["text"] == post(served, "translate", text=ZH)["text"]
    assert found["results"][1]["to"] == "zh" and found["command"] == "translate"
    assert all(row["error"]["message"] for row in found["results"][2:])
    fits = post(served, "generate", inputs=["Hi", "读" * 3000], max_tokens=4)["results"]
    assert "text" in fits[0] and fits[1]["error"]["type"] == "ContextOverflow"


def test_what_holds_for_all(served: Served) -> None:
    asked = events(served, "answer", context=PAPER["context"], inputs=[PAPER["question"], "什么时候发明？"])
    assert [event["progress"] for event in asked[:-1]] == [{"done": 1, "total": 2}, {"done": 2, "total": 2}]
    alone = post(served, "answer", **PAPER)
    assert asked[-1]["result"]["results"][0]["text"] == alone["text"]


def test_pieces_of_a_text_as_they_come(served: Served) -> None:
    told = events(served, "translate", text=ZH)
    result = told[-1]["result"]
    assert (
        "".join(event["delta"] for event in told[:-1]) == result["text"] == post(served, "translate", text=ZH)["text"]
    )
    assert len(told) > 2 and result["model"] == "mini" and result["pieces"] == 1


def test_progress_of_a_long_text(served: Served) -> None:
    told = events(served, "summarize", text=LONG)
    steps = [event["progress"] for event in told if "progress" in event]
    result = told[-1]["result"]
    assert result["pieces"] > 2 and steps[0] == {"done": 0, "total": result["pieces"]}
    assert steps[-1]["done"] == steps[-1]["total"] >= result["pieces"]
    assert [step["done"] for step in steps] == sorted(step["done"] for step in steps)
    assert (
        "".join(event.get("delta", "") for event in told)
        == result["text"]
        == post(served, "summarize", text=LONG)["text"]
    )


def test_small_pieces_under_another_name(tmp_path: Path) -> None:
    """``mini`` translates sentence by sentence, however the server calls it."""
    with serving(tmp_path, "--model", "helper=mini") as server:
        told = post(server, "translate", text=ZH * 40, to="en")
        assert told["model"] == "helper" and told["pieces"] == 3  # all of it would fit into one


@pytest.mark.parametrize(
    ("task", "body", "said"),
    [
        ("generate", {}, "prompt"),
        ("translate", {"text": ""}, "empty"),
        ("translate", {"text": ZH, "to": "fr"}, "to"),
        ("translate", {"text": ZH, "from": "zh", "to": "zh"}, "language of the source"),
        ("answer", {"question": "Who?"}, "context"),
        ("summarize", {"text": ["x"]}, "text"),
        ("generate", {"prompt": "x", "max_tokens": 0}, "max_tokens"),
        ("generate", {"prompt": "x", "seed": 2**80}, "seed"),
        ("generate", {"prompt": "x", "form": "epic"}, "form"),
        ("generate", {"prompt": "x", "language": "fr"}, "language"),
        ("generate", {"prompt": "x", "adapter": "/tmp"}, "adapter"),
        ("generate", {"prompt": "x", "pictures": ["/etc/passwd"]}, "pictures"),
        ("generate", {"prompt": "x", "pictures": ["http://127.0.0.1/a.png"]}, "pictures"),
        ("generate", {"prompt": "x", "history": [{"role": "user", "content": [{"type": "video", "video": "/a"}]}]}, ""),
        ("generate", {"prompt": "x", "response_format": {"type": "shape"}}, "shape"),
        ("generate", {"prompt": "读" * 3000}, "the model holds 512"),
        ("generate", {"prompt": "x", "model": "nobody"}, "nobody"),
        ("generate", {"prompt": "x", "inputs": ["y"]}, "both prompt and inputs"),
        ("generate", {"inputs": []}, "inputs"),
        ("generate", {"inputs": ["x"] * 257}, "inputs"),
        ("describe", {}, "/v1/tasks/describe"),
    ],
)
def test_refusals(served: Served, task: str, body: dict[str, Any], said: str) -> None:
    assert said in refused(served, task, **body)["message"]
    assert said in refused(served, task, **body, stream=True)["message"]  # before the first event: a status


def alone(served: Served) -> bool:
    """Whether no request runs but the one that asks."""
    return served.metric("sibao_requests_running") == 1


def written(served: Served) -> float:
    text = served.http.get("/metrics").text
    lines = [
        line for line in text.splitlines() if line.startswith('sibao_tokens_total{kind="completion",model="mini"}')
    ]
    return float(lines[0].split()[-1]) if lines else 0.0


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_ends_the_work(served: Served, stream: bool) -> None:
    body = {"text": LONG * 10, "stream": stream}
    with httpx.Client(base_url=served.url, timeout=60.0 if stream else 1.0, trust_env=False) as client:
        if stream:
            with client.stream("POST", "/v1/tasks/summarize", json=body) as answer:
                assert next(answer.iter_lines()).startswith("data: ")
        else:
            with pytest.raises(httpx.ReadTimeout):
                client.post("/v1/tasks/summarize", json=body)
    end = time.monotonic() + 5
    while not alone(served) and time.monotonic() < end:
        time.sleep(0.05)
    assert alone(served)
    before = written(served)
    time.sleep(0.5)
    assert written(served) == before


def test_many_clients_get_their_own(served: Served) -> None:
    texts = [f"{ZH}{'今天天气很好。' * i}" for i in range(12)]
    one_by_one = [post(served, "translate", text=text)["text"] for text in texts]
    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(lambda text: post(served, "translate", text=text)["text"], texts))
    assert together == one_by_one and threading.active_count() < 40


def test_time_holds(tmp_path: Path) -> None:
    with serving(tmp_path, "--model", "mock:slow", "--timeout", "1") as server:
        slow = "a" * 60  # three seconds
        answer = server.post("/v1/tasks/generate", {"prompt": slow})
        assert answer.status_code == 504 and "1 s" in answer.json()["error"]["message"]
        told = events(server, "generate", inputs=["a", slow])
        assert told[0] == {"progress": {"done": 1, "total": 2}} and "1 s" in told[-1]["error"]["message"]
        assert post(server, "generate", prompt="a")["text"] == "a"
