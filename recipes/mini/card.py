"""Write the model card of `mini` from what was measured.

    python recipes/mini/card.py --runs PRETRAIN_RUN@STEP FINETUNE_RUN --out src/sibao/mini/README.md

The prose is card.template.md; every number comes from measured.json, manifest.json and the runs' folders.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from string import Template
from typing import Any

import tables
from phases import Phase, read

from sibao.core.paths import write_text

Row = dict[str, Any]
TEMPLATE = Path(__file__).with_name("card.template.md")
TAGS = ["qwen3", "chinese", "english", "bilingual", "small", "translation", "question-answering", "summarization"]
HUB_TASKS = {
    "language_model": "text-generation", "translate": "translation", "answer": "question-answering",
    "summarize": "summarization", "generate": "text-generation",
}  # fmt: skip
SIZE_EN = {
    "cpu": "**This is the `cpu` size, trained on {cores} CPU cores in {hours:.1f} hours, and much smaller and less trained than "
    "the `gpu` size** that the same recipe makes on a graphics card.",
    "gpu": "This is the `gpu` size of the recipe, trained on one graphics card.",
}
SIZE_ZH = {
    "cpu": "**本版为 `cpu` 规格，只用 {cores} 个处理器核心训练了 {hours:.1f} 小时，比同一配方的 `gpu` 规格小得多、学得少得多。**",
    "gpu": "本版为 `gpu` 规格，在一张显卡上训练。",
}


def front(parts: dict[str, Row]) -> str:
    """The YAML head in the Hub's form, model-index included."""
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type=HUB_TASKS[name], dataset_type=f"{name}-{line['data']}",
            dataset_name=f"{name}: {line['data']} ({line['language']})", dataset_config=line["language"],
            metric_type=line["score"]["name"],
            metric_name=tables.LABELS.get(line["score"]["name"], line["score"]["name"]),
            metric_value=round(line["score"]["value"], 4),
        )
        for name, part in parts.items() for line in part.get("lines", []) if line["score"]["n"]
    ]  # fmt: skip
    data = ModelCardData(
        language=["zh", "en"], license="apache-2.0", library_name="transformers", pipeline_tag="text-generation",
        tags=TAGS, model_name="sibao-mini", eval_results=results or None,
    )  # fmt: skip
    return f"---\n{data.to_yaml()}\n---\n"


def shape(facts: Row) -> str:
    """The rows of the table that describes the model."""
    s = facts["shape"]
    return "\n".join(f"| {name} | {value} |" for name, value in (
        ("layers", s["num_hidden_layers"]), ("width", s["hidden_size"]), ("feed-forward width", s["intermediate_size"]),
        ("heads (keys and values)", f"{s['num_attention_heads']} ({s['num_key_value_heads']}) of {s['head_dim']}"),
        ("vocabulary", f"{s['vocab_size']:,} (byte-level BPE)"), ("context", f"{s['max_position_embeddings']:,} tokens"),
        ("parameters", f"{facts['parameters']:,}"), ("stored as", facts["dtype"]),
    ))  # fmt: skip


def data_table(manifest: Row) -> str:
    """Sources of the pretraining text."""
    return "\n".join(
        f"| `{name}` | {row['documents']:,} | {row['bytes'] / 1e6:.2f} | {row['licence']} |"
        for name, row in manifest["sources"]["pretrain"].items()
    )


def fine_tuning_table(manifest: Row, phases: list[Phase]) -> str:
    """Rows of each task: those there are, and those that the run drew."""
    drawn = {
        file["path"].rpartition("sft/")[2]: file.get("rows")
        for phase in phases if phase.name == "fine-tuning"
        for file in phase.recipe["data"]["train"] if isinstance(file, dict)
    }  # fmt: skip
    lines = []
    for name, sources in manifest["fine_tuning"].items():
        if name.endswith((".train.jsonl", ".brief.jsonl")):
            total, file = sum(sources.values()), name.removeprefix("sft/")
            used = min(total, drawn.get(file) or total) if file in drawn else 0
            shown = ", ".join(f"{source} {count:,}" for source, count in sources.items())
            task = file.partition(".")[0] + (", brief passages" if ".brief." in file else "")
            lines.append(f"| {task} | {total:,} | {used:,} | {shown} |")
    return "\n".join(lines)


def training_table(phases: list[Phase]) -> str:
    """One line for each run."""
    return "\n".join(
        f"| {p.name} | {p.steps:,} | {p.tokens / 1e6:.1f} M | {p.seconds / 3600:.2f} | {p.joules / 3600:.1f} Wh |"
        for p in phases
    )


def energy_note(phases: list[Phase], meter: Row) -> str:
    """Whether the energy was measured, and what trained."""
    kinds = sorted({phase.energy or meter["kind"] for phase in phases})
    how = f" ({meter['source']})" if kinds == [meter["kind"]] else ""
    total = sum(phase.joules for phase in phases)
    device = "CPU" if size(phases) == "cpu" else "one graphics card"
    return (
        f"Trained on {device}: {total / 3600:.1f} Wh ({total / 1e6:.2f} MJ) in all, **{' and '.join(kinds)}**{how}. "
        "Tokens are counted with repeats; steps that were done again after an interruption count once."
    )


def size(phases: list[Phase]) -> str:
    """``cpu`` or ``gpu``: which of the recipe's sizes this is."""
    return "cpu" if all(phase.recipe["run"]["device"] == "cpu" for phase in phases) else "gpu"


def headline_zh(parts: dict[str, Row]) -> str:
    """chrF in both directions beside copying."""
    shown = [
        f"{'英译中' if line['language'] == 'zh' else '中译英'} chrF {tables.number(line['score']['value'])}"
        f"（照抄原文 {tables.number(line['baselines']['copy']['score']['value'])}）"
        for line in parts.get("translate", {}).get("lines", [])
        if line["data"] == "all" and line["score"]["name"] == "chrf"
    ]
    return "，".join(shown) + "。" if shown else ""


def commands(kind: str, megabytes: float) -> str:
    """The way from text to this card."""
    folder = "build/mini" if kind == "cpu" else "build/mini-gpu"
    entries = 8192 if kind == "cpu" else 15104
    return "\n".join((
        f"python recipes/mini/prepare.py --data DATA --out {folder} --megabytes {megabytes:g}",
        f"awk 'NR % 2' {folder}/pretrain.jsonl > {folder}/half.jsonl",
        f"sibao tokenizer train {folder}/half.jsonl --vocab-size {entries} --out {folder}/tokenizer",
        f"sibao pretrain recipes/mini/pretrain.{kind}.toml     # go on after a stop: sibao pretrain --resume RUN",
        f"cp -r PRETRAIN_RUN/checkpoints/step-NNNNNN {folder}/stable",
        f"sibao finetune recipes/mini/finetune.{kind}.toml",
        "python recipes/mini/ship.py FINETUNE_RUN/model",
        f"python recipes/mini/measure.py mini --data {folder} --ngram PRETRAIN_RUN@NNNNNN,FINETUNE_RUN",
        "python recipes/mini/card.py --runs PRETRAIN_RUN@NNNNNN FINETUNE_RUN",
    ))  # fmt: skip


def render(measured: Row, manifest: Row, phases: list[Phase]) -> str:
    """The whole card."""
    parts, facts, kind = measured["parts"], measured["facts"], size(phases)
    machine, pretrain = measured["machine"], manifest["sources"]["pretrain"].values()
    seen = sum(phase.tokens for phase in phases if phase.name == "pretraining")
    took = {"cores": machine["cores"], "hours": sum(phase.seconds for phase in phases) / 3600}
    values = {
        "front": front(parts), "parameters": f"{facts['parameters'] / 1e6:.1f}",
        "embedding": f"{facts['embedding_parameters'] / 1e6:.1f}", "vocab_size": f"{facts['shape']['vocab_size']:,}",
        "context": str(facts["shape"]["max_position_embeddings"]), "pretrain_tokens": f"{seen / 1e6:.1f}",
        "size_en": SIZE_EN[kind].format(**took), "size_zh": SIZE_ZH[kind].format(**took),
        "headline_zh": headline_zh(parts), "shape": shape(facts), "limit": str(measured["limit"]),
        "pretrain_megabytes": f"{sum(row['bytes'] for row in pretrain) / 1e6:.1f}",
        "pretrain_documents": f"{sum(row['documents'] for row in pretrain):,}",
        "data_table": data_table(manifest), "fine_tuning_table": fine_tuning_table(manifest, phases),
        "training_table": training_table(phases), "energy_note": energy_note(phases, measured["energy_meter"]),
        "language_model": tables.scores(parts.get("language_model")) + _ngram(parts.get("language_model", {})),
        "translate": tables.scores(parts.get("translate")), "answer": tables.scores(parts.get("answer")),
        "summarize": tables.scores(parts.get("summarize")), "losses": tables.losses(parts),
        "generate": tables.scores(parts.get("generate")) + _forms(parts.get("generate", {})),
        "speed": tables.speed(parts.get("speed"), facts), "samples": tables.samples(parts),
        "machine": f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}",
        "commands": commands(kind, manifest["made_with"]["megabytes"]),
    }  # fmt: skip
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(values).lstrip("\n")


def _ngram(part: Row) -> str:
    facts = part.get("ngram", {"missing": ""})
    if "missing" in facts:
        return "\n\nThe Kneser-Ney 5-gram model was not measured here."
    return (
        f"\n\nThe {facts['order']}-gram model is interpolated modified Kneser-Ney over the {facts['tokens']:,} different tokens "
        "that mini read in both phases, prompts and targets alike, with the same tokenizer (`bench/ngram.py`)."
    )


def _forms(part: Row) -> str:
    if "sampling" not in part:
        return ""
    rhyme = "rhyme in modern Mandarin included" if part["rhyme_checked"] else "rhyme not checked"
    drawn = part["sampling"]
    return (
        f"\n\nShare of drawn pieces (temperature {drawn['temperature']}, top-p {drawn['top_p']}, fixed seeds, prompts held out) "
        f"that the form checker passes: line lengths of poems ({rhyme}), code that parses, tunes whose bars add up, scenes with "
        "speakers, stories of whole sentences. `human`: the published pieces for the same prompts, by the same checker. "
        "It says nothing about whether the writing is good."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--measured", type=Path, default=Path("build/mini/measured.json"))
    parser.add_argument("--manifest", type=Path, help="default: manifest.json beside --measured")
    parser.add_argument("--runs", nargs="+", required=True, metavar="RUN[@STEP]", help="folders of the training runs")
    parser.add_argument("--out", type=Path, default=Path("src/sibao/mini/README.md"))
    args = parser.parse_args()
    measured = json.loads(args.measured.read_text(encoding="utf-8"))
    path = args.manifest or args.measured.with_name("manifest.json")
    card = render(measured, json.loads(path.read_text(encoding="utf-8")), [read(run) for run in args.runs])
    write_text(args.out, card)
    print(f"{args.out}: {len(card.encode()):,} bytes")


if __name__ == "__main__":
    main()
