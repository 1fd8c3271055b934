"""Every example runs as a user would run it, in a home of its own, and stays short."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serving import serving

from sibao.models.names import MINI

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted([*(ROOT / "examples").glob("*.py"), *(ROOT / "examples").glob("*.sh")])
CLIENTS = [path for path in EXAMPLES if path.stem.startswith("server_")]  # they need a running server
MOST_LINES = 40
TRAINS = "finetune"  # needs a model with weights
needs_mini = pytest.mark.skipif(not (MINI / "config.json").is_file(), reason="mini is not in this checkout")


def run(name: str, *arguments: str, home: Path) -> str:
    """What an example prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "SIBAO_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error::DeprecationWarning:__main__", str(ROOT / "examples" / f"{name}.py")]
    done = subprocess.run(
        [*command, *arguments], cwd=home, capture_output=True, text=True, encoding="utf-8", env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_list_in_the_readme_is_whole() -> None:
    shown = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in EXAMPLES if f"[{path.name}]({path.name})" not in shown] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_translate(tmp_path: Path) -> None:
    lines = run("translate", "mock:reverse", home=tmp_path).splitlines()
    # the mock gives the prompt back from its end: what is asked for is in the first language, the text comes reversed
    assert lines[0].startswith("zh → en: 我喜欢读书。 → 。书读欢喜我") and "en → zh: The weather" in "\n".join(lines)


def test_stream(tmp_path: Path) -> None:
    shown = run("stream", "mock:echo", home=tmp_path)
    assert shown.startswith("The old houseThe old house\n(13 tokens in") and shown.rstrip().endswith("stop)")


def test_batch_answer(tmp_path: Path) -> None:
    shown = run("batch_answer", "mock:empty", home=tmp_path)
    assert shown.splitlines() == [
        "谁改进了造纸的方法？ （没有答案）",
        "造纸用什么做原料？ （没有答案）",
        "造纸的方法传到了哪里？ （没有答案）",
    ]


def test_evaluate(tmp_path: Path) -> None:
    shown = run("evaluate", "mock:echo", "mock:reverse", home=tmp_path)
    assert "accuracy: 0.000 [" in shown and "n = 50" in shown
    assert "task:generate.v1|" in shown and "accuracy: mock:echo is not distinguishable" in shown


def test_finetune(tmp_path: Path, qwen_folder: Path) -> None:
    shown = run("finetune", str(qwen_folder), "2", home=tmp_path)
    adapter = Path(shown.splitlines()[0].rpartition("the adapter is ")[2])
    assert "done after 2 steps" in shown and (adapter / "adapter_config.json").is_file()


def test_export(tmp_path: Path, qwen_folder: Path) -> None:
    shown = run("export", str(qwen_folder), home=tmp_path)
    assert "model.safetensors: " in shown and "my-model: " in shown and "licence unknown" in shown


def test_the_program_in_the_readme(tmp_path: Path) -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    code = page.partition("```python\n")[2].partition("```")[0].replace('"mini"', '"mock:echo"')
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "SIBAO_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Once upon a time\n把下面的文字翻译成英文：\n我喜欢读书。\n")


@needs_mini
@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES if path.stem != TRAINS and path not in CLIENTS])
def test_on_the_embedded_model(name: str, tmp_path: Path) -> None:
    assert run(name, home=tmp_path).strip()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("home")) as server:
        yield server.url


@needs_mini
def test_openai_on_a_server(address: str, tmp_path: Path) -> None:
    shown = run("server_openai", address, home=tmp_path)
    assert "person: {'name': " in shown and "a vector of 256 numbers" in shown


@needs_mini
def test_gemini_on_a_server(address: str, tmp_path: Path) -> None:
    shown = run("server_gemini", address, home=tmp_path).splitlines()
    assert shown[0] == "I like reading books." and shown[1].startswith("calls: [('add', {'a': ")
    assert shown[2].startswith("chat: ")


@needs_mini
def test_langchain_on_a_server(address: str, tmp_path: Path) -> None:
    shown = run("server_langchain", address, "echo", home=tmp_path)
    assert "streamed: Translate into Chinese:\nThe weather is fine today." in shown and "I drink tea." in shown


@needs_mini
def test_curl_on_a_server(address: str) -> None:
    command = ["sh", str(ROOT / "examples" / "server_curl.sh"), address]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.removeprefix("data: ") for line in done.stdout.splitlines() if line.startswith(("{", "data: {"))]
    found = [json.loads(line) for line in lines]
    assert found[0]["text"] == "I like reading books." and len(found[1]["results"]) == 2
    assert "span" in next(one["result"] for one in found if "result" in one)
    assert found[-2]["object"] == "chat.completion" and found[-1]["modelVersion"] == "mini"
