"""OpenAI's embeddings and models over real HTTP."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest
from openai import OpenAI
from tests.serving import Served, serving

import sibao
from sibao.server.errors import VERBS


def test_vectors_are_the_models_own(client: OpenAI) -> None:
    texts = ["春眠不觉晓", "A dog"]
    found = client.embeddings.create(model="mini", input=texts)  # the SDK asks for base64
    floats = client.embeddings.create(model="mini", input=texts, encoding_format="float")
    wanted = sibao.load("mini").embed(texts)  # type: ignore[attr-defined]
    for number in range(2):
        assert found.data[number].embedding == pytest.approx(wanted[number], abs=1e-4)
        assert floats.data[number].embedding == pytest.approx(wanted[number], abs=1e-4)
        assert found.data[number].index == number
    assert found.usage.prompt_tokens == found.usage.total_tokens > 2
    one = client.embeddings.create(model="mini", input="A dog")
    assert one.data[0].embedding == pytest.approx(wanted[1], abs=1e-4)


def test_vectors_of_tokens(client: OpenAI) -> None:
    model = sibao.load("mini")
    ids = model.encode("A dog")  # type: ignore[attr-defined]
    by_ids = client.embeddings.create(model="mini", input=ids).data[0].embedding
    assert by_ids == pytest.approx(client.embeddings.create(model="mini", input=[ids]).data[0].embedding)
    assert by_ids == pytest.approx(client.embeddings.create(model="mini", input="A dog").data[0].embedding)


def test_what_is_refused(client: OpenAI) -> None:
    for given, why in (("", "empty"), ([], "input"), ([10**6], "token id"), ("word " * 600, "512")):
        with pytest.raises(openai.BadRequestError, match=why):
            client.embeddings.create(model="mini", input=given)
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        client.embeddings.create(model="mini", input="x", dimensions=8)
    with pytest.raises(openai.BadRequestError, match="no vectors"):
        client.embeddings.create(model="echo", input="x")


def test_models(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["mini", "echo"]
    assert client.models.retrieve("echo").id == "echo"
    client.completions.create(model="mini", prompt="x", max_tokens=1)
    assert client.models.retrieve("mini").model_extra == {"max_model_len": 512}
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("a/b")


@pytest.mark.parametrize("way", ["header", "query"])
def test_models_in_geminis_form(served: Served, way: str) -> None:
    how = {"headers": {"x-goog-api-key": "k"}} if way == "header" else {"params": {"key": "k"}}
    found = served.http.get("/v1/models", **how).json()  # type: ignore[arg-type]
    assert [model["name"] for model in found["models"]] == ["models/mini", "models/echo"]
    one = served.http.get("/v1/models/mini", **how)  # type: ignore[arg-type]
    assert one.json()["name"] == "models/mini" and "generateContent" in one.json()["supportedGenerationMethods"]
    gone = served.http.get("/v1/models/none", **how)  # type: ignore[arg-type]
    assert gone.status_code == 404 and gone.json()["error"]["status"] == "NOT_FOUND"


def test_a_colon_in_a_name_is_no_verb_of_geminis(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "--model", "mock:echo") as server,
        OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as sdk,
    ):
        assert sdk.models.retrieve("mock:echo").id == "mock:echo"
        with pytest.raises(openai.NotFoundError) as gone:
            sdk.models.retrieve("mock:none")
        assert gone.value.code == "model_not_found"
        card = server.http.get("/v1/models/mock:echo", headers={"x-goog-api-key": "k"}).json()
        assert card["name"] == "models/mock:echo"
        wrong = server.post("/v1/models/mock:echo:generateContent", {"contents": 1})
        assert wrong.status_code == 400 and wrong.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_all_verbs_are_known(served: Served) -> None:
    paths = served.http.get("/openapi.json").json()["paths"]
    posts = [path for path, ways in paths.items() if path.startswith("/v1/models/") and "post" in ways]
    assert sorted(path.removeprefix("/v1/models/{model}") for path in posts) == sorted(VERBS)


def test_names_are_no_paths(served: Served) -> None:
    for name in ("../../etc/passwd", "..%2f..%2fetc", "%00", "/etc", "mini/../../x", "a" * 900, "%ff%fe", "mini%20"):
        answer = served.http.get(f"/v1/models/{name}")
        assert answer.status_code == 404 and "root:" not in answer.text, name
    for name in ("../mini", "/", "./src", "mini\x00", "file:///etc/passwd", "mock:slow", "http://localhost:1/v1#x"):
        answer = served.post("/v1/completions", {"model": name, "prompt": "x"})
        assert answer.status_code == 404 and answer.json()["error"]["code"] == "model_not_found", name


def test_a_slash_too_many_and_an_empty_name(served: Served) -> None:
    assert served.http.get("/v1/models/").json() == served.http.get("/v1/models").json()
    assert served.http.get("/v1beta/models/").json() == served.http.get("/v1beta/models").json()
    assert served.post("/v1/completions", {"model": "", "prompt": "x"}).status_code == 404
