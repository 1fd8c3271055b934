"""``/docs``: every endpoint and form of the OpenAPI document, to be read in both languages."""

from __future__ import annotations

import json
import re

from tests.serving import Served

from sibao.server.reference import GROUPS, SAMPLES, ZH, document


def test_all_of_the_document_is_on_the_page(served: Served) -> None:
    api = served.http.get("/openapi.json").json()
    answer = served.http.get("/docs", headers={"accept-language": "zh-CN,zh;q=0.9"})
    text = answer.text
    assert answer.status_code == 200 and '<html lang="zh-CN"' in text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    for path, ways in api["paths"].items():
        for method, operation in ways.items():
            assert f"<code>{method.upper()} {path}</code>" in text
            assert operation["tags"][0] in GROUPS and operation["summary"] in ZH, operation["summary"]
    for name, schema in api["components"]["schemas"].items():
        assert f'id="schema-{name}"' in text, name
        assert all(f"<code>{field}</code>" in text for field in schema.get("properties", {}))
    places = re.findall(r' id="([^"]+)"', text)
    assert len(places) == len(set(places))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= {*places, "main"}
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)


def test_the_samples_are_answered(served: Served) -> None:
    for path, body in SAMPLES.items():
        model = {} if "{model}" in path else {"model": "mini" if path == "/v1/embeddings" else "echo"}
        limit = {} if "{model}" in path or path in ("/v1/embeddings", "/v1/responses") else {"max_tokens": 8}
        answer = served.post(path.replace("{model}", "echo"), json.loads(body) | model | limit)
        assert answer.status_code == 200, (path, answer.text)


def test_what_a_document_says_is_text_not_markup() -> None:
    evil = "<script>alert(1)</script>"
    schema = {"properties": {evil: {"description": evil, "enum": [evil]}}, "description": evil}
    post = {
        "tags": ["tasks"], "summary": evil, "operationId": evil, "description": evil,
        "parameters": [{"name": evil, "schema": {"const": evil}, "required": True}],
        "responses": {"200": {"content": {"a": {"schema": {"$ref": f"#/components/schemas/{evil}"}}}}},
    }  # fmt: skip
    api = {"paths": {f"/{evil}": {"post": post}}, "components": {"schemas": {evil: schema}}}
    assert evil not in document(api, "http://localhost/", "en")
