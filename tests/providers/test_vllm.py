"""What goes to vLLM and what comes from it. vLLM itself needs a GPU and is not installed here: a stand-in takes its place,
which answers with a model of Sibao's in the form that vLLM's engine has (vLLM 0.32: ``LLMEngine``, ``RequestOutput``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sibao.core.errors import BadInput, ContextOverflow, MissingPackage, UnknownName
from sibao.core.types import GenerateOptions, Model, Sampling, Scorer
from sibao.engine.request import Event, Request
from sibao.providers._vllm_engine import FormRequest, Shape, VllmEngine, event, parameters, structure
from sibao.providers.load import load, providers
from sibao.providers.local import LocalModel
from sibao.providers.vllm import BESIDE, How, VllmModel, arguments

PROMPTS = ["春眠不觉晓，", "The quick brown fox", "床前明月光"]


@dataclass
class Entry:
    """vLLM's ``Logprob``."""

    logprob: float
    rank: int


@dataclass
class StandIn:
    """Takes what vLLM's ``LLMEngine`` takes and gives what it gives; Sibao's engine computes."""

    model: LocalModel
    asked: dict[str, tuple[list[int], Mapping[str, Any]]] = field(default_factory=dict)
    aborted: list[str] = field(default_factory=list)
    done: list[Any] = field(default_factory=list)

    def add_request(self, name: str, prompt: Mapping[str, list[int]], fields: Mapping[str, Any], **_: Any) -> None:
        ids = prompt["prompt_token_ids"]
        self.asked[name] = ids, fields
        if "prompt_logprobs" in fields:
            self.done.append((name, self._scored(ids)))
            return
        names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed", "logprobs", "min_tokens")
        sampling = Sampling(**{key: fields[key] for key in names})
        stops = frozenset(fields["stop_token_ids"])
        self.model.engine.add(Request(name, ids, sampling, stops, fields["max_tokens"]))

    def abort_request(self, names: list[str]) -> None:
        self.aborted += names
        for name in names:
            self.model.engine.cancel(name)

    def step(self) -> list[Any]:
        found = [
            SimpleNamespace(request_id=name, finished=True, prompt_logprobs=rows, outputs=[])
            for name, rows in self.done
        ]
        self.done = []
        return found or [self._output(one) for one in self.model.engine.step() if one.finish_reason != "cancelled"]

    def _output(self, one: Event) -> Any:
        ids = list(one.token_ids)
        if one.finish_reason == "stop":
            ids.append(min(self.asked[one.id][1]["stop_token_ids"]))
        rows = [
            {**{word: Entry(p, rank) for rank, (word, p) in enumerate(score.top, 1)}, token: _chosen(score, token)}
            for score, token in zip(one.logprobs, one.token_ids, strict=False)
        ]
        part = SimpleNamespace(token_ids=ids, logprobs=rows, finish_reason=one.finish_reason)
        return SimpleNamespace(request_id=one.id, finished=one.finish_reason is not None, outputs=[part])

    def _scored(self, ids: list[int]) -> list[Any]:
        (found,) = self.model.engine.score([(ids, 1)])
        rows = zip(ids[1:], found.logprobs, found.greedy, strict=True)
        return [None, *({399: Entry(-99.0, 9), token: Entry(p, 1 if best else 7)} for token, p, best in rows)]


def _chosen(score: Any, token: int) -> Entry:
    ranks = [word for word, _ in score.top]
    return Entry(score.logprob, ranks.index(token) + 1 if token in ranks else len(ranks) + 5)


@pytest.fixture
def local(qwen_folder: Path) -> LocalModel:
    found = load(str(qwen_folder), deterministic=True)
    assert isinstance(found, LocalModel)
    return found


@pytest.fixture
def standin(qwen_folder: Path) -> StandIn:
    found: Any = load(str(qwen_folder), deterministic=True)
    return StandIn(found)


@pytest.fixture
def model(standin: StandIn) -> VllmModel:
    engine = VllmEngine(standin, Shape(128 - BESIDE, 400), made=dict)
    return VllmModel("vllm:tiny", engine, standin.model.tokenizer)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_answers_are_those_of_the_engine_behind_it(local: LocalModel, model: VllmModel, temperature: float) -> None:
    assert isinstance(model, Model) and isinstance(model, Scorer)
    options = GenerateOptions(max_tokens=30, sampling=Sampling(temperature=temperature, seed=3, logprobs=2))
    ours, theirs = local.generate(PROMPTS, options), model.generate(PROMPTS, options)
    for one, other in zip(ours, theirs, strict=True):
        assert (other.text, other.finish_reason, other.usage) == (one.text, one.finish_reason, one.usage)
        assert other.logprobs == one.logprobs
    *pieces, last = model.stream(PROMPTS[0], options)
    assert "".join(piece.text for piece in [*pieces, last]) == ours[0].text
    assert not model.engine.busy and model.count(PROMPTS[0]) == local.count(PROMPTS[0])


def test_likelihoods_are_those_of_the_engine_behind_it(local: LocalModel, model: VllmModel) -> None:
    pairs = [("The quick ", "brown fox"), ("春眠", "不觉晓"), ("", "你好")]
    assert model.score(pairs) == local.score(pairs)
    text = "床前明月光，疑是地上霜。" * 3
    assert model.score_text([text]) == local.score_text([text])
    long = model.score_text([text * 9])[0]  # several windows
    assert long.tokens == len(local.tokenizer.encode(text * 9))


def test_stop_strings_end_the_request_there(local: LocalModel, model: VllmModel, standin: StandIn) -> None:
    whole = local.generate(PROMPTS[1], GenerateOptions(max_tokens=40))[0].text
    stop = whole[len(whole) // 2 :][:3]
    (cut,) = model.generate(PROMPTS[1], GenerateOptions(max_tokens=40, stop=(stop,)))
    assert cut.finish_reason == "stop" and cut.text == whole[: whole.index(stop)]
    assert standin.aborted and not model.engine.busy and standin.model.engine.held == 0


def test_a_closed_stream_cancels_and_others_go_on(model: VllmModel, standin: StandIn) -> None:
    first, second = (model.stream(prompt, GenerateOptions(max_tokens=40)) for prompt in PROMPTS[:2])
    next(first), next(second)
    first.close()
    assert len(standin.aborted) == 1 and model.engine.busy
    assert list(second)[-1].completion is not None and not model.engine.busy


def test_a_cancelled_request_says_so(model: VllmModel) -> None:
    with model.engine.submit(Request("a", [5, 6], max_tokens=50)) as events:
        next(events)
        model.engine.cancel("a")
        model.engine.cancel("nobody")
        assert [one.finish_reason for one in events][-1] == "cancelled"


def test_parameters_are_vllms() -> None:
    sampling = Sampling(
        temperature=0.7, top_k=40, top_p=0.9, min_p=0.1, repetition_penalty=1.2, presence_penalty=0.5,
        frequency_penalty=-0.5, logit_bias=((7, -100.0), (8, 2.0)), min_tokens=3, seed=11, logprobs=4,
    )  # fmt: skip
    found = parameters(FormRequest("a", [1], sampling, frozenset({2, 0}), 9, form={"regex": "[0-9]+"}))
    assert found == {
        "temperature": 0.7, "top_k": 40, "top_p": 0.9, "min_p": 0.1, "repetition_penalty": 1.2, "presence_penalty": 0.5,
        "frequency_penalty": -0.5, "logit_bias": {7: -100.0, 8: 2.0}, "seed": 11, "logprobs": 4, "max_tokens": 9,
        "min_tokens": 3, "stop_token_ids": [0, 2], "ignore_eos": True, "detokenize": False,
        "structured_outputs": {"regex": "[0-9]+"},
    }  # fmt: skip
    plain = parameters(Request("a", [1]))
    assert (plain["temperature"], plain["logit_bias"], plain["logprobs"]) == (0.0, None, None)
    # nothing that can be asked for is dropped without a word
    told = {"num_beams", "num_return_sequences", "length_penalty", "typical_p", *found}
    assert {f.name for f in fields(Sampling)} <= told


@pytest.mark.parametrize("asked", [{"num_beams": 4}, {"num_return_sequences": 2}, {"typical_p": 0.9}])
def test_what_vllm_lacks_is_refused(model: VllmModel, asked: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=f"vLLM does not know {next(iter(asked))}"):
        model.generate(PROMPTS, GenerateOptions(max_tokens=9, sampling=Sampling(**asked)))
    assert not model.engine.busy


def test_what_does_not_fit_is_refused(model: VllmModel) -> None:
    with pytest.raises(ContextOverflow):
        model.generate("a", GenerateOptions(max_tokens=126))
    with pytest.raises(BadInput, match="token id 400"):
        model.engine.check(Request("a", [400]))
    with pytest.raises(BadInput, match="names the adapter"):
        model.generate("a", GenerateOptions(adapter="somewhere"))
    with pytest.raises(BadInput, match="gives no embeddings"):
        model.embed(["a"])
    with pytest.raises(BadInput, match="start is 0"):
        model.engine.score([([1, 2], 0)])


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"json": {"type": "object"}}),
        ({"type": "json_schema", "json_schema": {"schema": {"type": "integer"}}}, {"json": {"type": "integer"}}),
        ({"type": "regex", "regex": "[一二三]+"}, {"regex": "[一二三]+"}),
        ({"type": "choice", "choices": ("正面", "负面")}, {"choice": ["正面", "负面"]}),
        ({"type": "grammar", "grammar": 'start: "a" | "b"'}, {"grammar": 'start: "a" | "b"'}),
    ],
)
def test_forms_are_vllms(form: dict[str, Any], wanted: dict[str, Any] | None) -> None:
    assert structure(form) == wanted


def test_unknown_forms_are_refused() -> None:
    with pytest.raises(UnknownName, match="no response_format named 'xml'"):
        structure({"type": "xml"})


@pytest.mark.parametrize(
    ("reason", "ids", "wanted"),
    [("stop", [5, 2], (5,)), ("stop", [2], ()), ("length", [5, 2], (5, 2)), (None, [5], (5,)), ("broken", [], ())],
)
def test_the_token_that_ends_an_answer_is_no_part_of_it(reason: str | None, ids: list[int], wanted: Any) -> None:
    output = SimpleNamespace(outputs=[SimpleNamespace(token_ids=ids, logprobs=None, finish_reason=reason)])
    found = event(Request("a", [1], stop_ids=frozenset({2})), output)
    assert found.token_ids == wanted
    assert found.finish_reason == ("error" if reason == "broken" else reason) and bool(found.error) == (
        reason == "broken"
    )


def test_how_vllm_is_started(qwen_folder: Path, tmp_path: Path) -> None:
    from sibao.models.names import Source

    plain = arguments(Source(qwen_folder), How("bf16"))
    assert plain["model"] == str(qwen_folder) and plain["dtype"] == "bfloat16"
    assert plain["trust_remote_code"] is False and plain["load_format"] == "safetensors" and "enable_lora" not in plain
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 24}))
    with_adapter = arguments(Source(qwen_folder, tmp_path), How())
    assert with_adapter["enable_lora"] and with_adapter["max_lora_rank"] == 32


def test_options_of_the_own_engine_are_refused(qwen_folder: Path) -> None:
    name = f"vllm:{qwen_folder}"
    for asked in ({"precision": "int8"}, {"kv_cache": "int8"}, {"deterministic": True}, {"device": "cpu"}):
        with pytest.raises(BadInput):
            load(name, **asked)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="no model named"):
        load("vllm:nowhere")


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_vllm_there_is_a_hint(qwen_folder: Path) -> None:
    assert "vllm" in providers()
    with pytest.raises(MissingPackage) as caught:
        load(f"vllm:{qwen_folder}")
    assert caught.value.hint == "pip install 'sibao[vllm]'"


@pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed: pip install 'sibao[vllm]', with a GPU")
def test_vllm_itself_answers(qwen_folder: Path, local: LocalModel) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU for vLLM")
    model = load(f"vllm:{qwen_folder}", precision="fp32")
    options = GenerateOptions(max_tokens=8, sampling=Sampling(logprobs=1))
    assert [one.text for one in model.generate(PROMPTS, options)] == [
        one.text for one in local.generate(PROMPTS, options)
    ]
