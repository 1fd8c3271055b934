"""Every decoder family against Transformers: the same numbers from the same folder, both ways, and clear refusals."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.contract.peers import (
    FAMILIES,
    IDS,
    OTHERS,
    SHAPES,
    load_peer,
    own_logits,
    peer,
    peer_logits,
    read_shape,
    some_ids,
)
from torch import nn

from sibao.core.errors import BadInput, ModelError
from sibao.models.folder import family_of, load_model, read_config, save_model
from sibao.models.resize import resize_vocabulary
from sibao.nn.cache import KVCache
from sibao.nn.decoder import Decoder
from sibao.nn.lora import add_lora
from sibao.training.batches import IGNORE, Batch
from sibao.training.objectives.causal import loss_sum

every_shape = pytest.mark.parametrize(("name", "number"), SHAPES, ids=IDS)
every_family = pytest.mark.parametrize("name", FAMILIES)


def loaded(name: str, number: int = 0) -> Decoder:
    """Sibao's model of a peer's folder."""
    return load_model(peer(name, number)[1])


def test_the_families_are_the_published_ones() -> None:
    published = {"gpt2", "llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3", "qwen3_moe", "mixtral"}
    assert set(FAMILIES) == published
    assert {name for name in FAMILIES if len(OTHERS[name]) < 2} == set()


@every_shape
def test_logits_are_those_of_transformers(name: str, number: int) -> None:
    model, ids = loaded(name, number), some_ids()
    want, got = peer_logits(peer(name, number)[0], ids), own_logits(model, ids)
    assert want.std() > 0.5, "the logits are too flat to tell anything"
    assert (want - got).abs().max() <= 1e-4
    assert not model.training


@every_family
def test_bfloat16_stays_within_its_rounding(name: str) -> None:
    # Stated: bf16 keeps 8 bits. The mean error is below 3 % of the spread of the logits, and no more than a fifth above
    # that of Transformers in bf16 (a rounded router may send a token to another expert).
    theirs, folder = peer(name)
    model, ids = load_model(folder, torch.bfloat16), some_ids()
    want, got = peer_logits(theirs, ids), own_logits(model, ids)
    rounded = peer_logits(deepcopy(theirs).bfloat16(), ids).float()
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert got.dtype == torch.float32
    assert (want - got).abs().mean() <= 0.03 * want.std()
    assert (want - got).abs().mean() <= 1.2 * (want - rounded).abs().mean()


@every_shape
@pytest.mark.parametrize("chunk", [1, 7])
def test_cached_is_uncached(name: str, number: int, chunk: int) -> None:
    model, ids = loaded(name, number), some_ids(2, 30)
    cache = KVCache(model.config, 2, 48)
    parts = []
    with torch.no_grad():
        for begin in range(0, ids.shape[1], chunk):
            part = ids[:, begin : begin + chunk]
            positions = torch.arange(begin, begin + part.shape[1]).expand(part.shape)
            parts.append(model.logits(model(part, positions, cache=cache)))
    assert (torch.cat(parts, 1) - own_logits(model, ids)).abs().max() <= 1e-4


@every_shape
def test_a_padded_batch_is_the_single_rows(name: str, number: int) -> None:
    model, ids, lengths = loaded(name, number), some_ids(3, 20), (20, 5, 13)
    cache = KVCache(model.config, 5, 32)
    rows = torch.tensor([4, 0, 2])
    with torch.no_grad():
        filled = model.logits(model(ids, cache=cache.view(rows, 20)))
        # the next token of each row overwrites the padding of a shorter one
        positions = torch.tensor(lengths)[:, None]
        following = model.logits(model(ids[:, :1], positions, cache=cache.view(rows, 21)))
        for row, length in enumerate(lengths):
            single = torch.cat((ids[row, :length], ids[row, :1]))[None]
            want = own_logits(model, single)[0]
            assert (filled[row, :length] - want[:-1]).abs().max() <= 1e-4
            assert (following[row, 0] - want[-1]).abs().max() <= 1e-4


@every_shape
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_changes_nothing(name: str, number: int, side: str) -> None:
    (theirs, _), model, ids, lengths = peer(name, number), loaded(name, number), some_ids(3, 24), (24, 9, 17)
    place = torch.arange(24)[None]
    pads = 24 - torch.tensor(lengths)[:, None]
    real = place >= pads if side == "left" else place < 24 - pads
    positions = (place - pads).clamp(min=0) if side == "left" else place.expand(3, 24)
    causal = torch.ones(24, 24, dtype=torch.bool).tril()
    # a padded query sees itself: a softmax over nothing has no value
    mask = (causal & real[:, None]) | torch.eye(24, dtype=torch.bool)
    got = own_logits(model, ids, positions, mask[:, None])
    want = peer_logits(theirs, ids, position_ids=positions, attention_mask=real.long())
    assert (got - want)[real].abs().max() <= 1e-4
    for row in range(3):
        alone = own_logits(model, ids[row, real[row]][None])[0]
        assert (got[row, real[row]] - alone).abs().max() <= 1e-4


@every_family
def test_gradients_are_those_of_transformers(name: str) -> None:
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(peer(name)[1], attn_implementation="eager").eval()
    model, ids = loaded(name), some_ids(2, 20)
    theirs(input_ids=ids, labels=ids).loss.backward()
    targets = torch.cat((ids[:, 1:], torch.full((2, 1), IGNORE)), dim=1)
    (loss_sum(model, Batch(ids, targets, torch.arange(20).expand(2, 20), torch.zeros_like(ids))) / 38).backward()
    want, got = theirs.get_input_embeddings().weight.grad, model.embed_tokens.weight.grad
    assert want.abs().max() > 1e-3
    assert (want - got).abs().max() <= 1e-4


def test_longrope_holds_the_length_that_it_is_exact_for(tmp_path: Path) -> None:
    model = loaded("phi3", 1)
    assert model.config.max_position_embeddings == 48
    save_model(model, tmp_path, "phi3")
    saved = json.loads((tmp_path / "config.json").read_text())
    assert (saved["max_position_embeddings"], saved["original_max_position_embeddings"]) == (96, 48)
    assert saved["rope_parameters"]["long_factor"] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


@pytest.mark.parametrize("name", ["llama", "gemma3_text", "phi3", "qwen2"])
def test_the_older_spelling_of_positions_is_the_same(name: str, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "old").mkdir()
    for number in (0, 1):
        shape = loaded(name, number).config
        keys = family_of(name).write(shape) | {"model_type": name}
        (tmp_path / "new" / "config.json").write_text(
            json.dumps({k: v for k, v in keys.items() if k != "rope_scaling"})
        )
        (tmp_path / "old" / "config.json").write_text(
            json.dumps({k: v for k, v in keys.items() if k != "rope_parameters"})
        )
        assert read_config(tmp_path / "new") == read_config(tmp_path / "old") == (name, shape)


def test_a_window_hides_what_lies_further_back() -> None:
    model, ids = loaded("mistral"), some_ids(1, 30)
    assert model.config.sliding_window == 8
    changed = ids.clone()
    changed[0, 10] = (ids[0, 10] + 1) % 97
    moved = (own_logits(model, ids) - own_logits(model, changed)).abs().amax(-1)[0]
    # two layers of windows reach twice as far
    assert (moved > 1e-6).nonzero().flatten().tolist() == list(range(10, 25))


@pytest.mark.parametrize("name", ["mistral", "gemma2", "gemma3_text"])
def test_a_window_holds_inside_a_packed_mask(name: str) -> None:
    model, ids = loaded(name), some_ids(1, 40)
    mask = torch.zeros(40, 40, dtype=torch.bool)
    mask[:15, :15], mask[15:, 15:] = True, True
    positions = torch.cat((torch.arange(15), torch.arange(25)))[None]
    packed = own_logits(model, ids, positions, mask.tril()[None, None])
    single = torch.cat((own_logits(model, ids[:, :15]), own_logits(model, ids[:, 15:])), dim=1)
    assert (packed - single).abs().max() <= 1e-4


@every_shape
def test_what_is_saved_is_the_same_to_the_byte_and_to_transformers(name: str, number: int, tmp_path: Path) -> None:
    theirs, model = peer(name, number)[0], loaded(name, number)
    save_model(model, tmp_path / "one", name)
    save_model(load_model(tmp_path / "one"), tmp_path / "two", name)
    assert read_config(tmp_path / "one") == (name, model.config)
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    back = load_peer(tmp_path / "one")
    assert type(back) is type(theirs)
    assert torch.equal(peer_logits(back, some_ids()), peer_logits(theirs, some_ids()))


@every_family
def test_shards_load_here_and_there(name: str, tmp_path: Path) -> None:
    model = loaded(name)
    save_model(model, tmp_path, name, shard_bytes=20_000)
    assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 2
    assert max(f.stat().st_size for f in tmp_path.glob("*.safetensors")) < 40_000
    assert torch.equal(own_logits(load_model(tmp_path), some_ids()), own_logits(model, some_ids()))
    assert torch.equal(peer_logits(load_peer(tmp_path), some_ids()), peer_logits(peer(name)[0], some_ids()))


@every_shape
@pytest.mark.parametrize("size", [110, 64])
def test_a_resized_vocabulary_is_read_by_transformers(name: str, number: int, size: int, tmp_path: Path) -> None:
    model, ids = loaded(name, number), some_ids(2, 20) % 60
    before = own_logits(model, ids)
    resize_vocabulary(model, size)
    after, kept = own_logits(model, ids), min(size, 97)
    assert after.shape[-1] == size == model.config.vocab_size
    assert (after[..., :kept] - before[..., :kept]).abs().max() <= 1e-5
    if (
        size > 97 and model.config.logit_softcap is None
    ):  # logits are linear in the rows, so those of a mean are the mean
        assert (after[..., 97:] - before.mean(-1, keepdim=True)).abs().max() <= 1e-4
    assert (model.lm_head.weight is model.embed_tokens.weight) == model.config.tie_word_embeddings
    save_model(model, tmp_path, name)
    assert (peer_logits(load_peer(tmp_path), ids) - after).abs().max() <= 1e-4


def test_a_vocabulary_of_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match="a vocabulary of 0 entries"):
        resize_vocabulary(loaded("qwen3"), 0)


def test_saving_again_leaves_no_older_weights(tmp_path: Path) -> None:
    first, second = Decoder(read_shape("qwen3")), Decoder(read_shape("qwen3"))
    first.initialize(1)
    second.initialize(2)
    for older, newer in ((20_000, 10**9), (10**9, 20_000), (20_000, 30_000)):
        folder = tmp_path / f"{older}-{newer}"
        save_model(first, folder, "qwen3", shard_bytes=older)
        save_model(second, folder, "qwen3", shard_bytes=newer)
        assert torch.equal(own_logits(load_model(folder), some_ids()), own_logits(second.eval(), some_ids()))
        count = len(list(folder.glob("*.safetensors")))
        save_model(second, tmp_path / "alone", "qwen3", shard_bytes=newer)
        assert count == len(list((tmp_path / "alone").glob("*.safetensors")))


def test_an_adapted_model_is_not_saved_without_its_layers(tmp_path: Path) -> None:
    model = Decoder(read_shape("qwen3"))
    model.initialize(0)
    add_lora(model, ["q_proj"], 2, 4)
    with pytest.raises(ModelError, match=r"no name for 6 tensors .*self_attn.q_proj.base.weight") as caught:
        save_model(model, tmp_path, "qwen3")
    assert "merge adapters first" in caught.value.hint
    assert not (tmp_path / "model.safetensors").exists()


def test_a_checkpoint_without_the_outer_prefix(tmp_path: Path) -> None:
    theirs, folder = peer("gpt2")
    file = tmp_path / "model.safetensors"
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    bare = {k.removeprefix("transformer."): v for k, v in load_file(folder / file.name).items()}
    bare["h.0.attn.bias"] = torch.ones(1, 1, 64, 64).tril()  # the causal mask that the published files carry
    save_file(bare, file)
    assert (own_logits(load_model(tmp_path), some_ids()) - peer_logits(theirs, some_ids())).abs().max() <= 1e-4


@every_family
def test_defaults_of_missing_keys_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    from transformers import AutoConfig

    sizes = ("vocab_size", "hidden_size", "num_", "intermediate_size", "max_position", "n_")
    keys = {k: v for k, v in family_of(name).TINY.items() if k.startswith(sizes)} | {"pad_token_id": 0}
    (tmp_path / "config.json").write_text(json.dumps(keys | {"model_type": name}))
    own = read_config(tmp_path)[1]
    AutoConfig.for_model(name, **keys).save_pretrained(tmp_path)
    assert read_config(tmp_path)[1] == own


def test_initial_weights_follow_the_seed_and_the_config() -> None:
    from sibao.models.base import Keys

    config = family_of("qwen3").read(Keys(family_of("qwen3").TINY | {"initializer_range": 0.3, "hidden_size": 64}))
    models = [Decoder(config) for _ in range(3)]
    for model, seed in zip(models, (5, 5, 6), strict=True):
        model.initialize(seed)
    weights = [nn.utils.parameters_to_vector(m.parameters()) for m in models]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert models[0].layers[0].mlp.up_proj.weight.std().item() == pytest.approx(0.3, rel=0.1)
    assert models[0].layers[0].mlp.down_proj.weight.std().item() == pytest.approx(0.3 / 4**0.5, rel=0.1)
    assert bool((models[0].norm.weight == 1).all())
