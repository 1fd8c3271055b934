"""``/api/choose`` over the wire: a race in a process of its own, queued, watched, given up."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.remote import Play, running
from tests.server.home import PAIRS
from tests.serving import Served, serving

from sibao.server.keys import new_key
from sibao.workflows._schema_choose import ChooseOut

FORM: dict[str, Any] = {
    "rows": PAIRS, "to": "en", "max_tokens": 16, "language": "zh",
    "models": [{"name": "mini"}, {"name": "mini", "precision": "int8"}],
}  # fmt: skip
OVER = ("done", "failed", "cancelled")


def ended(served: Served, job: str, seconds: float = 120.0) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found: dict[str, Any] = served.http.get(f"/api/choose/{job}").json()
        if found["state"] in OVER:
            return found
        time.sleep(0.3)
    raise AssertionError(f"still {found['state']} after {seconds} s")


def started(served: Served, form: dict[str, Any]) -> str:
    answer = served.post("/api/choose", form)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job"])


@pytest.mark.slow
def test_a_race_gives_what_the_command_line_prints(served: Served) -> None:
    found = ended(served, started(served, FORM))
    assert found["state"] == "done", found
    result = ChooseOut.model_validate(found["result"])
    assert result.task == "translate" and result.metric == "chrf" and result.pick.name == result.model
    assert {lane["name"]: (lane["done"], lane["total"]) for lane in found["lanes"]} == {
        "mini": (6, 6), "mini (int8)": (6, 6),
    }  # fmt: skip
    assert result.race is not None and {lane.name for lane in result.race.lanes} == set(result.candidates)
    run = served.http.get(f"/api/runs/{result.run}").json()
    assert (run["kind"], run["state"]) == ("choose", "done") and len(run["scores"]) == 2


@pytest.mark.slow
def test_rows_as_text_of_a_file(served: Served) -> None:
    text = "en\tzh\n" + "".join(f"{row['en']}\t{row['zh']}\n" for row in PAIRS)
    form = {**FORM, "rows": [], "text": text, "text_name": "../../x.tsv", "limit": 3}
    found = ended(served, started(served, form))
    assert found["state"] == "done" and found["result"]["race"]["rows"] == 3


@pytest.mark.slow
def test_advice_without_rows_in_the_language_of_the_page(served: Served) -> None:
    form = {"need": "summarize my meetings", "models": [], "language": "zh"}
    found = ended(served, started(served, form))
    assert found["result"]["task"] == "summarize" and found["result"]["race"] is None
    assert any("\u4e00" <= c <= "\u9fff" for c in found["result"]["advice"][0]["question"])


@pytest.mark.slow
def test_a_failure_says_what_to_do(served: Served) -> None:
    found = ended(served, started(served, {**FORM, "metric": "perplexity"}))
    assert found["state"] == "failed" and found["result"] is None
    assert "perplexity" in found["failure"]["message"] and found["failure"]["hint"]


@pytest.mark.slow
def test_one_at_a_time_and_only_a_few_wait(served: Served) -> None:
    jobs: list[str] = []
    try:
        while (full := served.post("/api/choose", FORM | {"cache": False})).status_code == 202:
            jobs.append(full.json()["job"])
        assert 4 <= len(jobs) <= 6
        assert full.status_code == 429 and int(full.headers["retry-after"]) > 0
        states = [served.http.get(f"/api/choose/{job}").json() for job in jobs]
        assert sum(one["state"] == "running" for one in states) <= 1
        waiting = [one["ahead"] for one in states if one["state"] == "queued"]
        assert waiting == sorted(waiting) and waiting[-1] >= 3
    finally:
        gone = [served.http.delete(f"/api/choose/{job}").json() for job in reversed(jobs)]
    assert all(one["state"] in OVER for one in gone) and gone[0]["state"] == "cancelled"
    again = ended(served, started(served, FORM))
    assert again["state"] == "done", "the next one is made as if nothing had been"


@pytest.mark.slow
def test_a_choice_given_up_is_recorded_as_stopped(served: Served) -> None:
    def runs() -> dict[str, Any]:
        found = served.http.get("/api/runs", params={"kind": "choose", "limit": 50}).json()["runs"]
        return {run["run"]: run for run in found}

    before = runs()
    job = started(served, FORM | {"rows": PAIRS * 40, "cache": False, "max_tokens": 64})
    until = time.monotonic() + 90
    while not (now := served.http.get(f"/api/choose/{job}").json())["opening"] and time.monotonic() < until:
        assert now["state"] in ("queued", "running"), now
        time.sleep(0.05)
    assert served.http.delete(f"/api/choose/{job}").json()["state"] == "cancelled"
    (own,) = runs().keys() - before.keys()
    while (newest := runs()[own])["state"] == "running" and time.monotonic() < until:
        time.sleep(0.2)
    assert (newest["state"], newest["message"]) == ("failed", "stopped by the user")


@pytest.mark.parametrize(
    "change, said",
    [
        ({"models": [{"name": "../../etc"}]}, "no candidate is named '../../etc'"),
        ({"models": [{"name": "/etc/passwd"}]}, "no candidate is named '/etc/passwd'"),
        ({"models": [{"name": "http://169.254.169.254/v1#x"}]}, "no candidate is named"),
        ({"models": [{"name": "mini", "precision": "int2"}]}, "models.0.precision"),
        ({"models": [{"name": "mini"}] * 9}, "models"),
        ({"models": [{"name": "openai:gpt-4o-mini"}]}, "costs money"),
        ({"weights": {"beauty": 1}}, "no weight named 'beauty'"),
        ({"weights": {"cost": -1}}, "the weight of cost is -1.0"),
        ({"limits": {"max_memory": "much"}}, "got max_memory 'much'"),
        ({"limits": {"currency": "dollars"}}, "limits.currency"),
        ({"text": "{}"}, "both rows and text"),
        ({"rows": [], "text": '{"en": "a", "zh": "b"}\nx', "text_name": "r.jsonl"}, "r.jsonl:2"),
        ({"rows": [], "text": "x", "text_name": "r.exe"}, "no extension"),
        ({"delta": 2}, "delta"),
        ({"color": "red"}, "color"),
        ({"task": "describe", "rows": [{"image": "/etc/hostname", "text": "x"}]}, "files of the server are not read"),
        ({"task": "describe", "rows": [{"image": {"bytes": None, "path": "/x"}, "text": "x"}]}, "files of the server"),
        (
            {"task": "describe", "rows": [{"images": ["data:image/png;base64,", "/x"], "text": "x"}]},
            "files of the server",
        ),
        ({"task": "describe", "rows": [{"video": "/x.mp4", "text": "x"}]}, "files of the server are not read"),
        (
            {"rows": [{"messages": [{"role": "user", "content": [{"type": "image", "image": "/x"}]}]}]},
            "files of the server",
        ),
        ({"rows": [], "text": '{"image": "/etc/hostname", "text": "x"}'}, "files of the server are not read"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(served: Served, change: dict[str, Any], said: str) -> None:
    answer = served.post("/api/choose", FORM | change)
    assert answer.status_code in (400, 404) and said in answer.json()["error"]["message"], answer.text


def test_a_race_keeps_to_the_budget_of_its_key(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    key = new_key(file, "one", budget=1.0, requests_per_minute=100)
    tight = new_key(file, "two", budget=1.0, requests_per_minute=1)
    race = FORM | {"models": [{"name": "mini"}, {"name": "there"}]}
    with running() as remote:
        remote.play(Play(hang=True))
        known = {"OPENAI_API_KEY": "sk-there", "OPENAI_BASE_URL": f"{remote.url}/v1"}
        flags = ("--model", "there=openai:gpt-4o-mini", "--model", "dark=openai:nobody-knows-it", "--keys", str(file))
        with serving(tmp_path, *flags, **known) as server:

            def choose(form: dict[str, Any], by: str = key) -> httpx.Response:
                return server.post("/api/choose", form, headers={"authorization": f"Bearer {by}"})

            for change, status in (
                ({"max_cost": 1e9}, 429), ({"models": [{"name": "openai:gpt-4o"}], "max_cost": 0.1}, 400),
                ({"models": [{"name": "dark"}], "max_cost": 0.1, "limits": {"allow_unknown": True}}, 403),
            ):  # fmt: skip
                assert choose(race | change).status_code == status, change
            assert choose(race | {"max_cost": 1e9}, tight).status_code == 429
            limited = choose(race | {"max_cost": 0.1}, tight)
            assert limited.status_code == 429 and "requests" in limited.json()["error"]["message"]
            begun = choose(race | {"max_cost": 0.75})
            assert begun.status_code == 202 and choose(race | {"max_cost": 0.75}).status_code == 429
            where = f"/api/choose/{begun.json()['job']}"
            server.http.delete(where, headers={"authorization": f"Bearer {key}"})
            until = time.monotonic() + 30
            while (again := choose(race | {"max_cost": 0.75})).status_code == 429 and time.monotonic() < until:
                time.sleep(0.2)
            assert again.status_code == 202, "what was not spent is given back"


def test_the_need_names_the_task(served: Served) -> None:
    told = served.http.get("/api/choose/need", params={"text": "把英文邮件翻译成中文"}).json()
    assert (told["task"], told["to"]) == ("translate", "zh") and told["why"]
    assert served.http.get("/api/choose/need", params={"text": "嗯"}).json()["task"] == "unclear"
    assert served.http.get("/api/choose/need", params={"text": "x" * 5000}).status_code == 400


def test_candidates_hold_no_path(served: Served) -> None:
    found = served.http.get("/api/choose/candidates").json()["candidates"]
    first = found[0]
    assert first["here"] and {"mini", "echo"} <= {one["name"] for one in found if one["here"]}
    assert str(served.home) not in json.dumps(found)
    assert not any(one["name"].startswith(("/", ".")) for one in found)


@pytest.mark.parametrize("job", ["0123456789abcdef", "x", "..%2f..%2fetc", "0" * 500])
def test_a_job_that_is_none(served: Served, job: str) -> None:
    for answer in (served.http.get(f"/api/choose/{job}"), served.http.delete(f"/api/choose/{job}")):
        assert answer.status_code in (400, 404, 405) and answer.json()["error"]["message"]
