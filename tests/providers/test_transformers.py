"""The back end over Transformers gives what Sibao's own engine gives, over the same folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from sibao.core.errors import BadInput, ContextOverflow, ModelError
from sibao.core.types import GenerateOptions, Message, Model, Sampling, Scorer
from sibao.providers.load import load
from sibao.providers.local import LocalModel
from sibao.providers.transformers import TransformersModel

RANDOM = Sampling(temperature=1.0, seed=3)
PROMPTS: list[Any] = [
    "春眠不觉晓，",
    "The quick brown fox",
    [Message(role="user", content="你好，今天天气怎么样？")],
    "床",
]


@pytest.fixture(scope="module", params=["qwen3", "gpt2"])
def pair(request: pytest.FixtureRequest, qwen_folder: Path, gpt2_folder: Path) -> tuple[LocalModel, TransformersModel]:
    folder = {"qwen3": qwen_folder, "gpt2": gpt2_folder}[request.param]
    ours, theirs = load(str(folder)), load(f"transformers:{folder}")
    assert type(ours) is LocalModel and isinstance(theirs, TransformersModel)
    return ours, theirs


@pytest.fixture(scope="module")
def model(gpt2_folder: Path) -> TransformersModel:
    found = load(f"transformers:{gpt2_folder}")
    assert isinstance(found, TransformersModel)
    return found


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(repetition_penalty=1.4),
        Sampling(temperature=0.9, top_k=30, top_p=0.9, min_p=0.02, repetition_penalty=1.1, seed=7, logprobs=2),
    ],
)
def test_a_batch_is_token_for_token_that_of_the_own_engine(
    pair: tuple[LocalModel, TransformersModel], sampling: Sampling
) -> None:
    options = GenerateOptions(24, sampling)
    ours, theirs = (model.generate(PROMPTS, options) for model in pair)
    assert [c.text for c in theirs] == [c.text for c in ours]
    assert [(c.finish_reason, c.usage) for c in theirs] == [(c.finish_reason, c.usage) for c in ours]
    assert any(c.text.strip() for c in ours)
    for one, other in zip(theirs, ours, strict=True):
        assert [t.token for t in one.logprobs] == [t.token for t in other.logprobs]
        assert [t.logprob for t in one.logprobs] == pytest.approx([t.logprob for t in other.logprobs], abs=1e-4)


def test_scores_are_those_of_the_own_engine(pair: tuple[LocalModel, TransformersModel]) -> None:
    pairs: list[Any] = [
        ("The quick ", "brown fox"),
        ("", "春眠"),
        (PROMPTS[2], "很好。"),
        ("床前明月光，", "疑是地上霜。"),
    ]
    texts = ["春眠不觉晓，处处闻啼鸟。", "How are you? " * 40]
    for ask in ("score", "score_text"):
        ours, theirs = (getattr(model, ask)(pairs if ask == "score" else texts) for model in pair)
        assert [(s.tokens, s.greedy) for s in theirs] == [(s.tokens, s.greedy) for s in ours]
        # summed over up to 600 tokens
        assert [s.loglikelihood / s.tokens for s in theirs] == pytest.approx(
            [s.loglikelihood / s.tokens for s in ours], abs=1e-4
        )
    assert pair[0].count(PROMPTS[2]) == pair[1].count(PROMPTS[2])


def test_it_is_a_model_and_a_scorer(model: TransformersModel) -> None:
    assert isinstance(model, Model) and isinstance(model, Scorer)
    assert model.context == 128 and model.name.startswith("transformers:") and model.kind == "decoder"


def test_streamed_is_whole_and_stop_strings_end_the_work(model: TransformersModel) -> None:
    free = model.generate(["春眠"], GenerateOptions(60, RANDOM))[0]
    deltas = list(model.stream("春眠", GenerateOptions(60, RANDOM)))
    assert "".join(d.text for d in deltas) == free.text and deltas[-1].completion is not None
    stop = next(c for c in free.text[5:] if c.isascii() and c.isalpha())
    stopped = model.generate(["春眠", "How"], GenerateOptions(60, RANDOM, (stop,)))[0]
    assert stopped.text == free.text[: free.text.index(stop)] and stopped.finish_reason == "stop"
    assert stopped.usage.completion_tokens < free.usage.completion_tokens and not model.engine.busy


def test_closing_a_stream_ends_the_work_within_a_token(model: TransformersModel) -> None:
    forwards = 0

    def count(*_: object) -> None:
        nonlocal forwards
        forwards += 1

    handle = model.engine.model.register_forward_hook(count)
    try:
        stream = model.stream("春眠", GenerateOptions(100, RANDOM))
        taken = len(next(stream).text)
        stream.close()  # type: ignore[attr-defined]
    finally:
        handle.remove()
    assert not model.engine.busy
    # one step in hand, one waiting in the queue, one under way; a delta may take some tokens
    assert forwards <= 3 * taken + 8


def test_two_streams_side_by_side(model: TransformersModel) -> None:
    options = GenerateOptions(8, RANDOM)
    streams = [model.stream(text, options) for text in ("春眠", "The quick")]
    found = ["", ""]
    for deltas in zip(*streams, strict=False):
        found = [text + delta.text for text, delta in zip(found, deltas, strict=True)]
    whole = [c.text for c in model.generate(["春眠", "The quick"], options)]
    assert [w.startswith(f) for f, w in zip(found, whole, strict=True)] == [True, True]


def test_what_cannot_run_is_refused_before_any_work(model: TransformersModel) -> None:
    with pytest.raises(ContextOverflow, match=r"need \d+ tokens, the model holds 128"):
        model.generate(["春" * 400], GenerateOptions(10))
    with pytest.raises(BadInput, match="temperature is -1"):
        model.generate(["a"], GenerateOptions(sampling=Sampling(temperature=-1)))
    with pytest.raises(BadInput, match="cannot see"):
        model.generate([[Message(role="user", content=[{"type": "image", "image": "a.png"}])]])
    assert not model.engine.busy


def test_a_fault_of_the_network_ends_the_request_not_the_program(model: TransformersModel) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    handle = model.engine.model.register_forward_hook(fail)
    try:
        done = model.generate(["春眠"], GenerateOptions(5))[0]
    finally:
        handle.remove()
    assert (done.text, done.finish_reason) == ("", "error") and not model.engine.busy
    assert model.generate(["春眠"], GenerateOptions(5))[0].finish_reason == "length"


def test_vectors_do_not_feel_the_padding(model: TransformersModel) -> None:
    texts = ["春眠不觉晓", "The quick brown fox jumps over the lazy dog."]
    vectors = torch.tensor(model.embed(texts))
    assert vectors.shape == (2, 32)
    assert torch.allclose(vectors[0], torch.tensor(model.embed(texts[:1]))[0], atol=1e-5)
    with torch.inference_mode():
        states = model.engine.model.base_model(torch.tensor([model.tokenizer.encode(texts[0])])).last_hidden_state[0]
    assert torch.allclose(vectors[0], states.mean(0), atol=1e-5)
    assert torch.allclose(torch.tensor(model.embed(texts[:1], pooling="cls"))[0], states[0], atol=1e-5)
    with pytest.raises(BadInput, match="no token"):
        model.embed([""])


def copied(source: Path, target: Path, **keys: Any) -> Path:
    """A folder with other keys in its config.json; None removes one."""
    shutil.copytree(source, target)
    path = target / "config.json"
    config = {**json.loads(path.read_text()), **keys}
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    return target


def test_what_sibao_does_not_know_runs_through_transformers_and_says_so(
    qwen_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(qwen_folder, tmp_path / "variant", hidden_act="mish")
    model = load(str(folder))
    assert isinstance(model, TransformersModel) and model.name == str(folder)
    (line,) = [record.message for record in caplog.records]
    assert line.startswith(f"{folder} runs through Transformers: config.json has hidden_act = 'mish'; supported: ")
    assert model.generate(["你好"], GenerateOptions(3))[0].usage.completion_tokens > 0
    assert capsys.readouterr().out == ""
    with pytest.raises(ModelError, match="knows for qwen3: a_key_of_tomorrow"):  # Transformers would drop it as well
        load(str(copied(qwen_folder, tmp_path / "key", a_key_of_tomorrow=1)))


def test_a_family_that_sibao_lacks(tmp_path: Path, qwen_folder: Path) -> None:
    from transformers import OPTConfig, OPTForCausalLM

    torch.manual_seed(0)
    shape = OPTConfig(
        vocab_size=400, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, ffn_dim=64, word_embed_proj_dim=32,
        max_position_embeddings=64, init_std=0.3, eos_token_id=2, pad_token_id=0, bos_token_id=0,
    )  # fmt: skip
    OPTForCausalLM(shape).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(qwen_folder / name, tmp_path)
    model = load(str(tmp_path))
    assert isinstance(model, TransformersModel) and model.context == 64
    options = GenerateOptions(12)
    together = model.generate(["春眠", "The quick brown fox jumps", "a"], options)
    assert [c.text for c in together] == [
        model.generate([p], options)[0].text for p in ("春眠", "The quick brown fox jumps", "a")
    ]


def test_folders_that_are_refused(qwen_folder: Path, tmp_path: Path) -> None:
    auto = {"AutoModelForCausalLM": "modeling_x.XForCausalLM"}
    foreign = copied(qwen_folder, tmp_path / "code", model_type="x_of_tomorrow", auto_map=auto)
    with pytest.raises(ModelError, match="needs code of its own repository, which is never run"):
        load(str(foreign))
    with pytest.raises(ModelError, match=r"neither Sibao nor Transformers .* has a text model of type 'x_of_tomorrow'"):
        load(f"transformers:{copied(qwen_folder, tmp_path / 'none', model_type='x_of_tomorrow')}")
    pickled = copied(qwen_folder, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"weights as pytorch_model.bin, a form that can run code"):
        load(f"transformers:{pickled}")
    (pickled / "pytorch_model.bin").unlink()
    with pytest.raises(ModelError, match=r"no model\.safetensors"):
        load(f"transformers:{pickled}")


def test_damaged_folders_are_refused(qwen_folder: Path, tmp_path: Path) -> None:
    deeper = copied(qwen_folder, tmp_path / "deeper", num_hidden_layers=3, layer_types=None)
    with pytest.raises(ModelError, match=r"lacks \d+ tensors .*random"):
        load(f"transformers:{deeper}")
    wider = copied(qwen_folder, tmp_path / "wider", intermediate_size=96)
    with pytest.raises(ModelError, match=r"in the file, config\.json wants"):
        load(f"transformers:{wider}")
    cut = copied(qwen_folder, tmp_path / "cut")
    data = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match="Transformers cannot load it"):
        load(f"transformers:{cut}")
    (cut / "model.safetensors").write_bytes(data)
    (cut / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="its tokenizer cannot be read"):
        load(f"transformers:{cut}")
    with pytest.raises(BadInput, match="no model named"):
        load("transformers:nowhere at all")


def test_precision_and_threads(qwen_folder: Path) -> None:
    before = torch.get_num_threads()
    try:
        model = load(f"transformers:{qwen_folder}", precision="bf16", threads=1)
        assert isinstance(model, TransformersModel) and torch.get_num_threads() == 1
        assert next(model.engine.model.parameters()).dtype == torch.bfloat16
        assert model.generate(["你好"], GenerateOptions(3))[0].usage.completion_tokens > 0
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory, qwen_folder: Path) -> TransformersModel:
    """A tiny encoder-decoder of a family with the tiny tokenizer."""
    from transformers import BartConfig, BartForConditionalGeneration

    folder = tmp_path_factory.mktemp("bart")
    torch.manual_seed(0)
    shape = BartConfig(
        vocab_size=400, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=96, init_std=0.3,
        eos_token_id=2, pad_token_id=0, bos_token_id=0, decoder_start_token_id=2, forced_eos_token_id=None,
    )  # fmt: skip
    BartForConditionalGeneration(shape).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(qwen_folder / name, folder)
    found = load(f"transformers:{folder}")
    assert isinstance(found, TransformersModel) and found.kind == "seq2seq"
    return found


def test_an_encoder_decoder_writes_what_generate_writes(t5: TransformersModel) -> None:
    prompts = ["春眠不觉晓，处处闻啼鸟。", "The quick brown fox"]
    options = GenerateOptions(16, Sampling(repetition_penalty=1.3))
    together = t5.generate(prompts, options)
    network = t5.engine.model
    for prompt, completion in zip(prompts, together, strict=True):
        ids = torch.tensor([t5.encode(prompt)])
        made = network.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=16, repetition_penalty=1.3
        )[0, 1:].tolist()
        made = made[: made.index(2)] if 2 in made else made
        assert completion.text == t5.tokenizer.decode(made)
    with pytest.raises(ContextOverflow, match="the prompt's tokens need"):
        t5.generate(["春" * 200], options)
    with pytest.raises(ContextOverflow, match="the new tokens need 97"):
        t5.generate(["春"], GenerateOptions(97))


def test_an_encoder_decoder_scores_its_continuations(t5: TransformersModel) -> None:
    pairs: list[Any] = [("春眠不觉晓，", "处处闻啼鸟。"), ("The quick brown fox jumps", "over")]
    scored = t5.score(pairs)
    network = t5.engine.model
    for (context, said), one in zip(pairs, scored, strict=True):
        labels = t5.tokenizer.encode(said)
        with torch.inference_mode():
            loss = network(input_ids=torch.tensor([t5.encode(context)]), labels=torch.tensor([labels])).loss
        assert one.tokens == len(labels) and one.loglikelihood / one.tokens == pytest.approx(-float(loss), abs=1e-4)
    with pytest.raises(BadInput, match="is an encoder-decoder"):
        t5.score_text(["春眠"])
    assert len(t5.embed(["春眠"])[0]) == 32


def test_an_encoder_embeds_and_writes_nothing(tmp_path: Path, qwen_folder: Path) -> None:
    from transformers import RobertaConfig, RobertaForMaskedLM

    torch.manual_seed(0)
    shape = RobertaConfig(
        vocab_size=400, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=66, eos_token_id=2, pad_token_id=0, bos_token_id=1,
    )  # fmt: skip
    RobertaForMaskedLM(shape).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(qwen_folder / name, tmp_path)
    model = load(f"transformers:{tmp_path}")
    assert isinstance(model, TransformersModel) and model.kind == "encoder"
    assert torch.tensor(model.embed(["春眠不觉晓", "a fox"])).shape == (2, 32)
    for call in (lambda: model.generate(["a"]), lambda: model.score([("a", "b")]), lambda: model.score_text(["a"])):
        with pytest.raises(BadInput, match="is an encoder: it reads text and writes none"):
            call()


def test_an_adapter_of_peft(qwen_folder: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(qwen_folder)
    torch.manual_seed(0)
    adapted = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    adapted.save_pretrained(tmp_path / "adapter")
    plain, with_it = load(f"transformers:{qwen_folder}"), load(f"transformers:{qwen_folder}+{tmp_path / 'adapter'}")
    ours = load(str(qwen_folder), adapter=tmp_path / "adapter")
    pairs: list[Any] = [("春眠不觉晓，", "处处闻啼鸟。")]
    first, second, third = (m.score(pairs)[0].loglikelihood for m in (plain, with_it, ours))  # type: ignore[attr-defined]
    assert second == pytest.approx(third, abs=1e-3) and abs(first - second) > 0.1
    (tmp_path / "adapter" / "adapter_model.safetensors").rename(tmp_path / "adapter" / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"no adapter_model\.safetensors"):
        load(f"transformers:{qwen_folder}+{tmp_path / 'adapter'}")


def test_beams_pass_through(t5: TransformersModel) -> None:
    prompts = ["春眠不觉晓，处处闻啼鸟。", "The quick brown fox"]
    options = GenerateOptions(12, Sampling(num_beams=4, length_penalty=0.6))
    for prompt, completion in zip(prompts, t5.generate(prompts, options), strict=True):
        ids = torch.tensor([t5.encode(prompt)])
        made = t5.engine.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, num_beams=4, eos_token_id=2,
            length_penalty=0.6,
        )[0, 1:].tolist()  # fmt: skip
        assert completion.text == t5.tokenizer.decode(made[: made.index(2)] if 2 in made else made)
        assert completion.finish_reason == ("stop" if 2 in made else "length")
        assert [d.completion.text for d in t5.stream(prompt, options) if d.completion] == [completion.text]
    with pytest.raises(BadInput, match="beam search draws nothing"):
        t5.generate(["a"], GenerateOptions(5, Sampling(temperature=1.0, num_beams=4)))
