"""Limits: each says what was wanted, what was found and where; what nobody knows does not pass unless allowed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sibao.choosing.cells import Cell
from sibao.choosing.limits import Limits, check, lets_companies, read_bytes, read_size, shown_bytes, shown_count
from sibao.core.errors import BadInput

CELLS = {
    "licence": Cell("Apache-2.0", source="card", date="2026-11-01"), "commercial": Cell(True, source="card"),
    "parameters": Cell(8_000_768, source="config.json"), "disk": Cell(16_000_000, "bytes"),
    "memory": Cell(300_000_000, "bytes", "sibao fit"), "languages": Cell(("zh", "en")), "modalities": Cell(("text",)),
    "offline": Cell(True), "cost": Cell(0.5, "USD / 1000 requests"), "latency": Cell(0.2, "s"),
    "availability": Cell("open"),
}  # fmt: skip
KEPT: list[dict[str, Any]] = [
    {"budget": 0.5}, {"max_latency": 0.2}, {"max_memory": 3e8}, {"max_parameters": 1e9}, {"max_disk": 2e7},
    {"licences": ("apache-2.0",)}, {"licences": ("mit", "commercial")}, {"offline": True}, {"languages": ("zh",)},
    {"languages": ("zh", "en")}, {"modalities": ("text",)},
]  # fmt: skip
BROKEN: list[tuple[dict[str, Any], str, str, str]] = [
    ({"budget": 0.4}, "budget", "≤ 0.4 USD / 1000", "0.5 USD / 1000"),
    ({"max_latency": 0.1}, "max-latency", "≤ 0.1 s", "0.2 s"),
    ({"max_memory": 2e8}, "max-memory", "≤ 200 MB", "300 MB"),
    ({"max_parameters": 7e6}, "max-size", "≤ 7 M", "8 M"),
    ({"max_disk": 1e7}, "max-size", "≤ 10 MB", "16 MB"),
    ({"licences": ("mit",)}, "licence", "mit", "Apache-2.0"),
    ({"modalities": ("text", "image")}, "modality", "text, image", "text"),
]


@pytest.mark.parametrize("limit", KEPT, ids=str)
def test_what_keeps_a_limit_passes(limit: dict[str, Any]) -> None:
    assert check("m", CELLS, Limits(**limit)) == []


@pytest.mark.parametrize(("limit", "name", "wanted", "got"), BROKEN, ids=lambda value: str(value)[:30])
def test_what_breaks_a_limit_says_how(limit: dict[str, Any], name: str, wanted: str, got: str) -> None:
    (out,) = check("m", CELLS, Limits(**limit))
    assert (out.name, out.limit, out.wanted, out.got) == ("m", name, wanted, got)
    assert check("m", CELLS, Limits(**limit, allow_unknown=True)) == [out]  # known to break it: no excuse


@pytest.mark.parametrize("limit", KEPT, ids=str)
def test_what_nobody_knows_does_not_pass_unless_allowed(limit: dict[str, Any]) -> None:
    (out,) = check("m", {}, Limits(**limit))
    assert out.got == "" and out.source == "nobody says" and out.to_json()["unknown"] is True
    assert check("m", {}, Limits(**limit, allow_unknown=True)) == []


def test_every_broken_limit_is_named_with_its_source() -> None:
    cells = {**CELLS, "offline": Cell(False, source="its name"), "languages": Cell(("en",), source="card")}
    out = check("m", cells, Limits(offline=True, languages=("zh",), licences=("mit",)))
    assert [(one.limit, one.got) for one in out] == [
        ("licence", "Apache-2.0"), ("offline", "answers over the network"), ("language", "en"),
    ]  # fmt: skip
    assert out[0].source == "card" and out[0].date == "2026-11-01"


def test_a_retired_model_is_always_out() -> None:
    (out,) = check("m", {**CELLS, "availability": Cell("retired", source="https://x")}, Limits())
    assert (out.limit, out.source) == ("availability", "https://x")


def test_a_licence_that_forbids_companies_is_known_to_do_so() -> None:
    cells = {**CELLS, "licence": Cell("cc-by-nc-4.0"), "commercial": Cell(False)}
    limits = Limits(licences=("commercial",), allow_unknown=True)
    assert check("m", cells, limits)[0].got == "cc-by-nc-4.0"
    unsure = {**CELLS, "licence": Cell("some-own-licence"), "commercial": Cell(None)}
    assert check("m", unsure, limits) == []
    assert check("m", unsure, replace(limits, allow_unknown=False))[0].got == ""


@pytest.mark.parametrize(
    ("licence", "free"), [("MIT", True), ("Apache-2.0", True), ("CC-BY-NC-4.0", False), ("gemma", None), ("", None)]
)
def test_what_is_known_of_licences(licence: str, free: bool | None) -> None:
    assert lets_companies(licence) is free


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1B", (1e9, None)), ("500M", (5e8, None)), ("1.5 b", (1.5e9, None)),
        ("2GB", (None, 2e9)), ("2GiB", (None, 2.0**31)), ("100 kb", (None, 1e5)),
    ],
)  # fmt: skip
def test_sizes_are_parameters_or_bytes(text: str, size: tuple[float | None, float | None]) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "big", "-1B", "1X", "12", "1e9B"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="max-size"):
        read_size(text)
    if text != "12":  # bytes may stand without a unit
        with pytest.raises(BadInput, match="wanted bytes"):
            read_bytes(text, "--max-memory")


def test_numbers_for_people() -> None:
    assert [shown_bytes(n) for n in (0, 999, 1500, 2.5e6, 4e9)] == ["0 B", "999 B", "1.5 kB", "2.5 MB", "4 GB"]
    assert [shown_count(n) for n in (12, 8_000_768, 6e8, 70e9)] == ["12", "8 M", "600 M", "70 B"]
