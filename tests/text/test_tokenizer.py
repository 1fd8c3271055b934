"""Byte-level BPE: any text comes back, control strings stay text, and Transformers reads the same file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.tiny import TEXTS, tiny_tokenizer

from sibao.core.errors import BadInput, ModelError
from sibao.text.tokenizer import END_OF_TEXT, TURN_END, TURN_START, Tokenizer, train_bpe

CONTROLS = (END_OF_TEXT, TURN_START, TURN_END)
TEXT = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from([*CONTROLS, "你好", "👍🏽", "\n\n", " ", "a", "<|im_", "é"]), max_size=12).map("".join),
)


@given(TEXT)
@example("")
@example("  \n\t 春眠不觉晓👨‍👩‍👧 <|im_end|>\r\n\u0000")
def test_any_text_comes_back_and_holds_no_control_token(text: str) -> None:
    tokenizer = tiny_tokenizer()
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == tokenizer.decode(ids, skip_special=False) == text
    assert not tokenizer.special_ids & set(ids)
    assert all(0 <= i < tokenizer.vocab_size for i in ids)


@given(st.lists(TEXT, max_size=5))
def test_a_batch_is_its_single_texts(texts: list[str]) -> None:
    tokenizer = tiny_tokenizer()
    assert tokenizer.encode_batch(texts) == [tokenizer.encode(t) for t in texts]


@given(TEXT)
def test_the_bytes_behind_the_ids_are_those_of_the_text(text: str) -> None:
    tokenizer = tiny_tokenizer()
    sizes = tokenizer.token_bytes()
    assert sizes is not None
    assert sum(sizes[i] for i in tokenizer.encode(text)) == len(text.encode())
    assert [sizes[i] for i in tokenizer.special_ids] == [0, 0, 0]


def test_control_strings_are_tokens_only_when_asked() -> None:
    tokenizer = tiny_tokenizer()
    text = f"a{TURN_END}b{END_OF_TEXT}"
    ids = tokenizer.encode(text, specials=True)
    assert len(set(ids) & tokenizer.special_ids) == 2
    assert tokenizer.decode(ids) == "ab"
    assert tokenizer.decode(ids, skip_special=False) == text


def test_ids_of_the_ends() -> None:
    tokenizer = tiny_tokenizer()
    ids = {t: tokenizer.backend.token_to_id(t) for t in CONTROLS}
    assert tokenizer.eos_ids == (ids[TURN_END],)
    assert tokenizer.document_id == tokenizer.pad_id == ids[END_OF_TEXT]
    assert tokenizer.vocab_size == 400 and tokenizer.has_template


@pytest.mark.parametrize("text", [*TEXTS, "混合 mixed 文本 12345\n\n  indented <tag> é👍", "  leading"])
def test_transformers_reads_the_same_ids(text: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    tokenizer = tiny_tokenizer()
    tokenizer.save(tmp_path)
    for kind in (AutoTokenizer, PreTrainedTokenizerFast):
        peer = kind.from_pretrained(tmp_path)
        ids = tokenizer.encode(text)
        assert peer(text, add_special_tokens=False)["input_ids"] == peer(text)["input_ids"] == ids
        assert peer.decode(ids) == text
        assert (peer.eos_token_id, peer.pad_token_id) == (tokenizer.eos_ids[0], tokenizer.pad_id)


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.save(tmp_path / "one")
    again = Tokenizer.load(tmp_path / "one")
    again.save(tmp_path / "two")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert again.encode(TEXTS[0]) == tokenizer.encode(TEXTS[0])
    assert again.backend.to_str() == tokenizer.backend.to_str()


def test_the_same_text_gives_the_same_vocabulary() -> None:
    again = train_bpe(TEXTS, 400, min_frequency=1, progress=False)
    assert again.backend.to_str() == tiny_tokenizer().backend.to_str()


def test_generation_config_and_template_file_are_read(tmp_path: Path) -> None:
    tiny_tokenizer().save(tmp_path)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [2, 0]}')
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    del config["chat_template"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert not Tokenizer.load(tmp_path).has_template
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    loaded = Tokenizer.load(tmp_path)
    assert loaded.eos_ids == (2, 0)
    assert loaded.chat_template == "{{ messages[0]['content'] }}"
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": 1}')
    assert Tokenizer.load(tmp_path).eos_ids == (2, 1)


def test_the_two_published_files_of_gpt2(tmp_path: Path) -> None:
    from tokenizers.pre_tokenizers import ByteLevel

    signs = sorted(ByteLevel.alphabet())
    vocab = {sign: i for i, sign in enumerate([*signs, "th", "the", END_OF_TEXT])}
    (tmp_path / "vocab.json").write_text(json.dumps(vocab))
    (tmp_path / "merges.txt").write_text("#version: 0.2\nt h\nth e\n")
    tokenizer = Tokenizer.load(tmp_path)
    assert tokenizer.encode("the") == [vocab["the"]]
    assert tokenizer.document_id == vocab[END_OF_TEXT]
    assert tokenizer.eos_ids == (vocab[END_OF_TEXT],) and not tokenizer.has_template
    assert tokenizer.decode(tokenizer.encode("the 春")) == "the 春"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("tokenizer.json", "{", "the tokenizer cannot be read"),
        ("tokenizer.json", None, "holds no tokenizer.json"),
        ("tokenizer_config.json", "[1]", "is not a JSON object"),
        ("tokenizer_config.json", "{", "is not a JSON object"),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path: Path, file: str, content: str | None, message: str) -> None:
    tiny_tokenizer().save(tmp_path)
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_text(content)
    with pytest.raises(ModelError, match=message):
        Tokenizer.load(tmp_path)


def test_training_on_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match="no text to train a tokenizer on"):
        train_bpe([], 400, progress=False)
    with pytest.raises(BadInput, match="vocab_size 299 is too small"):
        train_bpe(TEXTS, 299, progress=False)


def test_a_tokenizer_without_any_end_says_so(tmp_path: Path) -> None:
    from tokenizers import Tokenizer as Backend
    from tokenizers.models import WordLevel

    tokenizer = Tokenizer(Backend(WordLevel({"a": 0}, unk_token="a")), {})
    with pytest.raises(ModelError, match="no end-of-text, BOS or EOS token"):
        _ = tokenizer.document_id
    assert tokenizer.token_bytes() is None
