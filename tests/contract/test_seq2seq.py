"""T5, mT5 and Marian against Transformers: the same numbers from the same folder, both ways, and clear refusals."""

from __future__ import annotations

import json
from array import array
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sibao.core.errors import ModelError
from sibao.engine.build import build
from sibao.engine.native.library import missing
from sibao.engine.native.pair_runner import NativePairRunner
from sibao.engine.pair_runner import TorchPairRunner
from sibao.engine.runner import Source, Step
from sibao.models.folder import family_of, load_model, load_network, read_config, save_model
from sibao.nn.relative import distance_bucket, sine_table
from sibao.nn.seq2seq import Seq2Seq

GATED = {"feed_forward_proj": "gated-gelu"}
UNSHARED = {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": 103}
SHAPES: list[tuple[str, dict[str, Any]]] = [
    ("t5", {}),
    ("t5", {**GATED, "tie_word_embeddings": False, "num_decoder_layers": 1, "d_kv": 12}),
    ("mt5", {}),
    ("marian", {}),
    ("marian", {"activation_function": "relu", "scale_embedding": False, "decoder_layers": 1}),
    ("marian", {**UNSHARED}),
    ("marian", {**UNSHARED, "tie_word_embeddings": False, "activation_function": "gelu"}),
]
IDS = [f"{name}-{'-'.join(extra) or 'tiny'}" for name, extra in SHAPES]
TINY = [shape for shape in SHAPES if shape[1] in ({}, GATED)]


def peer_model(name: str, extra: dict[str, Any]) -> Any:
    """Transformers' own random model; all weights, norms and biases are spread so that no term is idle. A T5 v1.1 has
    a vocabulary matrix of its own, which Transformers 5 only keeps when it is loaded from a file that has one."""
    from transformers import AutoConfig, AutoModelForSeq2SeqLM

    config = AutoConfig.for_model(name, **{**family_of(name).TINY, **extra})
    model = AutoModelForSeq2SeqLM.from_config(config, attn_implementation="eager").eval()
    if name == "mt5" or (extra.get("tie_word_embeddings") is False and name == "t5"):
        model.lm_head.weight = torch.nn.Parameter(model.shared.weight.detach().clone())
    generator = torch.Generator().manual_seed(len(name))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "embed_positions" in key:
                continue
            base = 1.0 if "norm.weight" in key else 0.0
            wide = name == "t5" and not extra and key == "shared.weight"  # this one divides its output by √32
            parameter.normal_(base, 1.0 if wide else 0.25, generator=generator)
        if name == "marian":
            model.final_logits_bias.normal_(0.0, 1.0, generator=generator)
    return model


def some_ids(rows: int, length: int, seed: int, top: int = 96) -> Tensor:
    return torch.randint(2, top, (rows, length), generator=torch.Generator().manual_seed(seed))


def peer_logits(model: Any, source: Tensor, mask: Tensor, target: Tensor) -> Tensor:
    with torch.no_grad():
        return model(input_ids=source, attention_mask=mask.long(), decoder_input_ids=target).logits


def own_logits(model: Seq2Seq, source: Tensor, mask: Tensor, target: Tensor) -> Tensor:
    with torch.no_grad():
        return model.logits(model(source, mask, target))


def loaded(folder: Path, dtype: torch.dtype | None = None) -> Seq2Seq:
    model = load_network(folder, dtype)
    assert isinstance(model, Seq2Seq)
    return model


WAYS = [
    pytest.param(
        True, id="kernels", marks=pytest.mark.skipif(bool(missing()), reason=missing() or "there are kernels")
    ),
    pytest.param(False, id="operators"),
]
SOURCE, TARGET = some_ids(3, 30, 0), some_ids(3, 17, 1)
MASK = torch.arange(30)[None] < torch.tensor([30, 11, 23])[:, None]


@pytest.mark.parametrize(("name", "extra"), SHAPES, ids=IDS)
def test_logits_are_those_of_transformers(name: str, extra: dict[str, Any], tmp_path: Path) -> None:
    peer = peer_model(name, extra)
    peer.save_pretrained(tmp_path)
    model = loaded(tmp_path)
    want, got = peer_logits(peer, SOURCE, MASK, TARGET), own_logits(model, SOURCE, MASK, TARGET)
    assert want.std() > 0.5, "the logits are too flat to tell anything"
    assert (want - got).abs().max() <= 1e-4
    assert not model.training


@pytest.mark.parametrize(("name", "extra"), TINY, ids=lambda v: v if isinstance(v, str) else "")
def test_bfloat16_stays_within_its_rounding(name: str, extra: dict[str, Any], tmp_path: Path) -> None:
    # Stated: bf16 keeps 8 bits. T5's scores are not scaled, so these wide random weights magnify its rounding: the mean
    # error is 3 % of the spread (mT5: 9 %, Marian: 1 %), and no more than that of Transformers in bf16.
    peer = peer_model(name, extra)
    peer.save_pretrained(tmp_path)
    model = loaded(tmp_path, torch.bfloat16)
    want, got = peer_logits(peer, SOURCE, MASK, TARGET), own_logits(model, SOURCE, MASK, TARGET)
    theirs = peer_logits(peer.bfloat16(), SOURCE, MASK, TARGET).float()
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert got.dtype == torch.float32
    assert (want - got).abs().mean() <= 1.25 * (want - theirs).abs().mean() <= 0.15 * want.std()


class Blocks:
    """Answers that a runner reads token by token: three sources, and for each answer a block of its own."""

    def __init__(self, model: Seq2Seq, answers: int, kernels: bool, precision: str = "fp32") -> None:
        size = NativePairRunner.block_bytes(model.config, precision)
        engine = build(model, kernels=kernels, precision=precision, cache_bytes=(3 + answers) * size, threads=2)
        self.runner, lengths = engine.runner, MASK.sum(1).tolist()
        assert isinstance(self.runner, NativePairRunner if kernels else TorchPairRunner)
        self.sources = [Source(tuple(SOURCE[i, :n].tolist()), array("i", [i])) for i, n in enumerate(lengths)]
        self.tables = [[3 + i] for i in range(answers)]
        self.read, self.at = False, 0

    def step(self, ids: list[int], of: list[int], copies: tuple[tuple[int, int, int], ...] = ()) -> Tensor:
        """Scores after one more token of every answer; ``of``: the number of its source."""
        step = Step(copies=list(copies), reads=[] if self.read else self.sources)
        for token, table, source in zip(ids, self.tables, of, strict=True):
            step.add([token], self.at, table, range(1), source=self.sources[source])
        self.read, self.at = True, self.at + 1
        return self.runner.logits(step).clone()


@pytest.mark.parametrize(("name", "extra"), SHAPES, ids=IDS)
@pytest.mark.parametrize("kernels", WAYS)
@torch.inference_mode()
def test_cached_is_uncached(name: str, extra: dict[str, Any], kernels: bool, tmp_path: Path) -> None:
    peer_model(name, extra).save_pretrained(tmp_path)
    model = loaded(tmp_path)
    want, blocks = own_logits(model, SOURCE, MASK, TARGET), Blocks(model, 3, kernels)
    got = torch.stack([blocks.step(TARGET[:, t].tolist(), [0, 1, 2]) for t in range(17)], 1)
    assert (want - got).abs().max() <= 1e-4


@pytest.mark.parametrize(("name", "extra"), TINY, ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("kernels", WAYS)
@torch.inference_mode()
def test_several_answers_share_one_source(name: str, extra: dict[str, Any], kernels: bool, tmp_path: Path) -> None:
    """Answers that go on from others mid-way, in copies of their blocks, are the answers computed alone."""
    peer_model(name, extra).save_pretrained(tmp_path)
    model, answers, of = loaded(tmp_path), some_ids(6, 8, 3), [0, 0, 1, 1, 2, 2]
    parents, blocks = torch.tensor([0, 0, 3, 3, 4, 5]), Blocks(model, 6, kernels)
    for t in range(5):
        blocks.step(answers[:, t].tolist(), of)
    got = blocks.step(answers[:, 5].tolist(), of, copies=((3, 4, 5), (6, 5, 5)))
    rows = torch.cat((answers[parents, :5], answers[:, 5:6]), 1)
    want = own_logits(model, SOURCE.repeat_interleave(2, 0), MASK.repeat_interleave(2, 0), rows)[:, -1]
    assert (want - got).abs().max() <= 1e-4


@pytest.mark.skipif(bool(missing()), reason=missing() or "there are kernels")
@pytest.mark.parametrize(("precision", "share"), [("bf16", 0.02), ("int8", 0.03), ("int4", 0.25)])
@torch.inference_mode()
def test_smaller_numbers_stay_near(precision: str, share: float, tmp_path: Path) -> None:
    """Mean error of a Marian's logits, as a share of their spread."""
    peer_model("marian", {}).save_pretrained(tmp_path)
    model = loaded(tmp_path)
    want, blocks = own_logits(model, SOURCE, MASK, TARGET), Blocks(model, 3, kernels=True, precision=precision)
    got = torch.stack([blocks.step(TARGET[:, t].tolist(), [0, 1, 2]) for t in range(17)], 1)
    assert 0 < (want - got).abs().mean() <= share * want.std()


@pytest.mark.parametrize(("name", "extra"), TINY, ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_padded_batch_is_the_single_rows(name: str, extra: dict[str, Any], side: str, tmp_path: Path) -> None:
    peer_model(name, extra).save_pretrained(tmp_path)
    model, lengths = loaded(tmp_path), (30, 11, 23)
    source, mask = torch.full((3, 30), 5), torch.zeros(3, 30, dtype=torch.bool)
    for row, n in enumerate(lengths):
        at = slice(0, n) if side == "right" else slice(30 - n, 30)
        source[row, at], mask[row, at] = SOURCE[row, :n], True
    got = own_logits(model, source, mask, TARGET)
    for row, n in enumerate(lengths):
        alone = own_logits(model, SOURCE[row : row + 1, :n], torch.ones(1, n, dtype=torch.bool), TARGET[row : row + 1])
        assert (got[row] - alone[0]).abs().max() <= 1e-4


@pytest.mark.parametrize(("name", "extra"), SHAPES, ids=IDS)
def test_what_is_saved_is_the_same_to_the_byte_and_to_transformers(
    name: str, extra: dict[str, Any], tmp_path: Path
) -> None:
    from transformers import AutoModelForSeq2SeqLM

    peer = peer_model(name, extra)
    peer.save_pretrained(tmp_path / "peer")
    save_model(loaded(tmp_path / "peer"), tmp_path / "one", name)
    save_model(loaded(tmp_path / "one"), tmp_path / "two", name, shard_bytes=20_000)
    save_model(loaded(tmp_path / "two"), tmp_path / "three", name)
    assert len(list((tmp_path / "two").glob("model-*-of-*.safetensors"))) > 2
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "three" / file).read_bytes()
    for folder in ("one", "two"):
        back = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / folder, attn_implementation="eager").eval()
        assert type(back) is type(peer)
        assert torch.equal(peer_logits(back, SOURCE, MASK, TARGET), peer_logits(peer, SOURCE, MASK, TARGET))


def test_a_resized_vocabulary(tmp_path: Path) -> None:
    for name in ("t5", "marian"):
        peer = peer_model(name, {})
        peer.resize_token_embeddings(111, mean_resizing=False)
        peer.save_pretrained(tmp_path / name)
        model = loaded(tmp_path / name)
        assert (model.config.vocab_size, model.lm_head.weight.shape[0]) == (111, 111)
        want, got = peer_logits(peer, SOURCE, MASK, TARGET), own_logits(model, SOURCE, MASK, TARGET)
        assert (want - got).abs().max() <= 1e-4


def test_files_as_they_were_published_first(tmp_path: Path) -> None:
    """OPUS-MT and T5 files of 2020 hold tied copies, sines and an unused table, and keys that say how to generate."""
    marian, t5 = peer_model("marian", {}), peer_model("t5", {})
    marian.save_pretrained(tmp_path / "marian")
    t5.save_pretrained(tmp_path / "t5")
    old = {
        "_num_labels": 3, "normalize_before": False, "normalize_embedding": False, "add_final_layer_norm": False,
        "add_bias_logits": False, "static_position_embeddings": True, "num_hidden_layers": 2, "classif_dropout": 0.0,
        "bad_words_ids": [[96]], "num_beams": 6, "max_length": 512,
    }  # fmt: skip
    _change(tmp_path / "marian", old, {
        "model.encoder.embed_positions.weight": sine_table(64, 32), "lm_head.weight": marian.lm_head.weight.detach(),
        "model.decoder.embed_tokens.weight": marian.lm_head.weight.detach(),
    })  # fmt: skip
    unused = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    _change(tmp_path / "t5", {"n_positions": 512, "output_past": True}, {
        unused: torch.ones(8, 4), "encoder.embed_tokens.weight": t5.shared.weight.detach(),
    })  # fmt: skip
    for name, peer in (("marian", marian), ("t5", t5)):
        want, got = peer_logits(peer, SOURCE, MASK, TARGET), own_logits(loaded(tmp_path / name), SOURCE, MASK, TARGET)
        assert (want - got).abs().max() <= 1e-4


def _change(folder: Path, keys: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    config = json.loads((folder / "config.json").read_text()) | keys
    (folder / "config.json").write_text(json.dumps(config))
    file = folder / "model.safetensors"
    save_file(load_file(file) | {k: v.clone() for k, v in tensors.items()}, file)


@pytest.mark.parametrize(
    ("name", "key", "value", "message"),
    [
        ("t5", "layer_scale", 2, "does not know: layer_scale"),
        ("marian", "normalize_before", True, "normalize_before = True; supported: False"),
        ("marian", "decoder_start_token_id", 400, "decoder_start_token_id is 400"),
        ("t5", "feed_forward_proj", "gated-tanh", "feed_forward_proj = 'gated-tanh'"),
        ("t5", "dense_act_fn", "silu", "dense_act_fn = 'silu'"),
        ("marian", "share_encoder_decoder_embeddings", False, "tensors missing"),
        ("t5", "num_layers", 0, "num_layers is 0"),
    ],
)
def test_a_config_that_would_compute_something_else(
    name: str, key: str, value: Any, message: str, tmp_path: Path
) -> None:
    peer_model(name, {}).save_pretrained(tmp_path)
    _change(tmp_path, {key: value}, {})
    with pytest.raises(ModelError, match=message):
        load_network(tmp_path)


def test_an_encoder_decoder_is_no_decoder(tmp_path: Path) -> None:
    peer_model("t5", {}).save_pretrained(tmp_path)
    assert read_config(tmp_path)[0] == "t5"
    with pytest.raises(ModelError, match="holds a Seq2Seq, wanted a decoder"):
        load_model(tmp_path)


@pytest.mark.parametrize("both_ways", [True, False])
def test_buckets_are_those_of_transformers(both_ways: bool) -> None:
    from transformers.models.t5.modeling_t5 import T5Attention

    distance = torch.arange(-300, 300)
    for buckets, longest in ((32, 128), (8, 20), (16, 64)):
        want = T5Attention._relative_position_bucket(distance, both_ways, buckets, longest)
        assert torch.equal(distance_bucket(distance, both_ways=both_ways, buckets=buckets, longest=longest), want)


def test_first_weights_follow_the_seed_and_t5s_rule() -> None:
    from sibao.models.base import Keys

    config = family_of("t5").read(Keys(family_of("t5").TINY | {"d_model": 128, "vocab_size": 500}))
    models = [Seq2Seq(config) for _ in range(3)]
    for model, seed in zip(models, (5, 5, 6), strict=True):
        model.initialize(seed)
    weights = [torch.nn.utils.parameters_to_vector(m.parameters()) for m in models]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    layer = models[0].encoder.parts[0]
    assert models[0].shared.weight.std().item() == pytest.approx(1.0, rel=0.05)
    assert layer.self_attn.q_proj.weight.std().item() == pytest.approx((128 * 8) ** -0.5, rel=0.1)
    assert layer.self_attn.k_proj.weight.std().item() == pytest.approx(128**-0.5, rel=0.1)
    assert layer.mlp.down_proj.weight.std().item() == pytest.approx(48**-0.5, rel=0.1)
