"""How well a model predicts texts: perplexity and bits, from rolling log-likelihoods (every token exactly once)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sibao.core.errors import BadInput
from sibao.core.types import Model, Score, Scorer
from sibao.metrics import perplexity
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
