"""lm-evaluation-harness' ``local-completions`` as a client: its replies and figures are Sibao's own on the same rows."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.evaluation import lm_eval_reference as reference
from tests.evaluation.test_against_lm_eval import agree, samples_of
from tests.serving import Served

import sibao
from sibao.evaluation.asking import ask
from sibao.models.names import MINI

TASKS = ("ends", "passages", "papers_0", "papers_5", "reading")


@pytest.mark.slow
def test_the_harness_measures_the_served_model_as_we_do(served: Served, tmp_path: Path) -> None:
    if not (reference.PYTHON.parents[1] / "installed").exists():
        pytest.skip("lm-evaluation-harness is not installed: sh scripts/peers.sh harness")
    script, out = Path(__file__).with_name("run_lm_eval_served.py"), tmp_path / "found.json"
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONUTF8": "1"}
    words = [str(reference.PYTHON), str(script), served.url, "mini", str(MINI), str(reference.TASKS), str(out), *TASKS]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=500,
        env=os.environ | offline | {"HF_HOME": str(tmp_path), "OPENAI_API_KEY": "none"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(out.read_text(encoding="utf-8"))
    model = sibao.load("mini")
    for name in TASKS:
        suite, samples = samples_of(name)
        agree(found[name], suite, ask(model, samples, judge=suite.judge))
