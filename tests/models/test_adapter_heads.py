"""Heads of encoders beside adapters: PEFT and Sibao read each other's folders, with the same numbers and labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.contract.test_encoders import distance, own_says, peer_model, peer_says, right_mask, some_ids
from torch import nn

from sibao.core.errors import ModelError
from sibao.models._adapter_head import LABELS, trained_parts
from sibao.models.adapter import adapt, load_adapter, save_adapter
from sibao.models.folder import family_of, load_network, save_model
from sibao.nn.encoder import Encoder
from sibao.nn.encoder_config import Head
from sibao.nn.lora import LoraSpec, adapted, merge_lora

TASKS: dict[str, tuple[Head, str]] = {
    "SEQ_CLS": ("classify", "AutoModelForSequenceClassification"),
    "QUESTION_ANS": ("span", "AutoModelForQuestionAnswering"),
    "TOKEN_CLS": ("token", "AutoModelForTokenClassification"),
}
NAMES = ("工学", "医学", "law", "art", "农学")
ENDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SPECS = {"lora": LoraSpec(3, 5), "dora": LoraSpec(3, 5, dora=True)}
CASES = [(f, t, "lora", False) for f in ("bert", "modernbert") for t in TASKS]
CASES += [("bert", "SEQ_CLS", "dora", False), ("bert", "SEQ_CLS", "dora", True)]
"""Family, task, variant, and whether the base model's file holds the pooler of its pretraining."""


def base(folder: Path, family: str, pooler: bool = False) -> Path:
    """A masked model, as Transformers writes it."""
    peer_model(family).save_pretrained(folder)
    if pooler and family == "bert":
        file = folder / "model.safetensors"
        generator = torch.Generator().manual_seed(7)
        sizes = {"weight": (32, 32), "bias": (32,)}
        extra = {f"bert.pooler.dense.{k}": torch.randn(s, generator=generator) * 0.2 for k, s in sizes.items()}
        save_file(load_file(file) | extra, file, metadata={"format": "pt"})
    return folder


def loaded(folder: Path) -> Encoder:
    model = load_network(folder)
    assert isinstance(model, Encoder)
    return model


def spread(model: nn.Module) -> None:
    """Numbers that change something, in the adapters and in the head."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad or "lora_A" in name:
                continue
            if "magnitude" in name:
                parameter.mul_(torch.empty_like(parameter).uniform_(0.7, 1.4))
            else:
                nn.init.normal_(parameter, std=0.2)


def with_head(folder: Path, family: str, head: Head) -> tuple[Encoder, tuple[str, ...]]:
    """The masked model with a new head, and the parts that it has not from the base."""
    from dataclasses import replace

    model = loaded(folder)
    before = (model.pooler, model.transform)
    labels = () if head == "span" else NAMES
    model.replace_head(family_of(family).with_head(replace(model.config, head=head, labels=labels)), 3)
    fresh = [n for n, old in zip(("pooler", "transform"), before, strict=True) if getattr(model, n) is not old]
    return model, (*(n for n in fresh if list((getattr(model, n) or nn.Identity()).parameters())), "output")


def ours(model: Encoder) -> dict[str, torch.Tensor]:
    ids = some_ids()
    return own_says(model.eval(), ids, right_mask(ids))


def theirs(folder: Path, adapter: Path, task: str) -> dict[str, torch.Tensor]:
    peft = pytest.importorskip("peft")
    import transformers

    config = transformers.AutoConfig.from_pretrained(adapter / "head")
    peer = getattr(transformers, TASKS[task][1]).from_pretrained(folder, config=config)
    ids = some_ids()
    return peer_says(peft.PeftModel.from_pretrained(peer, str(adapter)).eval(), ids, right_mask(ids))


@pytest.mark.parametrize(("family", "task", "variant", "pooler"), CASES)
def test_ours_in_peft_and_back(tmp_path: Path, family: str, task: str, variant: str, pooler: bool) -> None:
    folder = base(tmp_path / "base", family, pooler)
    model, fresh = with_head(folder, family, TASKS[task][0])
    assert ("pooler" in fresh) is (family == "bert" and task == "SEQ_CLS" and not pooler)
    adapt(model, family, [], SPECS[variant], fresh)
    spread(model)
    want = ours(model)
    save_adapter(model, tmp_path / "a", family, str(folder), task, extra=ENDS)
    assert distance(theirs(folder, tmp_path / "a", task), want) <= 1e-4
    again = loaded(folder)
    load_adapter(again, tmp_path / "a", family)
    assert distance(ours(again), want) == 0
    assert again.config == model.config and trained_parts(again) == list(fresh)
    save_adapter(again, tmp_path / "b", family, str(folder), task, extra=ENDS)
    for name in ("adapter_config.json", "adapter_model.safetensors", LABELS):
        assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "a" / name).read_bytes()
    merge_lora(again)
    save_model(again, tmp_path / "merged", family)
    assert distance(ours(loaded(tmp_path / "merged")), want) <= 1e-4


THEIRS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "defaults": ("bert", "SEQ_CLS", {"target_modules": ["query", "value"]}),
    "every layer, the pooler's too": ("bert", "SEQ_CLS", {"target_modules": "all-linear", "use_dora": True}),
    "pooler kept whole": ("bert", "SEQ_CLS", {"target_modules": ["dense"], "modules_to_save": ["pooler"]}),
    "answers": ("bert", "QUESTION_ANS", {"target_modules": ["dense", "key"]}),
    "words": ("bert", "TOKEN_CLS", {"target_modules": ["query"]}),
    "fused": ("modernbert", "SEQ_CLS", {"target_modules": ["Wqkv", "Wi"]}),
    "fused, the head too": ("modernbert", "TOKEN_CLS", {"target_modules": ["Wo", "Wi", "dense"], "use_dora": True}),
}


@pytest.mark.parametrize("case", THEIRS)
@pytest.mark.parametrize("told", [True, False])
def test_theirs_here_and_back(tmp_path: Path, case: str, told: bool) -> None:
    peft = pytest.importorskip("peft")
    import transformers

    family, task, options = THEIRS[case]
    folder = base(tmp_path / "base", family, pooler="modules_to_save" not in options)
    torch.manual_seed(0)
    names = {} if task == "QUESTION_ANS" else {"id2label": dict(enumerate(NAMES))}
    peer = getattr(transformers, TASKS[task][1]).from_pretrained(folder, **names)
    model = peft.get_peft_model(peer, peft.LoraConfig(task_type=task, r=3, **options)).eval()
    spread(model)
    ids = some_ids()
    want = peer_says(model, ids, right_mask(ids))
    model.save_pretrained(tmp_path / "a")
    if told:  # as Trainer's users do it
        peer.config.architectures = [type(peer).__name__]
        peer.config.save_pretrained(tmp_path / "a")
    own = loaded(folder)
    load_adapter(own, tmp_path / "a", family)
    assert distance(ours(own), want) <= 1e-4
    if names:
        assert own.config.labels == (NAMES if told else tuple(f"LABEL_{i}" for i in range(5)))
    save_adapter(own, tmp_path / "b", family, str(folder), task, extra=ENDS)
    assert distance(theirs(folder, tmp_path / "b", task), want) <= 1e-4


def saved(tmp_path: Path) -> tuple[Path, Path]:
    folder = base(tmp_path / "base", "bert")
    model, fresh = with_head(folder, "bert", "classify")
    adapt(model, "bert", ["query"], LoraSpec(3, 5), fresh)
    save_adapter(model, tmp_path / "a", "bert", str(folder), "SEQ_CLS", extra=ENDS)
    return folder, tmp_path / "a"


def test_a_head_in_half_precision(tmp_path: Path) -> None:
    folder, adapter = saved(tmp_path)
    model = load_network(folder, torch.bfloat16)
    load_adapter(model, adapter, "bert")
    assert isinstance(model, Encoder) and set(adapted(model)) == {f"layers.{i}.self_attn.q_proj" for i in range(2)}
    full = loaded(folder)
    load_adapter(full, adapter, "bert")
    assert distance(ours(full), ours(model)) < 0.1


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        (("classifier.weight", "classifier.bias"), "lacks base_model.model.classifier|lacks classifier"),
        (("classifier.bias",), "lacks classifier.bias"),
        (("bert.pooler.dense.weight", "bert.pooler.dense.bias"), "lacks bert.pooler"),
    ],
)
def test_a_head_that_is_not_whole(tmp_path: Path, lost: tuple[str, ...], message: str) -> None:
    folder, adapter = saved(tmp_path)
    file = adapter / "adapter_model.safetensors"
    tensors = load_file(file)
    for name in lost:
        del tensors[f"base_model.model.{name}"]
    save_file(tensors, file)
    with pytest.raises(ModelError, match=message):
        load_adapter(loaded(folder), adapter, "bert")
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"modules_to_save": None}))
    with pytest.raises(ModelError, match=r"neither .* holds (bert.pooler|classifier)|lacks"):
        load_adapter(loaded(folder), adapter, "bert")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id2label": {"0": "a", "1": "b"}}, "names 2 labels, the adapter's head has 5"),
        ({"architectures": ["BertForTokenClassification"]}, "with the head 'token', wanted bert with 'classify'"),
        ({"soft_cap": 1}, "soft_cap"),
    ],
)
def test_labels_that_do_not_fit_the_head(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    folder, adapter = saved(tmp_path)
    (adapter / LABELS).write_text(json.dumps(json.loads((adapter / LABELS).read_text()) | change))
    with pytest.raises(ModelError, match=message):
        load_adapter(loaded(folder), adapter, "bert")


def test_labels_that_lie_elsewhere(tmp_path: Path) -> None:
    folder, adapter = saved(tmp_path)
    (adapter / "head").rename(tmp_path / "elsewhere")
    (adapter / "head").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="is a link"):
        load_adapter(loaded(folder), adapter, "bert")
    (adapter / "head").unlink()
    (adapter / "head").mkdir()
    (adapter / LABELS).symlink_to(tmp_path / "elsewhere" / "config.json")
    with pytest.raises(ModelError, match="is a link out of its folder"):
        load_adapter(loaded(folder), adapter, "bert")


def test_other_parts_kept_whole_are_refused_by_name(tmp_path: Path) -> None:
    folder, adapter = saved(tmp_path)
    file = adapter / "adapter_model.safetensors"
    name = "bert.embeddings.word_embeddings.weight"
    save_file(load_file(file) | {f"base_model.model.{name}": torch.zeros(97, 32)}, file)
    with pytest.raises(ModelError, match=f"{name} fits no layer"):
        load_adapter(loaded(folder), adapter, "bert")
