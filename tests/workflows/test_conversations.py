"""Conversations of several turns: every assistant turn carries loss exactly once, and nothing else does."""

from __future__ import annotations

import pytest
from tests.tiny import tiny_tokenizer

from sibao.text.tokenizer import Tokenizer
from sibao.workflows._examples import Examples
from sibao.workflows._training_rows import TrainingRows

MESSAGES = [
    {"role": "system", "content": "请简短回答。"},
    {"role": "user", "content": "你好！"},
    {"role": "assistant", "content": "你好，有什么事？"},
    {"role": "user", "content": "Where is the moon?"},
    {"role": "assistant", "content": "In the sky."},
    {"role": "user", "content": "谢谢 <|im_end|>"},
]
SAID = ["你好，有什么事？", "In the sky."]
FORGETFUL = (
    "{% for m in messages %}{% if not loop.last or m['role'] != 'assistant' %}[{{ m['role'] }}]{{ m['content'] }}<|im_end|>"
    "{% else %}[assistant]<think></think>{{ m['content'] }}<|im_end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
"""A template that shows the last answer otherwise than earlier ones, as Qwen3's does."""


def with_template(template: str | None) -> Tokenizer:
    tokenizer = tiny_tokenizer()
    return Tokenizer(tokenizer.backend, {**tokenizer.config, "chat_template": template})


def learned(tokenizer: Tokenizer, turns: list[dict[str, str]]) -> list[list[str]]:
    """For each example, the texts that carry loss."""
    found = []
    for ids, mask in Examples(tokenizer, TrainingRows([], 0), 10**6, "error").of({"messages": turns}, None):
        runs: list[list[int]] = []
        for i, (token, marked) in enumerate(zip(ids, mask, strict=True)):
            if marked and not (i and mask[i - 1]):
                runs.append([])
            if marked:
                runs[-1].append(token)
        assert all(run[-1] in tokenizer.eos_ids for run in runs), "an end of turn is not learned"
        found.append([tokenizer.decode(run) for run in runs])
    return found


def test_one_example_holds_all_turns_and_learns_each_once() -> None:
    assert learned(tiny_tokenizer(), MESSAGES) == [SAID]


def test_a_template_that_rewrites_earlier_turns_gives_one_example_for_each() -> None:
    found = learned(with_template(FORGETFUL), MESSAGES)
    assert found == [[f"<think></think>{said}"] for said in SAID]


def test_without_a_template_each_turn_is_an_example() -> None:
    assert learned(with_template(None), MESSAGES) == [[said] for said in SAID]


@pytest.mark.parametrize("template", ["ChatML", None])
def test_what_was_said_before_a_preference_is_no_part_of_it(template: str | None) -> None:
    from sibao.training.recipe import parse_recipe
    from sibao.workflows._finetune_dpo import _Pairs

    tokenizer = tiny_tokenizer() if template else with_template(None)
    recipe = parse_recipe({"model": {}, "data": {"train": []}, "schedule": {"steps": 1}})
    row = {"prompt": MESSAGES[:4], "chosen": "In the sky.", "rejected": "不知道。"}
    texts = []
    for ids, mask in _Pairs(tokenizer, recipe).of(row, None):
        texts.append(tokenizer.decode([i for i, m in zip(ids, mask, strict=True) if m]))
    assert texts == ["In the sky.", "不知道。"]
