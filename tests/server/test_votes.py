"""``/api/votes`` over the wire."""

from __future__ import annotations

from typing import Any

import pytest
from tests.serving import Served

BALLOT = {
    "prompt": "写一句诗", "vote": "left",
    "left": {"model": "mini", "text": "床前明月光"}, "right": {"model": "别的", "text": "a"},
}  # fmt: skip


def test_a_vote_is_counted_at_once(served: Served) -> None:
    before = served.http.get("/api/votes").json()
    answer = served.post("/api/votes", BALLOT)
    assert answer.status_code == 200 and answer.json() == served.http.get("/api/votes").json()
    counted = answer.json()
    assert counted["votes"] == before["votes"] + 1
    mine = next(one for one in counted["models"] if one["model"] == "mini")
    assert mine["wins"] >= 1 and 0 < mine["low"] <= mine["rate"] <= mine["high"] <= 1
    assert {(one["model"], one["against"]) for one in counted["pairs"]} >= {("mini", "别的")}


@pytest.mark.parametrize(
    "change, said",
    [
        ({"vote": "up"}, "vote: "),
        ({"right": {"model": "mini", "text": ""}}, "both answers are of 'mini'"),
        ({"prompt": ""}, "prompt: "),
        ({"left": "mini"}, "left: "),
        ({"more": 1}, "more: "),
    ],
)
def test_what_is_no_vote_is_refused(served: Served, change: dict[str, Any], said: str) -> None:
    before = served.http.get("/api/votes").json()["votes"]
    answer = served.post("/api/votes", BALLOT | change)
    assert answer.status_code == 400 and said in answer.json()["error"]["message"]
    assert served.http.get("/api/votes").json()["votes"] == before


def test_forms_of_writing_are_listed(served: Served) -> None:
    forms = {one["name"]: one["styles"] for one in served.http.get("/api/forms").json()["forms"]}
    assert "五言" in forms["poem"] and forms["story"] == []
