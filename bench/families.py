"""Every model family beside Transformers: how far the logits of a small random model of each are apart.

    python bench/families.py            # the table
    python bench/families.py --write    # docs/models.md with the table in it

The model is Transformers' own, of the family's ``TINY`` shape, all its weights drawn wide; it is saved and read back here.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from pages import put
from torch import Tensor

from sibao.models.base import Keys
from sibao.models.folder import families, family_of, load_network
from sibao.nn.config import DecoderConfig
from sibao.nn.encoder_config import EncoderConfig, Head
from sibao.nn.network import Network
from sibao.nn.seq2seq_config import Seq2SeqConfig

PAGE = Path(__file__).resolve().parent.parent / "docs" / "models.md"
HEADS = {"none": "embeddings", "masked": "masked words", "classify": "labels of texts", "token": "labels of words",
         "span": "answers in a passage"}  # fmt: skip
KINDS: dict[type, tuple[str, str]] = {
    DecoderConfig: ("decoder", "every task on text, likelihoods"),
    EncoderConfig: ("encoder", ", ".join(HEADS[head] for head in get_args(Head))),
    Seq2SeqConfig: ("encoder-decoder", "text to text, as trained (translate, summarize), with beam search"),
}
"""Kind of network by the type of its shape, and what a model of the kind does."""


@dataclass(frozen=True)
class Parity:
    """How far a family is from Transformers. ``fp32``: largest difference of a logit. ``bf16``, ``theirs_bf16``: mean
    difference in bf16, here and in Transformers, from Transformers' fp32, in parts of the spread of the logits."""

    fp32: float
    bf16: float
    theirs_bf16: float


def shape_of(name: str) -> Any:
    """The shape of a family's ``TINY``."""
    return family_of(name).read(Keys(family_of(name).TINY))


def peer_of(name: str) -> Any:
    """Transformers' own model of a family's ``TINY``, its weights, norms and biases spread so that no term is idle."""
    import transformers

    module = family_of(name)
    config = transformers.AutoConfig.for_model(name, **module.TINY)
    model = getattr(transformers, module.ARCHITECTURE)._from_config(config, attn_implementation="eager").eval()
    head, table = getattr(model, "lm_head", None), model.get_input_embeddings()
    if head is not None and head.weight is table.weight and not shape_of(name).tie_word_embeddings:
        head.weight = torch.nn.Parameter(table.weight.detach().clone())
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "embed_positions" in key:
                continue  # sines, computed
            norm = parameter.dim() == 1 and bool((parameter == 1).all())
            parameter.normal_(float(norm), 0.25, generator=generator)
    return model


def inputs() -> tuple[Tensor, Tensor]:
    """Two batches of token ids: texts, and answers to them."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(2, 96, (3, 40), generator=generator), torch.randint(2, 96, (3, 17), generator=generator)


@torch.no_grad()
def own_logits(network: Any) -> Tensor:
    """Logits of the inputs by a network of any kind."""
    source, target = inputs()
    if isinstance(network.config, Seq2SeqConfig):
        out: Tensor = network.logits(network(source, torch.ones_like(source, dtype=torch.bool), target))
    else:
        out = network.logits(network(source))
    return out


@torch.no_grad()
def peer_logits(model: Any) -> Tensor:
    """The same by Transformers."""
    source, target = inputs()
    more = {"decoder_input_ids": target} if model.config.is_encoder_decoder else {}
    out: Tensor = model(input_ids=source, **more).logits.float()
    return out


def measure(name: str) -> Parity:
    """A family's parity on its ``TINY``, measured now."""
    peer = peer_of(name)
    want = peer_logits(peer)
    with tempfile.TemporaryDirectory() as folder:
        peer.save_pretrained(folder)
        own: Network = load_network(folder)
        fp32 = own_logits(own)
        bf16 = own_logits(load_network(folder, torch.bfloat16))
    theirs = peer_logits(deepcopy(peer).bfloat16())
    spread = want.std()
    apart = ((got - want).abs().mean() / spread for got in (bf16, theirs))
    return Parity(float((fp32 - want).abs().max()), *map(float, apart))


def row_of(name: str) -> tuple[str, str, str, str]:
    """What is known of a family without measuring: its name, class in Transformers, kind, and what it does."""
    kind, does = KINDS[type(shape_of(name))]
    return f"`{name}`", family_of(name).ARCHITECTURE, kind, does


def table(rows: dict[str, Parity]) -> str:
    """The table in Markdown, decoders first."""
    head = ("family", "in Transformers", "kind", "fp32: largest difference", "bf16: mean difference", "bf16 in Transformers",
            "does")  # fmt: skip
    order = [kind for kind, _ in KINDS.values()]
    lines = []
    for name, p in sorted(rows.items(), key=lambda item: (order.index(row_of(item[0])[2]), item[0])):
        *first, does = row_of(name)
        lines.append((*first, f"{p.fp32:.0e}", f"{p.bf16:.1%}", f"{p.theirs_bf16:.1%}", does))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *lines))


def main() -> None:
    """Measure all families and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write docs/models.md instead of printing")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    from transformers.utils import logging as their_logging

    their_logging.disable_progress_bar()
    text = table({name: measure(name) for name in families()})
    if args.write:
        put(PAGE, "table", text.splitlines())
    print(text)


if __name__ == "__main__":
    main()
