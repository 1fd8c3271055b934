"""What `mini` is compared with: doing nothing clever (copy, the first sentences, the sentence that BM25 ranks best), and
a Kneser-Ney 5-gram model over the tokens that the pretraining run saw."""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sibao.evaluation.harness import Answered, Item
from sibao.metrics.perplexity import Likelihood
from sibao.tasks._search import bm25
from sibao.tasks.base import TaskResult
from sibao.text.split import sentences

ORDER = 5
ROOT = Path(__file__).resolve().parents[2]


def lead(text: str, count: int) -> str:
    """The first ``count`` sentences."""
    return "".join(sentences(text)[:count]).strip()


def best_sentence(context: str, question: str) -> str:
    """The whole sentence of the passage that BM25 ranks first for the question (the earlier of two equals)."""
    found = sentences(context)
    scores = bm25(question, found)
    return found[max(range(len(found)), key=lambda i: (scores[i], -i))].strip()


def answers(items: Sequence[Item], say: Callable[[Any], str]) -> list[Answered]:
    """A baseline's answers in the harness's own form: ``say`` makes the text from a task's inputs."""
    return [Answered(item, TaskResult(say(item.inputs), "stop")) for item in items]


def run_at(name: str) -> tuple[Path, int | None]:
    """``FOLDER[@STEP]``: a run's folder and the step up to which it counts (None: all of its log)."""
    folder, _, step = name.partition("@")
    return Path(folder), int(step) if step else None


def ngram(runs: str, texts: dict[str, list[str]]) -> tuple[dict[str, list[Likelihood]], dict[str, Any]]:
    """The 5-gram model's log-likelihood of each text, by language, and what it was made from.

    It is trained on the rows that the runs read up to that step, with their tokenizer. As in ``score_text`` every
    token of a text counts once and the mark that closes a document does not.

    Args:
        runs: the pretraining run, and with commas between the fine-tuning run too, as ``run_at`` reads them.
    """
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    from bench.ngram import NGram, documents_of, seen_rows

    from sibao.text.pack import document_examples
    from sibao.text.tokenizer import Tokenizer
    from sibao.workflows._run import saved_recipe

    seen: list[Any] = []
    for run in runs.split(","):
        folder, step = run_at(run)
        recipe, tokenizer = saved_recipe(folder), Tokenizer.load(folder / "tokenizer")
        rows = (last_step(folder) if step is None else step) * recipe.run.rows
        whole = recipe.objective.name == "sft"
        length, seed = recipe.data.sequence_length, recipe.run.seed
        tokens, starts = seen_rows(folder / "tokens" / "train", length, seed, rows, whole=whole)
        seen += [tokens[a:b] for a, b in itertools.pairwise(starts.tolist())]
    tokens, starts = documents_of(seen)
    model = NGram(tokens, starts, tokenizer.vocab_size, ORDER)
    found: dict[str, list[Likelihood]] = {}
    for language, group in texts.items():
        held, borders = documents_of([ids for ids, _ in document_examples(tokenizer, group)])
        nats = model.nats(held, borders)
        spans = zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True)
        found[language] = [
            Likelihood.of(text, -math.fsum(nats[begin : end - 1].tolist()), end - begin - 2)
            for text, (begin, end) in zip(group, spans, strict=True)
        ]
    return found, {"order": ORDER, "tokens": len(tokens), "documents": len(starts) - 1}


def last_step(folder: Path) -> int:
    """Optimizer steps that the run's log shows."""
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return max(int(json.loads(line)["step"]) for line in lines)
