"""What happens when clients go, queues are full, and servers end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from tests.remote import Play, chunk, failure, running, said, streamed
from tests.serving import Served, serving

LONG: dict[str, Any] = {
    "model": "mini",
    "prompt": "Once upon a time",
    "max_tokens": 480,
    "min_tokens": 480,
    "stream": True,
}


def wait_for(what: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def held(server: Served) -> float:
    """Blocks of the cache in use."""
    return server.metric('sibao_cache_blocks_held{model="mini"}')


def test_a_client_that_goes_frees_its_place(served: Served) -> None:
    with served.http.stream("POST", "/v1/completions", json=LONG) as answer:
        lines = answer.iter_lines()
        next(lines)
        assert held(served) > 0
    wait_for(lambda: held(served) == 0)
    assert served.metric("sibao_requests_running") == 1  # the one that asks


def test_a_client_that_goes_before_an_answer_frees_its_place(served: Served) -> None:
    body = LONG | {"stream": False, "n": 4, "temperature": 1}
    with pytest.raises(httpx.ReadTimeout):
        served.post("/v1/completions", body, timeout=0.3)
    wait_for(lambda: held(served) == 0)


def test_many_at_once_get_their_own_answers(served: Served) -> None:
    """Nothing is lost and nothing crosses: every answer is the one that is given alone."""

    def ask(number: int) -> str:
        body = {"model": "mini", "prompt": f"{number} little", "max_tokens": 12, "temperature": 0}
        return str(served.post("/v1/completions", body).json()["choices"][0]["text"])

    alone = [ask(number) for number in range(8)]
    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(ask, [number % 8 for number in range(64)]))
    assert found == alone * 8


def test_a_request_of_many_answers_lets_others_in(served: Served) -> None:
    prompts = [f"{number} little birds" for number in range(160)]
    many = {"model": "mini", "prompt": prompts, "max_tokens": 24, "min_tokens": 24, "temperature": 0, "stream": True}
    texts, done = [""] * len(prompts), list[int]()

    def read() -> None:
        with served.http.stream("POST", "/v1/completions", json=many) as answer:
            for line in answer.iter_lines():
                for choice in json.loads(line[6:])["choices"] if line.startswith("data: {") else ():
                    texts[choice["index"]] += choice["text"]
                    if choice["finish_reason"]:
                        done.append(choice["index"])

    reader = threading.Thread(target=read)
    reader.start()
    wait_for(lambda: len(done) > 0)
    small = served.post("/v1/completions", {"model": "mini", "prompt": "Hi", "max_tokens": 2})
    ended = len(done)
    reader.join()
    assert small.status_code == 200 and ended < len(prompts) / 2
    assert sorted(done) == list(range(len(prompts)))
    whole = many | {"stream": False}
    assert [one["text"] for one in served.post("/v1/completions", whole).json()["choices"]] == texts


def test_many_requests_of_many_answers_let_others_in(served: Served) -> None:
    many = {"model": "mini", "max_tokens": 24, "min_tokens": 24, "temperature": 1.0, "n": 16}
    ended: list[int] = []

    def ask(number: int) -> None:
        assert served.post("/v1/completions", many | {"prompt": f"{number} cats", "seed": number}).status_code == 200
        ended.append(number)

    askers = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for asker in askers:
        asker.start()
    time.sleep(0.5)  # all of them are in the queue
    small = served.post("/v1/completions", {"model": "mini", "prompt": "Hi", "max_tokens": 2})
    before = len(ended)
    for asker in askers:
        asker.join()
    assert small.status_code == 200 and before < 3 and len(ended) == 8


def test_what_is_refused_in_a_request_of_many_is_refused_before_the_first_piece(served: Served) -> None:
    body = {"model": "mini", "prompt": ["a"] * 40 + ["too long " * 4000], "max_tokens": 8, "stream": True}
    answer = served.post("/v1/completions", body)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "context_length_exceeded"


def test_what_takes_long_elsewhere_holds_nobody_up(tmp_path: Path) -> None:
    """A hosted model that does not answer when asked for vectors: its own callers are told in time and keep their places,
    those of other models notice nothing."""
    with running() as remote:
        remote.play(lambda seen: said({"data": [{"id": "m"}]}) if seen.method == "GET" else Play(hang=True))
        flags = ("--model", "mini", "--model", f"there={remote.url}/v1#m", "--queue", "0", "--timeout", "3")
        with serving(tmp_path, *flags) as server, ThreadPoolExecutor(16) as pool:
            here = {"model": "mini", "prompt": "Hi", "max_tokens": 2}
            assert server.post("/v1/completions", here).status_code == 200
            vectors = {"model": "there", "input": "x"}
            asked = [pool.submit(server.post, "/v1/embeddings", vectors) for _ in range(16)]
            wait_for(lambda: len(remote.seen) > 16)
            assert server.post("/v1/completions", here, timeout=2).status_code == 200
            assert [one.result().status_code for one in asked] == [504] * 16
            full = server.post("/v1/embeddings", vectors)
            assert full.status_code == 429 and full.json()["error"]["code"] == "queue_full"


def test_a_client_that_goes_ends_what_a_hosted_model_does(tmp_path: Path) -> None:
    with running() as remote:
        known = {"OPENAI_API_KEY": "sk-there", "OPENAI_BASE_URL": f"{remote.url}/v1"}
        with serving(tmp_path, "--model", "there=openai:m", "--queue", "0", **known) as server:
            good = streamed(chunk("hi"), chunk("", "stop"))
            remote.play(good)
            assert server.post("/v1/completions", {"prompt": "x"}).status_code == 200
            for play in (Play(hang=True), said(failure("busy"), 503, retry_after="2")):
                remote.play(play)
                remote.gone.clear()
                with ThreadPoolExecutor(16) as pool:
                    asked = [pool.submit(hung_up, server) for _ in range(16)]
                    assert all(one.result() for one in asked)
                wait_for(lambda: server.metric("sibao_requests_running") == 1, 3)
                if play.hang:
                    assert remote.gone.wait(3)
            time.sleep(3)  # longer than the wait that was asked for, and its jitter
            assert len(remote.seen) <= 16, "nothing is sent for nobody"
            remote.play(good)
            assert server.post("/v1/completions", {"prompt": "x"}, timeout=3).status_code == 200


def hung_up(server: Served) -> bool:
    """Whether a client went away before it had an answer."""
    try:
        httpx.post(f"{server.url}/v1/completions", json={"prompt": "x"}, timeout=1, trust_env=False)
    except httpx.ReadTimeout:
        return True
    return False


def test_a_full_queue_says_when_to_ask_again(tmp_path: Path) -> None:
    with serving(tmp_path, "--model", "slow=mock:slow", "--queue", "2") as server:
        assert server.post("/v1/completions", {"prompt": "x", "max_tokens": 9}).status_code == 200

        def ask(_: int) -> httpx.Response:
            return server.post("/v1/completions", {"prompt": "0123456789" * 2, "max_tokens": 20})

        with ThreadPoolExecutor(30) as pool:
            answers = list(pool.map(ask, range(30)))
        statuses = [answer.status_code for answer in answers]
        assert statuses.count(200) >= 18 and set(statuses) == {200, 429}
        full = next(answer for answer in answers if answer.status_code == 429)
        assert int(full.headers["retry-after"]) >= 1 and full.json()["error"]["code"] == "queue_full"
        with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=5) as sdk, ThreadPoolExecutor(30) as pool:
            texts = pool.map(
                lambda n: sdk.completions.create(model="slow", prompt=f"{n}" * 9).choices[0].text, range(9)
            )
            assert list(texts) == [f"{n}" * 9 for n in range(9)]


def test_too_long_is_told(tmp_path: Path) -> None:
    with serving(tmp_path, "--model", "slow=mock:slow", "--timeout", "0.5") as server:
        answer = server.post("/v1/completions", {"prompt": "x" * 40, "max_tokens": 40})
        assert answer.status_code == 504 and "--timeout" in answer.json()["error"]["message"]
        assert server.post("/v1/completions", {"prompt": "x", "max_tokens": 1}).status_code == 200


def test_sigterm_lets_a_stream_end(tmp_path: Path) -> None:
    with serving(tmp_path, "--model", "mini") as server, httpx.Client(base_url=server.url, trust_env=False) as other:
        done = []
        with server.http.stream(
            "POST", "/v1/completions", json=LONG | {"stream_options": {"include_usage": True}}
        ) as answer:
            lines = answer.iter_lines()
            done.append(next(lines))
            ending = ThreadPoolExecutor(1).submit(server.ends, 60)
            wait_for(lambda: other.get("/ready").status_code == 503)
            assert other.get("/health").status_code == 200
            late = other.post("/v1/completions", json={"prompt": "x"})
            assert late.status_code == 503 and int(late.headers["retry-after"]) > 0
            assert "ending" in late.json()["error"]["message"]
            done += [line for line in lines if line]
        assert done[-1] == "data: [DONE]"
        *pieces, last = [json.loads(line[6:]) for line in done[:-1]]
        assert pieces[-1]["choices"][0]["finish_reason"] == "length"
        assert last["usage"]["completion_tokens"] == LONG["max_tokens"]  # pieces may hold several tokens
        assert ending.result() == 0


def test_an_idle_server_ends_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, "--model", "echo=mock:echo") as server:
        server.http.get("/health")
        begun = time.monotonic()
        assert server.ends() == 0 and time.monotonic() - begun < 5


def test_what_was_stored_outlives_a_killed_server(tmp_path: Path) -> None:
    vote = {"prompt": "你好", "left": {"model": "a", "text": "x"}, "right": {"model": "b", "text": "y"}, "vote": "left"}
    with serving(tmp_path, "--model", "echo=mock:echo") as server:
        kept = 0

        def vote_on() -> None:
            nonlocal kept
            try:
                while server.post("/api/votes", vote).status_code == 200:
                    kept += 1
            except httpx.TransportError:
                return

        thread = threading.Thread(target=vote_on)
        thread.start()
        wait_for(lambda: kept >= 3, 60)
        server.process.kill()
        thread.join()
    with serving(tmp_path, "--model", "echo=mock:echo") as server:
        found = server.http.get("/api/votes").json()["votes"]
        assert kept <= found <= kept + 1  # one may have been stored whose answer never came


def test_models_are_put_away_by_memory(tmp_path: Path) -> None:
    """Two copies of mini, and room for one."""
    flags = ("--model", "one=mini", "--model", "two=" + str(Path(__import__("sibao").__file__).parent / "mini"))
    with serving(tmp_path, *flags, "--memory", "0.025") as server:
        for name in ("one", "two", "one"):
            assert server.post("/v1/completions", {"model": name, "prompt": "Hi", "max_tokens": 2}).status_code == 200
            loaded = {model["id"]: model["loaded"] for model in server.http.get("/api/status").json()["models"]}
            assert loaded == {"one": name == "one", "two": name == "two"}


def test_hosted_failures_become_the_protocols_own(tmp_path: Path) -> None:
    models = [flag for kind in ("400", "401", "429", "500") for flag in ("--model", f"{kind}=mock:fail-{kind}")]
    with serving(tmp_path, *models) as server, OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0) as sdk:
        wanted = {
            "400": openai.BadRequestError, "401": openai.InternalServerError, "429": openai.RateLimitError,
            "500": openai.InternalServerError,
        }  # fmt: skip
        for model, kind in wanted.items():
            for stream in (False, True):
                with pytest.raises(kind):
                    sdk.completions.create(model=model, prompt="x", stream=stream)
