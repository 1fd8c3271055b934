"""Encoders from text to answers: pretraining, resuming, heads that learn from real rows, evaluation."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.small import WORDS, logged, small_recipe, write_corpus

import sibao
from sibao.core.errors import BadInput, ConfigError, DataError
from sibao.models.base import Keys
from sibao.models.folder import family_of, new_network, save_model
from sibao.text.readers import read_rows
from sibao.text.rows import text_of
from sibao.text.tokenizer import Tokenizer
from sibao.text.wordpiece import train_wordpiece
from sibao.training.recipe import Recipe, parse_recipe
from sibao.workflows.finetune import finetune, recipe_for
from sibao.workflows.finetune import resume as resume_finetune
from sibao.workflows.pretrain import pretrain, resume

SAMPLES = Path(sibao.__file__).parent / "samples"
READING = Path(__file__).parents[1] / "data" / "reading"
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
         "max_position_embeddings": 64}  # fmt: skip


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))


def masked_recipe(folder: Path, family: str = "bert", **sections: dict[str, Any]) -> Recipe:
    corpus = write_corpus(folder / "corpus.jsonl")
    data = small_recipe(corpus).model_dump()
    data["model"] = {"family": family, "config": SHAPE}
    data["objective"] = {"name": "masked"}
    for name, keys in sections.items():
        data[name].update(keys)
    return parse_recipe(data)


STEADY = {"name": "wsd", "decay": 0.0, "steps": 9, "warmup": 2}
"""A rate that does not depend on where the run ends, so that a run may stop early and go on."""


def shortened(recipe: Recipe, steps: int) -> Recipe:
    """The same recipe, ending sooner."""
    return recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update={"steps": steps})})


def losses(home: Path) -> dict[int, float]:
    """Step → loss, the last word on each step."""
    return {e["step"]: e["loss"] for e in logged(home) if "loss" in e}


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_a_pretrained_encoder_is_the_same_in_transformers(family: str, tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    text = "the old man [MASK] at 春天 的 山"
    result = pretrain(masked_recipe(tmp_path, family, run={"samples": [text]}), quiet=True)
    assert result.status == "done" and result.model is not None
    model = sibao.load(str(result.model))
    peer = AutoModelForMaskedLM.from_pretrained(result.model).eval()
    ids = AutoTokenizer.from_pretrained(result.model)(text, return_tensors="pt")["input_ids"]
    place = int((ids[0] == model.tokenizer.mask_id).nonzero())  # type: ignore[attr-defined]
    with torch.no_grad():
        want = peer(input_ids=ids).logits[0, place].softmax(dim=-1).topk(3)
    (found,) = model.fill(text, top=3)  # type: ignore[attr-defined]
    assert [f.probability for f in found] == pytest.approx(want.values.tolist(), abs=1e-5)
    assert found[0].text == text.replace("[MASK]", found[0].token)
    samples = [e["samples"] for e in logged(tmp_path / "home") if e.get("samples")]
    assert samples and all("[MASK]" not in said for (said,) in samples)


@pytest.mark.parametrize("whole_words", [False, True])
def test_a_resumed_run_hides_and_loses_the_same_to_the_bit(whole_words: bool, tmp_path: Path) -> None:
    sections: dict[str, Any] = {"objective": {"whole_words": whole_words}, "data": {"valid_fraction": 0.1}}
    recipe = masked_recipe(tmp_path, **sections, schedule=STEADY)
    pretrain(recipe, quiet=True)
    whole = losses(tmp_path / "home")
    (tmp_path / "home").rename(tmp_path / "first")
    part = pretrain(shortened(recipe, 5), quiet=True)
    assert part.state.step == 5
    resume(part.run, steps=STEADY["steps"], quiet=True)
    assert losses(tmp_path / "home") == whole
    assert len(whole) == STEADY["steps"]


def test_masked_learns_on_real_text(tmp_path: Path) -> None:
    """The loss falls below the entropy of the tokens' frequencies, which is the best that no context can give."""
    lines = (SAMPLES / "csl_category.train.jsonl").read_text(encoding="utf-8").splitlines()[:300]
    (tmp_path / "titles.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sections: dict[str, Any] = {
        "data": {"train": [str(tmp_path / "titles.jsonl")], "sequence_length": 64},
        "tokenizer": {"vocab_size": 1500},
        "optimizer": {"name": "muon", "lr": 0.02, "adam_lr": 0.01},
        "schedule": {"steps": 40, "warmup": 4},
        "run": {"rows": 16, "micro_rows": 16, "eval_every": 40, "save_every": 40, "precision": "fp32"},
    }
    result = pretrain(masked_recipe(tmp_path, **sections), quiet=True)
    tokenizer = Tokenizer.load(result.folder / "tokenizer")
    texts = [text_of(json.loads(line)) for line in lines]
    counts = Counter(t for ids in tokenizer.encode_batch(texts) for t in ids)
    total = sum(counts.values())
    entropy = -sum(n / total * math.log(n / total) for n in counts.values())
    assert result.valid_loss is not None
    assert result.valid_loss < 0.85 * entropy


@pytest.mark.parametrize(
    ("sections", "wanted"),
    [
        ({"model": {"family": "qwen3", "config": {**SHAPE, "num_key_value_heads": 1}}}, "trains encoders"),
        ({"objective": {"name": "causal"}}, "is no decoder"),
        ({"objective": {"name": "classify"}}, "pretrain has the objective"),
        ({"data": {"sequence_length": 128}}, "longer than the model holds"),
    ],
)
def test_what_cannot_be_pretrained_is_said(sections: dict[str, Any], wanted: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=wanted):
        pretrain(masked_recipe(tmp_path, **sections), quiet=True)


def test_a_sample_without_a_mask_is_refused_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no \[MASK\]"):
        pretrain(masked_recipe(tmp_path, run={"samples": ["春天"]}), quiet=True)
    assert not list((tmp_path / "home").glob("runs/*/log.jsonl"))


def test_a_tokenizer_without_a_mask_is_refused(tmp_path: Path) -> None:
    from tests.tiny import tiny_tokenizer

    tiny_tokenizer().save(tmp_path / "bpe")
    with pytest.raises(ConfigError, match=r"no \[CLS\], \[SEP\], \[MASK\]"):
        pretrain(masked_recipe(tmp_path, tokenizer={"path": str(tmp_path / "bpe")}), quiet=True)


def base_folder(folder: Path, texts: list[str], family: str = "bert", **shape: Any) -> Path:
    """A random encoder with a tokenizer for these texts."""
    tokenizer = train_wordpiece(texts, 1500, progress=False)
    keys = {**SHAPE, "num_hidden_layers": 1, "vocab_size": tokenizer.vocab_size, **shape}
    model = new_network(family_of(family).read(Keys(keys)))
    model.initialize(0)
    save_model(model, folder, family, extra={"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3})
    tokenizer.save(folder)
    return folder


def head_recipe(base: Path, data: Path, steps: int, lr: float = 0.02, **run: Any) -> Recipe:
    """The recipe that the command line makes, with a rate for a tiny model."""
    sections = recipe_for(str(base), [str(data)], steps=steps).model_dump()
    sections["optimizer"].update(name="muon", lr=lr, adam_lr=lr)
    shared = {"rows": 32, "micro_rows": 32, "threads": 1, "precision": "fp32", "eval_every": steps, "save_every": 5}
    sections["run"].update(shared | run)
    return parse_recipe(sections)


def test_labels_are_learned_from_real_rows_and_evaluated(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    rows = list(read_rows(SAMPLES / "csl_category.train.jsonl"))
    texts = [row["prompt"] for row in rows]
    # the mean of all positions is read, and a mean of words is soon learned
    base = base_folder(tmp_path / "base", texts, "modernbert", classifier_pooling="mean", local_attention=16)
    result = finetune(head_recipe(base, SAMPLES / "csl_category.train.jsonl", 45), quiet=True)
    assert result.model is not None and result.valid_loss is not None
    counts = Counter(row["completion"] for row in rows)
    chance = -sum(n / len(rows) * math.log(n / len(rows)) for n in counts.values())
    assert result.valid_loss < chance - 0.2
    model = sibao.load(str(result.model))
    (one,) = model.classify([texts[0]])  # type: ignore[attr-defined]
    assert set(one.probabilities) == set(counts)
    peer = AutoModelForSequenceClassification.from_pretrained(result.model).eval()
    with torch.no_grad():
        ids = AutoTokenizer.from_pretrained(result.model)(texts[0], return_tensors="pt")["input_ids"]
        want = peer(input_ids=ids).logits[0].softmax(dim=-1)
    assert one.probability == pytest.approx(float(want.max()), abs=1e-5)
    assert peer.config.id2label[int(want.argmax())] == one.label
    scored = sibao.evaluate(
        str(result.model), task="generate", data=SAMPLES / "csl_category.test.jsonl", limit=60, quiet=True
    )
    accuracy = next(s for s in scored.scores if s.name == "accuracy")
    said = [a.result.text for a in scored.answers if a.result is not None]
    assert set(said) <= set(counts) and 0 < accuracy.value <= 1


def passages(place: Path, count: int) -> tuple[Path, Path]:
    """A file of so many real questions in both languages, and a random BERT that holds them."""
    data = place / "rows.jsonl"
    rows = [*read_rows(READING / "squad.jsonl"), *read_rows(READING / "cmrc2018.jsonl")][:count]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = [row["context"] + row["question"] for row in rows]
    return data, base_folder(place / "base", texts, max_position_embeddings=192, num_hidden_layers=2)


def test_answers_in_passages_are_learned_from_real_rows(tmp_path: Path) -> None:
    from transformers import AutoModelForQuestionAnswering

    data, base = passages(tmp_path, 30)
    recipe = head_recipe(base, data, 40, lr=0.01, rows=30, micro_rows=30)
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"valid_fraction": 0.0})})
    assert recipe.objective.name == "span" and recipe.adapter is None
    result = finetune(recipe, quiet=True)
    trained = sibao.evaluate(str(result.model), task="answer", data=data, quiet=True)
    f1 = {s.name: s.value for s in trained.scores}
    assert f1["f1/en"] > 0.6 and f1["f1/zh"] > 0.4, f1  # of rows it was shown
    first = next(read_rows(data))
    answer = sibao.answer(first["question"], first["context"], model=str(result.model))
    start = answer.fields["start"]
    assert start is None or first["context"][start : start + len(answer.text)] == answer.text
    _, told = AutoModelForQuestionAnswering.from_pretrained(result.model, output_loading_info=True)
    assert not any(told.values()), told


def test_a_resumed_head_goes_on_to_the_bit(tmp_path: Path) -> None:
    rows = list(read_rows(SAMPLES / "csl_category.train.jsonl"))[:64]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps({"text": r["prompt"], "label": r["completion"]}) + "\n" for r in rows))
    base = base_folder(tmp_path / "base", [r["prompt"] for r in rows])
    recipe = head_recipe(base, data, 8, rows=8, micro_rows=4)
    recipe = recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update=STEADY)})
    finetune(recipe, quiet=True)
    whole = losses(tmp_path / "home")
    (tmp_path / "home").rename(tmp_path / "first")
    part = finetune(shortened(recipe, 5), quiet=True)
    resume_finetune(part.run, steps=STEADY["steps"], quiet=True)
    assert losses(tmp_path / "home") == whole
    assert len(whole) == STEADY["steps"]


def test_bad_rows_are_named(tmp_path: Path) -> None:
    base = base_folder(tmp_path / "base", [" ".join(WORDS)] * 3)
    data = tmp_path / "rows.jsonl"

    def tuned(*rows: dict[str, Any], **objective: Any) -> None:
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        recipe = head_recipe(base, data, 2)
        finetune(recipe.model_copy(update={"objective": recipe.objective.model_copy(update=objective)}), quiet=True)

    with pytest.raises(DataError, match=r"rows.jsonl:2 field 'label': no label"):
        tuned({"text": "the man", "label": 1}, {"text": "the river"})
    with pytest.raises(DataError, match="wanted at least two"):
        tuned({"text": "the man", "label": 1}, {"text": "the river", "label": 1})
    with pytest.raises(DataError, match="does not stand in the passage"):
        tuned({"question": "who", "context": "the man", "answers": {"text": ["the river"], "answer_start": [0]}})
    with pytest.raises(DataError, match="no answers to learn from"):
        tuned({"question": "who", "context": "the man"})
    with pytest.raises(ConfigError, match="heads are trained on encoders"):
        from tests.tiny import tiny_folder

        base = tiny_folder(tmp_path / "decoder")
        tuned({"text": "a", "label": 1}, {"text": "b", "label": 2}, name="classify")
