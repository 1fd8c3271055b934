"""``.eval_results/*.yaml``: scores in a model's repository on the Hugging Face hub, one entry for a benchmark's task.

The format has no place for the model (the repository is it), the metric (the benchmark defines it) or an interval; what we
write says them in ``notes``, in words that are read back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sibao.core.errors import DataError
from sibao.evaluation.exchange import EXTRAS, Found, extras, number_text, string, with_extras, written
from sibao.evaluation.exchange_files import read_yaml, write_file
from sibao.store.published import Published

FOLDER = ".eval_results"
VALUE = "value"
"""The metric of an entry that does not name it."""
_PART = re.compile(r"; (?=[a-z]+=)")


def model_of(path: Path) -> str:
    """The model whose repository a file lies in: ``ORG/NAME`` in a cache of the hub, else the folder's name.

    Raises:
        DataError: the file does not lie in a folder ``.eval_results``.
    """
    folder = path.absolute().parent
    if folder.name != FOLDER:
        raise DataError(
            f"lies in {folder.name!r}, wanted a folder {FOLDER!r}", file=str(path),
            hint=f"the format does not name the model: put the file into MODEL/{FOLDER}/",
        )  # fmt: skip
    cached = next((part for part in reversed(folder.parts) if part.startswith("models--")), "")
    return "/".join(cached.split("--")[1:]) or folder.parent.name


def read_results(path: Path) -> Found:
    """All entries of a file.

    Raises:
        DataError: the file cannot be read, is no YAML, holds no list, or does not lie in ``.eval_results``.
    """
    model, content = model_of(path), read_yaml(path)
    if not isinstance(content, list):
        raise DataError("wanted a list of entries", file=str(path), hint="see the hub's documentation of .eval_results")
    return entries(content, model)


def entries(content: list[Any], model: str) -> Found:
    """All entries of parsed YAML; one of another form is reported."""
    found = Found()
    for number, item in enumerate(content):
        where = f"[{number}]"
        dataset = item.get("dataset") if isinstance(item, dict) else None
        if not isinstance(dataset, dict) or not string(dataset.get("id")) or VALUE not in item:
            found.malformed(where, "an object with 'dataset' (id, task_id) and 'value'", item)
            continue
        _entry(found, item, dataset, model, where)
    return found


def _entry(found: Found, item: dict[str, Any], dataset: dict[str, Any], model: str, where: str) -> None:
    source = item.get("source")
    source = source if isinstance(source, dict) else {}
    notes = string(item.get("notes"))
    said = parse_notes(notes)
    base = Published(
        task=said.get("task", ""), dataset=string(dataset["id"]), model=model, metric=said.get("metric", VALUE),
        value=0.0, subset=said.get("subset", "") if said else string(dataset.get("task_id")),
        date=str(item.get("date") or ""), title=string(source.get("name")), url=string(source.get("url")),
        note="" if said else notes,
    )  # fmt: skip
    found.add(with_extras(base, _numbers(said)), item[VALUE], where)


def _numbers(said: Mapping[str, str]) -> dict[str, Any]:
    """The ``EXTRAS`` among our notes, in their types; a number that cannot be read is left out."""
    out: dict[str, Any] = {}
    for name, kind in EXTRAS.items():
        try:
            out[name] = kind(said[name])
        except (KeyError, ValueError):
            continue
    return out


def write_notes(result: Published) -> str:
    """``metric=chrf; task=translate; low=29.2; …``: what the format has no field for."""
    names = {"metric": result.metric, "task": result.task, "subset": result.subset}
    values = {k: v for k, v in names.items() if v} | {k: _text(v) for k, v in extras(result).items()}
    return "; ".join(f"{name}={value.replace('%', '%25').replace(';', '%3B')}" for name, value in values.items())


def _text(value: Any) -> str:
    return number_text(value) if isinstance(value, float) else str(value)


def parse_notes(notes: str) -> dict[str, str]:
    """Notes that ``write_notes`` made; empty for anybody else's."""
    if not notes.startswith("metric="):
        return {}
    pairs = (part.partition("=") for part in _PART.split(notes))
    return {name: value.replace("%3B", ";").replace("%25", "%") for name, _, value in pairs}


def to_entries(results: Iterable[Published]) -> list[dict[str, Any]]:
    """Results as the hub has them; ``task_id`` is the dataset's part and the metric, so that each is a task of its own."""
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    return eval_result_entries_to_yaml(
        [
            EvalResultEntry(
                dataset_id=result.dataset,
                task_id="-".join(part for part in (result.subset, result.metric) if part),
                value=written(result) if result.shown or result.unit else float(number_text(result.value)),
                date=result.date or None,
                source_url=result.url or None,
                source_name=(result.title or None) if result.url else None,
                notes=write_notes(result),
            )
            for result in results
        ]
    )


def write_results(path: Path, results: Iterable[Published]) -> None:
    """Write a file of entries; ``path`` is ``MODEL/.eval_results/NAME.yaml``."""
    import yaml

    write_file(path, yaml.safe_dump(to_entries(results), allow_unicode=True, sort_keys=False, width=4096))
