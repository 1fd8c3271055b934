"""Names of one server that stand for different kinds of models: each is loaded as it can be, and answers for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Request
from tests.engine.test_adapters import make_adapter
from tests.serving import Served, serving
from tests.workflows.check_folders import encoder_folder

from sibao.core.errors import BadInput, UnknownName
from sibao.core.types import Scorer
from sibao.server._formats import fitted
from sibao.server._task_model import Line, desk_model
from sibao.server.hall import Entry, Hall
from sibao.server.options import ServeOptions
from sibao.server.service import Service

ASK = {"prompt": "Hi", "max_tokens": 2}


@pytest.fixture(scope="module")
def adapter(qwen_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_adapter(tmp_path_factory.mktemp("adapters") / "plain", qwen_folder, "qwen3", "plain", 0)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that answers from a passage by its head, and writes nothing."""
    return encoder_folder(tmp_path_factory.mktemp("reader") / "bert", "bert", "ForQuestionAnswering")


@pytest.fixture(scope="module")
def several(
    qwen_folder: Path, adapter: str, reader: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """All kinds behind one ``--precision`` and ``--kv-cache``; the hosted one is another server of Sibao's."""
    homes = tmp_path_factory.mktemp("homes")
    with serving(homes / "there", "--model", "echo=mock:echo") as there:
        models = (
            f"base={qwen_folder}", f"helper={qwen_folder}+{adapter}", f"there={there.url}/v1#echo", f"reader={reader}",
            f"adapted={reader}+{adapter}",
        )  # fmt: skip
        flags = [word for model in models for word in ("--model", model)]
        with serving(homes / "here", *flags, "--precision", "int8", "--kv-cache", "int8") as here:
            yield here


def test_each_model_has_the_formats_that_it_can_have(several: Served) -> None:
    for name in ("base", "helper", "there"):
        answer = several.post("/v1/completions", ASK | {"model": name})
        assert answer.status_code == 200, answer.text
    assert several.post("/v1/embeddings", {"model": "reader", "input": "春眠"}).status_code == 200


def test_what_a_model_cannot_have_is_left_out(reader: Path, qwen_folder: Path) -> None:
    told = {"precision": "int8", "kv_cache": "int8", "threads": 1}
    for name in ("mini", str(qwen_folder), f"{qwen_folder}+/some/adapter", "nobody/has-it"):
        assert fitted(name, told) == told
    assert fitted(str(reader), told) == fitted("transformers:org/name", told) == {"threads": 1}
    assert fitted(str(reader), told | {"precision": "bf16"}) == {"precision": "bf16", "threads": 1}
    assert fitted("openai:gpt-5-nano", told | {"precision": "bf16"}) == {"threads": 1}


def test_formats_that_no_model_can_have_end_the_server_at_its_start(reader: Path) -> None:
    def hall(*models: str, any_model: bool = False, **loading: str) -> Hall:
        return Hall(ServeOptions(models, any_model=any_model, loading=loading))

    for models in (("mock:echo",), ("openai:gpt-5-nano", str(reader))):
        for loading in ({"precision": "int4"}, {"kv_cache": "bf16"}):
            with pytest.raises(BadInput, match="no model that is served"):
                hall(*models, **loading)
            hall(*models, "mini", **loading)
            hall(*models, any_model=True, **loading)
    hall(str(reader), precision="bf16")
    with pytest.raises(UnknownName, match="int5"):
        hall("mini", precision="int5")


def refused(answer: httpx.Response) -> bool:
    return answer.status_code == 400 and "adapter" in answer.json()["error"]["message"]


def test_what_an_adapter_has_no_part_in_is_refused_in_its_name(several: Served) -> None:
    vectors = {"input": "春眠"}
    assert refused(several.post("/v1/embeddings", vectors | {"model": "helper"}))
    assert several.post("/v1/embeddings", vectors | {"model": "base"}).status_code == 200
    content: dict[str, Any] = {"content": {"parts": [{"text": "春眠"}]}}
    assert refused(several.post("/v1beta/models/helper:embedContent", content))
    assert several.post("/v1beta/models/base:embedContent", content).status_code == 200
    asked = {"question": "谁？", "context": "床前明月光"}
    assert refused(several.post("/v1/tasks/answer", asked | {"model": "adapted"}))
    assert several.post("/v1/tasks/answer", asked | {"model": "reader"}).status_code == 200
    models = {model["id"]: model["can"] for model in several.http.get("/api/status").json()["models"]}
    assert models["base"] == ["generate", "score", "embed"] and models["helper"] == ["generate"]
    card = several.http.get("/v1beta/models/helper").json()
    assert card["supportedGenerationMethods"] == ["generateContent", "countTokens"]


def test_answers_of_an_adapter_are_not_scored_by_the_model_alone(qwen_folder: Path, adapter: str) -> None:
    async def waits() -> Any:
        await asyncio.Event().wait()

    async def check() -> None:
        service = Service(ServeOptions((f"base={qwen_folder}", f"helper={qwen_folder}+{adapter}")))
        request = Request({"type": "http", "headers": [], "query_string": b""}, waits)
        for name, scores in (("base", True), ("helper", False)):
            async with await service.turn(request, name) as turn:
                assert isinstance(desk_model(Line(turn), print), Scorer) is scores
        await service.close()

    asyncio.run(check())


@pytest.mark.parametrize("name", ["nope/none", "../../etc", "mini ", "/etc/passwd", "a" * 5000, "mini\0"])
def test_an_unknown_model_is_unknown_where_any_may_be_asked(name: str) -> None:
    hall = Hall(ServeOptions(("echo=mock:echo",), any_model=True))

    async def visit() -> None:
        async with hall.visit(name):
            pass

    with pytest.raises(UnknownName) as told:
        asyncio.run(visit())
    assert told.value.kind == "model"
    assert hall.find("mini").base == "mini" and hall.find(None).id == "echo"


def test_names_and_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b" / "m").mkdir(parents=True)
    (tmp_path / "c=d").mkdir()
    read = {word: Entry.read(word) for word in ("mini", "helper=mini", "a=b/m", "./a=b/m", "c=d", "x=openai:gpt-4o")}
    assert [(entry.id, entry.base) for entry in read.values()] == [
        ("mini", "mini"), ("helper", "mini"), ("a=b/m", "a=b/m"), ("./a=b/m", "./a=b/m"), ("c=d", "c=d"),
        ("x", "openai:gpt-4o"),
    ]  # fmt: skip


@pytest.mark.parametrize("word", ["openai:command-r+", "http://127.0.0.1:1/v1#c4ai-command-r+", "google:a+b"])
def test_a_plus_is_part_of_a_hosted_name(word: str) -> None:
    assert (Entry.read(word).base, Entry.read(word).adapter) == (word, None)
    assert (Entry.read(f"r={word}").id, Entry.read(f"r={word}").base) == ("r", word)


@pytest.mark.parametrize("url", ["http://user:pw@127.0.0.1:1/v1#m", "there=http://127.0.0.1:1/v1?key=pw#m"])
def test_a_url_with_a_secret_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(BadInput, match="has more in it") as caught:
        Hall(ServeOptions((url,)))
    assert "pw" not in str(caught.value)
