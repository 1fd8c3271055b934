"""Beam search on a causal model through the provider, beside Transformers' generate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import sibao
from sibao.core.errors import BadInput, ContextOverflow
from sibao.core.types import GenerateOptions, Sampling
from sibao.evaluation.cached import cached

PROMPTS = ["Once upon a time", "床前明月", "a"]


def options(beams: int, tokens: int = 12, **sampling: float) -> GenerateOptions:
    return GenerateOptions(tokens, Sampling(num_beams=beams, **sampling))  # type: ignore[arg-type]


def test_texts_are_those_of_transformers(qwen_folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    theirs, model = AutoModelForCausalLM.from_pretrained(qwen_folder), sibao.load(str(qwen_folder))
    for beams, penalty in ((3, 1.0), (4, 0.0)):
        answers = model.generate(PROMPTS, options(beams, length_penalty=penalty))
        for prompt, answer in zip(PROMPTS, answers, strict=True):
            import torch

            ids = torch.tensor([model.tokenizer.encode(prompt, add_special_tokens=True)])  # type: ignore[attr-defined]
            ends = list(model.tokenizer.eos_ids)  # type: ignore[attr-defined]
            found = theirs.generate(
                ids, attention_mask=torch.ones_like(ids), num_beams=beams, max_new_tokens=12, do_sample=False,
                length_penalty=penalty, eos_token_id=ends, pad_token_id=0,
            )[0, ids.shape[1] :].tolist()  # fmt: skip
            text = model.tokenizer.decode([t for t in found if t not in ends])  # type: ignore[attr-defined]
            assert answer.text == text
            assert answer.usage.prompt_tokens == ids.shape[1]


def test_one_beam_is_greedy_and_streams_agree(qwen_folder: Path) -> None:
    model = sibao.load(str(qwen_folder))
    assert model.generate(PROMPTS, options(1))[0].text == model.generate(PROMPTS, GenerateOptions(12))[0].text
    whole = model.generate(PROMPTS[:1], options(3))[0]
    assert "".join(d.text for d in model.stream(PROMPTS[0], options(3))) == whole.text
    assert sibao.generate(PROMPTS[0], model=model, raw=True, num_beams=3, max_tokens=12).text == whole.text


def test_the_next_best_texts_are_told(qwen_folder: Path) -> None:
    model, asked = sibao.load(str(qwen_folder)), options(4, num_return_sequences=3)
    found = model.generate(PROMPTS, asked)
    assert [one.text for one in found] == [one.text for one in model.generate(PROMPTS, options(4))]
    for one in found:
        texts = [one, *one.others]
        scores = [text.search_score for text in texts if text.search_score is not None]
        assert len(scores) == 3 and scores == sorted(scores, reverse=True)
        assert one.taken.completion_tokens == sum(text.usage.completion_tokens for text in texts)
        assert one.taken.prompt_tokens == one.usage.prompt_tokens
    last = [delta.completion for delta in model.stream(PROMPTS[0], asked)][-1]
    assert last is not None and [one.text for one in last.others] == [one.text for one in found[0].others]
    theirs = sibao.load(f"transformers:{qwen_folder}").generate(PROMPTS, asked)
    assert [[o.text for o in one.others] for one in theirs] == [[o.text for o in one.others] for one in found]

    cut = model.generate(PROMPTS, replace(asked, stop=(found[0].others[0].text[-1],)))[0].others
    assert all(found[0].others[0].text[-1] not in one.text for one in cut)

    store = cached(model, "qwen")
    assert store.generate(PROMPTS, asked) != [] and store.generate(PROMPTS, asked)[1].others[1].text == (
        found[1].others[1].text
    )
    result = sibao.generate(PROMPTS[0], model=model, raw=True, num_beams=4, num_return_sequences=3, max_tokens=12)
    assert [one["text"] for one in result.fields["others"]] == [one.text for one in found[0].others]
    assert result.usage == found[0].taken


def test_what_cannot_be_is_refused(qwen_folder: Path) -> None:
    model = sibao.load(str(qwen_folder))
    with pytest.raises(BadInput, match="beam search draws nothing"):
        model.generate(PROMPTS, options(2, temperature=0.5))
    for kind in ("", "transformers:"):
        with pytest.raises(BadInput, match="num_return_sequences is 3, wanted 1 to num_beams, which is 2"):
            sibao.load(f"{kind}{qwen_folder}").generate(PROMPTS, options(2, num_return_sequences=3))
    with pytest.raises(BadInput, match="wanted 1 to num_beams, which is 1"):
        model.generate(PROMPTS, GenerateOptions(12, Sampling(num_return_sequences=2)))
    with pytest.raises(ContextOverflow):
        model.generate(PROMPTS, options(2, tokens=500))
