"""llama.cpp through llama-cpp-python: its own batches, and the largest logit (no sampler, which would cost more).

python run_llama.py quantize FROM.gguf TO.gguf q4_0      (llama.cpp's own quantizer)
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import llama_cpp as llama
import numpy as np
from protocol import Answer, serve, timed

FORMS = {"q4_0": llama.LLAMA_FTYPE_MOSTLY_Q4_0, "q8_0": llama.LLAMA_FTYPE_MOSTLY_Q8_0}


class Runner:
    """One model; a context for each number of streams, so that a stream has no more room than it needs."""

    def __init__(self, folder: str, threads: int) -> None:
        llama.llama_backend_init()
        self.threads = threads
        self.model = llama.llama_model_load_from_file(folder.encode(), llama.llama_model_default_params())
        if not self.model:
            raise ValueError(f"llama.cpp cannot read {folder}")
        self.vocab = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.contexts: dict[tuple[int, int], Any] = {}

    def about(self) -> Answer:
        """Version, and bytes of the weights."""
        return {
            "version": f"llama.cpp (llama-cpp-python {llama.__version__})",
            "weight_bytes": llama.llama_model_size(self.model),
        }

    def generate(self, prompts: list[list[int]], new: int) -> Answer:
        """Greedy, exactly ``new`` tokens; prompts of one length."""
        room = -(-(len(prompts[0]) + 64) // 256) * 256
        while room < len(prompts[0]) + new:
            room += 256
        context = self._context(len(prompts), room)
        llama.llama_memory_clear(llama.llama_get_memory(context), True)
        batch = llama.llama_batch_init(len(prompts) * len(prompts[0]), 0, 1)
        try:
            seconds, tokens = timed(lambda: self._write(context, batch, prompts, new))
        finally:
            llama.llama_batch_free(batch)
        return {"seconds": seconds, "tokens": tokens}

    def _context(self, streams: int, room: int) -> Any:
        if (streams, room) not in self.contexts:
            for old in self.contexts.values():
                llama.llama_free(old)
            given = llama.llama_context_default_params()
            given.n_ctx, given.n_seq_max = streams * room, streams
            given.n_batch, given.n_ubatch = max(2048, streams * room), 512
            given.n_threads = given.n_threads_batch = self.threads
            self.contexts = {(streams, room): llama.llama_init_from_model(self.model, given)}
        return self.contexts[streams, room]

    def _write(self, context: Any, batch: Any, prompts: list[list[int]], new: int) -> list[list[int]]:
        read = [(row, at, token, at == len(p) - 1) for row, p in enumerate(prompts) for at, token in enumerate(p)]
        tokens: list[list[int]] = [[] for _ in prompts]
        while True:
            chosen = self._step(context, batch, read)
            for row, token in enumerate(chosen):
                tokens[row].append(token)
            if len(tokens[0]) == new:
                return tokens
            at = len(prompts[0]) + len(tokens[0]) - 1
            read = [(row, at, token, True) for row, token in enumerate(chosen)]

    def _step(self, context: Any, batch: Any, read: list[tuple[int, int, int, bool]]) -> list[int]:
        """One forward over (stream, place, token, whether its logits are wanted); the likeliest next tokens."""
        batch.n_tokens = len(read)
        for i, (row, at, token, wanted) in enumerate(read):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, at, 1, wanted
            batch.seq_id[i][0] = row
        if llama.llama_decode(context, batch):
            raise RuntimeError("llama_decode failed")
        return [self._likeliest(context, i) for i, (_, _, _, wanted) in enumerate(read) if wanted]

    def _likeliest(self, context: Any, i: int) -> int:
        logits = llama.llama_get_logits_ith(context, i)
        return int(np.ctypeslib.as_array(ctypes.cast(logits, ctypes.POINTER(ctypes.c_float)), (self.vocab,)).argmax())


def load(folder: str, threads: int) -> dict[str, Any]:
    """The functions that may be asked for."""
    runner = Runner(folder, threads)
    return {"about": runner.about, "generate": runner.generate}


def quantize(source: str, target: str, form: str) -> None:
    """Write a file with smaller weights, as llama.cpp's ``llama-quantize`` does."""
    given = llama.llama_model_quantize_default_params()
    given.ftype = FORMS[form]
    if llama.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(given)):
        raise SystemExit(f"{source} could not be quantized to {form}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["quantize"]:
        quantize(*sys.argv[2:])
    else:
        serve(load)
