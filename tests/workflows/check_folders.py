"""Healthy model folders, and the ways to break them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tests.tiny import TEXTS, tiny_tokenizer

from sibao.models.base import Keys
from sibao.models.folder import families, family_of, new_network, save_model
from sibao.nn.config import DecoderConfig
from sibao.nn.decoder import Decoder
from sibao.text.sentinels import train_source_target
from sibao.text.wordpiece import train_wordpiece
from sibao.workflows.check import CheckReport, Options, check


def config_of(family: str, **more: Any) -> Any:
    """The shape of a small model of a family, with room for the tokenizer and the sample."""
    data = {**family_of(family).TINY, "model_type": family, "vocab_size": 400, "initializer_range": 0.3, **more}
    data |= {key: 256 for key in ("max_position_embeddings", "n_positions") if key in data}
    return family_of(family).read(Keys(data))


def decoder_families() -> list[str]:
    """Every family whose network continues text."""
    return [name for name in families() if isinstance(config_of(name), DecoderConfig)]


def healthy_folder(path: Path, family: str, **more: Any) -> Path:
    """Random weights, a ChatML tokenizer and a generation config that all belong together."""
    model = Decoder(config_of(family, **more))
    model.initialize(0)
    ends = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 0}
    save_model(model, path, family, extra=ends)
    tiny_tokenizer().save(path)
    (path / "generation_config.json").write_text(json.dumps({"eos_token_id": [2], "pad_token_id": 0}))
    return path


def source_folder(path: Path, family: str = "t5", **more: Any) -> Path:
    """An encoder-decoder whose files all belong together; pad is 0 and begins an answer, the end is 1."""
    ends = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    network = new_network(config_of(family, **ends, **more))
    network.initialize(0)
    with torch.no_grad():  # T5's own first weights are so wide that one token always wins
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.3, generator=torch.Generator().manual_seed(parameter.numel()))
    save_model(network, path, family)
    train_source_target(TEXTS, 400).save(path)
    (path / "generation_config.json").write_text(json.dumps({**ends, "num_beams": 2}))
    return path


def encoder_folder(path: Path, family: str = "bert", head: str = "ForMaskedLM", **more: Any) -> Path:
    """An encoder with a head, and a WordPiece tokenizer with BERT's control tokens."""
    prefix = {"bert": "Bert", "modernbert": "ModernBert"}[family]
    tokenizer = train_wordpiece(TEXTS, 400, progress=False)
    network = new_network(config_of(family, architectures=[prefix + head], **more))
    network.initialize(0)
    save_model(network, path, family, extra={"pad_token_id": tokenizer.pad_id})
    tokenizer.save(path)
    return path


def copy(folder: Path, to: Path) -> Path:
    """A folder to break."""
    shutil.copytree(folder, to)
    return to


def edit(path: Path, change: Callable[[dict[str, Any]], object] | None = None, **values: Any) -> None:
    """Change keys of a JSON file."""
    data = json.loads(path.read_text(encoding="utf-8"))
    data.update(values)
    if change is not None:
        change(data)
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")


def edit_weights(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change tensors of ``model.safetensors``."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def adds(token: str, number: int, *, at_end: bool = False) -> dict[str, Any]:
    """A post-processor for tokenizer.json that puts a control token before (or after) every text."""
    special, text = {"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    single = [text, special] if at_end else [special, text]
    pair = [*single, {"Sequence": {"id": "B", "type_id": 1}}]
    return {
        "type": "TemplateProcessing", "single": single, "pair": pair,
        "special_tokens": {token: {"id": token, "ids": [number], "tokens": [token]}},
    }  # fmt: skip


def failed(report: CheckReport) -> set[str]:
    """Names of what failed."""
    return {finding.name for finding in report.findings if finding.status == "fail"}


def got(report: CheckReport, name: str) -> str:
    """What a finding says; it must be there once."""
    (found,) = [f for f in report.findings if f.name == name]
    return f"{found.got} {found.hint}"


def status(report: CheckReport, name: str) -> str:
    """How a finding stands."""
    (found,) = [f for f in report.findings if f.name == name]
    return found.status


def quick(folder: Path | str, **more: Any) -> CheckReport:
    """A check with a short answer."""
    return check(str(folder), Options(**{"tokens": 6, "quiet": True, **more}))
