"""Files that leaderboards come from and go to: Papers with Code tables, model cards, ``.eval_results``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from sibao.core.errors import BadInput, DataError
from sibao.evaluation import exchange_eval_results, exchange_index, exchange_pwc
from sibao.evaluation.exchange import Found
from sibao.store.published import Published

Form = Literal["pwc", "model-index", "eval-results"]
WANTED = "wanted FILE.json or FILE.json.gz (Papers with Code), README.md (model-index), .eval_results/*.yaml, or a model's folder"


def files_of(path: Path) -> list[Path]:
    """The files of an argument: itself, or what a model's folder holds.

    Raises:
        DataError: nothing is there. BadInput: a folder with neither a card nor results.
    """
    if not path.exists():
        raise DataError("does not exist", file=str(path), hint=WANTED)
    if not path.is_dir():
        return [path]
    card = [path / "README.md"] if (path / "README.md").is_file() else []
    results = path if path.name == exchange_eval_results.FOLDER else path / exchange_eval_results.FOLDER
    found = card + sorted(one for one in results.glob("*") if one.suffix in (".yaml", ".yml"))
    if not found:
        raise BadInput(f"{path} holds neither README.md nor {exchange_eval_results.FOLDER}/*.yaml", hint=WANTED)
    return found


def read_file(path: Path) -> Found:
    """What one file holds, by the form that its name says.

    Raises:
        BadInput: a name of no known form. DataError: the file cannot be read.
    """
    name = path.name.lower()
    if re.search(r"\.json(\.gz|\.zst)?$", name):
        return exchange_pwc.read_tables(path)
    if name.endswith(".md"):
        return exchange_index.read_index(path)
    if name.endswith((".yaml", ".yml")):
        return exchange_eval_results.read_results(path)
    raise BadInput(f"{path.name} is of no form that can be imported", hint=WANTED)


def write_files(form: Form, output: Path, results: Sequence[Published]) -> list[Path]:
    """Write results; gives the files. ``pwc`` is one file, the others a folder for each model below ``output``.

    Raises:
        BadInput: nothing to write. DataError: a card that is there already.
    """
    if not results:
        raise BadInput("no results to export", hint="widen the choice, or evaluate or import first")
    if form == "pwc":
        exchange_pwc.write_tables(output, results)
        return [output]
    if output.is_file():
        raise BadInput(f"{output} is a file, wanted a folder", hint=f"{form} is a file for each model")
    by_model: dict[str, list[Published]] = {}
    for result in results:
        by_model.setdefault(result.model, []).append(result)
    targets = {model: _target(form, output / folder_name(model)) for model in by_model}
    taken = [path for path in targets.values() if form == "model-index" and path.exists()]
    if taken or len(set(targets.values())) < len(targets):
        where = taken[0] if taken else output
        raise DataError(
            "is there already, or two models share it", file=str(where), hint="name a new folder with --output"
        )
    for model, path in targets.items():
        if form == "model-index":
            exchange_index.write_index(path, model, by_model[model])
        else:
            exchange_eval_results.write_results(path, by_model[model])
    return list(targets.values())


def folder_name(model: str) -> str:
    """A folder for a model: its name as it is where it can be one, ``models--ORG--NAME`` (as in the hub's cache) for a
    name with a slash."""
    parts = [re.sub(r"[^\w.+@ ()-]+", "_", part).strip(". ") or "_" for part in model.split("/")]
    return parts[0] if len(parts) == 1 else "--".join(["models", *parts])


def _target(form: Form, folder: Path) -> Path:
    return folder / ("README.md" if form == "model-index" else f"{exchange_eval_results.FOLDER}/sibao.yaml")
