"""Texts with masks in them: ``今天[MASK]气很好。`` as token ids; everything else that looks like a control token is text."""

from __future__ import annotations

from sibao.core.errors import BadInput, ModelError
from sibao.text.tokenizer import Tokenizer


def mask_token(tokenizer: Tokenizer) -> str:
    """How the model's mask is written.

    Raises:
        ModelError: the tokenizer has none.
    """
    if tokenizer.mask_id is None:
        raise ModelError("the tokenizer has no mask token", hint="name mask_token in tokenizer_config.json")
    return str(tokenizer.backend.id_to_token(tokenizer.mask_id))


def masked_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """Token ids of a text in which the mask token stands for itself, without ``[CLS]`` and ``[SEP]``.

    Raises:
        BadInput: there is no mask in the text.
    """
    mask = mask_token(tokenizer)
    parts = text.split(mask)
    if len(parts) == 1:
        raise BadInput(f"the text {text[:40]!r} holds no {mask}", hint=f"write {mask} where a token is wanted")
    added = tokenizer.backend.get_added_tokens_decoder()[tokenizer.mask_id or 0]
    ids: list[int] = []
    for i, part in enumerate(parts):
        if i:
            ids.append(tokenizer.mask_id or 0)
        if added.lstrip and i < len(parts) - 1:  # the mask stands for the space before it too (ModernBERT)
            part = part.rstrip()
        ids += tokenizer.encode(part)
    return ids
