"""Span corruption (T5, arXiv 1910.10683, section 3.1.4): spans are cut out of a text and become its answer.

"Thank you <X> me to your party <Y> week." is the source of "<X> for inviting <Y> last <Z>".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sibao.core.errors import ConfigError
from sibao.training.batches import Batches
from sibao.training.pairs import Ids, Pair, PairBatch, batch_of

_VALID = 1
"""Set apart from the rows of training in what the generator of random numbers is seeded with."""


@dataclass(frozen=True)
class SpanRule:
    """``density``: share of the tokens cut out; ``mean``: mean length of a span; ``sentinels``: ids of ``<extra_id_0>``
    and the following."""

    density: float
    mean: float
    sentinels: tuple[int, ...]
    ids: Ids

    def spans(self, length: int) -> tuple[int, int]:
        """How many tokens of a text are cut out, and in how many spans."""
        noise = min(max(round(length * self.density), 1), length - 1)
        return noise, max(1, min(round(noise / self.mean), noise, length - noise))

    def raw_length(self, source: int) -> int:
        """Tokens of text that fill a source of that length once spans are cut out.

        Raises:
            ConfigError: that takes more spans than there are sentinels.
        """
        length = source
        while self._source_length(length + 1) <= source:
            length += 1
        if (count := self.spans(length)[1]) >= len(self.sentinels):
            raise ConfigError(
                f"{source} tokens take {count} spans, the tokenizer has {len(self.sentinels)} sentinels <extra_id_n>",
                hint="lower data.sequence_length, or raise objective.mean_span",
            )
        return length

    def _source_length(self, length: int) -> int:
        noise, count = self.spans(length)
        return length - noise + count + 1

    def cut(self, text: np.ndarray, rng: np.random.Generator) -> Pair:
        """Source and answer of one text, each with the end token. A single token is left whole."""
        source: list[int] = []
        answer: list[int] = []
        at = count = 0
        if len(text) > 1:
            noise, count = self.spans(len(text))
            kept, cut = _lengths(len(text) - noise, count, rng), _lengths(noise, count, rng)
            for number, (stays, goes) in enumerate(zip(kept, cut, strict=True)):
                source += [*text[at : at + stays].tolist(), self.sentinels[number]]
                answer += [self.sentinels[number], *text[at + stays : at + stays + goes].tolist()]
                at += stays + goes
        source += text[at:].tolist()
        return [*source, self.ids.end], [*answer, self.sentinels[count], self.ids.end]


def _lengths(total: int, parts: int, rng: np.random.Generator) -> list[int]:
    """``total`` cut into so many lengths of at least 1, all ways to do so being equally likely."""
    borders = np.sort(rng.choice(total - 1, parts - 1, replace=False)) + 1 if parts > 1 else np.zeros(0, np.int64)
    lengths: list[int] = np.diff(np.concatenate(([0], borders, [total]))).tolist()
    return lengths


class SpanRows:
    """Rows of text with other spans cut out in each epoch; those of validation are always the same.

    Args:
        rows: the texts, ``rule.raw_length`` tokens each.
    """

    def __init__(self, rows: Batches, rule: SpanRule, seed: int) -> None:
        self.texts, self.rule, self.seed = rows, rule, seed

    def rows(self, first: int, count: int) -> PairBatch:
        """Rows ``first`` … ``first + count - 1`` of the endless sequence of epochs."""
        ids = self.texts.rows(first, count)
        return self._batch(ids.ids.numpy(), ids.documents.numpy(), [[self.seed, first + i] for i in range(count)])

    def spread(self, count: int) -> list[int]:
        """Numbers of ``count`` rows of the first epoch, evenly spread."""
        return self.texts.spread(count)

    def at(self, rows: list[int]) -> PairBatch:
        """These rows of the first epoch."""
        ids = self.texts.at(rows)
        return self._batch(ids.ids.numpy(), ids.documents.numpy(), [[self.seed, row, _VALID] for row in rows])

    def _batch(self, ids: np.ndarray, documents: np.ndarray, seeds: list[list[int]]) -> PairBatch:
        rngs = [np.random.default_rng(seed) for seed in seeds]
        pairs = [self.rule.cut(row[owner >= 0], rng) for row, owner, rng in zip(ids, documents, rngs, strict=True)]
        return batch_of(pairs, self.rule.ids, counted=False)
