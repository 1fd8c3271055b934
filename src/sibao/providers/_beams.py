"""Texts that were searched as a whole, as finished answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from sibao.core.errors import BadInput
from sibao.core.types import Completion, GenerateOptions, Sampling, Usage
from sibao.engine.beam import Found, beam_search
from sibao.engine.search import Search
from sibao.engine.seq2seq import groups
from sibao.engine.steps import DecoderSteps
from sibao.nn.decoder import Decoder
from sibao.text.detokenize import find_stop


class Decodes(Protocol):
    """What turns token ids into text."""

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        """The text of token ids."""
        ...


def refuse_chance(sampling: Sampling) -> None:
    """Beam search takes the likeliest texts.

    Raises:
        BadInput: a temperature is set, or log-probabilities are asked for.
    """
    if sampling.temperature > 0:
        raise BadInput(
            f"temperature is {sampling.temperature}, beam search draws nothing", hint="leave out one of them"
        )
    if sampling.logprobs is not None:
        raise BadInput("beam search reports no log-probabilities of tokens", hint="ask for one beam")


def finished(tokenizer: Decodes, found: Found, prompt_tokens: int, search: Search, stop: Sequence[str]) -> Completion:
    """The answer that a text is, cut at the first stop string. A text of the greatest length whose end was forced did
    not end by itself."""
    forced = search.forced_eos is not None and len(found.ids) == search.max_tokens
    ids = found.ids[:-1] if found.ended else found.ids
    text = tokenizer.decode(ids)
    cut = find_stop(text, [s for s in stop if s])
    ended = (found.ended and not forced) or cut is not None
    return Completion(text[:cut], "stop" if ended else "length", Usage(prompt_tokens, len(ids)))


def decoder_beams(
    model: Decoder, tokenizer: Decodes, prompts: Sequence[list[int]], eos_ids: tuple[int, ...], options: GenerateOptions
) -> list[Completion]:
    """Beam search after each prompt with a causal model.

    Raises:
        BadInput: settings that do not go with it.
    """
    sampling = options.sampling
    refuse_chance(sampling)
    search = Search(
        max_tokens=options.max_tokens, eos_ids=eos_ids, beams=sampling.num_beams or 1,
        length_penalty=1.0 if sampling.length_penalty is None else sampling.length_penalty,
        repetition_penalty=sampling.repetition_penalty,
    )  # fmt: skip
    out: dict[int, Completion] = {}
    for numbers in groups([len(prompt) for prompt in prompts], rows=8):
        begun = time.perf_counter()
        some = [prompts[i] for i in numbers]
        texts = beam_search(DecoderSteps(model, some, search.max_tokens), some, search)
        seconds = time.perf_counter() - begun
        for number, found in zip(numbers, texts, strict=True):
            answer = finished(tokenizer, found, len(prompts[number]), search, options.stop)
            out[number] = replace(answer, seconds=seconds, first_token_seconds=seconds)
    return [out[i] for i in range(len(prompts))]
