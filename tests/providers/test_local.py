"""Text in, text out over a tiny random model: streaming, stop strings, limits, log-likelihoods."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.tiny import TEXTS, tiny_tokenizer

from sibao.core.errors import BadInput, ContextOverflow
from sibao.core.types import GenerateOptions, Message, Sampling
from sibao.engine.build import build
from sibao.models.folder import load_model
from sibao.providers.local import LocalModel
from sibao.text.detokenize import find_stop
from sibao.text.tokenizer import Tokenizer

RANDOM = Sampling(temperature=1.0, seed=3)


@pytest.fixture(scope="module")
def model(gpt2_folder: Path) -> LocalModel:
    return LocalModel("tiny", build(load_model(gpt2_folder, torch.float32)), Tokenizer.load(gpt2_folder))


def user(text: str) -> list[Message]:
    return [Message(role="user", content=text)]


def test_generate_answers_in_order_and_as_alone(model: LocalModel) -> None:
    prompts = [user("你好"), "春眠不觉晓，", "The quick", user("How are you?")]
    options = GenerateOptions(max_tokens=20, sampling=RANDOM)
    together = model.generate(prompts, options)
    assert [c.text for c in together] == [model.generate([p], options)[0].text for p in prompts]
    assert [c.usage.prompt_tokens for c in together] == [model.count(p) for p in prompts]
    assert model.generate([]) == []
    for completion in together:
        assert 0 < completion.first_token_seconds <= completion.seconds
        assert completion.usage.completion_tokens == 20 or completion.finish_reason == "stop"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(TEXTS),
    st.integers(0, 50),
    st.integers(1, 30),
    st.lists(st.sampled_from(["a", "e", "，", " t", "es"])),
)
def test_streamed_is_whole(model: LocalModel, prompt: str, seed: int, n: int, stop: list[str]) -> None:
    options = GenerateOptions(n, Sampling(temperature=1.0, seed=seed), tuple(stop))
    prompt = prompt[:20]
    whole = model.generate([prompt], options)[0]
    deltas = list(model.stream(prompt, options))
    last = deltas[-1].completion
    assert last is not None and all(d.completion is None for d in deltas[:-1])
    assert "".join(d.text for d in deltas) == whole.text == last.text
    assert (last.finish_reason, replace(last.usage, cached_tokens=0)) == (
        whole.finish_reason, replace(whole.usage, cached_tokens=0),
    )  # fmt: skip
    free = model.generate([prompt], GenerateOptions(n, Sampling(temperature=1.0, seed=seed)))[0]
    cut = find_stop(free.text, stop)
    assert whole.text == (free.text if cut is None else free.text[:cut])
    assert cut is None or whole.finish_reason == "stop"


def test_a_stop_string_ends_the_work(model: LocalModel) -> None:
    free = model.generate(["春眠"], GenerateOptions(60, RANDOM))[0]
    stop = next(c for c in free.text[5:] if c.isascii() and c.isalpha())
    stopped = model.generate(["春眠"], GenerateOptions(60, RANDOM, (stop,)))[0]
    assert stopped.text == free.text[: free.text.index(stop)] and stopped.finish_reason == "stop"
    assert stopped.usage.completion_tokens < free.usage.completion_tokens
    assert not model.engine.busy


def test_closing_a_stream_cancels(model: LocalModel) -> None:
    stream = model.stream("春眠", GenerateOptions(100, RANDOM))
    next(stream)
    assert model.engine.busy
    stream.close()  # type: ignore[attr-defined]
    assert not model.engine.busy


def test_prompts_as_they_stand_and_messages_through_the_template(model: LocalModel) -> None:
    tokenizer = model.tokenizer
    assert model.encode("<|im_end|>") == tokenizer.encode("<|im_end|>") != tokenizer.encode("<|im_end|>", specials=True)
    rendered = "<|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n"
    assert model.encode(user("你好")) == tokenizer.encode(rendered, specials=True)
    assert model.encode("") == [tokenizer.bos_id]


def test_without_a_template_messages_are_joined_by_blank_lines(model: LocalModel) -> None:
    bare = Tokenizer(tiny_tokenizer().backend, {"eos_token": "<|im_end|>"})
    plain = LocalModel("plain", model.engine, bare)
    messages = [Message(role="system", content="规则"), *user("你好")]
    assert plain.encode(messages) == bare.encode("规则\n\n你好")


def test_what_does_not_fit_is_refused_with_numbers_before_any_work(model: LocalModel) -> None:
    prompts = ["春眠", "春" * 400]
    for call in (model.generate, lambda p, o: model.stream(p[1], o)):
        with pytest.raises(ContextOverflow, match=r"need \d+ tokens, the model holds 128"):
            call(prompts, GenerateOptions(10))
        assert not model.engine.busy
    with pytest.raises(BadInput, match="no messages"):
        model.generate([[]])
    with pytest.raises(BadInput, match="temperature is -1"):
        model.generate(["a"], GenerateOptions(sampling=Sampling(temperature=-1)))


def test_logprobs_come_with_words(model: LocalModel) -> None:
    options = GenerateOptions(8, Sampling(logprobs=3))
    completion = model.generate(["The quick"], options)[0]
    assert len(completion.logprobs) == completion.usage.completion_tokens
    for item in completion.logprobs:
        assert len(item.top) == 3 and item.top[0] == (item.token, pytest.approx(item.logprob))
    assert model.generate(["The quick"], GenerateOptions(8))[0].logprobs == ()


def logprob(model: LocalModel, ids: list[int], start: int) -> float:
    """Of ``ids[start:]`` by one full forward; the last token is only predicted, so 129 tokens fit 128 positions."""
    with torch.inference_mode():
        rows = model.engine.model.logits(model.engine.model(torch.tensor([ids[:-1]]))[0]).log_softmax(-1)
    return sum(float(rows[i - 1, ids[i]]) for i in range(start, len(ids)))


@pytest.mark.parametrize(
    ("context", "continuation", "moved", "rest"),
    [
        ("The quick", " brown", "The quick", " brown"),
        ("The quick ", "brown", "The quick", " brown"),
        ("答案：\n", "春", "答案：", "\n春"),
        ("春眠不", "觉晓", "春眠不", "觉晓"),
    ],
)
def test_score_follows_the_boundary_rule(
    model: LocalModel, context: str, continuation: str, moved: str, rest: str
) -> None:
    encode = model.tokenizer.encode
    whole, before = encode(moved + rest), encode(moved)
    scored = model.score([(context, continuation)])[0]
    assert scored.tokens == len(whole) - len(before)
    assert scored.loglikelihood == pytest.approx(logprob(model, whole, len(before)), abs=1e-4)


def test_score_with_nothing_before_starts_from_bos(model: LocalModel) -> None:
    ids = [model.tokenizer.bos_id, *model.tokenizer.encode("春眠")]
    scored = model.score([("", "春眠")])[0]
    assert scored.loglikelihood == pytest.approx(logprob(model, ids, 1), abs=1e-4) and scored.tokens == len(ids) - 1
    spaced, moved = model.score([("", " 春眠"), (" ", "春眠")])
    assert (spaced.tokens, spaced.loglikelihood) == (moved.tokens, pytest.approx(moved.loglikelihood, abs=1e-5))


def test_score_of_messages_and_greedy(model: LocalModel) -> None:
    ids = model.encode(user("你好")) + model.tokenizer.encode("好")
    scored = model.score([(user("你好"), "好")])[0]
    assert scored.loglikelihood == pytest.approx(logprob(model, ids, len(ids) - scored.tokens), abs=1e-4)
    assert not scored.greedy
    with pytest.raises(BadInput, match="has no token of its own"):
        model.score([("a", "")])
    with pytest.raises(ContextOverflow):
        model.score([("a" * 300, "b")])


@pytest.mark.parametrize("length", [1, 127, 128, 129, 256, 300])
def test_score_text_counts_every_token_once(model: LocalModel, length: int) -> None:
    """Against windows cut by hand: 128 predicted tokens at a time, the last one filled up to 128 tokens of context."""
    text = ("zqx" * 200)[:length]
    ids = model.tokenizer.encode(text)
    assert len(ids) == length  # no merges: the test below counts on it
    whole = [model.tokenizer.bos_id, *ids]
    expected = 0.0
    for first in range(1, len(whole), 128):
        end = min(first + 128, len(whole))
        begin = max(0, end - 129)
        expected += logprob(model, whole[begin:end], first - begin)
    scored = model.score_text([text, ""])
    assert scored[0].tokens == length and scored[0].loglikelihood == pytest.approx(expected, abs=1e-3)
    assert (scored[1].tokens, scored[1].loglikelihood) == (0, 0.0)
