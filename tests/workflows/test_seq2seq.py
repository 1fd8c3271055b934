"""Encoder-decoders trained, resumed, fine-tuned and asked: real rows, real folders, the same texts as Transformers'."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.small import logged, run_folder, write_corpus

import sibao
from sibao.core.errors import BadInput, ConfigError, ContextOverflow, DataError, ModelError
from sibao.core.types import GenerateOptions, Sampling, Scorer
from sibao.engine.native.library import missing
from sibao.models.folder import load_network
from sibao.nn.seq2seq import Seq2Seq
from sibao.text.pack import TokenFile
from sibao.training import loop
from sibao.training.pairs import PairRows
from sibao.training.recipe import Recipe, parse_recipe
from sibao.workflows import finetune as tuning
from sibao.workflows._pairs import ids_of
from sibao.workflows.pretrain import pretrain, resume

PAIRS = Path(__file__).parents[2] / "examples" / "data" / "pairs"
MARIAN = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
    "encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 64, "scale_embedding": True,
    "activation_function": "swish", "dropout": 0.1,
}  # fmt: skip
T5 = {
    "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2, "n_positions": 128,
    "feed_forward_proj": "gated-gelu", "dropout_rate": 0.1,
}  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def recipe(name: str, family: str, train: Path, **sections: dict[str, Any]) -> Recipe:
    """A run of a second."""
    data: dict[str, Any] = {
        "model": {"family": family, "config": MARIAN if family == "marian" else T5},
        "tokenizer": {"vocab_size": 420},
        "data": {"train": [str(train)], "valid_fraction": 0.05, "sequence_length": 48, "too_long": "skip"},
        "objective": {"name": name},
        "optimizer": {"name": "muon", "lr": 0.01},
        "schedule": {"steps": 8, "warmup": 2},
        "run": {"name": "small", "seed": 3, "rows": 4, "micro_rows": 2, "eval_every": 4, "save_every": 3, "threads": 1,
                "precision": "fp32"},
    }  # fmt: skip
    for section, keys in sections.items():
        data[section] = {**data.get(section, {}), **keys}
    return parse_recipe(data)


def data_for(objective: str, folder: Path) -> Path:
    return PAIRS / "valid.jsonl" if objective == "seq2seq" else write_corpus(folder / "corpus.jsonl", 60)


@pytest.mark.parametrize(("objective", "family"), [("seq2seq", "marian"), ("seq2seq", "t5"), ("span_corruption", "t5")])
def test_a_run_broken_off_and_resumed_is_the_same_to_the_bit(
    objective: str, family: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = {"sequence_length": 100 if family == "t5" else 48}
    made = recipe(objective, family, data_for(objective, tmp_path), objective={"label_smoothing": 0.1}, data=room)
    whole = pretrain(made, quiet=True)
    expected, weights = logged(home), (whole.folder / "model" / "model.safetensors").read_bytes()
    shutil.rmtree(home)
    real, calls = loop._step, 0

    def breaks(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 6:  # two steps after the checkpoint of step 3 or, by its loss, 4
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(loop, "_step", breaks)
    with pytest.raises(KeyboardInterrupt):
        pretrain(made, quiet=True)
    again = resume(run_folder(home).name, quiet=True)
    assert logged(home) == expected
    assert [e["step"] for e in expected if "loss" in e] == list(range(1, 9))
    assert (again.folder / "model" / "model.safetensors").read_bytes() == weights


def unigram_nats(file: TokenFile) -> float:
    """Mean loss of the best guess that looks at nothing: the entropy of the answers' tokens."""
    assert file.mask is not None
    counts = Counter(file.tokens[file.mask.astype(bool)].tolist())
    total = sum(counts.values())
    return -sum(n / total * math.log(n / total) for n in counts.values())


@pytest.mark.slow
def test_a_translator_learns_from_real_pairs(home: Path) -> None:
    """600 pairs, both directions: better than counting tokens, and the right source helps more than another one."""
    made = recipe(
        "seq2seq", "marian", PAIRS / "train.jsonl", model={"config": {**MARIAN, "d_model": 64, "dropout": 0.0}},
        tokenizer={"vocab_size": 800}, data={"valid": [str(PAIRS / "valid.jsonl")]},
        schedule={"steps": 220, "warmup": 10}, run={"rows": 24, "micro_rows": 24, "eval_every": 110, "eval_rows": 200},
    )  # fmt: skip
    result = pretrain(made, quiet=True)
    assert result.model is not None and result.valid_loss is not None
    valid = TokenFile(result.folder / "tokens" / "valid")
    assert result.valid_loss < unigram_nats(valid) - 1.0
    model = load_network(result.model)
    assert isinstance(model, Seq2Seq)
    batch = PairRows(valid, ids_of(model), 0, group=0).rows(0, 100)
    other = torch.arange(100).roll(2)  # the same direction, another pair
    with torch.no_grad():
        right, wrong = (_mean(model, batch, rows) for rows in (torch.arange(100), other))
    assert right < wrong - 0.05, (right, wrong)


def _mean(model: Seq2Seq, batch: Any, sources: torch.Tensor) -> float:
    from sibao.training.objectives.seq2seq import loss_sum

    batch = type(batch)(batch.sources[sources], batch.mask[sources], batch.read, batch.targets)
    return float(loss_sum(model, batch)) / batch.target_tokens


@pytest.mark.slow
def test_t5_learns_to_fill_in_real_text(home: Path) -> None:
    """The tiny recipe, shortened: bits of what was cut out fall well below those of counting tokens."""
    from sibao.training.recipe import read_recipe

    root = PAIRS.parents[2]
    values = read_recipe(root / "recipes" / "t5.toml").model_dump()
    values["schedule"] |= {"steps": 80}
    values["run"] |= {"rows": 16, "micro_rows": 16, "eval_every": 40, "eval_rows": 64, "threads": 1}
    for name in ("train", "valid"):
        values["data"][name] = [str(root / path) for path in values["data"][name]]
    result = pretrain(parse_recipe(values), quiet=True)
    losses = [e["loss"] for e in logged(home) if "loss" in e]
    assert result.valid_loss is not None and result.valid_loss < losses[0] - 2.0
    assert result.bits_per_byte is None


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Marian folder that was trained for a second; its texts are nonsense, and long and short ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIBAO_HOME", str(tmp_path_factory.mktemp("home")))
        made = recipe("seq2seq", "marian", PAIRS / "valid.jsonl", schedule={"steps": 30}, optimizer={"lr": 0.02})
        result = pretrain(made, quiet=True)
    assert result.model is not None
    return result.model


TEXTS = ["两个男孩在公园里踢球。", "A man in a red shirt is cooking.", "红色的花。"]


def test_what_was_trained_translates_as_transformers_does(translator: Path) -> None:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    theirs, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(translator), AutoTokenizer.from_pretrained(translator)
    model = sibao.load(str(translator), precision="fp32")
    assert theirs.generation_config.num_beams == 4
    for beams in (None, 1, 3):
        settings = {} if beams is None else {"num_beams": beams}
        ours = model.generate(TEXTS, GenerateOptions(12, Sampling(num_beams=beams)))
        for text, answer in zip(TEXTS, ours, strict=True):
            ids = theirs.generate(**tokenizer(text, return_tensors="pt"), max_new_tokens=12, **settings)
            assert answer.text == tokenizer.decode(ids[0], skip_special_tokens=True)
    usual = model.generate(TEXTS[:1])[0]  # no options: the folder's own, max_length 64 among them
    ids = theirs.generate(**tokenizer(TEXTS[0], return_tensors="pt"))
    assert usual.text == tokenizer.decode(ids[0], skip_special_tokens=True)


def test_tasks_run_on_a_translator(translator: Path) -> None:
    model = sibao.load(str(translator))
    result = sibao.translate(TEXTS[0], to="en", model=model, max_tokens=20)
    assert result.text == model.generate([TEXTS[0]], GenerateOptions(20))[0].text.strip()
    assert result.fields["from"] == "zh" and result.fields["pieces"] == 1
    many = sibao.translate(TEXTS[:2], model=model, max_tokens=20)
    assert many[0].text == result.text
    lines = sibao.translate(f"{TEXTS[0]}\n\n{TEXTS[2]}", to="en", model=model, max_tokens=12)
    assert lines.fields["pieces"] == 2 and "\n\n" in lines.text
    long = sibao.translate(TEXTS[0] * 40, to="en", model=model, max_tokens=12)
    assert long.fields["pieces"] > 5 and "pieces" in long.notes[0]
    with pytest.raises(ContextOverflow, match="the source need"):
        model.generate([TEXTS[0] * 40])
    with pytest.raises(ContextOverflow, match="the new tokens need 65 tokens, the model holds 64"):
        model.generate(TEXTS, GenerateOptions(65))


def test_streamed_is_generated(translator: Path) -> None:
    model = sibao.load(str(translator))
    for beams, stop in ((1, ()), (4, ()), (1, ("a",))):
        options = GenerateOptions(10, Sampling(num_beams=beams), stop)
        for text in TEXTS[:2]:
            deltas, whole = list(model.stream(text, options)), model.generate([text], options)[0]
            assert "".join(d.text for d in deltas) == whole.text
            last = deltas[-1].completion
            assert last is not None and (last.text, last.finish_reason) == (whole.text, whole.finish_reason)


def test_settings_that_do_not_go_together(translator: Path) -> None:
    model = sibao.load(str(translator))
    for sampling, message in (
        (Sampling(num_beams=2, temperature=1.0), "beam search draws nothing"),
        (Sampling(num_beams=0), "num_beams is 0"),
        (Sampling(num_beams=2, logprobs=1), "no log-probabilities"),
    ):
        with pytest.raises(BadInput, match=message):
            model.generate(TEXTS, GenerateOptions(8, sampling))
    drawn = [model.generate(TEXTS, GenerateOptions(8, Sampling(temperature=2.0, seed=s)))[0].text for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_likelihoods_are_those_of_transformers(translator: Path) -> None:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    theirs, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(translator), AutoTokenizer.from_pretrained(translator)
    model = sibao.load(str(translator), precision="fp32")
    assert isinstance(model, Scorer)
    pairs = [(TEXTS[0], "Two boys play."), (TEXTS[1], "红花")]
    for (source, answer), scored in zip(pairs, model.score(pairs), strict=True):
        labels = torch.tensor([tokenizer(answer).input_ids[:-1]])
        with torch.no_grad():
            loss = theirs(**tokenizer(source, return_tensors="pt"), labels=labels).loss
        assert scored.loglikelihood == pytest.approx(-loss.item() * labels.shape[1], abs=1e-3)
        assert scored.tokens == labels.shape[1]
    long = "红色的花" * 30
    (whole,) = model.score_text([long])
    assert whole.tokens == len(tokenizer(long).input_ids) - 1


def test_a_generation_setting_that_is_not_there_is_refused(translator: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(translator, tmp_path / "copy"))
    file = folder / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"num_beam_groups": 2}))
    with pytest.raises(ModelError, match="num_beam_groups = 2 is not implemented"):
        sibao.load(str(folder))


def test_finetuning_says_and_keeps_the_words_before_a_source(home: Path, tmp_path: Path) -> None:
    base = pretrain(recipe("span_corruption", "t5", data_for("span_corruption", tmp_path)), quiet=True).model
    assert base is not None
    config = json.loads((base / "config.json").read_text())
    config["task_specific_params"]["translation_zh_to_en"] = {"prefix": "英译：", "num_beams": 2}
    (base / "config.json").write_text(json.dumps(config, ensure_ascii=False))
    made = tuning.recipe_for(str(base), [str(PAIRS / "valid.jsonl")], steps=6, method="full")
    assert made.objective.name == "seq2seq"
    made = made.model_copy(update={"run": made.run.model_copy(update={"save_every": 2, "threads": 1})})
    result = tuning.finetune(made, quiet=True)
    assert result.model is not None
    model = sibao.load(str(result.model))
    tokens = TokenFile(result.folder / "tokens" / "train")
    first = model.tokenizer.decode(tokens.tokens[: int(tokens.mask.argmax())].tolist())  # type: ignore[attr-defined, union-attr]
    assert first.startswith("英译：")
    kept = json.loads((result.model / "config.json").read_text())["task_specific_params"]
    assert kept["translation_zh_to_en"] == {"prefix": "英译：", "num_beams": 2}
    assert kept["translation_en_to_zh"]["prefix"] == "translate English to Chinese: "
    asked = sibao.translate("红色的花。", to="en", model=model, max_tokens=8)
    assert asked.text == model.generate(["英译：红色的花。"], GenerateOptions(8))[0].text.strip()
    adapted = tuning.finetune(
        tuning.recipe_for(str(base), [str(PAIRS / "valid.jsonl")], steps=3, method="lora", rank=2), quiet=True
    )
    assert adapted.model is not None and (adapted.model / "adapter_model.safetensors").is_file()
    assert sibao.load(f"{base}+{adapted.model}").generate(["红花"], GenerateOptions(4))[0].usage.prompt_tokens > 1


@pytest.mark.parametrize(
    ("objective", "family", "rows", "changes", "error", "message"),
    [
        ("seq2seq", "marian", [{"text": "no pair"}], {}, DataError, "no source and target"),
        ("seq2seq", "t5", [{"translation": {"en": "a " * 90, "zh": "一"}}], {"data": {"too_long": "error"}}, DataError,
         "data.sequence_length is 48"),
        ("span_corruption", "qwen3", [{"text": "words"}], {"model": {"config": {
            "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
            "head_dim": 16, "intermediate_size": 48, "max_position_embeddings": 64, "tie_word_embeddings": True,
        }}}, ConfigError, "is no encoder-decoder"),
        ("causal", "t5", [{"text": "words " * 90}], {}, ConfigError, "is no decoder"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_said_before_the_first_step(
    objective: str, family: str, rows: list[Any], changes: Any, error: Any, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows * 30), encoding="utf-8")
    with pytest.raises(error, match=message):
        pretrain(recipe(objective, family, file, **changes), quiet=True)


@pytest.mark.skipif(bool(missing()), reason=missing() or "there are kernels")
@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_a_translator_in_whole_numbers(
    translator: Path, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packed on the first load and mapped on the second; near what full precision says, and the same in any company."""
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path))
    full: Any = sibao.load(str(translator), precision="fp32")
    first: Any = sibao.load(str(translator), precision=precision)
    (packed,) = (tmp_path / "cache" / "packed").iterdir()
    written = packed.stat().st_mtime_ns
    again: Any = sibao.load(str(translator), precision=precision, deterministic=True)
    assert packed.stat().st_mtime_ns == written and again.engine.runner.exact
    assert again.engine.runner.weights.nbytes < full.engine.runner.weights.nbytes / 3
    options = GenerateOptions(12, Sampling(num_beams=3))
    texts = [one.text for one in first.generate(TEXTS, options)]
    assert texts == [one.text for one in again.generate(TEXTS, options)]
    assert texts == [again.generate([text], options)[0].text for text in TEXTS]
    pairs = list(zip(TEXTS, ["Two boys play.", "一个人", "Red flowers."], strict=True))
    for near, exact in zip(again.score(pairs), full.score(pairs), strict=True):
        assert near.loglikelihood == pytest.approx(exact.loglikelihood, rel=0.02 if precision == "int8" else 0.15)
