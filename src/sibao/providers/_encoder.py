"""An encoder in this process: embeddings, hidden words, labels and answers in a passage, as its head allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NoReturn

from torch import Tensor

from sibao.core.errors import BadInput, ContextOverflow
from sibao.core.types import Completion, Delta, Filled, GenerateOptions, Labelled, Prompt, Scored, Span, words
from sibao.engine.whole_rows import Row, WholeRows
from sibao.nn.encoder import Encoder
from sibao.providers._embed import Pooling, texts_of, vectors
from sibao.providers._spans import best_span
from sibao.text.masks import mask_token, masked_ids
from sibao.text.reading import framed, windows
from sibao.text.tokenizer import Tokenizer

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
        self._whole = WholeRows(self.network)

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
        return vectors(self._whole, [self._encode(text) for text in texts_of(texts)], self.context, pooling)

    def fill(self, text: str, *, top: int = 5) -> list[list[Filled]]:
        """For each mask of the text, the likeliest tokens, best first.

        Raises:
            BadInput: no mask in the text, or no head for this. ContextOverflow: the model does not hold the text.
        """
        self._need("fill")
        _refuse_list(text)
        ids = self._fits(framed(self.tokenizer, masked_ids(self.tokenizer, text)))
        places = [place for place, token in enumerate(ids) if token == self.tokenizer.mask_id]
        (logits_NV,) = self._whole.read([Row(ids, lambda states_TD: self.network.logits(states_TD[places]))])
        found = []
        for number, row_V in enumerate(logits_NV):
            best = row_V.softmax(dim=-1).topk(top)
            found.append([self._filled(text, number, int(i), float(p)) for p, i in zip(*best, strict=True)])
        return found

    def _filled(self, text: str, number: int, token: int, probability: float) -> Filled:
        """``text`` with its ``number``-th mask replaced."""
        mask = mask_token(self.tokenizer)
        parts = text.split(mask)
        word = self.tokenizer.decode([token], skip_special=False)
        whole = mask.join(parts[: number + 1]) + word.removeprefix("##") + mask.join(parts[number + 1 :])
        return Filled(word, probability, whole)

    def classify(self, texts: Sequence[str]) -> list[Labelled]:
        """The label of each text with the probabilities of all.

        Raises:
            BadInput: no head for this. ContextOverflow: a text that the model does not hold.
        """
        self._need("classify")
        config, found = self.network.config, list[Labelled]()
        rows = [Row(self._encode(text), self._label_logits) for text in texts_of(texts)]
        for logits in self._whole.read(rows):
            row = (logits.sigmoid() if config.multi_label else logits.softmax(dim=-1)).tolist()
            best = max(range(len(row)), key=row.__getitem__)
            found.append(Labelled(config.labels[best], row[best], dict(zip(config.labels, row, strict=True))))
        return found

    def tag(self, text: str) -> list[tuple[Span, str]]:
        """Every token of the text with its label.

        Raises:
            BadInput: no head for this. ContextOverflow: the model does not hold the text.
        """
        self._need("tag")
        _refuse_list(text)
        ids, offsets = self.tokenizer.encode_offsets([text])[0]
        (logits_TL,) = self._whole.read([Row(self._fits(framed(self.tokenizer, ids)), self.network.logits)])
        chances = logits_TL.softmax(dim=-1)
        skip = int(self.tokenizer.cls_id is not None)
        best = chances[skip : skip + len(ids)].max(dim=-1)
        return [
            (Span(text[begin:end], begin, end, float(p)), self.network.config.labels[int(i)])
            for (begin, end), p, i in zip(offsets, *best, strict=True)
        ]

    def spans(self, question: str, context: str, *, longest: int = 30, empty: bool = True) -> Span:
        """The stretch of the passage that answers the question; a long passage is read in overlapping windows.

        Args:
            longest: tokens of an answer at most. empty: whether "no answer" may win.

        Raises:
            BadInput: no head for this. ContextOverflow: the question alone does not fit.
        """
        self._need("spans")
        parts = windows(self.tokenizer, question, context, self.context)
        typed = self.network.config.token_types
        rows = [Row(part.ids, self.network.logits, part.types if typed else None) for part in parts]
        return best_span(context, parts, self._whole.read(rows), longest, empty=empty)

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
        hidden = self.tokenizer.mask_id or 0
        rows = [
            Row([*ids[:place], hidden, *ids[place + 1 :]], partial(self._guessed, place, ids[place]))
            for place in places
        ]
        found = self._whole.read(rows)
        return Scored(sum(logprob for logprob, _ in found), len(places), all(best for _, best in found))

    def _guessed(self, place: int, token: int, states_TD: Tensor) -> tuple[float, bool]:
        """The log-probability of a token in its place, and whether it is the likeliest there."""
        chances_V = self.network.logits(states_TD[place]).log_softmax(dim=-1)
        return float(chances_V[token]), int(chances_V.argmax()) == token

    def _label_logits(self, states_TD: Tensor) -> Tensor:
        return self.network.label_logits(states_TD[None], None)[0]

    def _encode(self, text: str) -> list[int]:
        return self._fits(framed(self.tokenizer, self.tokenizer.encode(text)))

    def _fits(self, ids: list[int]) -> list[int]:
        if len(ids) > self.context:
            raise ContextOverflow(len(ids), self.context, what="the text", hint="give it in shorter parts")
        return ids

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
