"""Models out again as Hugging Face folders: the same logits in Transformers, nothing half-written, clear refusals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.contract.peers import FAMILIES, IDS, SHAPES, load_peer, peer, peer_logits, some_ids
from tests.tiny import tiny_folder, tiny_tokenizer

from sibao.core.errors import BadInput, UnknownName
from sibao.models.adapter import adapt, save_adapter
from sibao.models.folder import family_of, load_model
from sibao.nn.lora import LoraSpec, adapted
from sibao.text.tokenizer import Tokenizer
from sibao.workflows._export_files import size_of
from sibao.workflows.export import Options, export

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))


@pytest.fixture
def adapter(qwen_folder: Path, tmp_path: Path) -> Path:
    """An adapter that changes much, for the tiny Qwen3."""
    model = load_model(qwen_folder)
    adapt(model, "qwen3", ["q_proj", "v_proj", "down_proj"], LoraSpec(4, 8.0))
    generator = torch.Generator().manual_seed(0)
    for layer in adapted(model).values():
        layer.lora_B.data.normal_(0, 0.2, generator=generator)
    save_adapter(model, tmp_path / "adapter", "qwen3", str(qwen_folder))
    return tmp_path / "adapter"


@pytest.mark.parametrize(("name", "number"), SHAPES, ids=IDS)
def test_every_decoder_comes_out_with_the_same_logits(name: str, number: int, tmp_path: Path) -> None:
    model, folder = peer(name, number)
    done = export(str(folder), tmp_path / "out", Options(shard_size="20KB"))
    back = load_peer(tmp_path / "out")
    assert type(back) is type(model)
    assert (peer_logits(back, some_ids()) - peer_logits(model, some_ids())).abs().max() <= 1e-4
    assert (done.family, done.precision, done.merged) == (name, "fp32", False)
    assert "model.safetensors.index.json" in done.files and "generation_config.json" in done.files


OTHERS = [
    ("bert", "AutoModelForMaskedLM", "fill-mask"),
    ("bert", "AutoModelForSequenceClassification", "text-classification"),
    ("modernbert", "AutoModelForMaskedLM", "fill-mask"),
    ("t5", "AutoModelForSeq2SeqLM", "text2text-generation"),
    ("marian", "AutoModelForSeq2SeqLM", "translation"),
]


@pytest.mark.parametrize(("family", "kind", "pipeline"), OTHERS, ids=[f"{f}-{p}" for f, _, p in OTHERS])
def test_encoders_and_translators_come_out_too(family: str, kind: str, pipeline: str, tmp_path: Path) -> None:
    import transformers

    loader = getattr(transformers, kind)
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(family, **family_of(family).TINY)
    model = loader.from_config(config).eval()
    model.save_pretrained(tmp_path / "source")
    export(str(tmp_path / "source"), tmp_path / "out")
    back = loader.from_pretrained(tmp_path / "out").eval()
    ids = torch.randint(3, 60, (2, 9))
    inputs = {"input_ids": ids} | ({"decoder_input_ids": ids} if "Seq2Seq" in kind else {})
    assert type(back) is type(model)
    assert (_logits(back, inputs) - _logits(model, inputs)).abs().max() <= 1e-4
    assert f"pipeline_tag: {pipeline}" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


@torch.no_grad()
def _logits(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    found: torch.Tensor = model(**inputs).logits
    return found


def test_all_families_were_exported() -> None:
    assert {"gpt2", "llama", "mistral", "qwen2", "qwen3"} <= set(FAMILIES)


def test_what_lies_beside_the_weights_goes_along(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    source = tiny_folder(tmp_path / "source")
    (source / "generation_config.json").write_text('{"eos_token_id": [2, 0], "temperature": 0.7, "do_sample": true}\n')
    (source / "chat_template.jinja").write_text("{{ messages[0].content }}", encoding="utf-8")
    (source / "modeling_mine.py").write_text("raise SystemExit('code ran')")
    done = export(str(source), tmp_path / "out")
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"):
        assert (tmp_path / "out" / name).read_bytes() == (source / name).read_bytes()
    assert "modeling_mine.py" not in done.files
    text = "春眠不觉晓 👍 The fox\n"
    assert AutoTokenizer.from_pretrained(tmp_path / "out")(text)["input_ids"] == tiny_tokenizer().encode(text)
    sizes = {name: (tmp_path / "out" / name).stat().st_size for name in done.files}
    assert done.files == sizes and done.to_json()["bytes"] == sum(sizes.values())


def test_every_key_of_the_config_stays(tmp_path: Path) -> None:
    source = tiny_folder(tmp_path / "source")
    config = json.loads((source / "config.json").read_text())
    kept = {"id2label": {"0": "好", "1": "坏"}, "problem_type": "single_label_classification"}
    dropped = {"torch_dtype": "float32", "_name_or_path": "/home/somebody/model"}
    (source / "config.json").write_text(json.dumps(config | kept | dropped))
    export(str(source), tmp_path / "out", Options(precision="bf16"))
    written = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert written == config | kept | {"dtype": "bfloat16"}


def test_older_tokenizer_files_become_one(tmp_path: Path) -> None:
    source = tiny_folder(tmp_path / "source", family="gpt2")
    data = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    merges = [" ".join(m) if isinstance(m, list) else m for m in data["model"]["merges"]]
    (source / "vocab.json").write_text(json.dumps(data["model"]["vocab"]))
    (source / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    (source / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}')
    (source / "tokenizer.json").unlink()
    export(str(source), tmp_path / "out")
    for text in ("春眠不觉晓", "The quick brown fox's 123"):
        assert Tokenizer.load(tmp_path / "out").encode(text) == Tokenizer.load(source).encode(text)
    assert (tmp_path / "out" / "tokenizer.json").is_file()


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_the_precision_is_the_one_asked_for(
    precision: str, dtype: torch.dtype, qwen_folder: Path, tmp_path: Path
) -> None:
    done = export(str(qwen_folder), tmp_path / "out", Options(precision=precision))
    before, after = load_model(qwen_folder), load_file(tmp_path / "out" / "model.safetensors")
    assert done.precision == precision and {t.dtype for t in after.values()} == {dtype}
    assert torch.equal(after["model.norm.weight"], before.norm.weight.to(dtype))
    again = export(str(tmp_path / "out"), tmp_path / "again")  # auto: as it is
    assert again.precision == precision
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (
        tmp_path / "out" / "model.safetensors"
    ).read_bytes()


def test_an_adapter_is_merged_as_peft_merges_it(qwen_folder: Path, adapter: Path, tmp_path: Path) -> None:
    from peft import PeftModel

    done = export(f"{qwen_folder}+{adapter}", tmp_path / "out", Options(merge=True))
    merged = PeftModel.from_pretrained(load_peer(qwen_folder), adapter).merge_and_unload().eval()
    got, want = peer_logits(load_peer(tmp_path / "out"), some_ids()), peer_logits(merged, some_ids())
    assert (got - want).abs().max() <= 1e-4
    assert (want - peer_logits(load_peer(qwen_folder), some_ids())).abs().max() > 0.1, "the adapter does nothing"
    assert done.merged and "adapter_config.json" not in done.files
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "its adapter merged into the weights" in card and str(tmp_path) not in card


def test_an_adapter_goes_out_alone(qwen_folder: Path, adapter: Path, tmp_path: Path) -> None:
    from peft import PeftModel

    done = export(str(adapter), tmp_path / "out", Options(format="adapter"))  # its base is named in it
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "README.md"} <= set(done.files)
    assert not any(name.startswith("model") for name in done.files) and not done.merged
    first = PeftModel.from_pretrained(load_peer(qwen_folder), adapter).eval()
    second = PeftModel.from_pretrained(load_peer(qwen_folder), tmp_path / "out").eval()
    assert torch.equal(peer_logits(first, some_ids()), peer_logits(second, some_ids()))


REFUSED: list[tuple[str, Options, str]] = [
    ("{model}+{adapter}", Options(), "carries an adapter"),
    ("{model}+{adapter}", Options(format="gguf"), "carries an adapter"),
    ("{model}+{adapter}", Options(format="adapter", merge=True), "exclude each other"),
    ("{model}+{adapter}", Options(format="adapter", precision="bf16"), "adapter has no precision 'bf16'"),
    ("{model}", Options(merge=True), "carries no adapter"),
    ("{model}", Options(format="adapter"), "carries no adapter"),
    ("{model}", Options(precision="q8_0"), "hf has no precision 'q8_0'"),
    ("{model}", Options(shard_size="many"), "'many' is no size"),
    ("{model}", Options(format="gguf", shard_size="1GB"), "--shard-size is for hf"),
    ("openai:gpt-5", Options(), "does not lie on this machine"),
    ("没有这个模型", Options(), "no model named"),
]


@pytest.mark.parametrize(("name", "options", "message"), REFUSED, ids=[message for _, _, message in REFUSED])
def test_what_cannot_be_is_refused_before_anything_is_written(
    name: str, options: Options, message: str, qwen_folder: Path, adapter: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        export(name.format(model=qwen_folder, adapter=adapter), tmp_path / "place" / "out", options)
    assert caught.value.hint and not (tmp_path / "place").exists()


def test_a_format_that_is_not_there_lists_those_that_are(qwen_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no export format named 'ggf'") as caught:
        export(str(qwen_folder), tmp_path / "out", Options(format="ggf"))
    assert "gguf" in caught.value.hint


def test_a_target_with_something_in_it_is_left_alone(qwen_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, message in (("full", "is not empty"), ("file", "is a file")):
        with pytest.raises(BadInput, match=message):
            export(str(qwen_folder), tmp_path / name)
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["note"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "full"]
    (tmp_path / "empty").mkdir()
    assert export(str(qwen_folder), tmp_path / "empty").files.keys() == {p.name for p in (tmp_path / "empty").iterdir()}


def test_an_export_that_fails_leaves_nothing(
    qwen_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sibao.workflows import export as module

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_card", full)  # the last step
    with pytest.raises(OSError, match="No space"):
        export(str(qwen_folder), tmp_path / "place" / "out")
    assert list((tmp_path / "place").iterdir()) == []


def test_a_killed_export_leaves_nothing_under_the_final_name(qwen_folder: Path, tmp_path: Path) -> None:
    program = f"""
import os, signal
from sibao.workflows import export as module
module.write_card = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
module.export({str(qwen_folder)!r}, {str(tmp_path / "out")!r})
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=_environment(tmp_path), timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    export(str(qwen_folder), tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").is_file()


def _environment(home: Path) -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "SIBAO_HOME": str(home / "home"), "OMP_NUM_THREADS": "1"}


def test_the_default_shards_are_those_of_the_hub(qwen_folder: Path, tmp_path: Path) -> None:
    assert [size_of(t) for t in ("4GB", "500 mb", "2GiB", "1.5K", "7")] == [4 * 10**9, 5 * 10**8, 2**31, 1500, 7]
    for text in ("", "0", "-1GB", "4TB", "GB"):
        with pytest.raises(BadInput, match="is no size"):
            size_of(text)
    export(str(qwen_folder), tmp_path / "out", Options(shard_size="60KB"))
    parts = list((tmp_path / "out").glob("model-*-of-*.safetensors"))
    assert len(parts) > 1 and max(p.stat().st_size for p in parts) < 65_000
