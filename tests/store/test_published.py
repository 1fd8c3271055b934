"""Imported results: kept whole, replaced by source, dropped by source."""

from dataclasses import replace

import pytest

from sibao.core.errors import UnknownName
from sibao.store.published import Published, forget_published, published, replace_published, sources

ONE = Published(
    task="问答", dataset="CMRC 2018", model="Z-Reader", metric="TEST-F1", value=88.145, subset="dev", unit="%", shown="88.145%",
    low=87.5, high=88.5, level=0.95, n=4895, date="2018-09-17", title="论文", url="https://example.org", note="*",
    signature="f1|zh",
)  # fmt: skip


def test_a_result_comes_back_as_it_was_kept(store: str) -> None:
    assert published() == [] and sources() == {}
    bare = Published("t", "d", "m", "acc", 0.1 + 0.2)
    assert replace_published("a.json", [ONE, bare]) == 2
    first, second = published()
    assert first == replace(ONE, source="a.json", imported=first.imported) and first.imported > 1.7e9
    assert second == replace(bare, source="a.json", imported=first.imported)


def test_importing_again_replaces_the_source_and_nothing_else(store: str) -> None:
    replace_published("a.json", [ONE, replace(ONE, model="b")])
    replace_published("b.json", [ONE])
    replace_published("a.json", [replace(ONE, value=1.0)])
    assert sources() == {"b.json": 1, "a.json": 1}
    assert [(r.source, r.value) for r in published()] == [("b.json", 88.145), ("a.json", 1.0)]
    replace_published("a.json", [])
    assert sources() == {"b.json": 1}


def test_many_results_and_odd_letters(store: str) -> None:
    many = [replace(ONE, model=f"m{n}\0\ud800") for n in range(1203)]
    assert replace_published("big.json", iter(many)) == 1203
    found = published()
    assert len(found) == 1203 and found[7].model == "m7\ufffd\ufffd" and found[-1].model.startswith("m1202")


def test_a_source_is_forgotten_by_name(store: str) -> None:
    replace_published("a.json", [ONE, ONE])
    replace_published("b.json", [ONE])
    with pytest.raises(UnknownName, match=r"no imported source named 'c.json'"):
        forget_published(["a.json", "c.json"])
    assert forget_published(["a.json"]) == 2 and sources() == {"b.json": 1}
