"""Put a finished model into the package: `python recipes/mini/ship.py RUN/model`.

Writes src/sibao/mini in bf16 with shards of at most 15 MB, then checks what was written: the sizes, the context, and
that Transformers loads it and gives the same logits and the same tokens as Sibao does. The folder is replaced only when
all checks pass; a model card that is there already stays.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import torch

from sibao.models.folder import load_model, read_config, save_model
from sibao.tasks.base import user
from sibao.text.chat import render
from sibao.text.tokenizer import Tokenizer
from sibao.workflows.pretrain import token_keys, write_folder

TARGET = Path(__file__).resolve().parents[2] / "src" / "sibao" / "mini"
SHARD_BYTES, TOTAL_BYTES, TOLERANCE = 15_000_000, 40_000_000, 1e-4
CARD = "README.md"
TEXTS = (
    "我喜欢读书。春眠不觉晓，处处闻啼鸟。", "The old man looked at the sea, and said nothing for a long while.",
    "def add(a, b):\n    return a + b\n", "X:1\nT:A tune\nM:6/8\nK:G\nd|gfg ege|dBG AGE|",
)  # fmt: skip


def write(source: Path, tokenizer: Tokenizer, folder: Path) -> None:
    """The model of ``source`` in ``folder``: config, tokenizer and generation config, and weights in small shards."""
    model, family = load_model(source), read_config(source)[0]
    write_folder(model, tokenizer, family, folder, torch.bfloat16)
    save_model(
        model, folder, family, dtype=torch.bfloat16, extra=token_keys(tokenizer), shard_bytes=SHARD_BYTES - 100_000
    )  # room for the header of each file


def problems(folder: Path, context: int) -> list[str]:
    """What is wrong with a folder that is to be shipped."""
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.name != CARD}
    found = [f"{name} has {size:,} bytes, wanted at most {SHARD_BYTES:,}" for name, size in sizes.items()
             if size > SHARD_BYTES]  # fmt: skip
    if sum(sizes.values()) > TOTAL_BYTES:
        found.append(f"{sum(sizes.values()):,} bytes in all, wanted at most {TOTAL_BYTES:,}")
    holds = read_config(folder)[1].max_position_embeddings
    if holds != context:
        found.append(f"config.json says a context of {holds}, wanted {context} (model.context of the recipe)")
    if Tokenizer.load(folder).bos_id is None:
        found.append("the tokenizer has no bos_token; give the folder of the newest one with --tokenizer")
    return found or unlike(folder)


@torch.inference_mode()
def unlike(folder: Path) -> list[str]:
    """Where Transformers and Sibao do not agree, computed in fp32 from the same files."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ours, tokens = load_model(folder, torch.float32), Tokenizer.load(folder)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    peer = AutoTokenizer.from_pretrained(folder)
    found = []
    for text in TEXTS:
        ids = tokens.encode(text)
        if ids != peer(text, add_special_tokens=False)["input_ids"]:
            found.append(f"AutoTokenizer cuts {text!r} in another way")
        batch = torch.tensor([[tokens.document_id, *ids]])
        worst = (ours.logits(ours(batch)) - theirs(batch).logits).abs().max().item()
        if not worst <= TOLERANCE:
            found.append(f"logits of {text!r} differ by {worst:.2g}, wanted at most {TOLERANCE:g}")
    turns = [{"role": "user", "content": TEXTS[0]}]
    rendered = str(peer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))
    if tokens.encode(rendered, specials=True) != render(tokens, user(TEXTS[0])):
        found.append("the chat template gives other tokens in Transformers")
    return found


def replace(folder: Path, target: Path) -> None:
    """Put ``folder`` in the place of ``target``, whose card is kept."""
    if (target / CARD).is_file():
        shutil.copy2(target / CARD, folder / CARD)
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    folder.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("model", type=Path, help="folder of the finished model, RUN/model")
    parser.add_argument("--tokenizer", type=Path, help="folder of the tokenizer (default: the model's own)")
    parser.add_argument("--context", type=int, default=512, help="tokens the model says it holds (default 512)")
    parser.add_argument("--out", type=Path, default=TARGET)
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".mini.", dir=args.out.parent))
    try:
        write(args.model, Tokenizer.load(args.tokenizer or args.model), aside)
        if wrong := problems(aside, args.context):
            raise SystemExit("not shipped:\n" + "\n".join(f"- {line}" for line in wrong))
        aside.chmod(0o755)
        replace(aside, args.out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    size = sum(path.stat().st_size for path in args.out.iterdir())
    print(f"{args.out}: {size / 1e6:.1f} MB, logits equal to Transformers' within {TOLERANCE:g}")


if __name__ == "__main__":
    main()
