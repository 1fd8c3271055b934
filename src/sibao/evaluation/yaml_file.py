"""A YAML task of lm-evaluation-harness as plain data: its includes merged, every key known, no code run.

YAML is read with PyYAML's safe loader. ``!function`` names Python code beside the file; it is refused, because a task that
anyone may hand on must not be able to do anything.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sibao.core.errors import BadInput, UnknownName

MAX_FILE = 1 << 20
"""Bytes of a task's file at most."""
READ = frozenset({
    "task", "dataset_path", "dataset_name", "dataset_kwargs", "training_split", "validation_split", "test_split",
    "fewshot_split", "output_type", "doc_to_text", "doc_to_target", "doc_to_choice", "description", "target_delimiter",
    "fewshot_delimiter", "fewshot_config", "num_fewshot", "generation_kwargs", "filter_list", "metric_list", "repeats",
    "metadata", "include",
})  # fmt: skip
NOTES = frozenset({
    "tag", "group", "group_alias", "task_alias", "should_decontaminate", "doc_to_decontamination_query",
})  # fmt: skip
"""Say nothing about what is asked or scored; passed over."""
REFUSED = {
    "process_docs": "it changes rows by Python code",
    "process_results": "it scores by Python code",
    "custom_dataset": "it makes rows by Python code",
    "class": "it is a Python class",
    "use_prompt": "it takes a prompt of promptsource",
    "doc_to_image": "tasks with pictures are not read",
    "doc_to_audio": "tasks with sound are not read",
    "gen_prefix": "an answer that is begun for the model is not read",
    "unsafe_code": "generated programs do not run in these tasks",
    "aggregate_metric_list": "it is a group of tasks",
}


def read_file(path: Path) -> dict[str, Any]:
    """The keys of a task, those of included files below its own; ``include`` and keys without a value are gone.

    Raises:
        BadInput: not YAML, a group of tasks, or something in it that only code could do.
        UnknownName: a key that neither lm-evaluation-harness nor Sibao knows; the nearest ones are listed.
    """
    found = {key: value for key, value in _merged(path, ()).items() if value is not None and key not in NOTES}
    for key in found:
        if key in REFUSED and found[key] is not False:
            raise BadInput(f"{path}: {key} is not read: {REFUSED[key]}", hint="see docs/evaluate.md for what is")
        if key not in READ and key not in REFUSED:
            raise UnknownName(f"key of a task in {path.name}", str(key), READ)
    if not isinstance(found.get("task"), str):
        raise BadInput(f"{path}: task is {found.get('task')!r}, wanted one name", hint="name each task of a group")
    return found


def digest(task: dict[str, Any]) -> str:
    """Eight hexadecimal digits over all that the file says."""
    whole = json.dumps(task, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _merged(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in above:
        raise BadInput(f"{path} includes itself")
    own = _load(path)
    wanted = own.pop("include", None) or []
    names = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadInput(f"{path}: include is {wanted!r}, wanted a file's name or several")
    merged: dict[str, Any] = {}
    for name in names:
        merged |= _merged(path.parent / name, (*above, path.resolve()))
    return merged | own


def _load(path: Path) -> dict[str, Any]:
    import yaml

    class Loader(yaml.SafeLoader):
        """Without aliases, of which a few lines make a value of any size; no published task has one."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError(
                    f"an alias (*{self.peek_event().anchor}) in line {self.peek_event().start_mark.line + 1}"
                )
            return super().compose_node(parent, index)

    Loader.add_constructor("!function", lambda _, node: _refuse_function(path, node))
    try:
        if path.stat().st_size > MAX_FILE:
            raise BadInput(f"{path} has {path.stat().st_size} bytes; a task has at most {MAX_FILE}")
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not UTF-8") from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        raise BadInput(f"{path} is not YAML that can be read: {' '.join(str(error).split())[:300]}") from None
    if not isinstance(found, dict):
        raise BadInput(f"{path} holds {type(found).__name__}, wanted the keys of a task")
    return {str(key): value for key, value in found.items()}


def _refuse_function(path: Path, node: Any) -> Any:
    raise BadInput(
        f"{path}:{node.start_mark.line + 1}: !function {node.value} is Python code, and is never run",
        hint="write the rows as the code would make them, and name their fields in the template",
    )
