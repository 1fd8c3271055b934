"""``check`` on encoders: healthy folders with each head pass, and each known fault of this kind is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.workflows.check_folders import (
    copy,
    edit,
    edit_weights,
    encoder_folder,
    failed,
    got,
    quick,
    status,
)

HEADS = ["ForMaskedLM", "Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy BERT that guesses hidden words; read only."""
    return encoder_folder(tmp_path_factory.mktemp("check") / "bert", "bert")


@pytest.mark.parametrize("family", ["bert", "modernbert"])
@pytest.mark.parametrize("head", HEADS)
def test_a_healthy_encoder_passes_with_each_head(family: str, head: str, tmp_path: Path) -> None:
    folder = encoder_folder(tmp_path / family, family, head)
    report = quick(folder, against=str(folder))
    assert failed(report) == set() and report.kind == "encoder"
    assert [b.name for b in report.backends] == ["transformers", str(folder)]
    assert ("mask" in {f.name for f in report.findings}) is (head == "ForMaskedLM")
    assert ("states" if head == "Model" else "logits") in got(report, "transformers")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mask_token": None}, "names None"),
        ({"mask_token": "<mask>"}, "names '<mask>'"),
        ({"mask_token": "[UNK]"}, "is the unk_token too"),
        ({"mask_token": "the"}, "an ordinary word"),
    ],
)
def test_a_mask_that_is_wrong_or_missing(change: dict[str, Any], said: str, bert: Path, tmp_path: Path) -> None:
    broken = copy(bert, tmp_path / "broken")
    edit(broken / "tokenizer_config.json", **change)
    report = quick(broken, against=str(bert))
    assert {"mask", "against_tokenizer"} <= failed(report) and said in got(report, "mask")
    assert "[MASK] (" in got(report, "against_tokenizer")
    assert quick(encoder_folder(tmp_path / "none", "bert", "Model")).ok


def test_a_mask_at_another_id(bert: Path, tmp_path: Path) -> None:
    """Two control tokens that changed places in the vocabulary: sound in itself, so only the original tells."""
    broken = copy(bert, tmp_path / "broken")
    text = (broken / "tokenizer.json").read_text(encoding="utf-8")
    for old, new in (("[MASK]", "[KEEP]"), ("[PAD]", "[MASK]"), ("[KEEP]", "[PAD]")):
        text = text.replace(json.dumps(old), json.dumps(new))
    (broken / "tokenizer.json").write_text(text, encoding="utf-8")
    report = quick(broken, against=str(bert))
    assert failed(report) == {"against_tokenizer"}
    assert "[MASK] (0 here, 4 there)" in got(report, "against_tokenizer")
    assert status(report, "token_ids") == "warn", "config.json still names the old pad"


def test_control_tokens_that_are_not_those_around_a_text(bert: Path, tmp_path: Path) -> None:
    broken = copy(bert, tmp_path / "broken")
    edit(broken / "tokenizer_config.json", cls_token="[SEP]", sep_token="[CLS]")
    report = quick(broken)
    assert "frame" in failed(report) and "2 [CLS]" in got(report, "frame")


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_weights_and_shape_of_an_encoder_that_changed(family: str, tmp_path: Path) -> None:
    folder = encoder_folder(tmp_path / family, family)
    broken = copy(folder, tmp_path / "broken")
    name = "bert.encoder.layer.0.output.dense.weight" if family == "bert" else "model.layers.0.mlp.Wo.weight"
    edit_weights(broken, lambda tensors: tensors[name].mul_(1.5))
    assert quick(broken).ok
    report = quick(broken, against=str(folder))
    assert failed(report) == {"against"} and "max |Δ logit|" in got(report, "against")


def test_ids_and_tokens_outside_the_vocabulary(bert: Path, tmp_path: Path) -> None:
    broken = copy(bert, tmp_path / "broken")
    edit(broken / "config.json", pad_token_id=4000)
    assert "ids" in failed(quick(broken))
