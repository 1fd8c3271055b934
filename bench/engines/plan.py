"""What is measured: for each model the works, and the engines with the form of the weights that each computes in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from engines.shapes import SHAPES, Shape
from engines.works import Decode, Prompt, Score, Task, Translate, Work


@dataclass(frozen=True)
class Variant:
    """An engine with weights in one form. ``form``: see ``files.prepared``. ``settings`` go to its runner's ``load``."""

    peer: str
    weights: str
    form: str = "hf"
    settings: dict[str, Any] = field(default_factory=dict)
    label: str = ""

    @property
    def name(self) -> str:
        """In the raw samples, and in the table beside its figure."""
        return " ".join(filter(None, (self.peer, self.weights, self.label)))

    @property
    def small(self) -> bool:
        """Whether the weights have four bits: such engines are compared with each other."""
        return "4" in self.weights


@dataclass(frozen=True)
class Job:
    """Works that the same processes do, one after the other."""

    shape: Shape
    works: tuple[Work, ...]
    variants: tuple[Variant, ...]


def sibao(weights: str, label: str = "", **settings: Any) -> Variant:
    """Sibao's own engine."""
    return Variant("sibao", weights, settings={"precision": weights, **settings}, label=label)


def _transformers(weights: str) -> Variant:
    return Variant("transformers", weights, settings={"precision": weights})


def _llama(weights: str) -> Variant:
    return Variant("llama", weights, f"gguf-{weights}")


def _ct2(weights: str) -> Variant:
    return Variant("ctranslate2", weights, f"ct2-{weights}", {"precision": weights})


def _openvino(weights: str) -> Variant:
    return Variant("openvino", weights, f"openvino-{weights}")


EIGHT = (_llama("q8_0"), _ct2("int8"), _openvino("int8"))
FOUR = (_llama("q4_0"), _openvino("int4"))
GUESSING = "speculation"
CPUINFO = Path("/proc/cpuinfo")


def suits(job: Job, variant: Variant) -> bool:
    """Whether a variant is worth a run on this machine. A large model's files hold bfloat16; where the processor has no
    instructions for it, float32 is several times as fast in every library, and bfloat16 would be a straw man."""
    if job.shape.precision != "bf16" or variant.weights not in ("bf16", "fp32"):
        return True
    known = set(re.findall(r"\w+", CPUINFO.read_text(encoding="utf-8"))) if CPUINFO.exists() else set()
    return variant.weights == ("bf16" if known & {"avx512_bf16", "amx_bf16", "bf16"} else "fp32")


def jobs() -> list[Job]:
    """Everything, in the order of the table."""
    qwen3, gpt2, llama, mini, marian = (SHAPES[name] for name in ("qwen3", "gpt2", "llama15m", "mini", "marian"))
    small = (sibao("int8"), sibao("fp32"), _transformers("fp32"), *EIGHT)
    whole = (sibao("bf16"), sibao("fp32"), _transformers("bf16"), _transformers("fp32"))
    large = (sibao("int8"), sibao("int4"), *whole, *EIGHT, *FOUR)
    harness = Variant("harness", "fp32", settings={"precision": "fp32"})
    guesses = (sibao("int8"), sibao("int8", GUESSING, speculate=True))
    return [
        Job(qwen3, _writing(qwen3), large),
        Job(gpt2, _writing(gpt2), small),
        Job(llama, _writing(llama), small),
        Job(mini, _writing(mini), small),
        Job(mini, (Task("answer"), Task("summarize")), guesses),
        Job(gpt2, (Score(),), (sibao("int8"), sibao("fp32"), harness)),
        Job(mini, (Score(),), (sibao("int8"), sibao("fp32"), harness)),
        Job(marian, (Translate(),), (sibao("int8"), sibao("fp32"), _transformers("fp32"), _ct2("int8"))),
    ]


def _writing(shape: Shape) -> tuple[Work, ...]:
    return Decode(1), Decode(16), Prompt(shape.prompt)


def named(only: list[str], name: str) -> bool:
    """Whether ``--only`` leaves SHAPE/WORK: it names that, SHAPE alone, a pattern of either, or nothing at all."""
    return not only or any(fnmatch(name, one if "/" in one else f"{one}/*") for one in only)


def chosen(only: list[str], peers: list[str]) -> list[Job]:
    """The jobs that ``only`` (SHAPE, or SHAPE/WORK, with * for anything) and the list of peers leave; Sibao stays."""
    found = []
    for job in jobs():
        works = tuple(w for w in job.works if named(only, f"{job.shape.name}/{w.name}"))
        variants = tuple(v for v in job.variants if suits(job, v) and (not peers or v.peer in ("sibao", *peers)))
        if works:
            found.append(Job(job.shape, works, variants))
    return found


WANTED = {
    ("qwen3", "decode-1", "int8"): "3× Transformers, 1× llama.cpp; aim 85 % of the limit",
    ("qwen3", "decode-1", "int4"): "0.8× llama.cpp; aim 1.1×",
    ("qwen3", "decode-16", "int8"): "1.5× llama.cpp, 5× Transformers one by one; aim 1× OpenVINO",
    ("qwen3", "prompt", "int8"): "2× llama.cpp, 1.2× Transformers; aim 1.1× OpenVINO",
    ("gpt2", "decode-1", "int8"): "0.8× llama.cpp; aim 1.1×",
    ("gpt2", "decode-16", "int8"): "1× llama.cpp; aim 1× OpenVINO",
    ("gpt2", "score", "fp32"): "5× the harness; aim 10×",
    ("llama15m", "decode-1", "int8"): "4× Transformers; aim 1× llama.cpp",
    ("mini", "decode-1", "int8"): "4× Transformers; aim 1× llama.cpp",
    ("mini", "answer", f"int8 {GUESSING}"): "1.5× itself without; aim 2.5×",
    ("mini", "summarize", f"int8 {GUESSING}"): "1.5× itself without; aim 2.5×",
    ("marian", "translate", "int8"): "3× Transformers; aim 1× CTranslate2",
}
"""What each line should reach, by model, work and Sibao's weights."""
