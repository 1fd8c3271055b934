"""``/api/scorecards`` and ``/api/leaderboard`` over the wire."""

from __future__ import annotations

from typing import Any

import pytest
from tests.serving import Served
from tests.workflows.stored_runs import choices, translations


@pytest.fixture(scope="module")
def measured(served: Served) -> Served:
    """Three models on the same questions, one of them at chance; and a task on one's own file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIBAO_HOME", str(served.home))
        choices("room-good", [1.0] * 90 + [0.0] * 10)
        choices("room-bad", [1.0, 0.0, 0.0, 0.0] * 25)
        choices("room-near", [1.0] * 88 + [0.0] * 12)
        translations("room-good", ["你好", "谢谢"], ["你好", "多谢"], {"data": ["/home/me/pairs.jsonl"], "to": "zh"})
    return served


def cards(served: Served) -> dict[str, Any]:
    found: dict[str, Any] = served.http.get("/api/scorecards").json()
    return found


def test_cards_hold_what_the_store_has(measured: Served) -> None:
    found = cards(measured)
    assert found["cards"][0]["model"] == "mini", "the shipped model's facts are known from the start"
    facts = {cell["name"]: cell["value"] for cell in found["cards"][0]["cells"] if cell["section"] == "facts"}
    assert facts["architecture"] == "qwen3" and facts["licence"]
    by_name = {card["model"]: {cell["name"]: cell for cell in card["cells"]} for card in found["cards"]}
    good = by_name["room-good"]["mmlu · acc"]
    assert (good["value"], good["n"], good["chance"], good["at_chance"]) == (0.9, 100, 0.25, False)
    assert good["low"] < 0.9 < good["high"] and good["source"].startswith("run r")
    assert by_name["room-bad"]["mmlu · acc"]["at_chance"]
    mine = by_name["room-good"]["translate pairs.jsonl · chrf"]
    assert mine["section"] == "translation" and mine["better"] == "higher"
    assert set(found["sections"]) >= {cell["section"] for card in found["cards"] for cell in card["cells"]}
    assert found["sections"]["qa"] == {"zh": "问答", "en": "Question answering"}


def test_boards_have_intervals_and_ranges_of_ranks(measured: Served) -> None:
    answer = measured.http.get("/api/leaderboard", params={"suite": "mmlu", "metric": "acc", "own": True})
    (table,) = answer.json()["tables"]
    ranks = {row["model"]: (row["rank_best"], row["rank_worst"], row["could_be_first"]) for row in table["rows"]}
    assert ranks == {"room-good": (1, 2, True), "room-near": (1, 2, True), "room-bad": (3, 3, False)}
    assert all(row["low"] < row["value"] < row["high"] for row in table["rows"]) and table["better"] == "higher"


def test_remarks_in_the_language_of_the_page(measured: Served) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIBAO_HOME", str(measured.home))
        choices("room-shots", [1.0] * 20, {"shots": 5})
    for language, word in (("zh", "单列"), ("en", "apart")):
        found = measured.http.get("/api/leaderboard", params={"suite": "mmlu", "language": language}).json()
        assert any(word in remark for table in found["tables"] for remark in table["apart"])


def test_names_that_no_figure_has(measured: Served) -> None:
    answer = measured.http.get("/api/leaderboard", params={"suite": "mmluu"})
    assert answer.status_code == 404 and "mmlu" in answer.json()["error"]["hint"]
    assert measured.http.get("/api/leaderboard", params={"language": "fr"}).status_code == 400
