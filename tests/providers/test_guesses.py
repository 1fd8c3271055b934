"""A draft model changes no answer; what cannot guess is refused; guessing can be turned off."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.contract.peers import peer
from tests.tiny import TEXTS, tiny_folder

from sibao.core.errors import BadInput, UnknownName
from sibao.core.types import GenerateOptions, Sampling
from sibao.engine.draft import DraftModel
from sibao.engine.speculation import Lookups
from sibao.engine.torch_runner import TorchRunner
from sibao.providers.load import load
from sibao.providers.local import LocalModel
from sibao.text.tokenizer import train_bpe

PROMPTS = ["床前明月光", "The quick brown fox jumps over the lazy dog. The quick brown", "春眠不觉晓，处处闻"]


def local(name: Path | str, **options: object) -> LocalModel:
    model = load(str(name), **options)  # type: ignore[arg-type]
    assert isinstance(model, LocalModel)
    return model


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("sampling", [Sampling(), Sampling(0.8, seed=3, logprobs=1)], ids=["greedy", "drawn"])
def test_the_same_answers_with_a_draft_model(
    qwen_folder: Path, gpt2_folder: Path, sampling: Sampling, precision: str
) -> None:
    options = GenerateOptions(40, sampling)
    plain = local(qwen_folder, precision=precision, speculate=False)
    wanted = plain.generate(PROMPTS, options)
    assert plain.guesses == (0, 0) and plain.engine.guesser is None
    for draft in (qwen_folder, gpt2_folder):
        model = local(qwen_folder, precision=precision, draft=str(draft))
        got = model.generate(PROMPTS, options)
        assert isinstance(model.engine.guesser, DraftModel)
        assert [(one.text, one.finish_reason, one.usage, one.logprobs) for one in got] == [
            (one.text, one.finish_reason, one.usage, one.logprobs) for one in wanted
        ]
        guessed, right = model.guesses
        assert guessed > 0 and 0 <= right <= guessed
        assert "".join(delta.text for delta in model.stream(PROMPTS[0], options)) == wanted[0].text
        if draft == qwen_folder and not sampling.temperature:
            assert right > guessed / 2 and model.engine.counts.steps < plain.engine.counts.steps


def test_a_stop_string_ends_usage_and_scores_at_the_same_token(qwen_folder: Path) -> None:
    """A step may bring tokens behind it."""
    plain, guessing = local(qwen_folder, speculate=False), local(qwen_folder, draft=str(qwen_folder))
    free = plain.generate([PROMPTS[0]], GenerateOptions(40))[0].text
    for at in range(2, len(free) // 2, 3):
        options = GenerateOptions(40, Sampling(logprobs=1), stop=(free[at : at + 2],))
        wanted, got = (model.generate(PROMPTS, options) for model in (plain, guessing))
        assert [(one.text, one.usage, one.logprobs) for one in got] == [
            (one.text, one.usage, one.logprobs) for one in wanted
        ]
        assert wanted[0].finish_reason == "stop" and wanted[0].usage.completion_tokens < 40
    assert guessing.guesses[1] > 0


def test_without_kernels_too(qwen_folder: Path, gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("missing", "missing_now"):
        monkeypatch.setattr(f"sibao.engine.build.{name}", lambda: "none today")
    wanted = [one.text for one in local(qwen_folder, speculate=False).generate(PROMPTS, GenerateOptions(20))]
    model = local(qwen_folder, draft=str(gpt2_folder))
    assert isinstance(model.engine.runner, TorchRunner) and model.engine.runner.device == torch.device("cpu")
    assert [one.text for one in model.generate(PROMPTS, GenerateOptions(20))] == wanted and model.guesses[0] > 0


def test_who_guesses_when_nothing_is_said(qwen_folder: Path) -> None:
    assert isinstance(local(qwen_folder).engine.guesser, Lookups)
    assert local(qwen_folder, speculate=False).engine.guesser is None


def test_what_cannot_guess_is_refused(qwen_folder: Path, tmp_path: Path) -> None:
    other = tiny_folder(tmp_path / "other", vocab=380)
    with pytest.raises(BadInput, match=r"another vocabulary: 380 words and the model 400, \d+ of them with the same"):
        load(str(qwen_folder), draft=str(other))
    same_size = tiny_folder(tmp_path / "same")
    train_bpe([TEXTS[0] * 3, "其他的字"], 400, min_frequency=1, progress=False).save(same_size)
    with pytest.raises(BadInput, match="another vocabulary"):
        load(str(qwen_folder), draft=str(same_size))
    with pytest.raises(BadInput, match="speculate is False"):
        load(str(qwen_folder), draft=str(other), speculate=False)
    with pytest.raises(BadInput, match="mock:echo is none"):
        load(str(qwen_folder), draft="mock:echo")
    with pytest.raises(BadInput, match="mock:echo is none"):
        load("mock:echo", draft=str(qwen_folder))
    with pytest.raises(UnknownName):
        load(str(qwen_folder), draft="nowhere:model")
    assert load("mock:echo", speculate=False).generate(["a"])[0].text == "a"


def test_keys_and_values_in_eight_bits(qwen_folder: Path) -> None:
    for precision in ("fp32", "int8"):
        model = local(qwen_folder, precision=precision, kv_cache="int8")
        assert model.engine.runner.kv_cache == "int8"  # type: ignore[attr-defined]
        together = model.generate(PROMPTS, GenerateOptions(20))
        assert [one.text for one in together] == [
            model.generate([prompt], GenerateOptions(20))[0].text for prompt in PROMPTS
        ]


def test_where_keys_and_values_have_one_precision(qwen_folder: Path) -> None:
    with pytest.raises(UnknownName, match="no kv_cache named 'fp8'"):
        load(str(qwen_folder), kv_cache="fp8")
    with pytest.raises(BadInput, match="does not run in this process"):
        load("mock:echo", kv_cache="int8")
    with pytest.raises(
        BadInput, match=r"kv_cache is for models that write on Sibao's own engine; .* runs through Transformers"
    ):
        load(f"transformers:{qwen_folder}", kv_cache="bf16")
    with pytest.raises(BadInput, match="kv_cache is for models that write on Sibao's own engine; "):
        load(str(peer("bert", 0)[1]), kv_cache="int8")
