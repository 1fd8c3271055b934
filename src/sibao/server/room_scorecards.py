"""The room *Scores*: what is known of each model, and the leaderboards."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from sibao.core.types import Language
from sibao.workflows._schema_base import Json
from sibao.workflows._schema_boards import BoardTable
from sibao.workflows._schema_evaluate import CardCell

router = APIRouter(prefix="/api", tags=["rooms"])
Names = Annotated[list[str] | None, Query(max_length=20)]


class Titles(Json):
    """A title in both languages."""

    zh: str = Field(description="In Chinese.")
    en: str = Field(description="In English.")


class Card(Json):
    """All that is known of a model in one precision."""

    model: str = Field(description="The model.")
    precision: str = Field(description="Of the weights.")
    date: str = Field(description="Day of the newest figure; empty where nothing was measured.")
    cells: list[CardCell] = Field(description="Facts and figures, by section.")


class Cards(Json):
    """Every scorecard, and the titles of their sections in the order in which they are shown."""

    sections: dict[str, Titles] = Field(description="Titles by section.")
    cards: list[Card] = Field(description="The shipped model's first, then the most recently measured.")


class Boards(Json):
    """The tables of a choice of figures."""

    tables: list[BoardTable] = Field(description="Figures that may be compared, a table each.")


@router.get("/scorecards", summary="What is known of every model that was measured here")
def scorecards() -> Cards:
    """The newest figure of every suite and task in the store, with facts of the model; nothing is run."""
    from sibao.evaluation.scorecard import SECTIONS
    from sibao.workflows.known_cards import known_scorecards

    cards = [
        Card(
            model=card.model, precision=card.precision, date=card.date, cells=[CardCell(**_cell(c)) for c in card.cells]
        )
        for card in known_scorecards()
    ]
    return Cards(sections={name: Titles(**title) for name, title in SECTIONS.items()}, cards=cards)


def _cell(cell: Any) -> dict[str, Any]:
    return asdict(cell) | {"at_chance": cell.at_chance}


@router.get("/leaderboard", summary="Who could truly be first")
def leaderboard(
    suite: Names = None, task: Names = None, dataset: Names = None, metric: Names = None, model: Names = None,
    own: bool = False, language: Language = "en",
) -> Boards:  # fmt: skip
    """Tables of one's own evaluations and of imported results, each figure with its interval and the ranks it could truly have.

    Names choose figures, whole or in part; `own` leaves out what was imported; `language` is that of remarks."""
    from sibao.workflows.leaderboard import Choice, leaderboard, to_json

    suites, tasks, datasets, metrics, models = (tuple(names or ()) for names in (suite, task, dataset, metric, model))
    found = leaderboard(Choice(suites, tasks, datasets, metrics, models, own))
    return Boards(tables=[BoardTable(**table) for table in to_json(found, language)])
