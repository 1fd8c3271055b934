"""An encoder-decoder's weights as the kernels read them: one ``Model`` for each side. See ``weights``.

``<side>.distances`` holds what each head adds to the score of a key at each distance (T5), float32 [H, 2 P + 32].
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from sibao.engine.native.library import Layer, Matrix, Model
from sibao.engine.native.panels import PANEL, Tensors
from sibao.engine.native.weights import (
    ACTIVATIONS,
    NORMS,
    Book,
    embedding_tensor,
    is_half,
    linear_tensors,
    norm_tensors,
    whole_panels,
)
from sibao.engine.quantized import QUANTIZED
from sibao.engine.runner import BLOCK
from sibao.nn.relative import RelativeBias, sine_table
from sibao.nn.seq2seq import Seq2Seq
from sibao.nn.seq2seq_config import Seq2SeqConfig

SIDES = ("encoder", "decoder")


def pair_tensors_of(network: Seq2Seq, precision: str, packed: bool, threads: int) -> Iterator[tuple[str, Tensor]]:
    """The weights of both sides; arguments as for ``weights.tensors_of``."""
    config = network.config
    yield from linear_tensors(network, precision, packed, threads)
    for name, module in network.named_modules():
        if isinstance(module, NORMS):
            factor = config.hidden_size**-0.5 if config.scale_output and name == "decoder.norm" else 1.0
            yield from ((key, tensor * factor) for key, tensor in norm_tensors(name, module))
    for name in sorted({embedding_of(config, side, precision) for side in SIDES} - {""}):
        yield f"{name}.weight", embedding_tensor(network.get_submodule(name).get_parameter("weight"), half=True)
    if config.logits_bias:
        yield "lm_head.bias", whole_panels(network.final_logits_bias[0])
    for side in SIDES:
        bias = network.get_submodule(side).relative_bias
        if isinstance(bias, RelativeBias):
            yield f"{side}.distances", _distances(bias, config.max_position_embeddings)


def embedding_of(config: Seq2SeqConfig, side: str, precision: str) -> str:
    """Name of the embedding that a side reads; empty: the packed head, which it is tied to."""
    tied = config.tie_word_embeddings and (config.share_embeddings or side == "decoder")
    if tied and precision in QUANTIZED:
        return ""
    return "shared" if config.share_embeddings else f"{side}.embed_tokens"


def beside(config: Seq2SeqConfig, precision: str) -> Iterator[tuple[str, int, int]]:
    """Tensors besides linear layers and norms: name, bytes of a number at most, and how many numbers."""
    D, P = config.hidden_size, config.max_position_embeddings
    for name in {embedding_of(config, side, precision) for side in SIDES} - {""}:
        yield f"{name}.weight", 4, D * (config.decoder_vocab_size if name.startswith("decoder") else config.vocab_size)
    if config.logits_bias:
        yield "lm_head.bias", 4, -(-config.decoder_vocab_size // PANEL) * PANEL
    if config.positions == "relative":
        heads = {"encoder": config.encoder_heads, "decoder": config.decoder_heads}
        yield from ((f"{side}.distances", 4, heads[side] * (2 * P + BLOCK)) for side in SIDES)


@torch.no_grad()
def _distances(bias: RelativeBias, reach: int) -> Tensor:
    """float32 [H, 2 reach + BLOCK]: at place d + reach - 1 what is added for a key that stands d after its query."""
    found = bias(torch.tensor([[reach - 1]]), torch.arange(2 * reach + BLOCK))  # [1, H, 1, 2 reach + BLOCK]
    return found[0, :, 0].float().contiguous()


class PairWeights(Book):
    """Both sides. ``layers`` are the decoder's, as ``model`` is: the runner sets their places in the cache."""

    def __init__(self, config: Seq2SeqConfig, precision: str, tensors: Tensors) -> None:
        super().__init__(tensors)
        self.config, self.precision = config, precision
        self._sines = sine_table(config.max_position_embeddings, config.hidden_size)
        self.source_layers = (Layer * config.encoder_layers)(
            *(self._layer("encoder", i) for i in range(config.encoder_layers))
        )
        self.layers = (Layer * config.decoder_layers)(
            *(self._layer("decoder", i) for i in range(config.decoder_layers))
        )
        self.source_model = self._model("encoder")
        self.model = self._model("decoder")

    def _layer(self, side: str, number: int) -> Layer:
        c, at = self.config, f"{side}.layers.{number}"
        wide, inner = self._sizes(side)
        D = c.hidden_size
        place = "before" if c.pre_norm else "after"
        norms = {f"{place}{'' if c.pre_norm else '_attention'}": "self_attn_norm", f"{place}_feed": "mlp_norm"}
        feed = [f"{at}.mlp.{name}" for name in (("gate_proj",) if c.gated_mlp else ()) + ("up_proj",)]
        made = Layer(
            qkv=(Matrix * 3)(*(self.matrix(f"{at}.self_attn.{name}_proj", wide, D) for name in "qkv")),
            out=self.matrix(f"{at}.self_attn.o_proj", D, wide),
            gate_up=(Matrix * 2)(*(self.matrix(name, inner, D) for name in feed)),
            down=self.matrix(f"{at}.mlp.down_proj", D, inner),
        )
        if side == "decoder":
            norms[f"{place}_cross"] = "cross_attn_norm"
            made.cross_query = self.matrix(f"{at}.cross_attn.q_proj", wide, D)
            made.cross = (Matrix * 2)(*(self.matrix(f"{at}.cross_attn.{name}_proj", wide, D) for name in "kv"))
            made.cross_out = self.matrix(f"{at}.cross_attn.o_proj", D, wide)
        for field, name in norms.items():
            setattr(made, field, self.norm(f"{at}.{name}"))
        return made

    def _sizes(self, side: str) -> tuple[int, int]:
        """Width of all heads, and inner width of the feed-forward."""
        c = self.config
        heads, inner = (c.encoder_heads, c.encoder_ffn) if side == "encoder" else (c.decoder_heads, c.decoder_ffn)
        return heads * c.head_dim, inner

    def _model(self, side: str) -> Model:
        c = self.config
        wide, inner = self._sizes(side)
        layers = self.source_layers if side == "encoder" else self.layers
        name = embedding_of(c, side, self.precision)
        return Model(
            layers=len(layers), D=c.hidden_size, H=wide // c.head_dim, K=wide // c.head_dim, E=c.head_dim, N=inner,
            vocab=c.decoder_vocab_size, norm_kind=int(c.norm == "layer"), activation=ACTIVATIONS[c.activation],
            gated=int(c.gated_mlp), norm_eps=c.norm_eps, scale=c.head_dim**-0.5 if c.scale_attention else 1.0,
            embedding_scale=c.hidden_size**0.5 if c.scale_embedding else 1.0, tied_head=int(not name), layer=layers,
            embedding=self.at(f"{name}.weight"), half_embedding=is_half(self.tensors.get(f"{name}.weight")),
            positions=self._sines.data_ptr() if c.positions == "sine" else None, last=self.norm(f"{side}.norm"),
            head=self.matrix("lm_head", c.decoder_vocab_size, c.hidden_size), norm_sums=int(not c.pre_norm),
            distances=self.at(f"{side}.distances"), reach=c.max_position_embeddings,
        )  # fmt: skip
