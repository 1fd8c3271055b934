"""What a home holds in the tests of the rooms: a real training run and evaluations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

RECIPE = """
[model]
family = "qwen3"
[model.config]
hidden_size = 32
num_hidden_layers = 1
num_attention_heads = 2
num_key_value_heads = 1
intermediate_size = 64
head_dim = 16
max_position_embeddings = 64
[tokenizer]
vocab_size = 400
[data]
train = ["{data}"]
sequence_length = 32
[schedule]
steps = {steps}
[run]
name = "tiny"
rows = 2
eval_every = 20
save_every = 1000
"""


def training(home: Path, steps: int) -> subprocess.Popen[bytes]:
    """``sibao pretrain`` of a model that is done in seconds, begun in this home."""
    data, recipe = home / "rows.jsonl", home / f"recipe-{steps}.toml"
    rows = [{"text": f"The fox number {n} jumps over the dog. 第{n}只狐狸跳过了狗。"} for n in range(300)]
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    recipe.write_text(RECIPE.format(data=data, steps=steps), encoding="utf-8")
    env = {**os.environ, "SIBAO_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "sibao", "pretrain", str(recipe), "--quiet"]
    return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


PAIRS: list[dict[str, Any]] = [
    {"en": "Hello.", "zh": "你好。"}, {"en": "Thank you.", "zh": "谢谢。"}, {"en": "Good morning.", "zh": "早上好。"},
    {"en": "I like tea.", "zh": "我喜欢茶。"}, {"en": "Where is he?", "zh": "他在哪里？"},
    {"en": "It is red.", "zh": "它是红色的。"},
]  # fmt: skip
"""Rows of a race that is over soon."""
