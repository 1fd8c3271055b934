"""What a YAML task does with answers: its filters, and the metrics that lm-evaluation-harness and Sibao both have."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sibao.core.errors import BadInput, UnknownName

Step = Callable[[str], str]
METRICS: dict[str, dict[str, str]] = {
    "multiple_choice": {
        "acc": "mean", "acc_norm": "mean", "acc_bytes": "mean", "acc_mutual_info": "mean", "brier_score": "brier_score",
    },
    "loglikelihood": {"perplexity": "perplexity", "acc": "mean"},
    "loglikelihood_rolling": {
        "word_perplexity": "weighted_perplexity", "byte_perplexity": "weighted_perplexity", "bits_per_byte": "bits_per_byte",
    },
    "generate_until": {"exact_match": "mean", "bleu": "bleu", "chrf": "chrf", "chrf++": "chrf++"},
}  # fmt: skip
"""By output type: the metrics that are read, and the aggregation that each one has (another is refused)."""
DEFAULTS = {
    "multiple_choice": ("acc", "acc_norm"),
    "loglikelihood": ("perplexity", "acc"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
    "generate_until": ("exact_match",),
}
CORPUS = {"bleu": "bleu", "chrf": "chrf", "chrf++": "chrf_pp"}
"""Metrics over all rows at once, and the files of ``metrics`` that compute them."""
_EXACT = ("ignore_case", "ignore_punctuation", "ignore_numbers", "regexes_to_ignore")
_NOTES = ("metric", "aggregation", "higher_is_better", "hf_evaluate", "weight_by_size")
"""The last one says how a group of tasks is averaged."""


@dataclass(frozen=True)
class Wanted:
    """A metric and its settings."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pipeline:
    """Named steps from the text written to the answer in it."""

    name: str
    steps: tuple[Step, ...] = ()

    def __call__(self, text: str) -> str:
        for step in self.steps:
            text = step(text)
        return text


def wanted(given: Any, output: str) -> tuple[Wanted, ...]:
    """The metrics of a task; without a list those that lm-evaluation-harness takes.

    Raises:
        UnknownName: a metric that is not read for this output type. BadInput: a setting or an aggregation that is not.
    """
    if given is None:
        return tuple(Wanted(name) for name in DEFAULTS[output])
    if not isinstance(given, list) or not given or not all(isinstance(one, dict) for one in given):
        raise BadInput(f"metric_list is {given!r}, wanted a list of metrics")
    return tuple(_metric(one, output) for one in given)


def _metric(given: dict[str, Any], output: str) -> Wanted:
    name, known = str(given.get("metric")), METRICS[output]
    if name not in known:
        raise UnknownName(f"metric of {output}", name, known)
    how = given.get("aggregation", known[name])
    if how != known[name]:
        raise BadInput(f"{name} with aggregation {how!r} is not read, only with {known[name]}")
    if given.get("hf_evaluate"):
        raise BadInput(f"{name} with hf_evaluate runs code of the hub", hint="leave hf_evaluate out")
    settings = {key: value for key, value in given.items() if key not in _NOTES}
    allowed = _EXACT if name == "exact_match" else ()
    if unknown := [key for key in settings if key not in allowed]:
        raise UnknownName(f"setting of {name}", str(unknown[0]), [*allowed, *_NOTES])
    for pattern in settings.get("regexes_to_ignore") or ():
        _regex(pattern)
    return Wanted(name, settings)


def exact_match(said: str, accepted: Sequence[str], settings: Mapping[str, Any]) -> bool:
    """Whether a text equals one of the accepted ones, after what is ignored is taken out of both: the regular expressions,
    then case, ASCII punctuation and digits, as lm-evaluation-harness does."""
    return any(_bare(said, settings) == _bare(one, settings) for one in accepted)


def _bare(text: str, settings: Mapping[str, Any]) -> str:
    for pattern in settings.get("regexes_to_ignore") or ():
        text = re.sub(pattern, "", text)
    if settings.get("ignore_case"):
        text = text.lower()
    if settings.get("ignore_punctuation"):
        text = text.translate(str.maketrans("", "", string.punctuation))
    if settings.get("ignore_numbers"):
        text = text.translate(str.maketrans("", "", string.digits))
    return text


def pipelines(given: Any, output: str) -> tuple[Pipeline, ...]:
    """The filters of a task; without a list the text as it stands.

    Raises:
        UnknownName: a filter that is not read. BadInput: a setting that is not, or filters of likelihoods.
    """
    if given is None:
        return (Pipeline("none"),)
    if not isinstance(given, list) or not given or not all(isinstance(one, dict) for one in given):
        raise BadInput(f"filter_list is {given!r}, wanted a list of filters")
    found = []
    for one in given:
        steps = one.get("filter")
        if not isinstance(one.get("name"), str) or not isinstance(steps, list):
            raise BadInput(f"a filter is {one!r}, wanted name and filter")
        named = [(step.get("function"), {k: v for k, v in step.items() if k != "function"}) for step in steps]
        if output != "generate_until" and any(name != "take_first" for name, _ in named):
            raise BadInput(f"filters of {output} are not read, only of texts")
        found.append(Pipeline(one["name"], tuple(_step(str(name), settings) for name, settings in named)))
    return tuple(found)


def _step(name: str, settings: dict[str, Any]) -> Step:
    if name not in _STEPS:
        raise UnknownName("filter", name, _STEPS)
    try:
        return _STEPS[name](**settings)
    except TypeError:
        raise BadInput(f"the filter {name} is given {', '.join(settings)}, of which one is not known") from None


def _find(regex_pattern: str = r"#### (\-?[0-9\.\,]+)", group_select: int = 0, fallback: str = "[invalid]") -> Step:
    """The ``group_select``-th place where the pattern fits (of several groups the first that is not empty)."""
    pattern = _regex(regex_pattern)

    def step(text: str) -> str:
        places = pattern.findall(text)
        if not -len(places) <= group_select < len(places):
            return fallback
        found = places[group_select]
        if isinstance(found, tuple):
            found = next((group for group in found if group), fallback)
        return str(found).strip()

    return step


def _map(mapping_dict: dict[str, Any], default_value: Any = None) -> Step:
    if not isinstance(mapping_dict, dict):
        raise BadInput(f"mapping_dict is {mapping_dict!r}, wanted words and what they become")
    return lambda text: str(mapping_dict.get(text, default_value))


def _first(k: int = 1) -> Step:
    if k != 1:
        raise BadInput(f"take_first_k of {k} answers; one is asked for")
    return lambda text: text


_STEPS: dict[str, Callable[..., Step]] = {
    "regex": _find,
    "take_first": _first,
    "take_first_k": _first,
    "majority_vote": _first,
    "remove_whitespace": lambda: str.strip,
    "lowercase": lambda: str.lower,
    "uppercase": lambda: str.upper,
    "map": _map,
}


def _regex(pattern: Any) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, TypeError) as error:
        raise BadInput(f"{pattern!r} is no regular expression: {error}") from None
