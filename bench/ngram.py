"""The baseline that a trained model has to beat: an n-gram model over the same tokens, scored in bits per byte.

    python bench/ngram.py RUN --order 5            # exactly the rows that the run has seen so far
    python bench/ngram.py RUN --order 2 --rows 4000 --valid valid.en.jsonl valid.zh.jsonl

Interpolated modified Kneser-Ney (Chen and Goodman 1998, section 3; discounts from counts of counts, eq. 17), the model of
KenLM and SRILM. Documents are bounded: a history never reaches over the document token that opens the text, and the one
that closes it is predicted like any other token. Only numpy is needed; every n-gram is one row of sorted integer arrays,
so 20 million tokens at order 5 take about 3.5 GB.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Order:
    """The n-grams of one length k, and their contexts (the (k-1)-grams, by their number).

    ``keys``: context number * (V + 1) + token, sorted. ``mass`` [n-grams]: (a - D(a)) / total of the context.
    ``backoff`` [contexts]: what the context leaves to the next shorter history (1 where it was never seen).
    """

    keys: Array
    mass: Array
    backoff: Array


def discounts(counts: Array) -> tuple[float, float, float]:
    """D1, D2 and D3+ from the counts of counts (Chen and Goodman 1998, eq. 17); where the data are too few for the
    formula (a count of counts is 0, or a discount leaves [0, count]), the single discount n1 / (n1 + 2 n2) or 1/2."""
    n = [0, *(int((counts == i).sum()) for i in (1, 2, 3, 4))]
    if all(n[1:]):
        y = n[1] / (n[1] + 2 * n[2])
        found = tuple(i - (i + 1) * y * n[i + 1] / n[i] for i in (1, 2, 3))
        if all(0 <= d <= i for d, i in zip(found, (1, 2, 3), strict=True)):
            return found[0], found[1], found[2]
    one = n[1] / (n[1] + 2 * n[2]) if n[1] and n[2] else 0.5
    return one, one, one


class NGram:
    """An interpolated modified Kneser-Ney model.

    Args:
        tokens: token ids of all documents, one after the other, each opened by its document token.
        starts: where each document begins, and the end of the last.
        vocab_size: V; every id below it can be predicted. order: the length of the longest n-gram.
    """

    def __init__(self, tokens: Array, starts: Array, vocab_size: int, order: int) -> None:
        self.vocab_size, self.width = vocab_size, vocab_size + 1
        self.orders: list[Order] = []
        ids, place = self._marked(tokens, starts)
        grams = [ids]  # number of the k-gram that ends at each position, -1 where the document is too short for one
        keys, firsts, counts = [np.arange(self.width)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for k in range(2, order + 1):
            found, first, number, count = self._unique(ids, grams[-1], place, k)
            keys.append(found)
            firsts.append(first)
            counts.append(count)
            grams.append(number)
        for k in range(1, order + 1):
            if k == order:
                mass = counts[k - 1] if k > 1 else np.bincount(ids[place > 0], minlength=self.width)
            else:  # how many different tokens stand before it (eq. 21); what opens a document keeps its own count
                mass = np.bincount(grams[k - 1][firsts[k]], minlength=len(keys[k - 1]))
                if k > 1:
                    opens = place[firsts[k - 1]] == k - 1
                    mass = np.where(opens, counts[k - 1], mass)
            self.orders.append(self._order(keys[k - 1], mass, 1 if k == 1 else len(keys[k - 2])))

    def _marked(self, tokens: Array, starts: Array) -> tuple[Array, Array]:
        """Tokens with the one that opens each document replaced by V, and each token's place in its document."""
        begins = np.asarray(starts[:-1], np.int64)
        ids = np.array(tokens, dtype=np.int64)
        ids[begins] = self.vocab_size
        place = np.arange(len(ids)) - np.repeat(begins, np.diff(starts))
        return ids, place.astype(np.int32)

    def _unique(self, ids: Array, shorter: Array, place: Array, k: int) -> tuple[Array, Array, Array, Array]:
        """The k-grams: sorted keys, a position of each, the number of the one that ends at each position, counts."""
        at = np.flatnonzero(place >= k - 1)
        found, first, inverse, count = np.unique(
            shorter[at - 1] * self.width + ids[at], return_index=True, return_inverse=True, return_counts=True
        )
        number = np.full(len(ids), -1, np.int64)
        number[at] = inverse
        return found, at[first], number, count

    def _order(self, keys: Array, counts: Array, contexts: int) -> Order:
        context = np.zeros(len(keys), np.int64) if contexts == 1 else keys // self.width
        one, two, more = discounts(counts)
        taken = np.select([counts == 0, counts == 1, counts == 2], [0.0, one, two], more)
        total = np.bincount(context, weights=counts, minlength=contexts)
        left = np.bincount(context, weights=taken, minlength=contexts)
        seen = total > 0
        backoff = np.divide(left, total, out=np.ones(contexts), where=seen)
        mass = np.divide(counts - taken, total[context], out=np.zeros(len(keys)), where=seen[context])
        return Order(keys, mass.astype(np.float32), backoff.astype(np.float32))

    def _find(self, keys: Array, wanted: Array) -> Array:
        """The place of each wanted key among the sorted ones, -1 where it is not there."""
        at = np.searchsorted(keys, wanted)
        return np.where(np.append(keys, -2)[at] == wanted, at, -1)

    def nats(self, tokens: Array, starts: Array) -> Array:
        """-ln p of every token but those that open a document (their entry is 0)."""
        ids, place = self._marked(tokens, starts)
        unigram = self.orders[0]
        p = unigram.mass[ids].astype(np.float64) + unigram.backoff[0] / self.vocab_size
        number = ids
        for k, order in enumerate(self.orders[1:], start=2):
            context = np.where(place >= k - 1, np.roll(number, 1), -1)
            known = context >= 0
            number = self._find(order.keys, np.where(known, context * self.width + ids, -1))
            mass = np.where(number >= 0, np.append(order.mass, 0.0)[number], 0.0)
            p = np.where(known, mass + np.append(order.backoff, 1.0)[context] * p, p)
        return np.where(place == 0, 0.0, -np.log(p))


def seen_rows(folder: Path, length: int, seed: int, rows: int, *, whole: bool = False) -> tuple[Array, Array]:
    """The tokens that a run reads in its first ``rows`` rows, as documents (each row once: a second epoch holds no other
    text). A document that the last row cuts keeps the one token more that was its last target.

    Args:
        whole: the run kept documents whole (fine-tuning).
    """
    from sibao.text.pack import TokenFile
    from sibao.training.batches import Batches

    file = TokenFile(folder)
    batches = Batches(file, length, seed, whole=whole)
    last: dict[int, int] = {}
    for row in batches.plan(0)[:rows]:
        for document, _, end in row:
            last[document] = end
    parts = []
    for document, end in last.items():
        begin, stop = int(file.starts[document]), int(file.starts[document + 1])
        parts.append(np.asarray(file.tokens[begin : min(begin + end + 1, stop)]))
    return np.concatenate(parts), np.cumsum([0, *map(len, parts)])


def first_tokens(tokens: Array, starts: Array, count: int) -> tuple[Array, Array]:
    """The first ``count`` tokens of a set of documents."""
    count = min(count, len(tokens))
    kept = starts[starts < count]
    return tokens[:count], np.append(kept, count)


def documents_of(examples: Iterable[Sequence[int]]) -> tuple[Array, Array]:
    """Token lists, one after the other, with their borders."""
    parts = [np.asarray(e) for e in examples]
    return np.concatenate(parts), np.cumsum([0, *map(len, parts)])


def bits_per_byte(model: NGram, tokens: Array, starts: Array, size: int) -> float:
    """Bits that the model needs for the documents, their ends included, for each byte of their text."""
    return float(model.nats(tokens, starts).sum()) / math.log(2) / size


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table, and one line of JSON at the end."""
    options = _options(arguments)
    from sibao.text.pack import document_examples
    from sibao.text.tokenizer import Tokenizer
    from sibao.workflows._run import saved_recipe
    from sibao.workflows.pretrain import texts

    recipe, tokenizer = saved_recipe(options.run), Tokenizer.load(options.run / "tokenizer")
    rows = options.rows if options.rows is not None else _steps(options.run) * recipe.run.rows
    tokens, starts = seen_rows(options.run / "tokens" / "train", recipe.data.sequence_length, recipe.run.seed, rows)
    if options.tokens is not None:
        tokens, starts = first_tokens(tokens, starts, options.tokens)
    model = NGram(tokens, starts, tokenizer.vocab_size, options.order)
    print(f"order {options.order}, {len(tokens):,} tokens, {len(starts) - 1:,} documents", file=sys.stderr)
    report: dict[str, object] = {"order": options.order, "tokens": len(tokens), "documents": len(starts) - 1}
    scores: dict[str, float] = {}
    for file in options.valid or [f if isinstance(f, str) else f.path for f in recipe.data.valid]:
        held_out = list(texts([file]))
        scored = documents_of(ids for ids, _ in document_examples(tokenizer, held_out))
        scores[Path(file).name] = bits_per_byte(model, *scored, sum(len(t.encode()) for t in held_out))
    if not scores:
        scores["valid"] = _held_out(model, options.run / "tokens" / "valid")
    for name, value in scores.items():
        print(f"{name:30} {value:.4f} bits/byte", file=sys.stderr)
    print(json.dumps(report | {"bits_per_byte": scores}))
    return 0


def _held_out(model: NGram, folder: Path) -> float:
    from sibao.text.pack import TokenFile

    file = TokenFile(folder)
    return bits_per_byte(model, np.asarray(file.tokens), file.starts, file.meta.bytes)


def _steps(run: Path) -> int:
    """Optimizer steps that the run's log shows."""
    lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return max(json.loads(line)["step"] for line in lines)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a pretraining run")
    parser.add_argument("--order", type=int, default=5, help="length of the longest n-gram (default 5)")
    parser.add_argument("--rows", type=int, help="rows seen (default: as many as the run's log shows)")
    parser.add_argument("--tokens", type=int, help="use only the first so many of these tokens")
    parser.add_argument("--valid", nargs="+", help="held-out files (default: those of the recipe)")
    options = parser.parse_args(arguments)
    if options.order < 1:
        parser.error("--order wants 1 or more")
    return options


if __name__ == "__main__":
    sys.exit(main())
