"""What a constraint lets through is checked by others: ``json``, ``jsonschema`` and ``re``."""

from __future__ import annotations

import gc
import json
import re
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import TEXTS, tiny_tokenizer
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Backend

from sibao.core.errors import BadInput, MissingPackage
from sibao.text import constraint as forms
from sibao.text._vocabulary import token_bytes, vocabulary
from sibao.text.constraint import GrammarConstraint
from sibao.text.tokenizer import Tokenizer, train_bpe

CHARS = sorted({c for text in TEXTS for c in text if c != " "} | set('{}[]",:.-+eE0123456789truefalsnl\\'))
WORDS = ["▁the", "▁春", "▁{", '▁{"', "▁1", "▁▁", '":', '",', '"}', "{}", "[]", "日本", "▁▁▁▁"]
NEEDED = "/'正面负中立作者体裁诗词李杜王是否不知道夏秋冬名"
"""What the forms below need of a vocabulary that has no bytes to fall back on."""
CONFIG = {"eos_token": "</s>", "bos_token": "<s>", "unk_token": "<unk>"}


def llama_like() -> Tokenizer:
    """SentencePiece with bytes to fall back on, as Llama 2 has it: the first space of a text is dropped."""
    names = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256)), "▁", *CHARS, *WORDS]
    table = {name: i for i, name in enumerate(dict.fromkeys(names))}
    backend = Backend(models.BPE(table, [], unk_token="<unk>", byte_fallback=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    backend.add_special_tokens([AddedToken(t, special=True) for t in ("<unk>", "<s>", "</s>")])
    return Tokenizer(backend, CONFIG)


def t5_like() -> Tokenizer:
    """Unigram pieces without bytes; the decoder drops the first sign for a space."""
    names = ["<unk>", "<s>", "</s>", "▁", *sorted({*CHARS, *NEEDED}), *WORDS]
    pieces = [(name, -float(i)) for i, name in enumerate(dict.fromkeys(names))]
    backend = Backend(models.Unigram(pieces, unk_id=0))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    backend.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    backend.add_special_tokens([AddedToken(t, special=True) for t in ("<unk>", "<s>", "</s>")])
    return Tokenizer(backend, CONFIG)


KINDS: dict[str, Tokenizer] = {"bytes": tiny_tokenizer(), "llama": llama_like(), "t5": t5_like()}


@pytest.fixture(params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return KINDS[request.param]


def write(constraint: GrammarConstraint, tokenizer: Tokenizer, seed: int, most: int = 150) -> tuple[str, str]:
    """A model that knows nothing, at temperature 1: any token that may come; the end a bit more readily."""
    generator = torch.Generator().manual_seed(seed)
    ids: list[int] = []
    while len(ids) < most:
        weight = torch.rand(vocabulary(tokenizer).size, generator=generator) * constraint.mask(ids)
        assert weight.any(), (tokenizer.decode(ids), ids)
        weight[list(tokenizer.eos_ids)] *= 20
        token = int(torch.multinomial(weight, 1, generator=generator))
        if token in tokenizer.eos_ids:
            return tokenizer.decode(ids), "stop"
        ids.append(token)
    return tokenizer.decode(ids), "length"


SCHEMAS: dict[str, dict[str, Any]] = {
    "nested": {
        "type": "object", "additionalProperties": False, "required": ["name", "who"],
        "properties": {
            "name": {"type": "string", "maxLength": 6},
            "who": {
                "type": "object", "additionalProperties": False, "required": ["ok"],
                "properties": {"ok": {"type": "boolean"}, "none": {"type": "null"}},
            },
        },
    },
    "list": {"type": "array", "items": {"type": "integer", "minimum": -3, "maximum": 120}, "minItems": 2, "maxItems": 5},
    "enum": {"enum": ["正面", "负面", "中立", 3, None]},
    "chinese": {
        "type": "object", "additionalProperties": False, "required": ["作者", "体裁"],
        "properties": {"作者": {"type": "string", "pattern": "^[李杜王][一-龥]{1,2}$"}, "体裁": {"enum": ["诗", "词"]}},
    },
    "numbers": {
        "type": "object", "additionalProperties": False, "required": ["a", "b"],
        "properties": {
            "a": {"type": "number", "minimum": 0.5, "exclusiveMaximum": 2}, "b": {"type": "integer", "multipleOf": 7},
        },
    },
    "pattern": {"type": "string", "pattern": "^[a-c]{2,4}-\\d{3}$"},
    "either": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"const": "x"}, "minItems": 1, "maxItems": 3}]},
    "tree": {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object", "additionalProperties": False, "required": ["v"],
                "properties": {"v": {"enum": [1, 2]}, "next": {"$ref": "#/$defs/node"}},
            }
        },
    },
}  # fmt: skip
MADE: dict[tuple[str, str], GrammarConstraint] = {}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SCHEMAS)), st.sampled_from(sorted(KINDS)), st.integers(0, 10**6))
def test_what_ends_is_valid(name: str, kind: str, seed: int) -> None:
    if (name, kind) not in MADE:
        MADE[name, kind] = forms.json_schema(SCHEMAS[name], KINDS[kind])
    text, reason = write(MADE[name, kind].fresh(), KINDS[kind], seed)
    if reason == "stop":
        jsonschema.validate(json.loads(text), SCHEMAS[name])


@pytest.mark.parametrize("name", SCHEMAS)
def test_answers_do_end(name: str, tokenizer: Tokenizer) -> None:
    """The test above would say nothing about schemas that no answer completes."""
    made = forms.json_schema(SCHEMAS[name], tokenizer)
    assert sum(write(made.fresh(), tokenizer, seed)[1] == "stop" for seed in range(8)) >= 2


REGEXES = [
    r"\d{4}-\d{2}-\d{2}", r"(是|否|不知道)", r"[春夏秋冬]{2,4}。?", r" +a?", r"  [ab]{1,3} ", r"(a|ab|abc)+c?", r"^x[^y]{0,5}z$",
    r"(?i)yes|no", r".{1,4}", r"(the|春) ?(1|2)?", r"a/b\"'\\",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(REGEXES), st.sampled_from(sorted(KINDS)), st.integers(0, 10**6))
def test_what_ends_matches_the_regex(pattern: str, kind: str, seed: int) -> None:
    if (pattern, kind) not in MADE:
        MADE[pattern, kind] = forms.regex(pattern, KINDS[kind])
    text, reason = write(MADE[pattern, kind].fresh(), KINDS[kind], seed)
    assert reason == "length" or re.fullmatch(pattern, text), text
    assert "�" not in text or reason == "length"


@pytest.mark.parametrize("pattern", [r"\d{2}", r"(?:\d|x){2}", r"[]a]\d", r"\\d\d", r"[\d]\D", r"[^\]\d]\d", r"\[\d"])
def test_digits_are_plain_ones_wherever_they_stand(pattern: str) -> None:
    made = forms.regex(pattern, tiny_tokenizer())
    for seed in range(25):
        text, reason = write(made.fresh(), tiny_tokenizer(), seed)
        assert reason == "stop" and re.fullmatch(pattern, text), (pattern, text)


def test_every_choice_can_come_and_nothing_else(tokenizer: Tokenizer) -> None:
    wanted = {"正面", "负面", "a", "ab", 'q"uo\\te', "the 1", " 春"}
    made = forms.choice(sorted(wanted), tokenizer)
    assert {write(made.fresh(), tokenizer, seed)[0] for seed in range(120)} == wanted


def test_a_grammar_in_larks_syntax(tokenizer: Tokenizer) -> None:
    made = forms.grammar('start: sum\nsum: NUMBER ("+" NUMBER){1,3}\nNUMBER: /[1-9][0-9]?/', tokenizer)
    for seed in range(20):
        text, reason = write(made.fresh(), tokenizer, seed)
        assert reason == "stop" and re.fullmatch(r"[1-9]\d?(\+[1-9]\d?){1,3}", text)


def test_a_grammar_in_llguidances_own_form(tokenizer: Tokenizer) -> None:
    made = forms.grammar(json.dumps({"grammars": [{"lark_grammar": 'start: "春" | "秋"'}]}), tokenizer)
    assert {write(made.fresh(), tokenizer, seed)[0] for seed in range(20)} == {"春", "秋"}


def test_any_json_is_an_object(tokenizer: Tokenizer) -> None:
    found = [write(forms.any_json(tokenizer), tokenizer, seed, 60) for seed in range(25)]
    ended = [json.loads(text) for text, reason in found if reason == "stop"]
    assert ended and all(isinstance(value, dict) for value in ended)


def follow(constraint: GrammarConstraint, tokenizer: Tokenizer, ids: list[int]) -> None:
    for i, token in enumerate(ids):
        assert constraint.mask(ids[:i])[token], tokenizer.decode(ids[: i + 1])


@pytest.mark.parametrize(
    "text", ['{"名": "床前明月光，疑是地上霜。👍"}', '{"a": [1, 2.5e3, true, null], "b": {"c": ""}}']
)
def test_chinese_stays_whole_and_the_models_own_tokens_are_allowed(text: str) -> None:
    for kind in ("bytes", "llama"):
        tokenizer = KINDS[kind]
        ids = tokenizer.encode(text)
        made = forms.any_json(tokenizer)
        follow(made, tokenizer, ids)
        ends = made.mask(ids).nonzero()[:, 0].tolist()
        assert set(tokenizer.eos_ids) <= set(ends) and tokenizer.decode(ids) == text


def test_the_end_is_allowed_only_when_complete(tokenizer: Tokenizer) -> None:
    made = forms.choice(["ab", "abc"], tokenizer)
    ids = [token_bytes(tokenizer).index(letter) for letter in (b"a", b"b", b"c")]
    ends = list(tokenizer.eos_ids)
    assert [bool(made.mask(ids[:n])[ends].all()) for n in range(4)] == [False, False, True, True]
    assert made.mask(ids).sum() == len(ends)


def test_special_tokens_are_no_text() -> None:
    tokenizer = tiny_tokenizer()
    allowed = forms.regex(r"(?s:.*)", tokenizer).mask([])
    assert {i for i in tokenizer.special_ids if allowed[i]} == set(tokenizer.eos_ids)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.integers(0, 999), st.lists(st.integers(0, 40), max_size=12), st.booleans())
def test_any_order_of_questions_gives_the_same_masks(kind: str, seed: int, asked: list[int], ahead: bool) -> None:
    """Again with the same ids, shorter after tokens were taken back, longer by several, prepared for or not."""
    tokenizer = KINDS[kind]
    made = forms.json_schema(SCHEMAS["nested"], tokenizer)
    ids = written(made, tokenizer, seed)
    for place in asked:
        part = ids[:place]
        if ahead:
            made._seconds = 1.0  # worth a thread
            made.prepare(part if place % 3 else ids[: place // 2])
        fresh = forms.json_schema(SCHEMAS["nested"], tokenizer)
        assert torch.equal(made.mask(part), fresh.mask(part))


def written(made: GrammarConstraint, tokenizer: Tokenizer, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    ids: list[int] = []
    while len(ids) < 40:
        token = int(torch.multinomial(made.mask(ids).float(), 1, generator=generator))
        if token in tokenizer.eos_ids:
            break
        ids.append(token)
    return ids


def test_a_mask_that_was_prepared_is_computed_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    made = forms.any_json(tiny_tokenizer())
    threads: list[str] = []
    plain = GrammarConstraint._mask

    def told(self: GrammarConstraint, ids: list[int]) -> torch.Tensor:
        threads.append(threading.current_thread().name)
        return plain(self, ids)

    monkeypatch.setattr(GrammarConstraint, "_mask", told)
    monkeypatch.setattr(forms, "WORTH_A_THREAD", 0.0)
    made.prepare([])
    made.prepare([])
    made.mask([])
    assert len(threads) == 1 and threads[0].startswith("constraint")
    monkeypatch.setattr(forms, "WORTH_A_THREAD", 1e9)
    made.prepare([])
    made.mask([])
    assert threads[1:] == [threading.main_thread().name]


def test_a_fault_in_a_thread_comes_out_of_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "WORTH_A_THREAD", 0.0)
    made = forms.choice(["ab"], tiny_tokenizer())
    made.prepare([5])
    with pytest.raises(BadInput, match="tokens 0 to 0 of the answer do not follow the grammar"):
        made.mask([5])
    assert made.mask([]).any()


def test_tokens_that_do_not_follow_are_told_and_the_next_answer_is_sound(tokenizer: Tokenizer) -> None:
    made, a = forms.choice(["ab"], tokenizer), token_bytes(tokenizer).index(b"a")
    first = made.mask([])
    with pytest.raises(BadInput, match="tokens 0 to 1 of the answer do not follow"):
        made.mask([a, a])
    assert torch.equal(made.mask([]), first) and made.mask([a]).any()


def test_fresh_ones_do_not_share_their_place() -> None:
    tokenizer = tiny_tokenizer()
    one = forms.choice(["ab", "cd"], tokenizer)
    a, c = (token_bytes(tokenizer).index(letter) for letter in (b"a", b"c"))
    one.mask([a])
    other = one.fresh()
    assert other.mask([c]).any() and torch.equal(other.mask([]), one.mask([]))


@pytest.mark.parametrize(
    ("make", "value", "message"),
    [
        (forms.json_schema, {"type": "objekt"}, "at its top level: Invalid type: objekt"),
        (forms.json_schema, {"properties": {"a": {"type": "string", "pattern": "(["}}}, "at properties/a: regex parse error"),
        (forms.json_schema, {"items": {"anyOf": [{}, {"uniqueItems": True}]}}, "at items/anyOf/1: Unimplemented keys"),
        (forms.json_schema, {"properties": {"甲": {"$ref": "#/nope"}}}, "at properties/甲: Pointer '/nope' does not exist"),
        (forms.json_schema, {"$ref": "https://example.com/x.json"}, "does not fetch"),
        (forms.json_schema, {"type": "integer", "minimum": 5, "maximum": 2}, "minimum .5. is greater than maximum .2."),
        (forms.json_schema, {"const": float("nan")}, "cannot be written as JSON"),
        (forms.json_schema, {"const": object()}, "cannot be written as JSON"),
        (forms.json_schema, [], "schema of type list, wanted an object"),
        (forms.regex, "中a{3,1}", "at character 2: invalid repetition count range"),
        (forms.regex, "(ab", "at character 0: unclosed group"),
        (forms.regex, r"\bx", "lookarounds not supported"),
        (forms.regex, "", "the regex is ''"),
        (forms.regex, None, "the regex is None"),
        (forms.grammar, 'start: "a" | b', 'line 1, column 8: unknown name: "b"'),
        (forms.grammar, 'start: "a"\nfoo: ((', "line 2, column"),
        (forms.grammar, 'begin: "a"', "no start rule found"),
        (forms.grammar, '{"grammars": 1}', "expected a sequence"),
        (forms.choice, [], "wanted a list of at least one text"),
        (forms.choice, "ab", "wanted a list"),
        (forms.choice, ["a", ""], "choice 1 is ''"),
        (forms.choice, ["a", 3], "choice 1 is 3"),
        (forms.from_format, {"type": "xml"}, "no response_format named 'xml'"),
        (forms.from_format, {"type": "json_schema"}, "has no field 'json_schema'"),
        (forms.from_format, {"type": "json_schema", "json_schema": {"name": "x"}}, "wanted an object with a schema"),
        (forms.from_format, {"type": "json_schema", "json_schema": {"schema": {"type": "x"}}}, "Invalid type: x"),
        (forms.from_format, {"type": "choice"}, "has no field 'choices'"),
        (forms.from_format, "json", "wanted an object with a type"),
        (forms.from_format, {}, "wanted an object with a type"),
    ],
)  # fmt: skip
def test_what_cannot_be_compiled_is_refused_with_its_place(make: Callable[..., Any], value: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        make(value, tiny_tokenizer())


def test_a_schema_of_too_many_levels_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(3000):
        deep = {"items": deep}
    with pytest.raises(BadInput, match="cannot be written as JSON"):
        forms.json_schema(deep, tiny_tokenizer())


def test_a_grammar_that_grows_beyond_the_limits_is_an_error_not_an_end() -> None:
    from llguidance import LLMatcher, LLParserLimits

    tokenizer = tiny_tokenizer()
    text = LLMatcher.grammar_from_lark("start: a\na: a a | /[xy]/")
    matcher = LLMatcher(vocabulary(tokenizer).engine, text, limits=LLParserLimits(max_items_in_row=20), log_level=0)
    made, ids = GrammarConstraint(vocabulary(tokenizer), matcher), tokenizer.encode("xy" * 30)
    with pytest.raises(BadInput, match=r"the grammar cannot go on after \d+ tokens|do not follow"):
        for n in range(len(ids)):
            made.mask(ids[:n])


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"type": "json_object"}, "{}"),
        ({"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {"const": "春"}}}, '"春"'),
        ({"type": "regex", "regex": "春{2}"}, "春春"),
        ({"type": "grammar", "grammar": 'start: "春"'}, "春"),
        ({"type": "choice", "choices": ["春"]}, "春"),
    ],
)
def test_the_forms_of_a_request(form: dict[str, Any], text: str) -> None:
    tokenizer = tiny_tokenizer()
    made = forms.from_format(form, tokenizer)
    assert made is not None
    ids = tokenizer.encode(text)
    follow(made, tokenizer, ids)
    assert made.mask(ids)[list(tokenizer.eos_ids)].all()
    assert forms.from_format({"type": "text"}, tokenizer) is None


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="春眠 ab{}\n\t🎉é", max_size=20))
def test_bytes_of_tokens_are_what_decoding_gives(text: str) -> None:
    for kind in ("bytes", "llama"):
        tokenizer = KINDS[kind]
        ids = tokenizer.encode(text)
        joined = b"".join(token_bytes(tokenizer)[i] for i in ids).decode()
        assert joined.removeprefix(" " if kind == "llama" else "") == tokenizer.decode(ids) == text


def test_a_tokenizer_is_prepared_once_and_not_kept_alive() -> None:
    tokenizer = train_bpe(TEXTS, 300, min_frequency=1, progress=False)
    words = vocabulary(tokenizer)
    assert vocabulary(tokenizer) is words and words.size == tokenizer.vocab_size
    gone = weakref.ref(tokenizer)
    del tokenizer
    gc.collect()
    assert gone() is None


def test_tokenizers_that_no_grammar_can_follow_are_refused() -> None:
    with pytest.raises(BadInput, match=r"the tokenizer \(object\) has no fast form"):
        forms.regex("a", object())  # type: ignore[arg-type]
    endless = Tokenizer(tiny_tokenizer().backend, {})
    with pytest.raises(BadInput, match="names no end token"):
        forms.regex("a", endless)
    words = Backend(models.WordPiece({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    words.pre_tokenizer, words.decoder = pre_tokenizers.Split(Regex(" "), "removed"), decoders.WordPiece()
    with pytest.raises(BadInput, match=r"decodes with .'WordPiece'."):
        forms.regex("a", Tokenizer(words, {"eos_token": "a"}))


def test_without_the_package_the_install_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(MissingPackage) as caught:
        forms.regex("a", tiny_tokenizer())
    assert "sibao[constraints]" in caught.value.hint
