"""What only an encoder-decoder or an encoder can get wrong: where an answer starts, where a source ends, the mask."""

from __future__ import annotations

from collections.abc import Iterator

from sibao.text.reading import framed
from sibao.text.tokenizer import Tokenizer
from sibao.workflows._check_files import NAMED, token_text
from sibao.workflows._check_types import Finding, Subject, id_list, shown, verdict

STARTS = {"marian": 58100, "mt5": 0}
"""The start that Transformers takes where config.json names none; for T5 it then refuses to answer."""


def kind_findings(subject: Subject, tokenizer: Tokenizer) -> Iterator[Finding]:
    """The checks of the subject's kind; none for a decoder, nor for a family whose habits are not known."""
    if subject.shape is None:
        return
    if subject.kind == "encoder-decoder":
        yield _decoder_start(subject, tokenizer)
        yield _source_end(subject, tokenizer)
    elif subject.kind == "encoder":
        yield _frame(tokenizer)
        if subject.shape.head == "masked":
            yield _mask(subject, tokenizer)


def _decoder_start(subject: Subject, tokenizer: Tokenizer) -> Finding:
    """T5, mT5 and Marian all learned to begin with their padding token; training shifts its answers by the start of
    config.json, Transformers' ``generate`` begins with that of generation_config.json."""
    start, pad = subject.shape.decoder_start_token_id, subject.shape.pad_token_id
    name = "decoder_start_token_id"
    faults = []
    if subject.config.get(name) is None and STARTS.get(subject.family or "") != start:
        theirs = STARTS.get(subject.family or "", "no start at all")
        faults.append(f"config.json names none: {start} is taken here, {theirs} by Transformers")
    if subject.generation and id_list(subject.generation.get(name)) != [start]:
        said = shown(tokenizer, id_list(subject.generation.get(name)))
        faults.append(f"generation_config.json says {said}, config.json {shown(tokenizer, [start])}")
    if start != pad:
        faults.append(f"an answer begins with {shown(tokenizer, [start])}, padding is {shown(tokenizer, [pad])}")
    hint = "give both files the token that the model was trained to begin with; --accept decoder_start if it is no pad"
    return verdict("decoder_start", faults, shown(tokenizer, [start]), f"{name} {pad}, as pad, in both files", hint)


def _source_end(subject: Subject, tokenizer: Tokenizer) -> Finding:
    """A source ends with the end token, whoever encodes it."""
    end, ids = subject.shape.eos_token_id, tokenizer.encode("你好", add_special_tokens=True)
    faults = []
    if ids[-1:] != [end]:
        faults.append(f"the tokenizer ends a source with {shown(tokenizer, ids[-1:])}")
    if tokenizer.eos_ids and tokenizer.eos_ids[0] != end:
        faults.append(f"it names {shown(tokenizer, tokenizer.eos_ids[:1])} as the end token")
    hint = "put the end token into the post-processor of tokenizer.json, and the same id into config.json"
    return verdict("source_end", faults, shown(tokenizer, [end]), shown(tokenizer, [end]), hint)


def _frame(tokenizer: Tokenizer) -> Finding:
    """What the tokenizer puts around a text is what its config calls [CLS] and [SEP]: Sibao reads the names, other
    programs the post-processor."""
    named = framed(tokenizer, bare := tokenizer.encode("你好"))
    added = tokenizer.encode("你好", add_special_tokens=True)
    told = f"{shown(tokenizer, named[: len(named) - len(bare)])} with the text inside"
    faults = [f"a text is encoded as {shown(tokenizer, added)}; by its names it is {shown(tokenizer, named)}"]
    hint = "name cls_token and sep_token in tokenizer_config.json as the post-processor of tokenizer.json adds them"
    return verdict("frame", faults * (named != added), told, "the same ids", hint)


def _mask(subject: Subject, tokenizer: Tokenizer) -> Finding:
    """A mask token that is a token of its own, hides nothing else, and has an embedding."""
    mask, rows = tokenizer.mask_id, subject.shape.vocab_size
    faults = []
    if mask is None:
        faults.append(f"none: tokenizer_config.json names {tokenizer.config.get('mask_token')!r}")
    else:
        for key in NAMED[:-1]:
            text = token_text(tokenizer.config.get(key))
            if text and tokenizer.backend.token_to_id(text) == mask:
                faults.append(f"{shown(tokenizer, [mask])} is the {key} too")
        if mask not in tokenizer.special_ids:
            faults.append(f"{shown(tokenizer, [mask])} is an ordinary word: any text may hold it")
        if mask >= rows:
            faults.append(f"{shown(tokenizer, [mask])} lies outside the embedding of {rows} rows")
    hint = "name in mask_token of tokenizer_config.json the token that the model was trained with"
    return verdict("mask", faults, shown(tokenizer, [mask]), "a token of its own that stands for a hidden one", hint)
