"""The ``model-index`` of model cards: the front matter of ``README.md`` as the Hugging Face hub reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sibao.core.errors import DataError
from sibao.core.paths import write_text
from sibao.evaluation.exchange import Found, extras, number_text, string, with_extras, written
from sibao.evaluation.exchange_files import read_text, read_yaml
from sibao.evaluation.subject import hub_task
from sibao.store.published import Published

_FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*$", re.MULTILINE | re.DOTALL)


def read_index(path: Path) -> Found:
    """All figures of a card; one without a ``model-index`` gives none.

    Raises:
        DataError: the file cannot be read, or its front matter is no YAML.
    """
    front = _FRONT.match(read_text(path))
    if front is None:
        raise DataError(
            "no front matter", file=str(path), hint="a model card begins with a YAML block between --- lines"
        )
    data = read_yaml(path, front[1], first_line=2)
    if not isinstance(data, dict):
        raise DataError("the front matter holds no fields", file=str(path), line=2)
    return index(data.get("model-index") or [])


def index(content: Any) -> Found:
    """All figures of a ``model-index``; entries of another form are reported one by one."""
    found = Found()
    if not isinstance(content, list):
        found.malformed("model-index", "a list", content)
        return found
    for number, model in enumerate(content):
        results = model.get("results") if isinstance(model, dict) else None
        if not isinstance(results, list):
            found.malformed(f"model-index[{number}]", "an object with 'name' and 'results'", model)
            continue
        for place, result in enumerate(results):
            where = f"model-index[{number}].results[{place}]"
            metrics = result.get("metrics") if isinstance(result, dict) else None
            if not isinstance(metrics, list):
                found.malformed(where, "an object with 'task', 'dataset' and 'metrics'", result)
                continue
            for k, metric in enumerate(metrics):
                _entry(found, string(model.get("name")), {**result, "metrics": [metric]}, f"{where}.metrics[{k}]")
    return found


def _entry(found: Found, model: str, result: dict[str, Any], where: str) -> None:
    """One metric of one result, read by ``huggingface_hub``; what it cannot read is a problem."""
    from huggingface_hub.repocard_data import model_index_to_eval_results

    try:
        (one,) = model_index_to_eval_results([{"name": model, "results": [result]}])[1]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        said = f"the field {error}" if isinstance(error, KeyError) else "'task', 'dataset' and a metric as objects"
        found.malformed(where, said, result["metrics"][0])
        return
    if not model or not string(one.metric_type):
        found.malformed(where, "a model's 'name' and a metric's 'type'", result["metrics"][0])
        return
    args = one.metric_args if isinstance(one.metric_args, dict) else {}
    base = Published(
        task=string(one.task_name) or string(one.task_type), metric=string(one.metric_type), value=0.0, model=model,
        dataset=string(one.dataset_name) or string(one.dataset_type), date=string(args.get("date")),
        subset=" ".join(part for part in (string(one.dataset_config), string(one.dataset_split)) if part),
        title=string(args.get("title")) or string(one.source_name), url=string(args.get("url")) or string(one.source_url),
    )  # fmt: skip
    found.add(with_extras(base, args), one.metric_value, where)


def entry(result: Published) -> Any:
    """A result as ``huggingface_hub.EvalResult``; ``verified`` is false: nobody but its maker has seen it. Interval, rows
    and signature stand in the metric's ``args``, where the hub's own pages pass over them."""
    from huggingface_hub import EvalResult

    more = {name: value for name in ("date", "title", "url") if (value := getattr(result, name))}
    return EvalResult(
        task_type=hub_task(result.task),
        task_name=result.task or None,
        dataset_name=result.dataset,
        dataset_type=slug(result.dataset),
        dataset_config=result.subset or None,
        metric_type=result.metric,
        metric_name=result.metric,
        metric_value=written(result) if result.shown or result.unit else float(number_text(result.value)),
        metric_args={**extras(result), **more} or None,
        verified=False,
    )


def slug(name: str) -> str:
    """A name in the letters that the hub allows for a dataset's ``type``."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-").lower() or "data"


def write_index(path: Path, model: str, results: Iterable[Published]) -> None:
    """Write a card that holds nothing but a ``model-index``.

    Raises:
        DataError: ``path`` is there already: a card is somebody's work, and is not written over.
    """
    from huggingface_hub import ModelCardData

    if path.exists():
        raise DataError("is there already", file=str(path), hint="name a new folder with --output")
    data = ModelCardData(model_name=model, eval_results=[entry(result) for result in results])
    title = f"# {model}\n\nScores as `model-index`, above; merge them into the model's own card.\n"
    write_text(path, f"---\n{data.to_yaml()}\n---\n\n{title}")
