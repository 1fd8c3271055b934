"""What a YAML task asks for, checked: every value of a type that is known, before any row is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from sibao.core.errors import BadInput, UnknownName
from sibao.core.types import GenerateOptions, Row
from sibao.evaluation.yaml_data import Files, files_of
from sibao.evaluation.yaml_file import digest, read_file
from sibao.evaluation.yaml_metrics import Pipeline, Wanted, pipelines, wanted
from sibao.evaluation.yaml_template import check

Output = Literal["multiple_choice", "loglikelihood", "loglikelihood_rolling", "generate_until"]
Sampler = Literal["default", "first_n"]
_SHOT_KEYS = (
    "sampler", "split", "samples", "doc_to_text", "doc_to_choice", "doc_to_target", "fewshot_delimiter", "target_delimiter",
)  # fmt: skip
_GENERATION = ("until", "max_gen_toks", "do_sample", "temperature", "top_p", "top_k", "num_beams")
MAX_NEW = 256
"""New tokens where the task names no number, as in lm-evaluation-harness."""


@dataclass(frozen=True)
class Texts:
    """How a row becomes text. Each is a field's name or a template; ``choice`` may be a list, ``target`` a number too."""

    text: str
    target: str | int | list[Any]
    choice: str | list[str] | None
    target_delimiter: str
    fewshot_delimiter: str


@dataclass(frozen=True)
class Shots:
    """Where worked examples come from: rows of ``split``, or those in the file."""

    number: int
    texts: Texts
    sampler: Sampler = "default"
    split: str | None = None
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class TaskFile:
    """A task. ``split`` is the one that is scored; ``version`` ends with a digest of all that the file says."""

    name: str
    version: str
    output: Output
    files: Files
    split: str
    texts: Texts
    shots: Shots
    metrics: tuple[Wanted, ...]
    pipelines: tuple[Pipeline, ...]
    description: str = ""
    options: GenerateOptions = field(default_factory=GenerateOptions)


def read_config(path: Path) -> TaskFile:
    """A task from its file.

    Raises:
        BadInput, UnknownName: whatever in it is not understood, with the file's name.
    """
    task = read_file(path)
    try:
        return _task(task, path)
    except BadInput as error:
        if path.name in error.message:
            raise
        error.args = (f"{path}: {error.message}",)
        error.message = error.args[0]
        raise


def _task(task: dict[str, Any], path: Path) -> TaskFile:
    output = task.get("output_type", "generate_until")
    if output not in get_args(Output):
        raise UnknownName("output_type", str(output), get_args(Output))
    split = task.get("test_split") or task.get("validation_split")
    if not isinstance(split, str):
        raise BadInput("got no test_split and no validation_split, wanted the split that is scored")
    if task.get("repeats", 1) != 1:
        raise BadInput(f"repeats is {task['repeats']!r}; answers are greedy here, so one says all")
    texts = _texts(task, output)
    version = (task.get("metadata") or {}).get("version", 0) if isinstance(task.get("metadata") or {}, dict) else 0
    options = _options(task, texts)
    return TaskFile(
        task["task"], f"{version}-{digest(task)}", output, files_of(task, path), split, texts, _shots(task, texts, split),
        wanted(task.get("metric_list"), output), pipelines(task.get("filter_list"), output), _string(task, "description", ""),
        options,
    )  # fmt: skip


def _texts(task: Mapping[str, Any], output: str, base: Texts | None = None) -> Texts:
    """Of the task, or of its worked examples, which take from ``base`` what they do not say themselves."""
    choice = task.get("doc_to_choice", base.choice if base else None)
    if isinstance(choice, dict):
        choice = [str(value) for value in choice.values()]
    if isinstance(choice, list):
        choice = [str(value) for value in choice]
    elif choice is not None and not isinstance(choice, str):
        raise BadInput(f"doc_to_choice is {choice!r}, wanted a field, a template or a list")
    target = task.get("doc_to_target", base.target if base else None)
    if not isinstance(target, str | int | list) or isinstance(target, bool):
        raise BadInput(f"doc_to_target is {target!r}, wanted a field, a template, a number or a list")
    text = task.get("doc_to_text", base.text if base else "" if output == "loglikelihood_rolling" else None)
    if not isinstance(text, str):
        raise BadInput(f"doc_to_text is {text!r}, wanted a field or a template")
    if output == "multiple_choice" and choice is None:
        raise BadInput("got no doc_to_choice, which a multiple_choice task needs")
    for template in (text, target, choice, task.get("description")):
        check(template)
    return Texts(
        text, target, choice, _string(task, "target_delimiter", base.target_delimiter if base else " "),
        _string(task, "fewshot_delimiter", base.fewshot_delimiter if base else "\n\n"),
    )  # fmt: skip


def _shots(task: Mapping[str, Any], texts: Texts, split: str) -> Shots:
    given = task.get("fewshot_config") or {}
    number = task.get("num_fewshot", 0)
    if not isinstance(given, dict):
        raise BadInput(f"fewshot_config is {given!r}, wanted keys")
    if unknown := [key for key in given if key not in _SHOT_KEYS]:
        raise UnknownName("key of fewshot_config", str(unknown[0]), _SHOT_KEYS)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise BadInput(f"num_fewshot is {number!r}, wanted a whole number")
    sampler = given.get("sampler", "default")
    if sampler not in get_args(Sampler):
        raise UnknownName("fewshot_config.sampler", str(sampler), get_args(Sampler))
    rows = given.get("samples") or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadInput("fewshot_config.samples is no list of rows")
    own = given.get("split") or task.get("fewshot_split")
    other = own or (None if rows else task.get("training_split") or task.get("validation_split") or split)
    return Shots(number, _texts(given, "", texts), sampler, other, tuple({**row, "_file": "samples"} for row in rows))


def _options(task: Mapping[str, Any], texts: Texts) -> GenerateOptions:
    """Greedy, until the strings named (the delimiter of worked examples where none are)."""
    given = task.get("generation_kwargs") or {}
    if not isinstance(given, dict):
        raise BadInput(f"generation_kwargs is {given!r}, wanted keys")
    if unknown := [key for key in given if key not in _GENERATION]:
        raise UnknownName("key of generation_kwargs", str(unknown[0]), _GENERATION)
    if (given.get("do_sample") and given.get("temperature", 1.0)) or given.get("num_beams", 1) != 1:
        raise BadInput("generation_kwargs asks for drawn answers or beams", hint="do_sample: false, for greedy ones")
    until = given.get("until", texts.fewshot_delimiter)
    stops = [until] if isinstance(until, str) else until
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise BadInput(f"until is {until!r}, wanted a string or several")
    most = given.get("max_gen_toks", MAX_NEW)
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise BadInput(f"max_gen_toks is {most!r}, wanted a whole number above 0")
    return GenerateOptions(max_tokens=most, stop=tuple(stop for stop in stops if stop))


def _string(task: Mapping[str, Any], key: str, default: str) -> str:
    value = task.get(key, default)
    if not isinstance(value, str):
        raise BadInput(f"{key} is {value!r}, wanted text")
    return value
