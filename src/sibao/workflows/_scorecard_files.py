"""A scorecard on disk: ``card.md``, ``card.html``, ``card.json`` and its plots."""

from __future__ import annotations

import json
from pathlib import Path

from sibao.core.config import settings
from sibao.core.paths import write_text
from sibao.core.types import Language
from sibao.evaluation.scorecard import Scorecard
from sibao.workflows._scorecard_html import page
from sibao.workflows._scorecard_plot import plots
from sibao.workflows._scorecard_show import markdown


def card_language(asked: Language | None) -> Language:
    """The language asked for, else the user's, else English."""
    if asked is not None:
        return asked
    return "zh" if settings().language == "zh" else "en"


def write_card(card: Scorecard, folder: Path, language: Language) -> list[Path]:
    """Write all forms; each file is whole or not there. Gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "card.md": markdown(card, language),
        "card.html": page(card, language),
        "card.json": json.dumps(card.to_json(), ensure_ascii=False, indent=1) + "\n",
        **{f"{name}.svg": svg for name, svg in plots(card, language).items()},
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]
