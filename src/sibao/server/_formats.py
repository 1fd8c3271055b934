"""In which number formats the models of a server are loaded: as it was told, and as each of them can be.

A server is told once for all its models, and not all can be loaded so: hosted ones have their own formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sibao.core.errors import BadInput, SibaoError, UnknownName, UnsupportedModel
from sibao.models.folder import read_config
from sibao.models.names import resolve
from sibao.nn.encoder_config import EncoderConfig
from sibao.providers._precision import INTEGERS, KV_CACHES, PRECISIONS
from sibao.providers.load import local_name

FORMATS = {"precision": PRECISIONS, "kv_cache": KV_CACHES}
"""What ``providers.load.load`` takes of them."""


def fitted(name: str, loading: Mapping[str, Any]) -> dict[str, Any]:
    """How a model is loaded: the formats that it cannot have are left out.

    A hosted model has its own. One that only reads, or that another library computes, has no whole numbers and keeps no keys
    and values.
    """
    if local_name(name) is None:
        return {key: value for key, value in loading.items() if key not in FORMATS}
    if _writes_here(name):
        return dict(loading)
    return {
        key: value for key, value in loading.items()
        if key != "kv_cache" and not (key == "precision" and value in INTEGERS)
    }  # fmt: skip


def _writes_here(name: str) -> bool:
    """Whether Sibao's own engine writes with it; a model that cannot be read counts, as loading says what is wrong with it."""
    if _elsewhere(name):
        return False
    try:
        return not isinstance(read_config(resolve(name).folder)[1], EncoderConfig)
    except UnsupportedModel:
        return False
    except SibaoError:
        return True


def _elsewhere(name: str) -> bool:
    """Whether the name says that another program or library computes it."""
    return ":" in name and not Path(name).exists()


def refuse_unusable(names: Iterable[str], loading: Mapping[str, Any], *, others: bool) -> None:
    """Refuse formats that no model of these can have. Models that may have to be fetched first are not looked at.

    Args:
        others: models by other names may be asked for too.

    Raises:
        UnknownName: a format that is not there. BadInput: nothing that is served can be loaded so.
    """
    names = list(names)
    for key, known in FORMATS.items():
        value = loading.get(key, "auto")
        if value not in known:
            raise UnknownName(key, value, known)
        usable = others or any(_may_be_fetched(name) or key in fitted(name, {key: value}) for name in names)
        if value == "auto" or usable:
            continue
        raise BadInput(
            f"{key} is {value!r}, and no model that is served can be loaded so: {', '.join(names)}"[:400],
            hint="leave it out, or serve a model too that writes on Sibao's own engine",
        )


def _may_be_fetched(name: str) -> bool:
    return not _elsewhere(name) and name != "mini" and not Path(name).exists()
