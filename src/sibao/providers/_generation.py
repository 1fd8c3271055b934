"""What a folder says about generating: ``generation_config.json`` or, in old folders, ``config.json``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sibao.core.errors import ModelError
from sibao.core.types import GenerateOptions
from sibao.engine.search import Search
from sibao.models.weights import read_json

_OFF: dict[str, tuple[Any, ...]] = {
    "num_beam_groups": (1,), "diversity_penalty": (0, 0.0), "encoder_no_repeat_ngram_size": (0,),
    "encoder_repetition_penalty": (1, 1.0), "forced_bos_token_id": (), "suppress_tokens": ([],),
    "begin_suppress_tokens": ([],), "exponential_decay_length_penalty": (), "sequence_bias": (),
}  # fmt: skip
"""Settings that change the text and are not implemented, with the values that switch them off."""


@dataclass(frozen=True)
class Defaults:
    """How the makers of a model generate with it.

    ``max_length`` counts the start token, as in Transformers.
    """

    eos_ids: tuple[int, ...]
    num_beams: int = 1
    max_length: int | None = None
    length_penalty: float = 1.0
    early_stopping: Any = False
    repetition_penalty: float = 1.0
    forced_eos: int | None = None
    bad_words: tuple[tuple[int, ...], ...] = ()
    no_repeat_ngram: int = 0
    min_length: int = 0
    renormalize: bool = False

    def search(self, options: GenerateOptions) -> Search:
        """The search for one call: what the call asks for, else what the model's makers do.

        Drawing at random goes on one text at a time, whatever the number of beams that the makers use.
        """
        sampling = options.sampling
        beams = sampling.num_beams or (1 if sampling.temperature > 0 else self.num_beams)
        penalty = sampling.repetition_penalty
        return Search(
            max_tokens=options.max_tokens, eos_ids=self.eos_ids, beams=beams,
            length_penalty=self.length_penalty if sampling.length_penalty is None else sampling.length_penalty,
            early_stopping=self.early_stopping,
            repetition_penalty=self.repetition_penalty if penalty == 1.0 else penalty,
            forced_eos=self.forced_eos, bad_words=self.bad_words, no_repeat_ngram=self.no_repeat_ngram,
            min_tokens=max(0, self.min_length - 1), renormalize=self.renormalize, best=sampling.num_return_sequences,
        )  # fmt: skip


def read_defaults(folder: Path, eos: int) -> Defaults:
    """The defaults of a folder.

    Raises:
        ModelError: a setting that would change the text and is not implemented, or a value of the wrong kind.
    """
    file = folder / "generation_config.json"
    data = read_json(file if file.is_file() else folder / "config.json")  # never both, as in Transformers
    for name, off in _OFF.items():
        if data.get(name) is not None and data[name] not in off:
            raise ModelError(
                f"{folder}: generation setting {name} = {data[name]!r} is not implemented",
                hint=f"remove it from {file}",
            )
    try:
        return _defaults(data, eos)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{folder}: a generation setting is of the wrong kind: {error}") from None


def _defaults(data: dict[str, Any], eos: int) -> Defaults:
    ends = data.get("eos_token_id")
    forced = data.get("forced_eos_token_id")

    def number(name: str, default: float) -> float:
        return default if data.get(name) is None else float(data[name])

    return Defaults(
        eos_ids=tuple(ends) if isinstance(ends, list) else (eos if ends is None else int(ends),),
        num_beams=int(number("num_beams", 1)),
        max_length=None if data.get("max_length") is None else int(data["max_length"]),
        length_penalty=number("length_penalty", 1.0),
        early_stopping=data.get("early_stopping") or False,
        repetition_penalty=number("repetition_penalty", 1.0),
        forced_eos=forced[0] if isinstance(forced, list) else forced,
        bad_words=tuple(tuple(int(token) for token in word) for word in data.get("bad_words_ids") or ()),
        no_repeat_ngram=int(number("no_repeat_ngram_size", 0)),
        min_length=int(number("min_length", 0)),
        renormalize=bool(data.get("renormalize_logits")),
    )
