"""``sibao leaderboard``: who could truly be first, from one's own evaluations and from what others have published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sibao.core.errors import UnknownName
from sibao.core.types import Language
from sibao.evaluation.board import Board, Entry, Place, boards
from sibao.evaluation.exchange import Problem
from sibao.store.published import Published, forget_published, replace_published, sources
from sibao.workflows._board_entries import StoredRows, own_entries, published_entries
from sibao.workflows._board_files import Form, files_of, read_file, write_files

MOST_NAMES = 20
"""So many known names are listed for one that is not known."""


@dataclass(frozen=True)
class Choice:
    """Which figures: those of these suites, tasks, datasets, metrics and models (each name whole or in part, letter case
    aside; empty: all); ``own``: of one's own runs only."""

    suites: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    own: bool = False


@dataclass(frozen=True)
class Imported:
    """What became of one file: results kept, and what could not be read."""

    source: str
    results: int
    problems: list[Problem] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain data, every problem by name."""
        return {"source": self.source, "results": self.results, "problems": [p.__dict__ for p in self.problems]}


def import_files(paths: Sequence[str]) -> list[Imported]:
    """Keep the results of files; a file that was imported before is replaced. All are read before any is kept.

    Raises:
        DataError: a file that cannot be read. BadInput: one of no known form.
    """
    files = [file for path in paths for file in files_of(Path(path).expanduser())]
    found = [(str(file.resolve()), read_file(file)) for file in dict.fromkeys(files)]
    return [Imported(source, replace_published(source, one.results), one.problems) for source, one in found]


def forget_files(paths: Sequence[str]) -> int:
    """Drop what was imported from files (as they are called now, or as the store calls them); gives the number of results.

    Raises:
        UnknownName: nothing was imported from it.
    """
    known = sources()
    return forget_published([path if path in known else str(Path(path).expanduser().resolve()) for path in paths])


def leaderboard(choice: Choice | None = None) -> list[Board]:
    """All tables of the chosen figures.

    Raises:
        UnknownName: a name that no figure has, with the nearest ones.
    """
    return boards(chosen(choice or Choice()), StoredRows().p_value)


def chosen(choice: Choice) -> list[Entry]:
    """The figures of a choice: one's own, then what was imported.

    Raises:
        UnknownName: see ``leaderboard``.
    """
    found = own_entries() + ([] if choice.own else published_entries())
    filters: tuple[tuple[str, tuple[str, ...], Callable[[Entry], str]], ...] = (
        ("suite on the board", choice.suites, lambda e: e.suite),
        ("task on the board", choice.tasks, lambda e: e.result.task),
        ("dataset on the board", choice.datasets, lambda e: f"{e.result.dataset} {e.result.subset}".strip()),
        ("metric on the board", choice.metrics, lambda e: e.result.metric),
        ("model on the board", choice.models, lambda e: e.result.model),
    )
    for kind, wanted, name_of in filters:
        found = _named(found, kind, wanted, name_of) if wanted else found
    return found


def _named(entries: list[Entry], kind: str, wanted: Sequence[str], name_of: Callable[[Entry], str]) -> list[Entry]:
    names, meant = {name_of(entry) for entry in entries} - {""}, set[str]()
    for name in wanted:
        exact = {one for one in names if one.casefold() == name.casefold()}
        near = exact or {one for one in names if name.casefold() in one.casefold()}
        if not near:
            error = UnknownName(kind, name, names)
            if len(names) > MOST_NAMES and error.hint.startswith("known"):
                error.hint = f"there are {len(names)}; sibao leaderboard --json lists them"
            raise error
        meant |= near
    return [entry for entry in entries if name_of(entry) in meant]


def export_results(form: Form, output: str | Path, choice: Choice | None = None) -> list[Path]:
    """Write the chosen figures in one of the exchange forms; gives the files.

    Raises:
        BadInput: nothing to write. DataError: a model card that is there already.
    """
    results: list[Published] = [entry.result for entry in chosen(choice or Choice())]
    return write_files(form, Path(output).expanduser(), results)


def to_json(tables: Sequence[Board], language: Language = "en") -> list[dict[str, Any]]:
    """All tables as plain data, their remarks in one language."""
    return [
        {
            "task": b.task, "dataset": b.dataset, "subset": b.subset, "metric": b.metric, "signature": b.how,
            "better": b.direction.which, "better_known": b.direction.known, "ideal": b.direction.ideal, "level": b.level,
            "apart": [words[language] for words in b.apart], "cautions": [words[language] for words in b.cautions],
            "rows": [_place(place) for place in b.places],
        }
        for b in tables
    ]  # fmt: skip


def _place(place: Place) -> dict[str, Any]:
    r, ranks = place.entry.result, place.ranks
    return {
        "model": r.model, "value": r.value, "shown": r.shown, "unit": r.unit, "low": r.low, "high": r.high,
        "level": r.level, "n": r.n, "missing": place.entry.missing, "chance": place.entry.chance,
        "rank_best": ranks.best if ranks else None, "rank_worst": ranks.worst if ranks else None,
        "could_be_first": ranks.could_be_first if ranks else None, "run": place.entry.run or None, "date": r.date,
        "title": r.title, "url": r.url, "note": r.note, "source": r.source, "signature": r.signature,
    }  # fmt: skip
