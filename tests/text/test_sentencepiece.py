"""SentencePiece folders: the ids are those of Transformers' classes, and damaged files are refused."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import TEXTS

from sibao.core.errors import MissingPackage, ModelError
from sibao.text.sentencepiece import MarianTokenizer
from sibao.text.spm import read_pieces
from sibao.text.tokenizer import Tokenizer

LINES = [line for text in TEXTS for line in text.replace(".", "。").split("。")] * 4
SAMPLES = (
    "春眠不觉晓，处处闻啼鸟。", "hello  World!\nI like reading books.", "ＡＢＣ　① ﬁ é", "龘 unknown Ω 👍", "", "   ",
    "a▁b ▁ c", "</s> typed <pad>", "x" * 300,
)  # fmt: skip


def train(path: Path, seed_lines: list[str], **settings: Any) -> None:
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(seed_lines), model_prefix=str(path.with_suffix("")), vocab_size=120, minloglevel=2,
        character_coverage=1.0, hard_vocab_limit=False, **{"model_type": "unigram", **settings},
    )  # fmt: skip
    path.with_suffix(".model").rename(path)
    path.with_suffix(".vocab").unlink()


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("t5")
    train(folder / "spiece.model", LINES, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    return folder


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The vocabulary leaves out a piece of each side and adds a language code, as published ones do."""
    folder = tmp_path_factory.mktemp("marian")
    chinese, english = [line for line in LINES if "春" in line or "我" in line], [x for x in LINES if x.isascii()]
    for name, lines in (("source.spm", chinese), ("target.spm", english)):
        train(folder / name, lines, eos_id=0, unk_id=1, bos_id=-1, pad_id=-1)
    pieces = [read_pieces(folder / name).names for name in ("source.spm", "target.spm")]
    names = list(dict.fromkeys(["</s>", "<unk>", *pieces[0][5:], *pieces[1][4:], ">>cmn_Hans<<", "<pad>"]))
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}, ensure_ascii=False))
    (folder / "tokenizer_config.json").write_text(json.dumps({"source_lang": "zh", "target_lang": "en"}))
    return folder


def peer(kind: str, folder: Path) -> Any:
    import transformers

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(transformers, kind).from_pretrained(folder)


def test_t5_ids_are_those_of_transformers(t5: Path, tmp_path: Path) -> None:
    theirs, ours = peer("T5Tokenizer", t5), Tokenizer.load(t5)
    assert len(theirs) == ours.vocab_size
    for text in SAMPLES:
        want = theirs(text).input_ids
        assert ours.encode(text, specials=True, add_special_tokens=True) == want
        assert ours.decode(want) == theirs.decode(want, skip_special_tokens=True)
        assert ours.encode_source(text)[-1] == 1
    sentinels = [ours.backend.token_to_id(f"<extra_id_{i}>") for i in (0, 99)]
    assert sentinels == theirs.convert_tokens_to_ids(["<extra_id_0>", "<extra_id_99>"])
    assert (ours.pad_id, ours.eos_ids) == (0, (1,))
    ours.save(tmp_path)
    from transformers import AutoTokenizer

    assert AutoTokenizer.from_pretrained(tmp_path)(SAMPLES[0]).input_ids == theirs(SAMPLES[0]).input_ids
    assert Tokenizer.load(tmp_path).encode(SAMPLES[1]) == ours.encode(SAMPLES[1])


def test_a_typed_sentinel_stays_text(t5: Path) -> None:
    ours = Tokenizer.load(t5)
    assert ours.backend.token_to_id("<extra_id_0>") not in ours.encode_source("<extra_id_0>")


def test_marian_ids_are_those_of_transformers(marian: Path, tmp_path: Path) -> None:
    theirs, ours = peer("MarianTokenizer", marian), Tokenizer.load(marian)
    assert isinstance(ours, MarianTokenizer) and ours.vocab_size == len(theirs)
    for text in (*SAMPLES[:7], ">>cmn_Hans<< 春眠", ">>xx<< 春眠"):
        assert ours.encode(text, add_special_tokens=True) == theirs(text).input_ids
        target = theirs(text_target=text).input_ids
        if not text.startswith(">>"):
            assert [*ours.encode_target(text), ours.eos_ids[0]] == target
        assert ours.decode(target) == theirs.decode(target, skip_special_tokens=True)
    ours.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert again.encode(SAMPLES[0]) == ours.encode(SAMPLES[0]) and peer("MarianTokenizer", tmp_path)


@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet="春眠不觉 晓abcd e，。!🎉", max_size=30))
def test_any_text_has_the_ids_of_transformers(t5: Path, marian: Path, text: str) -> None:
    pairs = _loaded(t5, marian)
    for theirs, ours in pairs:
        assert ours.encode(text, specials=True, add_special_tokens=True) == theirs(text).input_ids


_CACHE: dict[Path, list[tuple[Any, Tokenizer]]] = {}


def _loaded(t5: Path, marian: Path) -> list[tuple[Any, Tokenizer]]:
    if t5 not in _CACHE:
        _CACHE[t5] = [
            (peer("T5Tokenizer", t5), Tokenizer.load(t5)), (peer("MarianTokenizer", marian), Tokenizer.load(marian)),
        ]  # fmt: skip
    return _CACHE[t5]


@pytest.mark.parametrize("fault", ["cut", "flipped", "text", "empty"])
def test_a_damaged_file_is_refused(t5: Path, fault: str, tmp_path: Path) -> None:
    data = (t5 / "spiece.model").read_bytes()
    bad = {"cut": data[: len(data) // 2 + 1], "flipped": b"\xff" + data[1:], "text": b"no model at all", "empty": b""}
    (tmp_path / "spiece.model").write_bytes(bad[fault])
    with pytest.raises(ModelError, match=r"spiece\.model is no SentencePiece model"):
        Tokenizer.load(tmp_path)


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    train(tmp_path / "spiece.model", LINES, model_type="bpe", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    with pytest.raises(ModelError, match="type 2; supported: unigram"):
        Tokenizer.load(tmp_path)


def test_a_broken_marian_vocabulary_is_refused(marian: Path, tmp_path: Path) -> None:
    for file in marian.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    for bad, message in (("[1]", "no object"), ('{"a": 0}', "has no '</s>'"), ("{", "cannot be read")):
        (tmp_path / "vocab.json").write_text(bad)
        with pytest.raises(ModelError, match=message):
            Tokenizer.load(tmp_path)


def test_without_the_package_the_install_line_is_said(marian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(MissingPackage, match="sentencepiece"):
        Tokenizer.load(marian)
