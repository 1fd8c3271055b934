"""The embedded model: what ships is complete, small, readable by others, and does the four tasks from any folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sibao.models.folder import load_model
from sibao.models.names import MINI
from sibao.text.tokenizer import Tokenizer

pytestmark = pytest.mark.skipif(not (MINI / "config.json").is_file(), reason="mini is not in this checkout")

PASSAGE = "小明昨天在图书馆读了一本关于唐代诗人的书。小红在家画画。"
COMMANDS = [
    (["translate", "我喜欢读书。", "--to", "en"], "translate"),
    (["translate", "I like reading.", "--to", "zh"], "translate"),
    (["answer", "小明昨天在哪里读书？", "--context", PASSAGE], "answer"),
    (["summarize", "-"], "summarize"),
    (["generate", "春天", "--form", "poem", "--style", "五言"], "generate"),
    (["generate", "Once upon a time"], "generate"),
]


def test_files_are_complete_and_small() -> None:
    files = {p.name: p.stat().st_size for p in MINI.iterdir() if p.is_file()}
    assert {"config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "README.md"} <= set(
        files
    )
    assert sum(files.values()) <= 40 * 10**6
    assert all(size <= 15 * 10**6 for size in files.values())
    config = json.loads((MINI / "config.json").read_text())
    assert config["model_type"] == "qwen3" and config["dtype"] == "bfloat16"


def test_transformers_gives_the_same_logits_and_tokens() -> None:
    transformers = pytest.importorskip("transformers")
    reference = transformers.AutoModelForCausalLM.from_pretrained(MINI, dtype=torch.float32).eval()
    model = load_model(MINI, torch.float32)
    tokenizer = Tokenizer.load(MINI)
    theirs = transformers.AutoTokenizer.from_pretrained(MINI)
    for text in ("我喜欢读书，也喜欢写字。👍", "The quick brown fox.\n\ndef add(a, b):\n    return a + b"):
        ids = tokenizer.encode(text)
        assert theirs.encode(text, add_special_tokens=False) == ids and tokenizer.decode(ids) == text
        with torch.no_grad():
            ours = model.logits(model(torch.tensor([ids])))
            assert (reference(torch.tensor([ids])).logits - ours).abs().max() <= 1e-4
    turn = [{"role": "user", "content": "你好"}]
    from sibao.text.chat import to_text

    assert theirs.apply_chat_template(turn, tokenize=False, add_generation_prompt=True) == to_text(tokenizer, turn)  # type: ignore[arg-type]


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=[" ".join(w[:2]) for w, _ in COMMANDS])
def test_commands_run_offline_from_any_folder(words: list[str], command: str, tmp_path: Path) -> None:
    environment = {**os.environ, "SIBAO_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "LANG": "C"}
    run = subprocess.run(
        [sys.executable, "-m", "sibao", *words, "--json", "--max-tokens", "32"],
        input=PASSAGE.encode() if words[-1] == "-" else None, cwd=tmp_path, env=environment, capture_output=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr.decode()
    said = json.loads(run.stdout.decode())
    assert said["command"] == command and said["model"] == "mini" and said["text"].strip()
    assert 0 < said["usage"]["completion_tokens"] <= 32 * 2


def test_streamed_equals_whole() -> None:
    from sibao.core.types import GenerateOptions
    from sibao.providers.load import load

    model = load("mini")
    prompt = [{"role": "user", "content": "把下面的文字翻译成英文：\n今天天气很好。"}]
    options = GenerateOptions(max_tokens=24)
    streamed = "".join(d.text for d in model.stream(prompt, options))  # type: ignore[arg-type]
    assert streamed == model.generate([prompt], options)[0].text  # type: ignore[list-item]
    assert "�" not in streamed
