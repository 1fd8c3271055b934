"""Which head an encoder's folder has: told by ``architectures`` of its ``config.json``, as Transformers names its classes."""

from __future__ import annotations

from typing import Any

from sibao.core.errors import ModelError, UnsupportedModel
from sibao.models.base import Keys
from sibao.nn.encoder_config import EncoderConfig, Head

HEADS: dict[str, Head] = {
    "ForMaskedLM": "masked", "Model": "none", "ForSequenceClassification": "classify",
    "ForTokenClassification": "token", "ForQuestionAnswering": "span", "ForPreTraining": "masked",
}  # fmt: skip
"""End of the class name → head. The next-sentence part of ``ForPreTraining`` is left out."""


def architecture(prefix: str, head: Head) -> str:
    """The class name in Transformers of a family's model with a head."""
    return prefix + next(end for end, known in HEADS.items() if known == head)


def read_head(keys: Keys, prefix: str) -> dict[str, Any]:
    """The fields of ``EncoderConfig`` that say which head there is: ``head``, ``labels``, ``multi_label``.

    Raises:
        UnsupportedModel: a head that is not implemented. ModelError: labels that make no list.
    """
    names = {prefix + end: head for end, head in HEADS.items()}
    said = keys.get("architectures", [architecture(prefix, "masked")])
    if not isinstance(said, list) or len(said) != 1 or said[0] not in names:
        raise UnsupportedModel(
            f"config.json has architectures = {said!r}; supported: one of {', '.join(names)}",
            hint="this head of the family is not implemented",
        )
    head = names[said[0]]
    count, given, kind = keys.get("num_labels", 2), keys.get("id2label", None), keys.get("problem_type", None)
    if head not in ("classify", "token"):
        return {"head": head}
    if kind == "regression":
        raise UnsupportedModel(
            "config.json has problem_type = 'regression'; supported: labels", hint="no such head here"
        )
    labels = _labels(given) if given is not None else tuple(f"LABEL_{i}" for i in range(count))
    return {"head": head, "labels": labels, "multi_label": kind == "multi_label_classification"}


def _labels(given: Any) -> tuple[str, ...]:
    """The values of ``id2label`` in the order of its keys, which count from 0."""
    numbers = sorted(int(k) for k in given) if isinstance(given, dict) else []
    if not numbers or numbers != list(range(len(numbers))):
        raise ModelError(
            f"config.json has id2label = {given!r}; wanted names for 0, 1, 2 …", hint="name every label once"
        )
    by_number = {int(k): str(v) for k, v in given.items()}
    return tuple(by_number[i] for i in numbers)


def labels_json(config: EncoderConfig) -> dict[str, Any]:
    """The keys of ``config.json`` that name the labels; none for a head without."""
    if not config.labels:
        return {}
    found: dict[str, Any] = {
        "id2label": {str(i): name for i, name in enumerate(config.labels)},
        "label2id": {name: i for i, name in enumerate(config.labels)},
    }
    return found | ({"problem_type": "multi_label_classification"} if config.multi_label else {})
