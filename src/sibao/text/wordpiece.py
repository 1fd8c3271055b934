"""Training the tokenizer of a masked language model: WordPiece with the control tokens of BERT."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from sibao.core.errors import BadInput
from sibao.text.slow import DEFAULTS, frame
from sibao.text.tokenizer import Tokenizer

CONTROL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def train_wordpiece(texts: Iterable[str], vocab_size: int, *, progress: bool = True) -> Tokenizer:
    """Train a WordPiece (arXiv 1609.08144, section 4.1): letter case and accents stay, Chinese characters stand alone.

    At most half of the entries are single characters, the commonest ones; others become ``[UNK]``.

    Args:
        vocab_size: entries in all, at least 300; a small corpus may give fewer.

    Raises:
        BadInput: the size is too small, or there is no text.
    """
    if vocab_size < 300:
        raise BadInput(f"vocab_size {vocab_size} is too small", hint="at least 300")
    iterator = iter(texts)
    first = next(iterator, None)
    if first is None:
        raise BadInput("no text to train a tokenizer on", hint="name files that hold text")
    backend = Backend(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        limit_alphabet=vocab_size // 2,
        special_tokens=[AddedToken(t, special=True, normalized=False) for t in CONTROL],
        show_progress=progress,
    )
    backend.train_from_iterator(itertools.chain([first], iterator), trainer)
    backend.post_processor = frame(backend, "[CLS]", "[SEP]")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **DEFAULTS["Bert"], "clean_up_tokenization_spaces": False}
    return Tokenizer(backend, config)
