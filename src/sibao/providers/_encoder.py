"""An encoder in this process: embeddings, hidden words, labels and answers in a passage, as its head allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NoReturn

import torch
from torch import Tensor

from sibao.core.errors import BadInput, ContextOverflow
from sibao.core.types import Completion, Delta, Filled, GenerateOptions, Labelled, Prompt, Scored, Span, words
from sibao.nn.encoder import Encoder
from sibao.providers._embed import Pooling, texts_of, vectors
from sibao.providers._spans import best_span
from sibao.text.masks import mask_token, masked_ids
from sibao.text.reading import framed, windows
from sibao.text.tokenizer import Tokenizer

BATCH = 32
CAN = {"masked": ("fill", "pseudo_score", "embed"), "classify": ("classify", "embed"), "token": ("tag", "embed"),
       "span": ("spans", "embed"), "none": ("embed",)}  # fmt: skip
"""The methods that each head makes possible."""


class EncoderModel:
    """A model that reads and does not write. ``can`` names what it does; other methods say so."""

    has_template = False

    def __init__(self, name: str, network: Encoder, tokenizer: Tokenizer) -> None:
        self.name, self.network, self.tokenizer = name, network.eval(), tokenizer
        self.context = network.config.max_position_embeddings
        self.can: tuple[str, ...] = CAN[network.config.head]

    def generate(self, prompts: str | Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        """Raises BadInput: an encoder does not write."""
        self._refuse("generate")

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        """Raises BadInput: an encoder does not write."""
        self._refuse("generate")

    def count(self, prompt: Prompt) -> int:
        """Tokens of a text with ``[CLS]`` and ``[SEP]``."""
        text = prompt if isinstance(prompt, str) else "\n".join(words(message) for message in prompt)
        return len(framed(self.tokenizer, self.tokenizer.encode(text)))

    def embed(self, texts: Sequence[str], *, pooling: Pooling = "mean") -> list[list[float]]:
        """One vector for each text: the mean of its states (arXiv 1908.10084), or the state of its first position.

        Raises:
            ContextOverflow: a text that the model does not hold.
        """
        return vectors(self.network, [self._encode(text) for text in texts_of(texts)], self.context, pooling)

    @torch.inference_mode()
    def fill(self, text: str, *, top: int = 5) -> list[list[Filled]]:
        """For each mask of the text, the likeliest tokens, best first.

        Raises:
            BadInput: no mask in the text, or no head for this. ContextOverflow: the model does not hold the text.
        """
        self._need("fill")
        _refuse_list(text)
        ids = torch.tensor([self._fits(framed(self.tokenizer, masked_ids(self.tokenizer, text)))])
        places = ids[0].eq(self.tokenizer.mask_id or 0).nonzero().flatten().tolist()
        logits = self.network.logits(self.network(ids))[0]
        found = []
        for number, place in enumerate(places):
            best = logits[place].softmax(dim=-1).topk(top)
            found.append([self._filled(text, number, int(i), float(p)) for p, i in zip(*best, strict=True)])
        return found

    def _filled(self, text: str, number: int, token: int, probability: float) -> Filled:
        """``text`` with its ``number``-th mask replaced."""
        mask = mask_token(self.tokenizer)
        parts = text.split(mask)
        word = self.tokenizer.decode([token], skip_special=False)
        whole = mask.join(parts[: number + 1]) + word.removeprefix("##") + mask.join(parts[number + 1 :])
        return Filled(word, probability, whole)

    @torch.inference_mode()
    def classify(self, texts: Sequence[str]) -> list[Labelled]:
        """The label of each text with the probabilities of all.

        Raises:
            BadInput: no head for this. ContextOverflow: a text that the model does not hold.
        """
        self._need("classify")
        config, found = self.network.config, list[Labelled]()
        for ids, mask in self._batches([self._encode(text) for text in texts_of(texts)]):
            logits = self.network.label_logits(self.network(ids, mask), mask)
            chances = logits.sigmoid() if config.multi_label else logits.softmax(dim=-1)
            for row in chances.tolist():
                best = max(range(len(row)), key=row.__getitem__)
                found.append(Labelled(config.labels[best], row[best], dict(zip(config.labels, row, strict=True))))
        return found

    @torch.inference_mode()
    def tag(self, text: str) -> list[tuple[Span, str]]:
        """Every token of the text with its label.

        Raises:
            BadInput: no head for this. ContextOverflow: the model does not hold the text.
        """
        self._need("tag")
        _refuse_list(text)
        ids, offsets = self.tokenizer.encode_offsets([text])[0]
        row = torch.tensor([self._fits(framed(self.tokenizer, ids))])
        chances = self.network.logits(self.network(row))[0].softmax(dim=-1)
        skip = int(self.tokenizer.cls_id is not None)
        best = chances[skip : skip + len(ids)].max(dim=-1)
        return [
            (Span(text[begin:end], begin, end, float(p)), self.network.config.labels[int(i)])
            for (begin, end), p, i in zip(offsets, *best, strict=True)
        ]

    @torch.inference_mode()
    def spans(self, question: str, context: str, *, longest: int = 30, empty: bool = True) -> Span:
        """The stretch of the passage that answers the question; a long passage is read in overlapping windows.

        Args:
            longest: tokens of an answer at most. empty: whether "no answer" may win.

        Raises:
            BadInput: no head for this. ContextOverflow: the question alone does not fit.
        """
        self._need("spans")
        parts = windows(self.tokenizer, question, context, self.context)
        logits: list[Tensor] = []
        for first in range(0, len(parts), BATCH):
            some = parts[first : first + BATCH]
            types = [part.types for part in some]
            for ids, mask in self._batches([part.ids for part in some]):
                segments = _padded(types, 0) if self.network.config.token_types else None
                logits += list(self.network.logits(self.network(ids, mask, segments)))
        return best_span(context, parts, logits, longest, empty=empty)

    @torch.inference_mode()
    def pseudo_score(self, texts: Sequence[str]) -> list[Scored]:
        """Pseudo-log-likelihood: each token is hidden in turn and guessed from all others (arXiv 1910.14659, eq. 1). It
        compares texts of one model; it is no likelihood, and no perplexity follows from it.

        Raises:
            BadInput: no head for this. ContextOverflow: a text that the model does not hold.
        """
        self._need("pseudo_score")
        return [self._pseudo(self._encode(text)) for text in texts_of(texts)]

    def _pseudo(self, ids: list[int]) -> Scored:
        places = [i for i, token in enumerate(ids) if token not in self.tokenizer.special_ids]
        total, greedy = 0.0, True
        for first in range(0, len(places), BATCH):
            some = torch.tensor(places[first : first + BATCH])
            rows = torch.tensor(ids).repeat(len(some), 1)
            rows[torch.arange(len(some)), some] = self.tokenizer.mask_id or 0
            states = self.network(rows)[torch.arange(len(some)), some]
            chances = self.network.logits(states).log_softmax(dim=-1)
            wanted = torch.tensor(ids)[some]
            total += float(chances.gather(1, wanted[:, None]).sum())
            greedy &= bool((chances.argmax(dim=-1) == wanted).all())
        return Scored(total, len(places), greedy)

    def _encode(self, text: str) -> list[int]:
        return self._fits(framed(self.tokenizer, self.tokenizer.encode(text)))

    def _fits(self, ids: list[int]) -> list[int]:
        if len(ids) > self.context:
            raise ContextOverflow(len(ids), self.context, what="the text", hint="give it in shorter parts")
        return ids

    def _batches(self, rows: list[list[int]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Ids and mask [B, T] of up to ``BATCH`` rows, in order, padded on the right."""
        for first in range(0, len(rows), BATCH):
            some = rows[first : first + BATCH]
            yield _padded(some, self.tokenizer.pad_id), _padded([[1] * len(row) for row in some], 0).bool()

    def _need(self, method: str) -> None:
        if method not in self.can:
            self._refuse(method)

    def _refuse(self, method: str) -> NoReturn:
        what = (
            "an encoder, which does not write" if method == "generate" else f"its head is {self.network.config.head!r}"
        )
        raise BadInput(f"{self.name} cannot {method}: {what}", hint=f"it can: {', '.join(self.can)}")


def _refuse_list(text: str) -> None:
    if not isinstance(text, str):
        raise BadInput(f"got {type(text).__name__}, wanted one text", hint="call it once for each text")


def _padded(rows: list[list[int]], value: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])
