"""Preference rows in the forms that others publish."""

from __future__ import annotations

from typing import Any

import pytest

from sibao.core.errors import DataError
from sibao.text.preferences import preference
from sibao.text.rows import kind_of, text_of

ASK, YES, NO = "能借我一本书吗？", "当然可以。", "不行。"
USER = {"role": "user", "content": ASK}
FORMS: dict[str, dict[str, Any]] = {
    "texts": {"prompt": ASK, "chosen": YES, "rejected": NO},
    "messages": {
        "prompt": [USER], "chosen": [{"role": "assistant", "content": YES}],
        "rejected": {"role": "assistant", "content": NO},
    },
    "sharegpt": {
        "conversations": [{"from": "human", "value": ASK}], "chosen": {"from": "gpt", "value": YES},
        "rejected": {"from": "gpt", "value": NO},
    },
    "whole": {
        "chosen": [USER, {"role": "assistant", "content": YES}], "rejected": [USER, {"role": "assistant", "content": NO}],
    },
    "hh": {"chosen": f"\n\nHuman: {ASK}\n\nAssistant: {YES}", "rejected": f"\n\nHuman: {ASK}\n\nAssistant: {NO}"},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_preference(form: str) -> None:
    row = FORMS[form]
    found = preference(row)
    assert (list(found.prompt), found.chosen, found.rejected) == ([USER], YES, NO)
    assert kind_of(row) == "preference" and text_of(row) == f"{ASK}\n{YES}"


def test_turns_before_and_a_system_text_are_kept() -> None:
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}, {"from": "human", "value": ASK}]
    found = preference({"conversations": turns, "system": "Be kind.", "chosen": YES, "rejected": NO})
    assert [turn["role"] for turn in found.prompt] == ["system", "user", "assistant", "user"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"chosen": " "}, "chosen"),
        ({"rejected": 3}, "rejected[0]"),
        ({"chosen": [USER]}, "chosen"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [{"role": "assistant", "content": "?"}]}, "prompt"),
        ({"prompt": [{"role": "tool", "content": "?"}]}, "prompt[0]"),
        ({"prompt": 5}, "prompt"),
    ],
)
def test_what_is_no_preference_names_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(DataError) as error:
        preference(FORMS["texts"] | change)
    assert error.value.field == field
    with pytest.raises(DataError, match=r"rows\.jsonl:3"):
        kind_of(FORMS["texts"] | change, file="rows.jsonl", line=3)


def test_conversations_that_begin_otherwise() -> None:
    row = {"chosen": f"\n\nHuman: {ASK}\n\nAssistant: {YES}", "rejected": f"\n\nHuman: 再见\n\nAssistant: {NO}"}
    with pytest.raises(DataError, match="differs from rejected"):
        preference(row)
