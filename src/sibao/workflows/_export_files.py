"""The folder that an export writes: all of it or nothing under its final name, and what goes along unchanged."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sibao.core.errors import BadInput
from sibao.core.paths import fsync_dir, write_text
from sibao.models.weights import read_json

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt", "vocab.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "source.spm", "target.spm",
    "chat_template.jinja", "chat_template.json", "preprocessor_config.json", "processor_config.json",
)  # fmt: skip
"""Files that go along as they are. Code (``*.py``) never does."""
GENERATION = "generation_config.json"
HEAD = ("architectures", "id2label", "label2id", "problem_type", "num_labels")
"""Keys of ``config.json`` that tell of a head."""
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}


def size_of(text: str) -> int:
    """Bytes of a size such as ``4GB``, ``500MB``, ``2GiB`` or a plain number.

    Raises:
        BadInput: no size, or none at all.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]I?)?B?\s*", text.upper())
    size = int(float(found[1]) * _UNITS[found[2] or ""]) if found else 0
    if size < 1:
        raise BadInput(f"{text!r} is no size", hint="write it as 4GB, 500MB or 2GiB")
    return size


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A hidden folder beside ``target`` that gets its name when the block ends well, and goes away when it does not.

    A process that is killed leaves the hidden folder at most; ``target`` is never half-written.

    Raises:
        BadInput: ``target`` is a file, or a folder with something in it.
    """
    target = target.expanduser().absolute()
    if target.is_file():
        raise BadInput(f"{target} is a file", hint="name a new folder")
    if target.is_dir() and any(target.iterdir()):
        raise BadInput(f"{target} is not empty", hint="name a new folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield staging
        staging.chmod(0o755)
        fsync_dir(staging)
        staging.replace(target)  # onto nothing, or onto an empty folder
        fsync_dir(target.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def copy_beside(source: Path, target: Path) -> None:
    """Tokenizer, templates and generation settings of a model folder, byte for byte.

    A folder with the older files only (``vocab.txt``, or ``vocab.json`` with ``merges.txt``) gets a ``tokenizer.json``
    too, the one form that every reader knows.
    """
    from sibao.text.slow import has_files
    from sibao.text.tokenizer import Tokenizer

    for name in (*TOKENIZER_FILES, GENERATION):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    if not (target / "tokenizer.json").is_file() and has_files(source):
        write_text(target / "tokenizer.json", Tokenizer.load(source).backend.to_str(pretty=True))


def write_config(source: Path, target: Path, *, head: bool = False) -> None:
    """``config.json`` as the source has it, every key of it, with the precision that the weights have now.

    ``target`` holds what ``save_model`` wrote: the precision, and the architecture where the source names none.

    Args:
        head: the model got a head that the source has not (with an adapter): what tells of it is ``target``'s.
    """
    written, config = read_json(target / "config.json"), read_json(source / "config.json")
    for name in ("torch_dtype", "_name_or_path", "auto_map", "quantization_config"):
        config.pop(name, None)
    if head:
        config = {k: v for k, v in config.items() if k not in HEAD} | {k: written[k] for k in HEAD if k in written}
    config = {"architectures": written.get("architectures")} | config | {"dtype": written["dtype"]}
    write_text(target / "config.json", dumps(config))
    if not (target / GENERATION).is_file():
        names = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
        write_text(target / GENERATION, dumps({n: config[n] for n in names if config.get(n) is not None}))


def dumps(value: dict[str, Any]) -> str:
    """JSON for a file."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
