"""``/docs``: the OpenAPI document as a page to read, without a host from elsewhere and without a program in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from sibao.core.config import settings
from sibao.core.types import Language
from sibao.evaluation.pages import Cell, Column, Line, both, escape, page, table
from sibao.server.page import HEADERS

GROUPS = {
    "openai": ("OpenAI's protocol", "OpenAI 协议"), "gemini": ("Gemini's protocol", "Gemini 协议"),
    "tasks": ("Tasks", "任务"), "status": ("How the server is", "服务器的状态"), "rooms": ("The page's rooms", "网页的各个房间"),
    "votes": ("Votes", "投票"),
}  # fmt: skip
ZH = {
    "Generate": "生成",
    "Generate, streamed": "流式生成",
    "List the models": "列出模型",
    "Show a model": "查看一个模型",
    "Count tokens": "数词元",
    "Embed a text": "一段文字的向量",
    "Embed texts": "多段文字的向量",
    "Continue a conversation": "续写对话",
    "Go on with a text": "续写文字",
    "Make vectors of texts": "文字的向量",
    "Answer": "回答",
    "Which task a need is about": "需求属于哪项任务",
    "The models that a choice may be made among": "可供挑选的模型",
    "Start a choice": "开始挑选",
    "How a choice goes": "挑选的进展",
    "Give a choice up": "放弃挑选",
    "Look at a data file": "查看数据文件",
    "List the forms of writing": "列出文体",
    "The newest runs": "最近的运行",
    "One run: recipe, curves, scores": "一次运行：配方、曲线、分数",
    "Stop a training run, with a checkpoint": "停止训练并留下检查点",
    "Let a training run go on from its newest checkpoint": "从最新的检查点继续训练",
    "New points while a run runs": "运行中的新数据点",
    "What is known of every model that was measured here": "这里测过的模型的全部记录",
    "Who could truly be first": "谁可能真是第一",
    "Health": "是否活着",
    "Ready": "是否接活",
    "Metrics": "指标",
    "Status": "状态",
    "Write": "写作",
    "Translate": "翻译",
    "Answer from a passage": "据文回答",
    "Summarize": "摘要",
    "Count the votes": "计票",
    "Keep a vote": "记下一票",
}
SAMPLES = {
    "/v1/chat/completions": '{"messages": [{"role": "user", "content": "你好！"}]}',
    "/v1/completions": '{"prompt": "Once upon a time", "max_tokens": 32}',
    "/v1/embeddings": '{"input": ["你好", "hello"]}',
    "/v1/responses": '{"input": "你好！"}',
    "/v1/tasks/generate": '{"prompt": "春天", "form": "poem"}',
    "/v1/tasks/translate": '{"text": "我喜欢读书。", "to": "en"}',
    "/v1/tasks/answer": '{"question": "谁改进了造纸术？", "context": "东汉的蔡伦改进了造纸术。"}',
    "/v1/tasks/summarize": '{"text": "…"}',
    "/v1beta/models/{model}:generateContent": '{"contents": [{"parts": [{"text": "你好！"}]}]}',
}
FIELDS = tuple(Column(en, zh, sortable=False) for en, zh in (("field", "字段"), ("type", "类型"), ("what", "说明")))
LARGE = 1e9
"""Bounds beyond it bound nothing that anybody asks for."""
Schema = Mapping[str, Any]


def install(app: FastAPI) -> None:
    """Put the page at ``/docs``."""

    @app.get("/docs", include_in_schema=False)
    def reference(request: Request) -> HTMLResponse:  # in a thread: it takes some 20 ms
        asked = request.headers.get("accept-language", "").lower()
        chosen = settings().language
        language: Language = "zh" if chosen == "zh" or (chosen != "en" and asked.startswith("zh")) else "en"
        own = {"Content-Security-Policy": "frame-ancestors 'none'; form-action 'none'"}  # the page has the rest itself
        return HTMLResponse(document(app.openapi(), str(request.base_url), language), headers=HEADERS | own)


def document(api: Schema, address: str, language: Language) -> str:
    """The whole page of an OpenAPI document, served at ``address`` (which ends with a slash)."""
    schemas = api["components"]["schemas"]
    groups = {tag: [found for found in _operations(api) if found[2]["tags"][0] == tag] for tag in GROUPS}
    known = both(
        "All that this server answers, also as a file for programs:", "这台服务器提供的全部接口；给程序用的文件："
    )
    parts = [
        f"<h1>{both('The interface', '接口')}</h1>",
        f'<p>{known} <a href="openapi.json">openapi.json</a></p>',
        "<nav><ul>",
    ]
    parts += [f'<li><a href="#{tag}">{both(*GROUPS[tag])}</a></li>' for tag in groups]
    parts += [f'<li><a href="#schemas">{both("Forms of bodies", "消息体的格式")}</a></li>', "</ul></nav>"]
    for tag, operations in groups.items():
        parts.append(f'<h2 id="{tag}">{both(*GROUPS[tag])}</h2>')
        parts += [_operation(*found, schemas, address) for found in operations]
    parts.append(f'<h2 id="schemas">{both("Forms of bodies", "消息体的格式")}</h2>')
    parts += [_schema(name, schema) for name, schema in sorted(schemas.items())]
    return page("The interface of this server", "这台服务器的接口", "\n".join(parts), language)


def _operations(api: Schema) -> Iterator[tuple[str, str, Schema]]:
    for path, ways in api["paths"].items():
        for method, operation in ways.items():
            yield method.upper(), path, operation


def _operation(method: str, path: str, operation: Schema, schemas: Schema, address: str) -> str:
    summary, place = str(operation["summary"]), escape(operation["operationId"])
    said = [f'<h3 id="{place}"><code>{method} {escape(path)}</code> {both(summary, ZH.get(summary, summary))}</h3>']
    if operation.get("description"):
        said.append(f"<p>{_text(operation['description'])}</p>")
    parameters = [
        _line(one["name"], one["schema"] | {"description": one.get("description", "")}, required=one["required"])
        for one in operation.get("parameters", [])
    ]
    if parameters:
        said.append(table(FIELDS, parameters, "In the address", "写在地址里"))
    content = operation.get("requestBody", {}).get("content", {})
    for media, body in content.items():
        title = f"{both('Body', '消息体')}: <code>{escape(media)}</code>, {_kind(body['schema'])}"
        said += [f"<p>{title}</p>", *_fields(schemas.get(body["schema"].get("$ref", "").rpartition("/")[2], {}))]
    answers = [
        f"<code>{escape(status)}</code> {_kind(one['schema'])}"
        for status, answer in operation["responses"].items()
        for one in answer.get("content", {}).values()
        if one.get("schema") and status != "422"
    ]
    said.append(f"<p>{both('Answers', '应答')}: {'; '.join(dict.fromkeys(answers)) or '–'}</p>")
    if path in SAMPLES and method == "POST":
        url = address + path.lstrip("/").replace("{model}", "mini")
        said.append(
            f"<pre><code>curl {escape(url)} -H 'Content-Type: application/json' \\\n  -d '{escape(SAMPLES[path])}'</code></pre>"
        )
    return f"<section>{''.join(said)}</section>"


def _schema(name: str, schema: Schema) -> str:
    head = f'<summary><code id="schema-{escape(name)}">{escape(name)}</code></summary>'
    about = f"<p>{_text(schema['description'])}</p>" if schema.get("description") else ""
    rows = "".join(_fields(schema)) or f"<p>{_kind(schema)}</p>"
    return f"<details open>{head}{about}{rows}</details>"


def _fields(schema: Schema) -> list[str]:
    """A table of an object's fields; nothing for another thing."""
    found = schema.get("properties")
    if not found:
        return []
    required = set(schema.get("required", ()))
    lines = [_line(name, field, required=name in required) for name, field in found.items()]
    return [table(FIELDS, lines, "", "", "Fields", "字段")]


def _line(name: str, schema: Schema, *, required: bool) -> Line:
    needed = f' <span class="warn">{both("required", "必填")}</span>' if required else ""
    about = _text(schema.get("description", ""))
    if schema.get("default") not in (None, "", [], {}):
        about += f" ({both('default', '默认')} <code>{escape(schema['default'])}</code>)"
    return Line(
        [Cell(f"<code>{escape(name)}</code>{needed}", kind="whole"), Cell(_kind(schema)), Cell(about, kind="source")]
    )


def _text(said: str) -> str:
    """Words whose names stand between backticks."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(said))


def _kind(schema: Any) -> str:
    """A type in few words, with a link where it is described, and its bounds."""
    if not isinstance(schema, Mapping):
        return both("anything", "任意")
    if "$ref" in schema:
        name = escape(str(schema["$ref"]).rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "const" in schema:
        return f"<code>{escape(json.dumps(schema['const'], ensure_ascii=False))}</code>"
    if "enum" in schema:
        return " | ".join(f"<code>{escape(json.dumps(one, ensure_ascii=False))}</code>" for one in schema["enum"])
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            kinds = [_kind(one) for one in schema[word] if one.get("type") != "null"]
            return " | ".join(dict.fromkeys(kinds))
    if schema.get("type") == "array":
        return both("list of ", "列表：") + _kind(schema.get("items", {}))
    words = {
        "string": ("text", "文字"),
        "integer": ("whole number", "整数"),
        "number": ("number", "数"),
        "boolean": ("yes or no", "是或否"),
        "object": ("object", "对象"),
        "null": ("null", "空"),
    }
    kind = both(*words.get(str(schema.get("type")), ("anything", "任意")))
    ends = [schema.get(side, schema.get(f"exclusive{side.title()}")) for side in ("minimum", "maximum")]
    low, high = ("" if end is None or abs(end) > LARGE else f"{end:,.10g}" for end in ends)
    return f"{kind} ({low}…{high})" if low or high else kind
