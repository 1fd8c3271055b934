"""From a model's name to a folder: ``mini``, a folder, or ``org/name[@revision]`` in the hub's cache; any with ``+ADAPTER``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sibao.core.config import settings
from sibao.core.errors import BadInput, ModelError

MINI = Path(__file__).resolve().parent.parent / "mini"
_HUB = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


@dataclass(frozen=True)
class Source:
    """Where a model lies on disk. ``adapter``: a PEFT folder to put on it."""

    folder: Path
    adapter: Path | None = None


def resolve(name: str) -> Source:
    """The folder of a model name.

    Raises:
        BadInput: no such model. ModelError: known, but not on this machine while offline.
    """
    name, _, adapter = name.partition("+") if not Path(name).exists() else (name, "", "")
    folder = _folder(name)
    if not adapter:
        return _unwrap(folder)
    return Source(folder, adapter_folder(adapter))


def adapter_folder(name: str) -> Path:
    """The folder of an adapter.

    Raises:
        BadInput: it holds none.
    """
    path = Path(name).expanduser()
    if not (path / "adapter_config.json").is_file():
        raise BadInput(f"{name!r} is no adapter folder", hint="it should hold adapter_config.json")
    return path


def _unwrap(folder: Path) -> Source:
    """A folder that holds an adapter only stands for its base model with the adapter on it."""
    from sibao.models.adapter import base_of

    if (folder / "config.json").is_file() or not (folder / "adapter_config.json").is_file():
        return Source(folder)
    return Source(resolve(base_of(folder)).folder, folder)


def _folder(name: str) -> Path:
    path = Path(name).expanduser()
    if (path / "config.json").is_file() or (path / "adapter_config.json").is_file():
        return path
    if name == "mini":
        if not (MINI / "config.json").is_file():
            raise ModelError("the embedded model mini is not in this installation", hint="see recipes/mini/README.md")
        return MINI
    if path.is_dir():
        raise ModelError(f"{name} holds no config.json", hint="a model folder holds config.json and model.safetensors")
    if _HUB.fullmatch(name):
        return _from_hub(name)
    raise BadInput(f"no model named {name!r}", hint="name mini, a folder, org/name, or provider:name")


def _from_hub(name: str) -> Path:
    """A snapshot from the hub's cache; fetched only when the settings allow the network."""
    from httpx2 import HTTPError
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    repo, _, revision = name.partition("@")
    wanted = ["*.json", "*.safetensors", "*.txt", "*.model", "*.spm", "*.jinja"]
    offline = settings().offline
    try:
        found = snapshot_download(repo, revision=revision or None, local_files_only=offline, allow_patterns=wanted)
    except LocalEntryNotFoundError as error:
        if offline:
            raise ModelError(
                f"{name} is not (or not wholly) in the local cache and Sibao is offline",
                hint="set SIBAO_OFFLINE=0 to fetch it (HF_ENDPOINT names a mirror), or give a folder",
            ) from None
        why = " ".join(str(error).split())[:300]
        raise ModelError(f"{name} could not be fetched: {why}", hint="check the network, or HF_ENDPOINT") from None
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        why = next((line for line in str(error).splitlines() if line.strip()), "")
        raise BadInput(f"the hub has no {name!r}: {why}", hint="check the spelling of org/name@revision") from None
    except HFValidationError as error:
        raise BadInput(f"no model can be named {name!r}: {error}", hint="write org/name[@revision]") from None
    except (OSError, HTTPError) as error:  # HTTPError: the connection broke in the middle of a file, say
        raise ModelError(f"{name} could not be fetched: {error}", hint="check the network, or HF_ENDPOINT") from None
    return Path(found)
