"""Transformers: ``generate`` with SDPA, the faster of its two caches, and beam search."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from protocol import Answer, serve, timed


class Runner:
    """One model. ``cache`` is the kind that was faster, by (rows, length of the prompt)."""

    def __init__(self, folder: str, threads: int, precision: str) -> None:
        torch.set_num_threads(threads)
        transformers.utils.logging.set_verbosity_error()
        config = transformers.AutoConfig.from_pretrained(folder)
        kind = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
        self.model = kind.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa").eval()
        self.cache: dict[tuple[int, int], str] = {}

    def about(self) -> Answer:
        """Version, and bytes of the weights that each step reads."""
        weights = {p.data_ptr(): p.nbytes for p in self.model.parameters()}
        return {"version": f"Transformers {transformers.__version__}", "weight_bytes": sum(weights.values())}

    def generate(self, prompts: list[list[int]], new: int) -> Answer:
        """Greedy, exactly ``new`` tokens; prompts of one length."""
        key = len(prompts), len(prompts[0])
        if key not in self.cache and new > 1:
            self.cache[key] = min(("dynamic", "static"), key=lambda kind: self._trial(prompts, kind))
        kind = self.cache.get(key, "dynamic")
        seconds, found = timed(lambda: self._write(prompts, new, cache_implementation=kind, eos_token_id=None))
        return {"seconds": seconds, "tokens": found[:, len(prompts[0]) :].tolist(), "note": f"{kind} cache"}

    def translate(self, prompts: list[list[int]], new: int, beams: int) -> Answer:
        """The best of ``beams``, exactly ``new`` tokens (the start not counted)."""
        seconds, found = timed(lambda: self._write(prompts, new, num_beams=beams))
        return {"seconds": seconds, "tokens": found[:, 1:].tolist()}

    def _trial(self, prompts: list[list[int]], kind: str) -> float:
        """Seconds for a few tokens, the second time."""
        few = [
            timed(lambda: self._write(prompts, 6, cache_implementation=kind, eos_token_id=None))[0] for _ in range(2)
        ]
        return few[-1]

    def _write(self, prompts: list[list[int]], new: int, **settings: Any) -> torch.Tensor:
        width, fill = max(map(len, prompts)), self.model.config.pad_token_id or 0
        ids = torch.tensor([[*p, *[fill] * (width - len(p))] for p in prompts])
        mask = torch.tensor([[1] * len(p) + [0] * (width - len(p)) for p in prompts])
        with torch.inference_mode():
            return self.model.generate(
                ids, attention_mask=mask, min_new_tokens=new, max_new_tokens=new, do_sample=False, **settings
            )


def load(folder: str, threads: int, precision: str) -> dict[str, Any]:
    """The functions that may be asked for."""
    runner = Runner(folder, threads, precision)
    return {"about": runner.about, "generate": runner.generate, "translate": runner.translate}


if __name__ == "__main__":
    serve(load)
