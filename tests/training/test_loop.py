"""Whole runs of a tiny model: what is logged and measured, and how bad input ends."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.tiny import tiny_tokenizer
from tests.training.small import logged, recipe_data, run, run_folder, small_recipe, write_corpus, write_recipe

from sibao.core.errors import BadInput, ConfigError, DataError, SibaoError, TrainingError
from sibao.models.folder import load_model
from sibao.text.pack import TokenFile
from sibao.text.tokenizer import Tokenizer
from sibao.training import checkpoint, loop
from sibao.training.callbacks import EvalLog, JsonlLog, StepLog
from sibao.workflows._run import CHECKPOINTS
from sibao.workflows.pretrain import pretrain, resume


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus.jsonl", 60)


def test_a_run_learns_and_leaves_a_model_folder(corpus: Path, home: Path) -> None:
    result = pretrain(small_recipe(corpus, schedule={"steps": 30}, run={"samples": ["the"]}), quiet=True)
    entries = logged(home)
    losses = [e["loss"] for e in entries if "loss" in e]
    assert len(losses) == 30 and losses[-1] < losses[0] - 1
    assert losses[0] == pytest.approx(math.log(320), abs=0.3)  # knows nothing at first
    evals = [e for e in entries if "valid_loss" in e]
    assert [e["step"] for e in evals] == [*range(4, 30, 4), 30]
    assert evals[-1]["samples"][0].startswith("the")
    assert result.status == "done" and result.model is not None
    assert result.state.tokens == 30 * 4 * 32
    from transformers import AutoModelForCausalLM, AutoTokenizer

    peer, own = AutoModelForCausalLM.from_pretrained(result.model), load_model(result.model)
    ids = torch.tensor([AutoTokenizer.from_pretrained(result.model)("the old man").input_ids])
    with torch.no_grad():
        assert (peer(ids).logits - own.logits(own(ids))).abs().max() <= 1e-4


def test_bits_per_byte_are_those_of_the_whole_validation_text(corpus: Path) -> None:
    """Against every row written out: all targets, ends of documents too, over all bytes of the text."""
    recipe = small_recipe(corpus, run={"eval_rows": 10_000, "precision": "fp32"}, schedule={"steps": 8})
    result = pretrain(recipe, quiet=True)
    assert result.model is not None
    model, valid = load_model(result.model), TokenFile(result.folder / "tokens" / "valid")
    tokens, documents = torch.tensor(valid.tokens.astype("int64")), torch.zeros(len(valid.tokens), dtype=torch.int64)
    documents[valid.starts[1:-1]] = 1
    documents = documents.cumsum(0)
    nats, count = 0.0, 0
    for begin in range(0, len(tokens), 32):
        row, owner = tokens[begin : begin + 32], documents[begin : begin + 32]
        for number in owner.unique():
            at = (owner == number).nonzero().flatten()
            end = begin + int(at[-1]) + 1
            follows = end < len(tokens) and documents[end] == number
            ids = torch.cat((row[at], tokens[end : end + 1])) if follows else row[at]
            with torch.no_grad():
                logits = model.logits(model(ids[None, :-1]))[0] if len(ids) > 1 else torch.zeros(0, 320)
            nats += F.cross_entropy(logits, ids[1:], reduction="sum").item()
            count += len(ids) - 1
    assert count == valid.meta.target_tokens
    assert result.valid_loss == pytest.approx(nats / count, rel=1e-5)
    assert result.bits_per_byte == pytest.approx(nats / math.log(2) / valid.meta.bytes, rel=1e-5)


def test_a_part_of_the_validation_rows_stands_for_both_languages(tmp_path: Path) -> None:
    """The bytes of exactly the scored tokens are counted, wherever the rows come from."""
    english, chinese = tmp_path / "en.jsonl", tmp_path / "zh.jsonl"
    english.write_text("".join(json.dumps({"text": f"the old man looked at house {i}"}) + "\n" for i in range(80)))
    chinese.write_text("".join(json.dumps({"text": f"春眠不觉晓处处闻啼鸟{i}"}) + "\n" for i in range(80)))
    files = {"train": [str(english), str(chinese)], "valid": [str(english), str(chinese)]}
    some = pretrain(small_recipe(english, data=files, run={"eval_rows": 16}), quiet=True)
    all_rows = pretrain(small_recipe(english, data=files, run={"eval_rows": 10_000}), quiet=True)
    assert some.bits_per_byte == pytest.approx(all_rows.bits_per_byte, rel=0.1)


def test_the_best_checkpoint_is_there(corpus: Path) -> None:
    data = {"schedule": {"steps": 24}, "run": {"eval_every": 5, "save_every": 7, "keep_last": 1}}
    result = pretrain(small_recipe(corpus, **data), quiet=True)
    kept = {p.name for p in checkpoint.checkpoints(result.folder / CHECKPOINTS)}
    assert kept == {f"step-{s:06d}" for s in (result.state.best_step, 24)}


def test_more_steps_than_before(corpus: Path) -> None:
    wsd = {"name": "wsd", "warmup": 2, "decay": 0.2}
    short = pretrain(small_recipe(corpus, schedule={**wsd, "steps": 6}), quiet=True)
    longer = resume(short.run[:6], steps=9, quiet=True)
    assert (longer.run, longer.state.step, longer.status) == (short.run, 9, "done")
    steps = [json.loads(line) for line in (longer.folder / "log.jsonl").read_text().splitlines()]
    assert [s["step"] for s in steps if "loss" in s] == list(range(1, 10))


def test_time_is_up(corpus: Path) -> None:
    result = pretrain(small_recipe(corpus, schedule={"steps": 100_000}, run={"max_minutes": 0.01}), quiet=True)
    assert result.status == "stopped" and result.model is None
    assert checkpoint.latest(result.folder / CHECKPOINTS).name == f"step-{result.state.step:06d}"


def test_a_loss_that_is_no_number_ends_the_run(corpus: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    real = loop._loss
    calls = 0

    def late_nan(job: Any, batch: Any) -> torch.Tensor:
        nonlocal calls
        calls += job.model.training
        return real(job, batch) * (math.nan if calls == 11 else 1)

    monkeypatch.setattr(loop, "_loss", late_nan)
    with pytest.raises(TrainingError, match=r"the loss is nan and the gradient's norm nan at step 6") as caught:
        pretrain(small_recipe(corpus, run={"eval_every": 100}), quiet=True)
    assert caught.value.exit_code == 1 and "the last checkpoint is intact" in caught.value.hint
    found = checkpoint.checkpoints(run_folder(home) / CHECKPOINTS)
    assert [p.name for p in found] == ["step-000003"]
    assert all(p.isfinite().all() for p in load_model(found[0]).parameters())


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model": {"base": "mini"}}, ConfigError, "starts from random weights"),
        ({"data": {"sequence_length": 128}}, ConfigError, "sequence_length 128 is longer than the model holds"),
        ({"data": {"valid_fraction": 0.001}}, BadInput, "fewer than 1000 documents, none is left to validate on"),
        ({"data": {"train": ["nowhere.jsonl"]}}, (BadInput, DataError), "nowhere.jsonl"),
        ({"data": {"train": [{"path": "x.jsonl", "task": "translate"}]}}, ConfigError, "pretrain reads whole files"),
        ({"model": {"family": "qwen4"}}, BadInput, "no model family named 'qwen4'"),
        ({"model": {"config": {"hidden_size": 32}}}, ConfigError, "model.config lacks 'num_hidden_layers'"),
        ({"run": {"rows": 4}, "tokenizer": {"path": "nowhere"}}, SibaoError, "nowhere holds no tokenizer.json"),
    ],
)
def test_a_recipe_that_cannot_be(corpus: Path, changes: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        pretrain(small_recipe(corpus, **changes), quiet=True)


def test_model_keys_that_cannot_be(corpus: Path, tmp_path: Path) -> None:
    config = recipe_data(corpus)["model"]["config"]
    for keys, message in (
        ({"hiden_act": "silu"}, "does not know: hiden_act"),
        ({"num_attention_heads": "two"}, "wrong kind|num_attention_heads is 'two'"),
        ({"vocab_size": 300}, "model.config.vocab_size 300 is smaller than the tokenizer's"),
    ):
        with pytest.raises(ConfigError, match=message):
            pretrain(small_recipe(corpus, model={"config": config | keys}), quiet=True)


def test_too_little_text_is_refused_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("a b c\n\nd e f\n")
    with pytest.raises(BadInput, match=r"fewer than one row of 32"):
        pretrain(small_recipe(tmp_path / "one.txt", data={"valid_fraction": 0}), quiet=True)


def test_tokens_of_another_tokenizer_are_refused(corpus: Path) -> None:
    result = pretrain(small_recipe(corpus), quiet=True)
    tiny_tokenizer().save(result.folder / "tokenizer")
    with pytest.raises(ConfigError, match="was made with another tokenizer than the run's"):
        resume(result.run, steps=20, quiet=True)
    assert Tokenizer.load(result.folder / "tokenizer").vocab_size == 400


def test_an_unknown_run_is_named() -> None:
    with pytest.raises(BadInput, match="no training run begins with 'r0'"):
        resume("r0")


def test_processes_end_with_the_right_code(tmp_path: Path, home: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    recipe = write_recipe(tmp_path / "recipe.toml", recipe_data(tmp_path / "empty.jsonl"))
    code, _, err = run("new", str(recipe), home)
    assert code == 2 and "Traceback" not in err and "empty" in err


def test_the_log_forgets_what_a_checkpoint_did_not_see(tmp_path: Path) -> None:
    log = JsonlLog(tmp_path / "log.jsonl")
    log.on_start(0)
    for step in (1, 2, 3):
        log.on_step(StepLog(step, 1.0, 1.0, 1.0, 10, 1.0, 0.0))
    log.on_eval(EvalLog(3, 1.0, None, ("春",)))
    with log.path.open("a") as file:
        file.write('{"step": 4, "lo')  # killed in the middle of a line
    log.on_start(3)
    assert [json.loads(line)["step"] for line in log.path.read_text().splitlines()] == [1, 2, 3, 3]
    log.on_start(2)
    assert [json.loads(line)["step"] for line in log.path.read_text().splitlines()] == [1, 2]
