"""Vision-language models see: the picture changes what they compute, and nothing needs torchvision."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.vision import FAMILIES, PICTURES, vision_folder

from sibao.core.errors import BadInput, DataError
from sibao.core.types import GenerateOptions, Message, Sampling
from sibao.providers.load import load
from sibao.providers.transformers import TransformersModel
from sibao.tasks.describe import TASK, Inputs
from sibao.tasks.long import run

PANDA, APPLE = PICTURES / "panda.png", PICTURES / "apple.png"


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TransformersModel:
    folder = vision_folder(tmp_path_factory.mktemp("sees") / request.param, request.param)
    found = load(f"transformers:{folder}")
    assert isinstance(found, TransformersModel) and found.kind == "sees" and found.has_template
    return found


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> TransformersModel:
    found = load(f"transformers:{vision_folder(tmp_path_factory.mktemp('sees') / 'llava', 'llava')}")
    assert isinstance(found, TransformersModel)
    return found


def asked(*pictures: Any, text: str = "图里是什么？") -> list[Message]:
    shown: list[Any] = [{"type": "image", "image": str(p) if isinstance(p, Path) else p} for p in pictures]
    return [Message(role="user", content=[*shown, {"type": "text", "text": text}])]


def first(model: TransformersModel, prompt: Any) -> dict[str, float]:
    """Log-probabilities of the likeliest first tokens."""
    options = GenerateOptions(1, Sampling(logprobs=20))
    completion = model.generate([prompt], options)[0]
    assert completion.finish_reason != "error"
    return dict(completion.logprobs[0].top) if completion.logprobs else {}


def test_the_picture_changes_the_logits(model: TransformersModel) -> None:
    panda, apple, again = first(model, asked(PANDA)), first(model, asked(APPLE)), first(model, asked(PANDA))
    assert panda == pytest.approx(again, abs=1e-4)
    shared = panda.keys() & apple.keys()
    assert len(shared) < len(panda) or max(abs(panda[t] - apple[t]) for t in shared) > 1e-2


def test_as_transformers_itself_computes_it(model: TransformersModel) -> None:
    """The reference: the processor's own conversation path, with the picture opened by itself, then ``generate``."""
    from PIL import Image

    with Image.open(PICTURES / "apple.png") as raw:
        white = Image.new("RGBA", raw.size, "white")
        picture = Image.alpha_composite(white, raw.convert("RGBA")).convert("RGB")
    parts = [{"type": "image", "image": picture}, {"type": "text", "text": "What is it?"}]
    inputs = model.processor.apply_chat_template(
        [{"role": "user", "content": parts}], tokenize=True, add_generation_prompt=True, return_dict=True,
        return_tensors="pt",
    )  # fmt: skip
    network = model.engine.model
    with torch.inference_mode():
        made = network.generate(**inputs, max_new_tokens=12, do_sample=False)[
            0, inputs["input_ids"].shape[1] :
        ].tolist()
    ends = [i for i, token in enumerate(made) if token in model.tokenizer.eos_ids]
    expected = made[: ends[0]] if ends else made
    completion = model.generate([asked(APPLE, text="What is it?")], GenerateOptions(12))[0]
    assert completion.text == model.tokenizer.decode(expected)
    assert completion.usage.prompt_tokens == inputs["input_ids"].shape[1]


def test_words_alone_and_pictures_in_one_call(model: TransformersModel) -> None:
    options = GenerateOptions(6)
    prompts: list[Any] = [asked(PANDA), [Message(role="user", content="你好")], "春眠不觉晓", asked(PANDA, APPLE)]
    together = model.generate(prompts, options)
    assert [c.text for c in together] == [model.generate([p], options)[0].text for p in prompts]
    assert together[3].usage.prompt_tokens > together[0].usage.prompt_tokens
    deltas = list(model.stream(asked(PANDA), options))
    assert "".join(d.text for d in deltas) == together[0].text


def test_the_task_describes(model: TransformersModel) -> None:
    result = run(TASK, model, Inputs((str(PANDA),), to="zh")).to_json()
    assert (
        result["to"] == "zh" and result["usage"]["prompt_tokens"] > 20 and result["finish_reason"] in ("stop", "length")
    )


def test_every_way_of_giving_a_picture_is_the_same(llava: TransformersModel) -> None:
    data = PANDA.read_bytes()
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    openai: Any = [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "图里是什么？"},
    ]}]  # fmt: skip
    ways = [asked(PANDA), asked(data), asked(url), openai]
    assert all(first(llava, way) == pytest.approx(first(llava, ways[0]), abs=1e-4) for way in ways)


def test_a_picture_that_is_not_there_and_a_control_string(llava: TransformersModel) -> None:
    with pytest.raises(DataError, match="no such file"):
        llava.generate([asked(Path("nowhere.png"))])
    with pytest.raises(BadInput, match="'<image>', which this model reads as a command"):
        llava.generate([asked(PANDA, text="what is <image>?")])
    with pytest.raises(BadInput, match="not scored"):
        llava.score([(asked(PANDA), "a panda")])
    assert llava.score([("The quick", " brown")])[0].tokens > 0


def test_torchvision_is_never_loaded(llava: TransformersModel) -> None:
    first(llava, asked(PANDA))
    assert "torchvision" not in sys.modules
