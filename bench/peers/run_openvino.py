"""OpenVINO GenAI: its continuous batching, without the cache of prefixes (all prompts differ)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino_genai as genai
from protocol import Answer, serve, timed


class Runner:
    """One model."""

    def __init__(self, folder: str, threads: int) -> None:
        self.bytes = (Path(folder) / "openvino_model.bin").stat().st_size
        plan = genai.SchedulerConfig()
        plan.cache_size, plan.enable_prefix_caching, plan.max_num_batched_tokens = 2, False, 2048
        self.model = genai.LLMPipeline(folder, "CPU", scheduler_config=plan, INFERENCE_NUM_THREADS=threads)

    def about(self) -> Answer:
        """Version, and bytes of the weights."""
        return {"version": f"OpenVINO GenAI {genai.__version__.split('-')[0]}", "weight_bytes": self.bytes}

    def generate(self, prompts: list[list[int]], new: int) -> Answer:
        """Greedy, exactly ``new`` tokens; prompts of one length."""
        given = genai.GenerationConfig()
        given.max_new_tokens = given.min_new_tokens = new
        given.ignore_eos, given.do_sample, given.apply_chat_template = True, False, False
        ids = np.array(prompts, dtype=np.int64)
        texts = genai.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(np.ones_like(ids)))
        seconds, found = timed(lambda: self.model.generate(texts, given))
        return {"seconds": seconds, "tokens": [list(map(int, row)) for row in found.tokens]}


def load(folder: str, threads: int) -> dict[str, Any]:
    """The functions that may be asked for."""
    runner = Runner(folder, threads)
    return {"about": runner.about, "generate": runner.generate}


if __name__ == "__main__":
    serve(load)
