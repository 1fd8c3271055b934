"""``sibao quantize``: folders that are read back with the same tokens, and by Transformers; bad input leaves nothing."""

from __future__ import annotations

import errno
import json
import math
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.contract.peers import own_logits, peer, some_ids
from tests.tiny import tiny_folder

from sibao.core.errors import BadInput, ModelError, UnknownName, UnsupportedModel
from sibao.core.types import GenerateOptions
from sibao.engine.build import build
from sibao.engine.request import Request
from sibao.evaluation.likelihood import likelihoods
from sibao.models.adapter import save_adapter
from sibao.models.base import Keys
from sibao.models.compressed import KEY
from sibao.models.folder import family_of, load_model, load_network, new_network, quantized_form, save_model
from sibao.nn.decoder import Decoder
from sibao.nn.integer import IntegerLinear
from sibao.nn.lora import add_lora
from sibao.providers.load import load
from sibao.workflows import quantize as module
from sibao.workflows.check import check
from sibao.workflows.export import Options, export
from sibao.workflows.quantize import quantize

PROMPTS = ["春天来了，", "The city of", "问：你好吗？"]
OPTIONS = GenerateOptions(max_tokens=16)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))


def texts(name: str | Path, **how: Any) -> list[str]:
    return [answer.text for answer in load(str(name), **how).generate(PROMPTS, OPTIONS)]


def tokens(model: Any, precision: str) -> list[int]:
    assert isinstance(model, Decoder)
    ids = some_ids(1, 12)[0].tolist()
    request = Request("a", ids, max_tokens=20)
    return [token for event in build(model, precision=precision).submit(request) for token in event.token_ids]


@pytest.mark.parametrize("precision", ["int8", "int4"])
@pytest.mark.parametrize("family", ["qwen3", "llama", "mistral"])
def test_a_folder_gives_the_tokens_of_its_original(tmp_path: Path, family: str, precision: str) -> None:
    source, out = tiny_folder(tmp_path / "模型", family), tmp_path / "out"
    done = quantize(str(source), out, precision, quiet=True)
    assert done.precision == precision and sum(done.files.values()) == done.to_json()["bytes"]
    assert quantized_form(out) == precision and set(done.files) == {p.name for p in out.iterdir()}
    wanted = texts(source, precision=precision)
    assert texts(out) == wanted == texts(out, precision=precision) and wanted != texts(source)


@pytest.mark.parametrize("shape", [("phi3", 0), ("gemma2", 0), ("gemma3_text", 0), ("qwen2", 1)], ids=str)
def test_fused_biased_and_odd_layers_come_back(tmp_path: Path, shape: tuple[str, int]) -> None:
    source = peer(*shape)[1]
    quantize(str(source), tmp_path / "out", "int8", quiet=True)
    model = load_network(tmp_path / "out", quantized=True)
    assert all(isinstance(m, IntegerLinear) for n, m in model.named_modules() if n.endswith("_proj"))
    assert tokens(model, "int8") == tokens(load_model(source), "int8")
    rounded = load_model(tmp_path / "out")
    far = (own_logits(rounded, some_ids()) - own_logits(load_model(source), some_ids())).abs().mean()
    assert 0 < far < 0.5


def test_codes_in_four_bits_are_used_as_they_are(tmp_path: Path) -> None:
    out = tmp_path / "out"
    quantize(str(tiny_folder(tmp_path / "m")), out, "int4", quiet=True)
    weights = load_file(out / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    weights[f"{name}_packed"] = weights[f"{name}_packed"].flip(0).contiguous()  # steps do not fit the codes any more
    save_file(weights, out / "model.safetensors")
    layer: Any = load_network(out, quantized=True).get_submodule("layers.0.mlp.up_proj")
    nibbles = (weights[f"{name}_packed"][5] >> 4 & 15).to(torch.int8) - 8
    assert layer.coded.codes[5, 1::8].tolist() == nibbles.tolist()
    assert torch.equal(layer.coded.steps, weights[f"{name}_scale"])


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_transformers_reads_it(tmp_path: Path, precision: str) -> None:
    pytest.importorskip("compressed_tensors")
    from transformers import AutoModelForCausalLM

    source, out = tiny_folder(tmp_path / "m", "llama"), tmp_path / "out"
    quantize(str(source), out, precision, quiet=True)
    theirs = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    ids = some_ids()
    with torch.no_grad():
        got = theirs(ids).logits
    wanted, first = own_logits(load_model(out), ids), own_logits(load_model(source, torch.float32), ids)
    apart, cost = ((one - wanted).abs().mean() / wanted.std() for one in (got, first))
    if precision == "int4":  # its activations stay as they are
        assert (got - wanted).abs().max() <= 1e-4
    assert apart <= 0.05 and cost > 1e-3, "they differ by what rounding activations costs"


def test_an_adapter_is_merged_first(tmp_path: Path) -> None:
    source, adapter = tiny_folder(tmp_path / "m"), tmp_path / "adapter"
    model = load_model(source)
    add_lora(model, ["q_proj", "up_proj"], rank=2, alpha=16.0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora" in name:
                parameter.normal_(generator=torch.Generator().manual_seed(1))
    save_adapter(model, adapter, "qwen3", str(source))
    quantize(f"{source}+{adapter}", tmp_path / "out", "int8", quiet=True)
    wanted = texts(f"{source}+{adapter}", precision="int8")
    assert texts(tmp_path / "out") == wanted != texts(source, precision="int8")
    assert texts(tmp_path / "out", adapter=adapter) != wanted, "an adapter on top of it is one more change"


def test_large_models_are_written_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tiny_folder(tmp_path / "m")
    quantize(str(source), tmp_path / "one", quiet=True)
    monkeypatch.setattr(module, "SHARD", 20_000)
    done = quantize(str(source), tmp_path / "many", quiet=True)
    parts = [name for name in done.files if name.startswith("model-")]
    assert len(parts) > 2 and "model.safetensors" not in done.files
    assert texts(tmp_path / "many") == texts(tmp_path / "one")


def test_export_and_full_precision_take_what_the_codes_stand_for(tmp_path: Path) -> None:
    quantize(str(tiny_folder(tmp_path / "m")), tmp_path / "out", "int4", quiet=True)
    export(str(tmp_path / "out"), tmp_path / "plain", Options(precision="fp32"))
    assert KEY not in json.loads((tmp_path / "plain" / "config.json").read_text())
    assert texts(tmp_path / "plain", precision="fp32") == texts(tmp_path / "out", precision="fp32")


def nothing_left(folder: Path, *known: str) -> bool:
    return {p.name for p in folder.iterdir()} <= {"home", *known}


def test_bad_input_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    source = tiny_folder(tmp_path / "m")
    before = {p.name: p.read_bytes() for p in source.iterdir()}
    with pytest.raises(UnknownName, match="int3"):
        quantize(str(source), tmp_path / "out", "int3")
    with pytest.raises(BadInput, match="not empty"):
        quantize(str(source), source)
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="is a file"):
        quantize(str(source), tmp_path / "file")
    with pytest.raises(BadInput, match="no model named"):
        quantize(str(tmp_path / "nowhere"), tmp_path / "out")
    with pytest.raises(BadInput, match="does not lie on this machine"):
        quantize("mock:echo", tmp_path / "out")
    quantize(str(source), tmp_path / "done", quiet=True)
    with pytest.raises(BadInput, match="quantised already, in int8"):
        quantize(str(tmp_path / "done"), tmp_path / "out", "int4")
    assert {p.name: p.read_bytes() for p in source.iterdir()} == before
    assert nothing_left(tmp_path, "m", "file", "done")


@pytest.mark.parametrize(
    ("shape", "precision", "error", "match"),
    [
        (("qwen3_moe", 0), "int8", BadInput, "mixture of experts"),
        (("gpt2", 0), "int8", UnsupportedModel, "linear layers only"),
        (("qwen3", 0), "int4", UnsupportedModel, "no multiple of 32"),
        (("bert", 0), "int8", BadInput, "no decoder"),
    ],
)
def test_what_has_no_place_in_the_form_is_refused(
    tmp_path: Path, shape: tuple[str, int], precision: str, error: type[Exception], match: str
) -> None:
    if shape[0] == "bert":
        network = new_network(family_of("bert").read(Keys(family_of("bert").TINY)))
        network.initialize(0)
        save_model(network, source := tmp_path / "m", "bert")
    else:
        source = peer(*shape)[1]
    with pytest.raises(error, match=match):
        quantize(str(source), tmp_path / "out", precision, quiet=True)
    assert nothing_left(tmp_path, "m")


def test_a_small_or_full_disk_is_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tiny_folder(tmp_path / "m")
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 1000))
        with pytest.raises(BadInput, match="MB are needed"):
            quantize(str(source), tmp_path / "out", quiet=True)

    def full(*args: Any, **more: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(BadInput, match="is full"):
        quantize(str(source), tmp_path / "out", quiet=True)
    assert nothing_left(tmp_path, "m")


@pytest.mark.parametrize("method", ["gptq", "awq", "bitsandbytes", None])
def test_other_methods_are_refused_by_name(tmp_path: Path, method: str | None) -> None:
    source = tiny_folder(tmp_path / "m")
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {KEY: {"quant_method": method, "bits": 4}}))
    with pytest.raises(ModelError, match=f"names the method {method!r}") as caught:
        load(str(source))
    assert "--precision int8" in caught.value.hint


@pytest.mark.parametrize(
    "change",
    [{"num_bits": 4}, {"symmetric": False}, {"strategy": "tensor"}, {"type": "float"}, {"actorder": "group"}],
    ids=str,
)
def test_other_arithmetic_is_not_taken_for_this(tmp_path: Path, change: dict[str, Any]) -> None:
    out = tmp_path / "out"
    quantize(str(tiny_folder(tmp_path / "m")), out, quiet=True)
    config = json.loads((out / "config.json").read_text())
    config[KEY]["config_groups"]["group_0"]["weights"] |= change
    (out / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsupportedModel, match="quantization_config asks for"):
        load_network(out)


def test_damaged_codes_are_refused(tmp_path: Path) -> None:
    for precision in ("int8", "int4"):
        out = tmp_path / precision
        quantize(str(tiny_folder(tmp_path / f"m{precision}")), out, precision, quiet=True)
        good = load_file(out / "model.safetensors")
        base = "model.layers.1.self_attn.k_proj.weight"
        codes = base if precision == "int8" else f"{base}_packed"
        faults: list[dict[str, Any]] = [
            {f"{base}_scale": good[f"{base}_scale"][:-1].clone()}, {f"{base}_scale": good[f"{base}_scale"] * torch.nan},
            {codes: good[codes].float()}, {codes: good[codes][:-1].clone()}, {codes: None}, {f"{base}_scale": None},
        ]  # fmt: skip
        for fault in faults:
            save_file({k: t for k, t in (good | fault).items() if t is not None}, out / "model.safetensors")
            with pytest.raises(ModelError):
                load(str(out))


def test_what_bits_cost_on_real_text() -> None:
    """On the passages that come with the tests; docs/quantize.md has the figures on the held-out texts."""
    reading = Path(__file__).parents[1] / "data" / "reading"
    for name in ("squad.jsonl", "cmrc2018.jsonl"):
        rows = [json.loads(line) for line in (reading / name).read_text(encoding="utf-8").splitlines()]
        passages = sorted({row["context"] for row in rows})
        found = {}
        for precision in ("fp32", "int8", "int4"):
            likely = likelihoods(load("mini", precision=precision), passages)
            found[precision] = math.exp(-sum(r.loglikelihood for r in likely) / sum(r.tokens for r in likely))
        assert abs(found["int8"] / found["fp32"] - 1) <= 0.005
        assert abs(found["int4"] / found["fp32"] - 1) <= 0.05


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_check_compares_what_the_codes_stand_for(tmp_path: Path, precision: str) -> None:
    pytest.importorskip("compressed_tensors")
    source, out = tiny_folder(tmp_path / "m"), tmp_path / "out"
    quantize(str(source), out, precision, quiet=True)
    report = check(str(out))
    found = {finding.name: finding.status for finding in report.findings}
    assert {"weights", "cached", "transformers"} <= found.keys() and "fail" not in found.values(), report.findings
    assert any("codes stand for" in line for line in report.not_checked)


def test_on_the_command_line(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from sibao.cli.main import app
    from sibao.cli.schema import EvaluateOut, QuantizeOut

    source, out = tiny_folder(tmp_path / "m"), tmp_path / "出口"
    done = CliRunner().invoke(app, ["quantize", str(source), "--out", str(out), "--precision", "int4", "--json"])
    found = QuantizeOut.model_validate_json(done.stdout)
    assert found.precision == "int4" and found.bytes == sum(p.stat().st_size for p in out.iterdir())
    assert "quantize" in done.stderr, "progress"
    again = CliRunner().invoke(app, ["quantize", str(source), "--out", str(out)])
    assert again.exit_code == 2 and "is not empty" in again.stderr and not again.stdout
    (tmp_path / "texts.jsonl").write_text(json.dumps({"text": "春眠不觉晓，处处闻啼鸟。"}, ensure_ascii=False) + "\n")
    flags = ["--task", "perplexity", "--data", str(tmp_path / "texts.jsonl"), "--json", "--quiet"]
    values = {}
    for name, precision in ((source, "fp32"), (source, "int4"), (out, "auto")):
        scored = CliRunner().invoke(app, ["evaluate", str(name), *flags, "--precision", precision])
        values[precision] = EvaluateOut.model_validate_json(scored.stdout).scores[0].value
    assert values["int4"] == values["auto"] != values["fp32"]


def test_only_what_writes_on_the_own_engine_has_whole_numbers(tmp_path: Path) -> None:
    source = tiny_folder(tmp_path / "m")
    with pytest.raises(BadInput, match="runs through Transformers"):
        load(f"transformers:{source}", precision="int8")
    with pytest.raises(UnknownName, match="int2"):
        load(str(source), precision="int2")
    with pytest.raises(BadInput, match="does not run in this process"):
        load("mock:echo", precision="int8")
    network = new_network(family_of("bert").read(Keys(family_of("bert").TINY)))
    network.initialize(0)
    save_model(network, tmp_path / "bert", "bert")
    shutil.copyfile(source / "tokenizer.json", tmp_path / "bert" / "tokenizer.json")
    with pytest.raises(BadInput, match=r"int4 is for models that write on Sibao's own engine; .* writes nothing"):
        load(str(tmp_path / "bert"), precision="int4")
