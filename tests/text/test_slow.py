"""Tokenizers without tokenizer.json give the ids of Transformers' classes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.tiny import TEXTS, tiny_tokenizer

from sibao.core.errors import ModelError
from sibao.text.tokenizer import Tokenizer

REAL = Path(__file__).parents[3] / "shared" / "data" / "tokenizers"
SAMPLES = (
    *TEXTS, "Hello, world! naïve café ÀÉ 中文分词测试。\n new\tline don't I'm 12345 ﬁ Ⅷ é", "  two  spaces  ", "",
    "a\u200bb \x00 c", "[CLS] [MASK] <|endoftext|>",
)  # fmt: skip
PIECES = """the fox jumps over lazy dog like read ##ing book ##s hello world ! , . Hello naive na ##ive café
 我 喜 欢 读 书 春 天 ##天 1 ##2 ##3"""
WORDS = [*PIECES.split(), *"abcdefghijklmnopqrstuvwxyz"]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def wordpiece_folder(folder: Path, **config: object) -> Path:
    (folder / "vocab.txt").write_text("\n".join([*SPECIALS, *dict.fromkeys(WORDS)]) + "\n", encoding="utf-8")
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def bpe_folder(folder: Path, **config: object) -> Path:
    model = json.loads(tiny_tokenizer().backend.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def same(folder: Path, kind: str) -> Tokenizer:
    """The tokenizer of a folder, after it gave the ids of Transformers' ``kind`` for every sample."""
    import transformers

    own, peer = Tokenizer.load(folder), getattr(transformers, kind).from_pretrained(folder)
    for text in SAMPLES:
        assert own.encode(text, specials=True) == peer.encode(text, add_special_tokens=False), text
        assert own.encode(text, specials=True, add_special_tokens=True) == peer.encode(text), text
        ids = own.encode(text)
        assert own.decode(ids, skip_special=False) == peer.decode(ids)
    assert own.vocab_size == len(peer)
    assert own.special_ids == {i for i, token in peer.added_tokens_decoder.items() if token.special}
    return own


@pytest.mark.parametrize(
    "config",
    [{}, {"do_lower_case": False}, {"do_lower_case": False, "strip_accents": True}, {"tokenize_chinese_chars": False}],
    ids=["lower", "cased", "accents", "han"],
)
def test_wordpiece_is_that_of_berttokenizer(config: dict[str, bool], tmp_path: Path) -> None:
    own = same(wordpiece_folder(tmp_path, **config), "BertTokenizer")
    assert (own.pad_id, own.cls_id, own.sep_id, own.mask_id) == (0, 2, 3, 4)


def test_a_pair_has_its_second_segment(tmp_path: Path) -> None:
    from transformers import BertTokenizer

    own, peer = Tokenizer.load(wordpiece_folder(tmp_path)), BertTokenizer.from_pretrained(tmp_path)
    got = own.backend.encode("the fox", "我喜欢 hello")
    want = peer("the fox", "我喜欢 hello")
    assert (got.ids, got.type_ids) == (want["input_ids"], want["token_type_ids"])


@pytest.mark.parametrize("spaced", [False, True])
def test_byte_level_bpe_is_that_of_gpt2tokenizer(spaced: bool, tmp_path: Path) -> None:
    own = same(bpe_folder(tmp_path, tokenizer_class="GPT2Tokenizer", add_prefix_space=spaced), "GPT2Tokenizer")
    assert own.eos_ids == (own.backend.token_to_id("<|endoftext|>"),)


def test_qwen2_has_its_own_split_and_its_added_tokens(tmp_path: Path) -> None:
    flags = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": True}
    size = len(json.loads(tiny_tokenizer().backend.to_str())["model"]["vocab"])
    added = {str(size + i): {"content": f"<|extra_{i}|>", **flags} for i in range(2)}
    own = same(
        bpe_folder(tmp_path, tokenizer_class="Qwen2Tokenizer", added_tokens_decoder=added, eos_token="<|extra_1|>"),
        "Qwen2Tokenizer",
    )
    assert own.eos_ids == (size + 1,)
    assert own.encode("12345") == [own.encode(digit)[0] for digit in "12345"]


def test_saved_again_it_is_the_same(tmp_path: Path) -> None:
    own = Tokenizer.load(wordpiece_folder(tmp_path))
    own.save(tmp_path / "new")
    again = Tokenizer.load(tmp_path / "new")
    for text in SAMPLES:
        assert again.encode(text, add_special_tokens=True) == own.encode(text, add_special_tokens=True)
    assert again.mask_id == own.mask_id


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    folder = bpe_folder(tmp_path, tokenizer_class="RobertaTokenizer")
    with pytest.raises(ModelError, match=r"RobertaTokenizer is not read from vocab\.json and merges\.txt"):
        Tokenizer.load(folder)
    (folder / "tokenizer_config.json").write_text('{"added_tokens_decoder": {"9999": {"content": "<x>"}}}')
    with pytest.raises(ModelError, match="'<x>' should have id 9999"):
        Tokenizer.load(folder)
    (folder / "tokenizer_config.json").unlink()
    (folder / "merges.txt").write_text("#version: 0.2\nno-such pair\n")
    with pytest.raises(ModelError, match="cannot be read"):
        Tokenizer.load(folder)


@pytest.mark.skipif(not REAL.is_dir(), reason="the published vocabularies are not on this machine")
@pytest.mark.parametrize(
    ("name", "kind", "hello"),
    [("gpt2", "GPT2Tokenizer", [15496, 995]), ("bert-base-uncased", "BertTokenizer", [7592, 2088]),
     ("qwen2", "Qwen2Tokenizer", [9707, 1879])],
)  # fmt: skip
def test_published_vocabularies(name: str, kind: str, hello: list[int]) -> None:
    assert same(REAL / name, kind).encode("Hello world") == hello


def test_control_tokens_that_only_the_class_implies(tmp_path: Path) -> None:
    slow = Tokenizer.load(wordpiece_folder(tmp_path))
    (tmp_path / "tokenizer.json").write_text(slow.backend.to_str(), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 512}')  # as bert-base-chinese is published
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    bare = Tokenizer.load(tmp_path)
    assert (bare.cls_id, bare.sep_id, bare.mask_id, bare.pad_id) == (2, 3, 4, 0)
    (tmp_path / "special_tokens_map.json").write_text('{"cls_token": "[MASK]"}')
    assert Tokenizer.load(tmp_path).cls_id == 4
    (tmp_path / "tokenizer_config.json").write_text('{"cls_token": "[UNK]", "sep_token": null}')
    named = Tokenizer.load(tmp_path)
    assert (named.cls_id, named.sep_id) == (1, None)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')  # its defaults are no tokens of this vocabulary
    assert Tokenizer.load(tmp_path).eos_ids == ()
