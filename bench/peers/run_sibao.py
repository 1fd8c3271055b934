"""Sibao itself, behind the same lines of JSON as its peers.

``check_*`` hold its answers against the plain path: each text read by itself, at once and from its beginning, by a second
runner over the same weights, without scheduler, batch, shared beginnings, pieces of prompts or guesses.
"""

from __future__ import annotations

import itertools
from array import array
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from protocol import Answer, serve, timed

from sibao.core.types import Completion, GenerateOptions, Sampling, Score
from sibao.engine.native.runner import NativeRunner
from sibao.engine.native.weights import Weights
from sibao.engine.request import Request
from sibao.engine.runner import BLOCK, Step
from sibao.engine.search import Search
from sibao.engine.torch_runner import TorchRunner
from sibao.evaluation.asking import ask
from sibao.evaluation.places import find
from sibao.evaluation.sample import Outcome
from sibao.evaluation.suite import Setting
from sibao.evaluation.suite_index import load_suite
from sibao.providers.load import load as load_model
from sibao.tasks import long
from sibao.tasks.base import load_task

NUMBERS = itertools.count()
EMBEDDINGS = ("embed_tokens", "embed_positions", "shared")
"""Names that the kernels' weights have them under; a tied one in whole numbers is only there as the head."""


class Listening:
    """A model, and all that it has said."""

    def __init__(self, model: Any) -> None:
        self._model, self.heard = model, list[Completion]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generate(self, prompts: Any, options: GenerateOptions | None = None) -> list[Completion]:
        """As the model's own."""
        said: list[Completion] = self._model.generate(prompts, options)
        self.heard += said
        return said


class Runner:
    """One model. ``speculate``: guesses are read along; off elsewhere, for random weights repeat themselves and would
    make every guess right."""

    def __init__(self, folder: str, threads: int, precision: str, speculate: bool = False) -> None:
        self.folder, self.threads, self.precision, self.speculate = folder, threads, precision, speculate
        self.served: Any = self._load()

    def about(self) -> Answer:
        """Version, and bytes of the weights that each step reads."""
        size = sum(one.nbytes for one in weights_of(self.served))
        return {"version": f"Sibao {version('sibao')}, PyTorch {torch.__version__}", "weight_bytes": size}

    def generate(self, prompts: list[list[int]], new: int) -> Answer:
        """Greedy, exactly ``new`` tokens, by the engine."""
        return self._write([Request(str(next(NUMBERS)), p, Sampling(), frozenset(), new) for p in prompts])

    def check_generate(self, prompts: list[list[int]], new: int) -> Answer:
        """How many tokens are not the likeliest of the plain path."""
        different, gap = 0, 0.0
        rows = self.generate(prompts, new)["tokens"]
        for prompt, tokens in zip(prompts, rows, strict=True):
            wrong, widest = _behind(self._plain(prompt + tokens[:-1], len(prompt) - 1), torch.tensor(tokens))
            different, gap = different + wrong, max(gap, widest)
        return {"of": len(rows) * new, "different": different, "gap": gap}

    def translate(self, prompts: list[list[int]], new: int, beams: int) -> Answer:
        """The best of ``beams``, exactly ``new`` tokens."""
        start, search = [self.served.config.decoder_start_token_id], Search(max_tokens=new, beams=beams)
        return self._write([
            Request(str(next(NUMBERS)), start, max_tokens=new, source_ids=tuple(prompt), search=search) for prompt in prompts
        ])  # fmt: skip

    def check_translate(self, prompts: list[list[int]], new: int, beams: int) -> Answer:
        """How many tokens of the batch's texts differ from those of each source alone."""
        rows = self.translate(prompts, new, beams)["tokens"]
        alone = [self.translate([prompt], new, beams)["tokens"][0] for prompt in prompts]
        different = sum(a != b for row, one in zip(rows, alone, strict=True) for a, b in zip(row, one, strict=True))
        return {"of": len(rows) * new, "different": different, "gap": 0.0}

    def score(self, rows: list[tuple[str, list[str]]]) -> Answer:
        """The number of the likeliest choice of each row of (context, choices); encoding the texts is part of it."""
        pairs = [(context, choice) for context, choices in rows for choice in choices]
        seconds, found = timed(lambda: [one.loglikelihood for one in self.served.score(pairs)])
        ends = itertools.accumulate(len(choices) for _, choices in rows)
        scores = [found[end - len(choices) : end] for end, (_, choices) in zip(ends, rows, strict=True)]
        return {"seconds": seconds, "choices": [row.index(max(row)) for row in scores], "scores": scores}

    def check_score(self, rows: list[tuple[str, list[str]]]) -> Answer:
        """How many likelihoods are not those of the plain path, to a hundredth; the widest gap."""
        off, encode = [], self.served.tokenizer.encode
        for (context, choices), scores in zip(rows, self.score(rows)["scores"], strict=True):
            before = len(encode(context.rstrip(), add_special_tokens=True))
            for choice, score in zip(choices, scores, strict=True):
                ids = encode(context + choice, add_special_tokens=True)
                logprobs = self._plain(ids[:-1], before - 1).log_softmax(-1)
                off.append(abs(float(logprobs.gather(1, torch.tensor(ids[before:])[:, None]).sum()) - score))
        return {"of": len(off), "different": sum(gap > 0.01 for gap in off), "gap": max(off)}

    def evaluate(self, place: str, name: str, batch: int) -> Answer:
        """The YAML task ``name`` in the folder ``place``, ``batch`` rows at once: replies row by row, and figures."""
        suite: Any = load_suite(str(Path(place) / f"{name}.yaml"))
        rows = suite.read(find(suite.folder, suite.files))

        def work() -> tuple[list[Outcome], list[Score]]:
            samples = suite.samples(rows, Setting(shots=suite.shots))
            outcomes = ask(self.served, samples, judge=suite.judge, batch=batch)
            return outcomes, suite.report(outcomes)

        seconds, (outcomes, scores) = timed(work)
        if missing := [one.missing for one in outcomes if one.missing]:
            raise RuntimeError(f"{len(missing)} rows are missing: {missing[0]}")
        replies = [[one.text if hasattr(one, "text") else one.loglikelihood for one in row.replies] for row in outcomes]
        return {"seconds": seconds, "replies": replies, "figures": {score.name: score.value for score in scores}}

    def task(self, name: str, rows: list[dict[str, Any]], new: int) -> Answer:
        """A task on real rows, one after the other as a person would ask; speculation is on if the model was so loaded. Seconds
        and count are of the tokens after the first of each text."""
        task, self.served = load_task(name), self._load()  # it remembers no row of an earlier run
        self.generate([[1, 2, 3]], 2)
        asked, model = [task.inputs(**row) for row in rows], Listening(self.served)
        options = GenerateOptions(max_tokens=new)
        whole, found = timed(lambda: [long.run(task, model, inputs, options) for inputs in asked])
        done, count = self.served.engine.counts, sum(one.usage.completion_tokens for one in model.heard)
        note = f"{done.right / done.guessed:.0%} of the guesses right; " if done.guessed else ""
        seconds = sum(one.seconds - one.first_token_seconds for one in model.heard)
        note += f"{count / whole:.0f} tokens/s with the prompts"
        return {
            "seconds": seconds, "texts": [one.text for one in found], "count": count - len(model.heard), "note": note,
        }  # fmt: skip

    def _write(self, asked: list[Request]) -> Answer:
        tokens: dict[str, list[int]] = {request.id: [] for request in asked}

        def work() -> None:
            with self.served.engine.submit(*asked) as events:
                for event in events:
                    tokens[event.id] += event.token_ids

        seconds, _ = timed(work)
        return {"seconds": seconds, "tokens": list(tokens.values())}

    def _load(self) -> Any:
        return load_model(self.folder, precision=self.precision, threads=self.threads, speculate=self.speculate)

    @torch.inference_mode()
    def _plain(self, ids: list[int], first: int) -> torch.Tensor:
        """Scores [T, V] of the next token after each one from ``first`` on."""
        runner, blocks = self.served.engine.runner, -(-len(ids) // BLOCK)
        native = isinstance(runner, NativeRunner)
        alone: Any = _second(runner, blocks) if native else TorchRunner(runner.model, blocks)
        step = Step()
        step.add(ids, 0, array("i", range(blocks)), range(first, len(ids)))
        return alone.logits(step).float()


def _second(runner: NativeRunner, blocks: int) -> NativeRunner:
    """Another runner over the same tensors, with a cache of its own."""
    old = runner.weights
    return NativeRunner(Weights(old.config, old.precision, old.tensors), blocks, runner.threads, lambda: runner.model)


def weights_of(served: Any) -> list[torch.Tensor]:
    """What each step reads. Of an embedding it reads some rows only; one that is the head too counts as the head."""
    if hasattr(served, "engine") and isinstance(served.engine.runner, NativeRunner):
        return [t for name, t in served.engine.runner.weights.tensors.items() if name.split(".")[-2] not in EMBEDDINGS]
    network = served.engine.runner.model if hasattr(served, "engine") else served.model
    parts = [part for part in network.modules() if not isinstance(part, torch.nn.Embedding)]
    read = (t for part in parts for t in (*part.parameters(recurse=False), *part.buffers(recurse=False)))
    return list({t.data_ptr(): t for t in read}.values())


def _behind(logits_TV: torch.Tensor, tokens_T: torch.Tensor) -> tuple[int, float]:
    """How many tokens are not the likeliest, and how far the worst is behind, in standard deviations of its logits."""
    chosen = logits_TV.gather(1, tokens_T[:, None])[:, 0]
    behind = (logits_TV.max(-1).values - chosen) / logits_TV.std(-1)
    return int((behind > 0).sum()), float(behind.max())


def load(**given: Any) -> dict[str, Any]:
    """The functions that may be asked for."""
    runner = Runner(**given)
    names = (
        "about", "generate", "translate", "score", "evaluate", "task", "check_generate", "check_translate", "check_score",
    )  # fmt: skip
    return {name: getattr(runner, name) for name in names}


if __name__ == "__main__":
    serve(load)
