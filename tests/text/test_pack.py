"""Token files: what goes in comes out, borders and masks included, and a failure leaves nothing behind."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import TEXTS, tiny_tokenizer

from sibao.core.errors import BadInput, DataError
from sibao.text.pack import Example, PackWriter, TokenFile, document_examples, tokenizer_hash
from sibao.text.tokenizer import train_bpe

IDS = st.lists(st.integers(0, 399), min_size=2, max_size=20)
EXAMPLES = st.lists(
    st.one_of(
        IDS.map(lambda ids: (ids, None)),
        IDS.flatmap(
            lambda ids: st.tuples(st.just(ids), st.lists(st.integers(0, 1), min_size=len(ids), max_size=len(ids)))
        ),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25, deadline=None)
@given(EXAMPLES)
def test_what_goes_in_comes_out(examples: list[Example]) -> None:
    targets = sum(len(i) - 1 if m is None else sum(m[1:]) for i, m in examples)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train"
        if targets == 0:
            with pytest.raises(BadInput, match="no document to learn from"):
                PackWriter(path, tiny_tokenizer()).write(examples)
            assert list(Path(folder).iterdir()) == []
            return
        PackWriter(path, tiny_tokenizer()).write(examples)
        file = TokenFile(path)
        for number, (ids, mask) in enumerate(examples):
            part = slice(file.starts[number], file.starts[number + 1])
            assert file.tokens[part].tolist() == ids
            if file.mask is not None:
                assert file.mask[part].tolist() == ([1] * len(ids) if mask is None else mask)
        assert (file.mask is None) == all(m is None for _, m in examples)
        assert file.lengths.tolist() == [len(i) for i, _ in examples]
        assert (file.meta.documents, file.meta.tokens) == (len(examples), len(file.tokens))
        assert file.meta.target_tokens == targets


def test_documents_stand_between_document_tokens(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    meta = PackWriter(tmp_path / "train", tokenizer).write(
        document_examples(tokenizer, [*TEXTS, "typed <|endoftext|>"]), amounts=lambda: (7, 8)
    )
    file = TokenFile(tmp_path / "train")
    border = tokenizer.document_id
    assert np.flatnonzero(file.tokens == border).tolist() == sorted([*file.starts[:-1], *(file.starts[1:] - 1)])
    assert tokenizer.decode(file.tokens[1 : file.starts[1] - 1].tolist()) == TEXTS[0]
    assert (meta.characters, meta.bytes, meta.dtype, meta.vocab_size) == (7, 8, "uint16", 400)
    assert isinstance(file.tokens, np.memmap)


def test_a_large_vocabulary_takes_four_bytes(tmp_path: Path) -> None:
    tokenizer = train_bpe(TEXTS, 400, min_frequency=1, progress=False)
    tokenizer.backend.add_tokens([f"<extra{i}>" for i in range(2**16)])
    PackWriter(tmp_path / "train", tokenizer).write([([70_000 - 5_000, 65_900, 3], None)])
    assert TokenFile(tmp_path / "train").tokens.tolist() == [65_000, 65_900, 3]
    assert TokenFile(tmp_path / "train").meta.dtype == "uint32"


def test_a_failure_leaves_no_folder_and_keeps_the_old_one(tmp_path: Path) -> None:
    def broken() -> Iterator[Example]:
        yield [1, 2, 3], None
        raise DataError("bad row", file="x.jsonl", line=2)

    with pytest.raises(DataError, match="bad row"):
        PackWriter(tmp_path / "train", tiny_tokenizer()).write(broken())
    assert list(tmp_path.iterdir()) == []
    PackWriter(tmp_path / "train", tiny_tokenizer()).write([([1, 2], None)])
    with pytest.raises(DataError):
        PackWriter(tmp_path / "train", tiny_tokenizer()).write(broken())
    assert [p.name for p in tmp_path.iterdir()] == ["train"]
    assert TokenFile(tmp_path / "train").tokens.tolist() == [1, 2]
    PackWriter(tmp_path / "train", tiny_tokenizer()).write([([5, 6, 7], [0, 0, 1])])
    assert TokenFile(tmp_path / "train").tokens.tolist() == [5, 6, 7]


def test_no_document_and_no_target_are_refused(tmp_path: Path) -> None:
    for examples in ([], [([1, 2], [0, 0])], [([1], None)], [([], None)]):
        with pytest.raises(BadInput, match="no document to learn from"):
            PackWriter(tmp_path / "train", tiny_tokenizer()).write(examples)
    with pytest.raises(BadInput, match="3 tokens and 2 marks of loss"):
        PackWriter(tmp_path / "train", tiny_tokenizer()).write([([1, 2, 3], [0, 1])])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("meta.json", None, "no meta.json"),
        ("meta.json", b"{", "cannot be read"),
        ("meta.json", b'{"documents": 1}', "cannot be read"),
        ("tokens.bin", b"\x01", "cannot be read"),
        ("tokens.bin", b"\x01\x00", "do not agree with meta.json"),
        ("tokens.bin", None, "cannot be read"),
        ("starts.bin", b"", "do not agree with meta.json"),
        ("mask.bin", b"\x01", "do not agree with meta.json"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, file: str, content: bytes | None, message: str) -> None:
    PackWriter(tmp_path / "train", tiny_tokenizer()).write([([1, 2, 3], [0, 1, 1])])
    (tmp_path / "train" / file).unlink()
    if content is not None:
        (tmp_path / "train" / file).write_bytes(content)
    with pytest.raises(DataError, match=message):
        TokenFile(tmp_path / "train")


def test_the_hash_names_the_vocabulary(tmp_path: Path) -> None:
    from sibao.text.tokenizer import Tokenizer

    tokenizer = tiny_tokenizer()
    tokenizer.save(tmp_path)
    assert tokenizer_hash(Tokenizer.load(tmp_path)) == tokenizer_hash(tokenizer)
    assert tokenizer_hash(train_bpe(TEXTS, 401, min_frequency=1, progress=False)) != tokenizer_hash(tokenizer)
    PackWriter(tmp_path / "train", tokenizer).write([([1, 2], None)])
    assert json.loads((tmp_path / "train" / "meta.json").read_text())["tokenizer"] == tokenizer_hash(tokenizer)
