"""The small files of a model folder: do config.json, generation_config.json and the tokenizer's files agree?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sibao.models.weights import read_json
from sibao.text.tokenizer import Tokenizer
from sibao.workflows._check_types import Finding, Kind, Subject, id_list, shown, verdict

NAMED = ("bos_token", "eos_token", "pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "forced_bos_token_id")


def file_findings(subject: Subject, tokenizer: Tokenizer) -> Iterator[Finding]:
    """Vocabulary, special and added tokens, ids, generation config."""
    yield from _vocabulary(subject, tokenizer)
    yield from _special_tokens(subject, tokenizer)
    yield from _added_tokens(tokenizer)
    yield from _id_range(subject)
    yield _agreement("token_ids", "config.json", subject.config, tokenizer, subject.kind)
    yield from _generation_config(subject, tokenizer)


def rope_findings(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Every place of config.json that names a rotary base must name the same one: programs read different places."""
    bases = dict(_rope_bases(config))
    if not bases:
        return
    told = ", ".join(f"{place} = {base:g}" for place, base in bases.items())
    hint = "keep the base that the model was trained with in every place; programs differ in which one they read"
    yield verdict("rope_base", [told] * (len(set(bases.values())) > 1), told, "one base in every place", hint)


def _rope_bases(config: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    if isinstance(config.get("rope_theta"), int | float):
        yield "rope_theta", float(config["rope_theta"])
    for name in ("rope_parameters", "rope_scaling"):
        inner = config.get(name)
        if isinstance(inner, dict) and isinstance(inner.get("rope_theta"), int | float):
            yield f"{name}.rope_theta", float(inner["rope_theta"])


def _vocabulary(subject: Subject, tokenizer: Tokenizer) -> Iterator[Finding]:
    # an encoder-decoder may have a vocabulary for each side; the tokens' names are those of the answers
    rows = subject.config.get("decoder_vocab_size") or subject.config.get("vocab_size")
    largest = max(tokenizer.backend.get_vocab(with_added_tokens=True).values(), default=0)
    if not isinstance(rows, int):
        return
    told = f"the tokenizer's ids go up to {largest}, the embedding has {rows} rows"
    beyond = tokenizer.backend.id_to_token(largest)
    hint = f"{beyond!r} would read past the embedding: resize it, or restore the tokenizer it was trained with"
    yield verdict("vocabulary", [told] * (largest >= rows), told, f"ids up to {rows - 1}", hint)


def _special_tokens(subject: Subject, tokenizer: Tokenizer) -> Iterator[Finding]:
    """Each token that the tokenizer's config names is one id of its vocabulary, and its other file names the same."""
    other_file = subject.folder / "special_tokens_map.json"
    other = read_json(other_file) if other_file.is_file() else {}
    ids = []
    faults = []
    for key in NAMED:
        token = token_text(tokenizer.config.get(key))
        if token is None:
            continue
        found = tokenizer.backend.token_to_id(token)
        if found is None:
            faults.append(f"{key} {token!r} is not in the vocabulary")
        elif tokenizer.backend.encode(token, add_special_tokens=False).ids != [found]:
            faults.append(f"{key} {token!r} is cut into several tokens")
        elif (theirs := token_text(other.get(key))) not in (None, token):
            faults.append(f"{key} is {token!r}, but {theirs!r} in special_tokens_map.json")
        ids.append(f"{key.removesuffix('_token')} {token} = {found}")
    hint = "name them alike in tokenizer_config.json and special_tokens_map.json, and add them to tokenizer.json"
    fine = ", ".join(ids) or "none is named"
    yield verdict("special_tokens", faults, fine, "each is one token of the vocabulary", hint)


def token_text(token: Any) -> str | None:
    """The text of a token in a tokenizer's config, which may be an object."""
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) and text else None


def _added_tokens(tokenizer: Tokenizer) -> Iterator[Finding]:
    """The table in tokenizer_config.json against the tokens that tokenizer.json really adds."""
    table = tokenizer.config.get("added_tokens_decoder")
    if not isinstance(table, dict):
        return
    faults = []
    for number, token in table.items():
        real = tokenizer.backend.id_to_token(int(number)) if str(number).isdigit() else None
        if real != token_text(token):
            faults.append(f"{number} is {token_text(token)!r} in tokenizer_config.json and {real!r} in the vocabulary")
    hint = "the two files belong to different tokenizers: copy both from one source"
    yield verdict("added_tokens", faults, f"{len(table)} alike in both files", "the same token at each id", hint)


def _id_range(subject: Subject) -> Iterator[Finding]:
    rows = subject.config.get("vocab_size")
    if not isinstance(rows, int):
        return
    faults = []
    for file, data in (("config.json", subject.config), ("generation_config.json", subject.generation)):
        wrong = {k: [i for i in id_list(data.get(k)) if not 0 <= i < rows] for k in _IDS}
        faults += [f"{file} {key} = {ids[0]}" for key, ids in wrong.items() if ids]
    hint = "the model has no embedding for them: put in the ids of its own tokenizer"
    yield verdict("ids", faults, f"all within 0 to {rows - 1}", f"0 to {rows - 1}", hint)


def _generation_config(subject: Subject, tokenizer: Tokenizer) -> Iterator[Finding]:
    """generation_config.json against the tokenizer and config.json."""
    if not subject.generation:
        return
    ends, others = (id_list(d.get("eos_token_id")) for d in (subject.generation, subject.config))
    if ends and others and not set(ends) & set(others):
        got = f"generation_config.json ends at {shown(tokenizer, ends)}; config.json at {shown(tokenizer, others)}"
        hint = "give both files the ids that end this model's turn"
        yield Finding("generation_config", "fail", got, "the same end in both", hint)
        return
    yield _agreement("generation_config", "generation_config.json", subject.generation, tokenizer, subject.kind)


def _agreement(name: str, file: str, data: Mapping[str, Any], tokenizer: Tokenizer, kind: Kind) -> Finding:
    """BOS, EOS and pad of a config file are those that the tokenizer names. A wrong pad is only a warning, but not in an
    encoder-decoder: Transformers hides from its encoder what it takes for padding, and pad begins the answer."""
    ours = {key: tokenizer.backend.token_to_id(token_text(tokenizer.config.get(f"{key}_token")) or "") for key in
            ("bos", "eos", "pad")}  # fmt: skip
    theirs = {key: id_list(data.get(f"{key}_token_id")) for key in ours}
    odd = [key for key, own in ours.items() if own is not None and theirs[key] and own not in theirs[key]]
    if not odd:
        told = ", ".join(f"{key} {' '.join(map(str, ids))}" for key, ids in theirs.items() if ids)
        return Finding(name, "ok", told or f"{file} names none")
    got = "; ".join(f"{key} is {shown(tokenizer, theirs[key])} in {file}" for key in odd)
    wanted = "; ".join(f"{key} {shown(tokenizer, [ours[key]])}, as the tokenizer says" for key in odd)
    hint = f"correct {', '.join(f'{key}_token_id' for key in odd)} in {file}"
    mild = odd == ["pad"] and kind != "encoder-decoder"
    return Finding(name, "warn" if mild else "fail", got, wanted, hint)
