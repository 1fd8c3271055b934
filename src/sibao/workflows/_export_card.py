"""The model card: ``README.md`` with YAML front matter, made from the model, the card it came with and the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sibao import __version__
from sibao.core.paths import write_text
from sibao.workflows._export_scores import HEADER, Measured

_LIBRARY = {"hf": "transformers", "adapter": "peft", "gguf": "gguf"}
_PIPELINES = {  # end of an architecture's name → the hub's pipeline
    "ForMaskedLM": "fill-mask", "ForSequenceClassification": "text-classification",
    "ForQuestionAnswering": "question-answering", "MarianMTModel": "translation",
    "ForConditionalGeneration": "text2text-generation",
}  # fmt: skip


@dataclass(frozen=True)
class Card:
    """What a card is made of.

    ``base``: the model this one derives from, as it is called; ``old``: the folder whose own card is kept.
    ``merged``: an adapter has changed the weights, so that scores of the old card are another model's.
    """

    name: str
    format: str
    source: str
    old: Path
    family: str
    architecture: str
    parameters: int
    precision: str
    base: str | None = None
    merged: bool = False
    scores: Sequence[Measured] = ()
    notes: Sequence[str] = ()
    usage: str = ""
    tags: list[str] = field(default_factory=list)


def write_card(path: Path, card: Card) -> dict[str, Any]:
    """Write the card; gives its front matter."""
    from huggingface_hub import ModelCard

    old, body = read_card(card.old)
    data = _data(card, old)
    text = f"---\n{data.to_yaml()}\n---\n\n{_body(card, data.license, body)}"
    write_text(path, text)
    return ModelCard(text).data.to_dict()  # read back: what the hub would read


def read_card(folder: Path) -> tuple[dict[str, Any], str]:
    """Front matter and text of the card in a folder; a card that cannot be read is no card."""
    from huggingface_hub import ModelCard
    from yaml import YAMLError

    try:
        card = ModelCard((folder / "README.md").read_text(encoding="utf-8"), ignore_metadata_errors=True)
    except (OSError, ValueError, YAMLError):
        return {}, ""
    return card.data.to_dict(), card.text.strip()


def _data(card: Card, old: dict[str, Any]) -> Any:
    from huggingface_hub import ModelCardData
    from huggingface_hub.repocard_data import model_index_to_eval_results

    entries = [m.entry() for m in card.scores]
    if old.get("model-index") and card.format == "hf" and not card.merged:  # of these very weights
        kept = model_index_to_eval_results(old["model-index"])[1]
        own = {(e.task_type, e.dataset_type, e.metric_type) for e in entries}
        entries += [e for e in kept if (e.task_type, e.dataset_type, e.metric_type) not in own]
    relation = {"adapter": "adapter", "gguf": "quantized"}.get(card.format, "finetune")
    base = card.base if card.base and "/" in card.base and not Path(card.base).expanduser().exists() else None
    return ModelCardData(
        language=old.get("language"),
        license=old.get("license") or "unknown",
        license_name=old.get("license_name"),
        license_link=old.get("license_link"),
        library_name=_LIBRARY[card.format],
        pipeline_tag=old.get("pipeline_tag") or _pipeline(card.architecture),
        base_model=base or old.get("base_model"),
        base_model_relation=relation if base else old.get("base_model_relation"),
        datasets=old.get("datasets"),
        tags=sorted({"sibao", card.family, *(old.get("tags") or []), *card.tags}),
        model_name=card.name,
        eval_results=entries or None,
    )


def _pipeline(architecture: str) -> str:
    return next((name for end, name in _PIPELINES.items() if architecture.endswith(end)), "text-generation")


def _body(card: Card, licence: str, old: str) -> str:
    lines = [
        f"# {card.name}", "",
        f"{card.architecture} ({card.family}), {card.parameters:,} parameters, {card.precision}, "
        f"written by Sibao {__version__} (`sibao export --format {card.format}`) from `{called(card.source)}`.", "",
    ]  # fmt: skip
    if card.base:
        what = "An adapter for" if card.format == "adapter" else "Derived from"
        lines += [f"{what} `{called(card.base)}`{', its adapter merged into the weights' if card.merged else ''}.", ""]
    if licence == "unknown":
        lines += ["**Licence**: not known. Look it up where the model came from before passing it on.", ""]
    lines += [line for note in card.notes for line in (f"**Note**: {note}.", "")]
    if card.usage:
        lines += ["## Use", "", card.usage, ""]
    lines += ["## Scores", "", *_scores(card), ""]
    if old:
        title = "Card of the model it was made from" if card.base or card.format == "gguf" else "The model's own card"
        lines += [f"## {title}", "", old, ""]
    return "\n".join(lines)


def called(name: str) -> str:
    """A model's name without the place on the machine where it lay."""
    parts = (Path(part).expanduser() for part in name.split("+"))
    return "+".join(p.name if p.is_absolute() or p.exists() else str(p) for p in parts)


def _scores(card: Card) -> list[str]:
    if not card.scores:
        return ["No evaluation of this model is recorded where it was exported (`sibao evaluate` records them)."]
    before = "Measured before the export, with the weights as they were; by the maker, verified by nobody else."
    return [before, "", HEADER, *(m.row() for m in card.scores)]
