"""Tokens that begin and end things (BOS, stop, pad), and whether text survives the tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sibao.core.types import Message
from sibao.text.chat import render, to_text
from sibao.text.tokenizer import Tokenizer
from sibao.workflows._check_files import token_text
from sibao.workflows._check_types import Finding, Status, Subject, id_list, shown

CONVERSATION: list[Message] = [
    {"role": "user", "content": "把“今天天气很好”翻译成英语。"},
    {"role": "assistant", "content": "The weather is fine today."},
    {"role": "user", "content": "What is 1 + 1? Please answer in Chinese."},
    {"role": "assistant", "content": "一加一等于二。"},
]
"""The sample that is always rendered: two turns, Chinese and English in both roles."""
PROBES = {
    "Chinese": "床前明月光，疑是地上霜。“你好！”——《静夜思》",
    "emoji": "👍🎉 👩‍👩‍👧‍👦 🇨🇳",
    "code": "class Area:\n\tif X <= 3:\n        return {'a': [x ** 2]}  # 注释\n",
    "white space": "  two  spaces\n\n\ttab\r\n　全角空格 end ",
    "rare characters": "𠮷野家 龘 café naïve",
}
"""What the tokenizer must give back to the byte."""
_MARK = "答案在此"


def token_findings(subject: Subject, tokenizer: Tokenizer) -> Iterator[Finding]:
    """BOS, stop ids and pad where the model writes text; the round trip for every model."""
    speaks = subject.kind == "decoder" or (subject.kind == "unknown" and tokenizer.has_template)
    if speaks:
        yield from _bos(tokenizer)
    if speaks or subject.kind == "encoder-decoder":
        yield from _stops(subject, tokenizer)
        yield from _pad(tokenizer)
    yield from _round_trip(tokenizer)


def turn_end(tokenizer: Tokenizer) -> int | None:
    """The control token that the template puts after what the assistant says; None where it puts none."""
    if not tokenizer.has_template:
        return None
    spoken: list[Message] = [CONVERSATION[0], {"role": "assistant", "content": _MARK}]
    tail = to_text(tokenizer, spoken, generation=False).rpartition(_MARK)[2]
    ids = tokenizer.encode(tail, specials=True)
    return next((i for i in ids if i in tokenizer.special_ids or i in tokenizer.eos_ids), None)


def _bos(tokenizer: Tokenizer) -> Iterator[Finding]:
    """A prompt begins with one BOS however it comes to be tokens: rendered to ids, or to text that is encoded after."""
    plain = tokenizer.encode("你好", add_special_tokens=True)
    bare = tokenizer.encode("你好")
    if plain[len(plain) - len(bare) :] != bare:
        hint = "take the end token out of the post-processor in tokenizer.json: the prompt must stay open"
        yield Finding("bos", "fail", f"the tokenizer closes every text: {shown(tokenizer, plain)}", "an open end", hint)
        return
    added = plain[: len(plain) - len(bare)]
    bos = tokenizer.bos_id if tokenizer.bos_id is not None else next(iter(added), None)
    if not tokenizer.has_template:
        yield _bos_finding(tokenizer, bos, added, added)
        return
    direct = render(tokenizer, CONVERSATION[:1])
    text = to_text(tokenizer, CONVERSATION[:1])
    yield _bos_finding(tokenizer, bos, direct, tokenizer.encode(text, specials=True, add_special_tokens=True))


def _bos_finding(tokenizer: Tokenizer, bos: int | None, direct: Sequence[int], encoded: Sequence[int]) -> Finding:
    """Args:
    direct: ids of the prompt as the template gives them. encoded: ids of the template's text, encoded as any text.
    """
    counts = [next((n for n, i in enumerate(ids) if i != bos), len(ids)) for ids in (direct, encoded)]
    if counts[0] == counts[1] <= 1:
        told = shown(tokenizer, [bos]) if counts[0] else "none, by template and by tokenizer"
        return Finding("bos", "ok", told)
    start = shown(tokenizer, encoded[:3])
    if counts[0] > 1:
        return Finding("bos", "fail", f"doubled: a prompt begins {start}", "one BOS", "the template or the "
                       "post-processor of tokenizer.json writes it twice: take one out")  # fmt: skip
    if counts[1] > 1:
        got = f"doubled: the template writes it and the tokenizer adds it again, so rendered text encodes as {start}"
        hint = "take it out of the template or of the post-processor; or, where prompts are always rendered straight "
        return Finding("bos", "fail", got, "one BOS whichever way", hint + "to ids as Sibao does, --accept bos")
    got = f"missing: the tokenizer begins every text with {shown(tokenizer, [bos])}, the template does not"
    hint = "begin the template with {{ bos_token }}, or stop the tokenizer from adding it; --accept bos if it was "
    return Finding("bos", "fail", got, "the same start whichever way", hint + "trained so")


def _stops(subject: Subject, tokenizer: Tokenizer) -> Iterator[Finding]:
    """The end of a turn is among the ids that end an answer: here, and by the config files as other programs read them."""
    ours = set(tokenizer.eos_ids)
    files = id_list(subject.generation.get("eos_token_id")) or id_list(subject.config.get("eos_token_id"))
    end = turn_end(tokenizer)
    wanted = f"the template ends a turn with {shown(tokenizer, [end])}"
    hint = "set eos_token in tokenizer_config.json, or eos_token_id in generation_config.json, to what ends a turn"
    if not ours:
        yield Finding("stop_ids", "fail", "no end token: an answer never stops", "an eos_token", hint)
    elif end is not None and end not in ours:
        yield Finding("stop_ids", "fail", shown(tokenizer, sorted(ours)), wanted, hint)
    elif files and end is not None and end not in files:
        got = f"the config files end an answer at {shown(tokenizer, files)}"
        yield Finding("stop_ids", "fail", got, wanted, "add it to eos_token_id in generation_config.json")
    elif files and ours != set(files):
        got = f"here {shown(tokenizer, sorted(ours))}; by the config files {shown(tokenizer, files)}"
        hint = "name all of them in eos_token_id of generation_config.json"
        yield Finding("stop_ids", "warn", got, "the same ids everywhere", hint)
    else:
        yield Finding("stop_ids", "ok", shown(tokenizer, sorted(ours)))


def _pad(tokenizer: Tokenizer) -> Iterator[Finding]:
    """Many trainers leave every pad token out of the loss (Transformers' collators do): a pad that is also the end of a
    turn is then never learned, and the model never stops. Sibao masks by place, not by id."""
    named = token_text(tokenizer.config.get("pad_token"))
    pad = tokenizer.backend.token_to_id(named) if named else None
    if pad is None:
        yield Finding("pad", "ok", "none is named")
        return
    end = turn_end(tokenizer)
    got = shown(tokenizer, [pad])
    if pad != (end if end is not None else next(iter(tokenizer.eos_ids), None)):
        yield Finding("pad", "ok", got)
        return
    got += " is the end of a turn too: trainers that mask padding by its id never teach the model to stop"
    # without a template it is a base model's habit, which becomes a fault once turns are trained
    status: Status = "warn" if end is None else "fail"
    yield Finding("pad", status, got, "a pad of its own", "set pad_token to a token that ends nothing")


def _round_trip(tokenizer: Tokenizer) -> Iterator[Finding]:
    broken = {}
    for name, text in PROBES.items():
        back = tokenizer.decode(tokenizer.encode(text), skip_special=False)
        if back != text:
            broken[name] = back
    if not broken:
        yield Finding("round_trip", "ok", f"{', '.join(PROBES)} come back to the byte")
        return
    name, back = next(iter(broken.items()))
    got = f"{', '.join(broken)}: {PROBES[name]!r} came back as {back!r}"
    if tokenizer.token_bytes() is not None:  # a vocabulary of bytes can write anything
        hint = "the decoder or normalizer in tokenizer.json does not belong to this vocabulary"
        yield Finding("round_trip", "fail", got, "the same text", hint)
    else:
        yield Finding("round_trip", "warn", got, "", "text outside its vocabulary is changed or lost by this tokenizer")
