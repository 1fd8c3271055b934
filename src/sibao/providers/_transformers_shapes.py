"""Why a checkpoint does not fit the network that Transformers makes of its config.json: its own message names neither."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from sibao.core.errors import ModelError
from sibao.models.weights import contradicted, read_json, weight_files


def misfit(folder: Path, auto: Any) -> ModelError | None:
    """The first tensor whose shape in the files is not the one config.json asks for, as an error; None: all fit, or the
    names cannot be compared.

    Args:
        auto: the class of Transformers that makes the network; no memory is taken for its weights.
    """
    import torch
    from transformers import AutoConfig

    try:
        with torch.device("meta"):
            network = auto.from_config(AutoConfig.from_pretrained(folder, local_files_only=True))
    except Exception:  # foreign code over a damaged config: the first error stands
        return None
    prefix = f"{network.base_model_prefix}."
    wanted = {key: list(tensor.shape) for key, tensor in network.state_dict().items()}
    for key, shape in sorted(_shapes(folder).items()):
        asked = next((wanted[k] for k in (key, prefix + key, key.removeprefix(prefix)) if k in wanted), shape)
        if asked != shape:
            return ModelError(
                f"{folder}: {key} has shape {shape} in the file, config.json wants {asked}"
                + contradicted(read_json(folder / "config.json"), shape, asked),
                hint="config.json and the weights do not belong together",
            )
    return None


def _shapes(folder: Path) -> dict[str, list[int]]:
    """Shapes of the tensors in the files, read from their headers."""
    found: dict[str, list[int]] = {}
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                found |= {key: list(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError):
            return {}
    return found
