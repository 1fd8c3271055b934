"""``/api/runs`` over the wire: a real training run is watched, stopped and resumed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.server.home import training
from tests.serving import Served

MANY = 3000


def waited(look: Callable[[], Any], seconds: float = 90.0) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


def detail(served: Served, run: str) -> dict[str, Any]:
    found: dict[str, Any] = served.http.get(f"/api/runs/{run}").json()
    return found


def newest(served: Served, **wanted: Any) -> Any:
    runs = served.http.get("/api/runs", params={"kind": "pretrain"}).json()["runs"]
    return next((one for one in runs if all(one[key] == value for key, value in wanted.items())), None)


def events(served: Served, run: str, cursor: str) -> Any:
    """Each event of a stream; None for its regular end."""
    with served.http.stream("GET", f"/api/runs/{run}/events", params={"after": cursor}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line == "data: [DONE]":
                yield None
            elif line:
                yield json.loads(line.removeprefix("data: "))


def test_a_run_is_watched_stopped_and_resumed(served: Served) -> None:
    process = training(served.home, MANY)
    try:
        begun = waited(lambda: newest(served, state="running", steps=MANY))
        run = begun["run"]
        assert begun["can_stop"] and not begun["can_resume"]
        now = waited(lambda: (one := detail(served, run))["step"] and one)
        seen = [one["step"] for one in now["curves"]["steps"]]
        last: dict[str, Any] = {}
        for event in events(served, run, now["cursor"]):
            if event is None:
                break
            last = event
            seen += [one["step"] for one in event["steps"]]
            if len(seen) > 5 and event["run"]["state"] == "running":
                served.http.post(f"/api/runs/{run}/stop")
        assert seen == list(range(1, len(seen) + 1)), "each step once, in order, across page and stream"
        assert last["run"]["state"] == "stopped" and last["run"]["can_resume"]
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    stopped = detail(served, run)
    assert stopped["step"] == seen[-1] < MANY and stopped["joules"] > 0 and not stopped["can_stop"]
    assert stopped["curves"]["steps"][0].keys() >= {"loss", "grad_norm", "rate", "tokens_per_second"}
    assert stopped["recipe"]["run"]["name"] == "tiny"
    fewer = served.post(f"/api/runs/{run}/resume", {"steps": stopped["step"]})
    assert fewer.status_code == 400 and f"has made {stopped['step']} steps" in fewer.json()["error"]["message"]
    assert detail(served, run)["state"] == "stopped", "what was refused leaves the run as it was"
    more = stopped["step"] + 20
    answer = served.post(f"/api/runs/{run}/resume", {"steps": more})
    assert answer.status_code == 202 and answer.json()["state"] == "running"
    twice = served.post(f"/api/runs/{run}/resume", {"steps": more})
    assert twice.status_code == 400 and "running" in twice.json()["error"]["message"]
    done = waited(lambda: (one := detail(served, run))["state"] != "running" and one)
    assert (done["state"], done["step"], done["steps"], done["words"]) == ("done", more, more, "")
    assert [one["step"] for one in done["curves"]["steps"]] == list(range(1, more + 1))
    nothing_left = served.post(f"/api/runs/{run}/resume", {})
    assert nothing_left.status_code == 400 and "all of its" in nothing_left.json()["error"]["message"]
    assert f"run:{run}" in {one["name"] for one in served.http.get("/api/choose/candidates").json()["candidates"]}


def test_a_killed_run_is_interrupted_and_goes_on(served: Served) -> None:
    process = training(served.home, MANY + 1)
    run = waited(lambda: newest(served, state="running", steps=MANY + 1))["run"]
    waited(lambda: detail(served, run)["step"])
    process.kill()
    process.wait()
    left = detail(served, run)
    assert left["state"] == "interrupted" and left["can_resume"] and not left["can_stop"]
    assert served.post(f"/api/runs/{run}/stop").status_code == 400
    assert served.post(f"/api/runs/{run}/resume", {"steps": 10}).status_code == 202
    assert waited(lambda: (one := detail(served, run))["state"] != "running" and one)["state"] == "done"


@pytest.mark.parametrize("run", ["r000000", "x", "R1SE5M3YB", "..%2f..%2fetc%2fpasswd", "r../../x", "r" * 300, "r1%00"])
@pytest.mark.parametrize("path", ["", "/events", "/stop", "/resume"])
def test_an_id_that_is_none(served: Served, run: str, path: str) -> None:
    url = f"/api/runs/{run}{path}"
    answer = served.post(url, {}) if path in ("/stop", "/resume") else served.http.get(url)
    assert answer.status_code in (400, 404, 405) and answer.json()["error"]["message"]


def test_what_is_asked_for_wrongly(served: Served) -> None:
    for query in ({"limit": 0}, {"limit": 10**6}, {"kind": "a b"}):
        assert served.http.get("/api/runs", params=query).status_code == 400
    answer = served.http.get("/api/runs/r0000/events", params={"after": "x-1"})
    assert answer.status_code == 400 and "'x-1'" in answer.json()["error"]["message"]
    assert served.post("/api/runs/r0000/resume", {"steps": -1}).status_code == 400
