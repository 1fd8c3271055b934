"""CTranslate2: ``Generator`` for decoders, ``Translator`` for encoder-decoders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ctranslate2
from protocol import Answer, serve, timed


class Runner:
    """One model. CTranslate2 takes and gives names of tokens; the names stand in the model's folder."""

    def __init__(self, folder: str, threads: int, precision: str) -> None:
        place = Path(folder)
        pairs = (place / "shared_vocabulary.json").exists()
        names = place / ("shared_vocabulary.json" if pairs else "vocabulary.json")
        self.names: list[str] = json.loads(names.read_text(encoding="utf-8"))
        self.ids = {name: i for i, name in enumerate(self.names)}
        self.bytes = (place / "model.bin").stat().st_size
        kind = ctranslate2.Translator if pairs else ctranslate2.Generator
        self.model = kind(folder, device="cpu", compute_type=precision, intra_threads=threads, inter_threads=1)

    def about(self) -> Answer:
        """Version, and bytes of the weights."""
        return {"version": f"CTranslate2 {ctranslate2.__version__}", "weight_bytes": self.bytes}

    def generate(self, prompts: list[list[int]], new: int) -> Answer:
        """Greedy, exactly ``new`` tokens."""
        words = [[self.names[i] for i in prompt] for prompt in prompts]
        seconds, found = timed(
            lambda: self.model.generate_batch(
                words, min_length=new, max_length=new, sampling_topk=1, include_prompt_in_result=False, beam_size=1
            )
        )
        return {"seconds": seconds, "tokens": [list(one.sequences_ids[0]) for one in found]}

    def translate(self, prompts: list[list[int]], new: int, beams: int) -> Answer:
        """The best of ``beams``, exactly ``new`` tokens."""
        words = [[self.names[i] for i in prompt] for prompt in prompts]
        seconds, found = timed(
            lambda: self.model.translate_batch(
                words, beam_size=beams, min_decoding_length=new, max_decoding_length=new, max_batch_size=len(words)
            )
        )
        return {"seconds": seconds, "tokens": [[self.ids[word] for word in one.hypotheses[0]] for one in found]}


def load(folder: str, threads: int, precision: str) -> dict[str, Any]:
    """The functions that may be asked for."""
    runner = Runner(folder, threads, precision)
    return {"about": runner.about, "generate": runner.generate, "translate": runner.translate}


if __name__ == "__main__":
    serve(load)
