"""``check`` on encoder-decoders and encoders: healthy folders pass, and each known fault of these families is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.text.test_sentencepiece import LINES, train
from tests.workflows.check_folders import (
    copy,
    edit,
    edit_weights,
    encoder_folder,
    failed,
    got,
    healthy_folder,
    quick,
    source_folder,
    status,
)

from sibao.models.adapter import save_adapter
from sibao.models.folder import load_network
from sibao.nn.lora import adapted, add_lora
from sibao.text.spm import read_pieces


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy T5; read only."""
    return source_folder(tmp_path_factory.mktemp("check") / "t5", "t5")


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy Marian; read only."""
    return source_folder(tmp_path_factory.mktemp("check") / "marian", "marian")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy BERT that guesses hidden words; read only."""
    return encoder_folder(tmp_path_factory.mktemp("check") / "bert", "bert")


@pytest.mark.parametrize("family", ["t5", "mt5", "marian"])
def test_a_healthy_encoder_decoder_passes(family: str, tmp_path: Path) -> None:
    folder = source_folder(tmp_path / family, family)
    report = quick(folder, against=str(folder))
    assert failed(report) == set() and report.kind == "encoder-decoder"
    assert [b.name for b in report.backends] == ["sibao, uncached", "sibao, cached", "transformers", str(folder)]
    assert len({tuple(b.token_ids) for b in report.backends}) == 1
    assert all(b.max_difference is None or b.max_difference <= (b.tolerance or 0) for b in report.backends)
    assert {"decoder_start", "source_end", "tied_weights", "against_tokenizer"} <= {f.name for f in report.findings}


def test_a_marian_with_the_tokenizer_files_that_are_published(marian: Path, tmp_path: Path) -> None:
    """Two SentencePiece models and a vocabulary, in which a control token cannot be typed; beams and a forbidden pad."""
    pytest.importorskip("sentencepiece")
    folder = copy(marian, tmp_path / "marian")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"source_lang": "zh", "target_lang": "en"}))
    for name in ("source.spm", "target.spm"):
        train(folder / name, LINES, eos_id=1, unk_id=2, bos_id=-1, pad_id=-1)
    pieces = [name for name in read_pieces(folder / "source.spm").names if name not in ("</s>", "<unk>")]
    vocabulary = {name: number for number, name in enumerate(["<pad>", "</s>", "<unk>", *pieces])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    edit(folder / "generation_config.json", bad_words_ids=[[0]], num_beams=4)
    assert failed(quick(folder)) == set()


@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
def test_a_wrong_start_of_answers(file: str, t5: Path, tmp_path: Path) -> None:
    """In one file: Transformers starts by the one, Sibao by the other. Their answers differ too."""
    broken = copy(t5, tmp_path / "broken")
    edit(broken / file, decoder_start_token_id=7)
    report = quick(broken)
    assert failed(report) == {"decoder_start", "transformers"}
    assert "generation_config.json says" in got(report, "decoder_start")


def test_a_wrong_start_of_answers_in_both_files(t5: Path, tmp_path: Path) -> None:
    """All back ends agree then: what tells is that these families begin with their pad, and the original folder."""
    broken = copy(t5, tmp_path / "broken")
    for file in ("config.json", "generation_config.json"):
        edit(broken / file, decoder_start_token_id=7)
    alone = quick(broken)
    assert failed(alone) == {"decoder_start"} and "padding is 0 <pad>" in got(alone, "decoder_start")
    assert quick(broken, accept=("decoder_start",)).ok
    report = quick(broken, against=str(t5))
    assert failed(report) == {"decoder_start", "against_config", "against"}
    assert "decoder_start_token_id is 7 here, 0 there" in got(report, "against_config")


@pytest.mark.parametrize(("family", "theirs"), [("t5", "no start at all"), ("marian", "58100")])
def test_a_start_that_is_named_nowhere(family: str, theirs: str, t5: Path, marian: Path, tmp_path: Path) -> None:
    broken = copy({"t5": t5, "marian": marian}[family], tmp_path / "broken")
    for file in ("config.json", "generation_config.json"):
        edit(broken / file, lambda data: data.pop("decoder_start_token_id"))
    report = quick(broken)
    assert {"decoder_start", "transformers"} <= failed(report)
    assert f"0 is taken here, {theirs} by Transformers" in got(report, "decoder_start")


def test_a_pad_that_is_not_the_tokenizers(marian: Path, tmp_path: Path) -> None:
    """Transformers pads by the tokenizer and shifts answers by config.json: here that is no warning."""
    broken = copy(marian, tmp_path / "broken")
    edit(broken / "config.json", pad_token_id=9)
    report = quick(broken)
    assert failed(report) == {"token_ids", "decoder_start"}
    assert "pad is 9" in got(report, "token_ids") and "padding is 9" in got(report, "decoder_start")


def test_sources_that_nothing_ends(t5: Path, tmp_path: Path) -> None:
    broken = copy(t5, tmp_path / "broken")
    edit(broken / "tokenizer.json", post_processor=None)
    report = quick(broken)
    assert failed(report) == {"source_end", "transformers_tokens"}, "Sibao adds the end, Transformers does not"


@pytest.mark.parametrize(
    ("family", "more", "head"),
    [
        ("mt5", {"tie_word_embeddings": False}, "lm_head.weight"),
        ("marian", {"share_encoder_decoder_embeddings": False, "tie_word_embeddings": False}, "lm_head.weight"),
        ("bert", {"tie_word_embeddings": False}, "cls.predictions.decoder.weight"),
        ("modernbert", {"tie_word_embeddings": False}, "decoder.weight"),
    ],
)
def test_untied_weights_that_are_missing(family: str, more: Any, head: str, tmp_path: Path) -> None:
    make = encoder_folder if "bert" in family else source_folder
    folder = make(tmp_path / family, family, **more)
    whole = quick(folder)
    assert whole.ok and "untied, both are there" in got(whole, "tied_weights")
    edit_weights(folder, lambda tensors: tensors.pop(head))
    report = quick(folder, against=str(folder))
    assert {"tied_weights", "weights"} <= failed(report)
    assert f"untied, but the file has no {head}" in got(report, "tied_weights")
    assert any("--against" in line for line in report.not_checked)


def test_a_matrix_of_its_own_that_config_calls_tied_is_no_fault_where_the_file_decides(
    t5: Path, tmp_path: Path
) -> None:
    """Transformers 5 writes such folders of T5 v1.1."""
    folder = copy(t5, tmp_path / "t5")
    edit_weights(folder, lambda tensors: tensors.update({"lm_head.weight": tensors["shared.weight"] * 2}))
    edit(folder / "config.json", scale_decoder_outputs=False)
    report = quick(folder)
    assert status(report, "tied_weights") == "ok" and "untied" in got(report, "tied_weights")


def test_weights_of_an_encoder_decoder_that_changed(marian: Path, tmp_path: Path) -> None:
    broken = copy(marian, tmp_path / "broken")
    edit_weights(broken, lambda tensors: tensors["model.decoder.layers.0.fc1.weight"].mul_(1.5))
    assert quick(broken).ok, "every back end reads the same wrong numbers"
    report = quick(broken, against=str(marian))
    assert failed(report) == {"against"} and "max |Δ logit|" in got(report, "against")


def test_a_setting_that_forbids_words_is_part_of_the_answer(marian: Path, tmp_path: Path) -> None:
    first = quick(marian).backends[0].token_ids[0]
    folder = copy(marian, tmp_path / "forbidding")
    edit(folder / "generation_config.json", bad_words_ids=[[first]], forced_eos_token_id=1)
    report = quick(folder)
    assert report.ok and len({tuple(b.token_ids) for b in report.backends}) == 1
    assert first not in report.backends[0].token_ids and report.backends[0].token_ids[-1] == 1
    assert failed(quick(folder, against=str(marian))) == {"against"}


def test_another_kind_of_network_is_said_and_not_run(t5: Path, bert: Path, tmp_path: Path) -> None:
    report = quick(t5, against=str(bert))
    assert failed(report) == {"against_config", "against_tokenizer"}
    assert "Seq2SeqConfig here, EncoderConfig there" in got(report, "against_config")
    decoder = healthy_folder(tmp_path / "gpt2", "gpt2")
    assert "against_config" in failed(quick(bert, against=str(decoder)))


@pytest.mark.parametrize(("family", "task"), [("t5", "SEQ_2_SEQ_LM"), ("bert", "FEATURE_EXTRACTION")])
def test_adapters_are_part_of_these_models_too(family: str, task: str, t5: Path, bert: Path, tmp_path: Path) -> None:
    base = {"t5": t5, "bert": bert}[family]
    network = load_network(base)
    add_lora(network, ["q_proj", "v_proj"], 2, 4.0, 0.0)
    torch.manual_seed(0)
    with torch.no_grad():
        for layer in adapted(network).values():
            layer.lora_B.normal_()
    save_adapter(network, tmp_path / "adapter", family, str(base), task)
    report = quick(f"{base}+{tmp_path / 'adapter'}", against=str(base))
    assert failed(report) == {"against"}, "Transformers agrees, the bare base model does not"
