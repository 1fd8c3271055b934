"""Who guesses the next tokens for a model (speculative decoding): a smaller model, or nobody."""

from __future__ import annotations

from sibao.core.errors import BadInput
from sibao.core.types import Model
from sibao.engine.draft import DraftModel
from sibao.engine.engine import Engine
from sibao.engine.runner import vocabulary
from sibao.nn.config import DecoderConfig
from sibao.providers.local import LocalModel
from sibao.text.tokenizer import Tokenizer


def settle(model: Model, draft: Model | None) -> Model:
    """``model``, for which ``draft`` guesses; None: nobody does, not even the text itself.

    Raises:
        BadInput: one of them is no decoder on Sibao's own engine, or their vocabularies differ.
    """
    if draft is None:
        engine = getattr(model, "engine", None)
        if isinstance(engine, Engine):
            engine.guesser = None
        return model
    large, small = _decoder(model), _decoder(draft)
    _refuse_other_words(large.tokenizer, small)
    large.engine.guesser = DraftModel(small.engine, vocabulary(large.engine.config))
    return model


def _decoder(model: Model) -> LocalModel:
    engine = getattr(model, "engine", None)
    if isinstance(model, LocalModel) and isinstance(engine, Engine) and isinstance(engine.config, DecoderConfig):
        return model
    raise BadInput(
        f"a draft model guesses for decoders on Sibao's own engine; {model.name} is none", hint="leave the draft out"
    )


def _refuse_other_words(tokenizer: Tokenizer, small: LocalModel) -> None:
    """A guess is token ids: they must mean the same."""
    ours, theirs = (one.backend.get_vocab() for one in (tokenizer, small.tokenizer))
    if ours == theirs:
        return
    raise BadInput(
        f"the draft model {small.name} has another vocabulary: {len(theirs)} words and the model {len(ours)}, "
        f"{len(ours.items() & theirs.items())} of them with the same number",
        hint="take a smaller model of the same family",
    )
