"""lm-evaluation-harness beside Sibao: how it is asked, and the figures of it that are kept.

    sh scripts/peers.sh harness && .venv/bin/python -m tests.evaluation.lm_eval_reference

writes tests/data/lm_eval/reference.json anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.tiny import tiny_folder

from sibao.evaluation.places import SAMPLES
from sibao.evaluation.suites.wikitext2 import articles
from sibao.models.names import MINI

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "build" / "peers" / "harness" / "bin" / "python"
DATA = ROOT / "tests" / "data" / "lm_eval"
TASKS = DATA / "tasks"
REFERENCE = DATA / "reference.json"


def folders(place: Path) -> dict[str, Path]:
    """The models that both are asked with: random weights, and the embedded model."""
    return {"tiny": tiny_folder(place / "tiny", "gpt2", seed=3, context=1024), "mini": MINI}


def weights(folder: Path) -> str:
    """Twelve hexadecimal digits over a model's weights and tokenizer."""
    total = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), folder / "tokenizer.json"]):
        total.update(path.read_bytes())
    return total.hexdigest()[:12]


def pages() -> list[str]:
    """Articles of WikiText for the detokenizer."""
    text = (SAMPLES / "wikitext2" / "valid.txt").read_text(encoding="utf-8")
    return [page for _, page in articles(text)]


def harness(folder: Path) -> dict[str, Any]:
    """What lm-evaluation-harness finds with a model."""
    with tempfile.TemporaryDirectory() as place:
        texts, out = Path(place) / "pages.json", Path(place) / "found.json"
        texts.write_text(json.dumps(pages()), encoding="utf-8")
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONUTF8": "1"}
        script = Path(__file__).with_name("run_lm_eval.py")
        done = subprocess.run(
            [str(PYTHON), str(script), str(folder), str(TASKS), str(texts), str(out)], capture_output=True, text=True,
            check=False, env=os.environ | offline | {"HF_HOME": place},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found


def main() -> None:
    """Write the reference."""
    found = {}
    with tempfile.TemporaryDirectory() as place:
        for name, folder in folders(Path(place)).items():
            found[name] = {"weights": weights(folder), **harness(folder)}
    REFERENCE.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
