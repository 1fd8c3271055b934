"""How well a model predicts texts: perplexity and bits, from rolling log-likelihoods (every token exactly once)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from sibao.core.errors import BadInput
from sibao.core.types import Model, Score, Scorer
from sibao.evaluation import statistics
from sibao.evaluation.statistics import Comparison
from sibao.metrics import perplexity
from sibao.metrics._intervals import Floats
from sibao.metrics.perplexity import Likelihood, Measure
from sibao.text.language import detect

MEASURES: dict[str, tuple[Measure, ...]] = {
    "en": ("bits_per_byte", "bits_per_character", "token_perplexity", "byte_perplexity", "word_perplexity"),
    "zh": ("bits_per_byte", "bits_per_character", "token_perplexity", "byte_perplexity"),
}
"""Chinese has no spaces, so words cannot be counted by them."""


def likelihoods(
    model: Model, texts: Sequence[str], on_done: Callable[[int], None] = lambda n: None, batch: int = 8
) -> list[Likelihood]:
    """Log-likelihood of each text.

    Raises:
        BadInput: the model cannot score, or there is no text.
    """
    if not isinstance(model, Scorer):
        raise BadInput(f"{model.name} gives no token probabilities", hint="use a local model")
    if not texts:
        raise BadInput("got no text, perplexity needs at least one")
    found: list[Likelihood] = []
    for begin in range(0, len(texts), batch):
        part = texts[begin : begin + batch]
        for text, scored in zip(part, model.score_text(part), strict=True):
            found.append(Likelihood.of(text, scored.loglikelihood, scored.tokens))
        on_done(len(part))
    return found


def compare(texts: Sequence[str], first: Sequence[Likelihood], second: Sequence[Likelihood]) -> dict[str, Comparison]:
    """Bits per byte of two models on the same texts, paired by text (first minus second; fewer are better): the one measure
    that models of different tokenizers share. By language where both occur."""
    languages = [detect(text) for text in texts]
    out: dict[str, Comparison] = {}
    for language in sorted(set(languages)):
        pairs = [(a, b) for a, b, lang in zip(first, second, languages, strict=True) if lang == language]
        if len(pairs) > 1:
            a, b = ([[-one.loglikelihood, float(one.bytes)] for one in side] for side in zip(*pairs, strict=True))
            suffix = f"/{language}" if len(set(languages)) > 1 else ""
            out["bits_per_byte" + suffix] = statistics.compare(a, b, statistic=_bits, higher_is_better=False)
    return out


def _bits(sums: Floats) -> Floats:
    """[R, 2] of nats and bytes in, [R] of bits per byte out."""
    found: Floats = sums[:, 0] / sums[:, 1] / math.log(2)
    return found


def scores(texts: Sequence[str], found: Sequence[Likelihood]) -> list[Score]:
    """All measures for each language of the texts; where both occur, names end in ``/zh`` and ``/en``."""
    languages = [detect(text) for text in texts]
    out = []
    for language in sorted(set(languages)):
        group = [item for item, lang in zip(found, languages, strict=True) if lang == language]
        suffix = f"/{language}" if len(set(languages)) > 1 else ""
        for measure in MEASURES[language]:
            one = perplexity.score(group, language=language, measure=measure)
            out.append(replace(one, name=measure + suffix))
    return out
