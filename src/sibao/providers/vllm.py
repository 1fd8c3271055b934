"""``vllm:FOLDER | org/name[@revision]``: decoders through vLLM, for GPUs that serve many at once (arXiv 2309.06180).

Names, cache and offline rule are those of ``models.names``; only safetensors are read, and no code of a repository is run.
Prompts, templates, boundaries of scored texts, stop strings and words are Sibao's own: vLLM gets token ids and gives token
ids. What it does not know is refused: beam search, typical_p, embeddings, adapters by request, reproducible batches.

Not run on vLLM itself when this was written: no GPU was there. What goes to it and what comes from it is written after
the documentation and the source of vLLM 0.32 and tested against stand-ins; expect to find faults at its borders.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sibao.core.errors import BadInput, MissingPackage, ModelError
from sibao.core.types import GenerateOptions, Prompt
from sibao.providers._answers import Answer
from sibao.providers._vllm_engine import FormRequest, Shape, VllmEngine, structure
from sibao.providers.local import LocalModel
from sibao.text.detokenize import StreamDecoder
from sibao.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from sibao.models.names import Source

PREFIX = "vllm:"
DTYPES = {"auto": "auto", "fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
BESIDE = 2
"""Tokens of a model's context that are kept free: vLLM writes one token after a text that it scores, and reads its last."""


@dataclass(frozen=True)
class How:
    """In which way a model is loaded; see ``providers.load``."""

    precision: str = "auto"
    adapter: str | Path | None = None
    device: str = "auto"


def load(name: str, how: How | None = None) -> VllmModel:
    """The model of that name (``vllm:`` in front), ready to answer.

    Raises:
        BadInput: no such model, or a device that is not the GPU that vLLM takes by itself.
        MissingPackage: vLLM is not installed. ModelError: it cannot run the model, or there is no GPU for it.
    """
    from sibao.models.names import Source, resolve

    how = how or How()
    if how.device not in ("auto", "cuda"):
        raise BadInput(f"vLLM computes on the GPU that it finds, the device is {how.device}", hint="leave it out")
    source = resolve(name.removeprefix(PREFIX))
    try:
        import vllm
        from vllm.config import StructuredOutputsConfig
    except ImportError:
        raise MissingPackage("vllm", extra="vllm", purpose=name) from None
    source = source if how.adapter is None else Source(source.folder, Path(how.adapter))
    tokenizer = Tokenizer.load(source.folder)
    try:
        # the library that Sibao's own engine uses for answers of a form
        form = StructuredOutputsConfig(backend="guidance")
        wanted = vllm.EngineArgs(**arguments(source, how), structured_outputs_config=form)
        engine = vllm.LLMEngine.from_engine_args(wanted)
    except Exception as error:  # whatever keeps it from starting: no GPU, no memory, an architecture it lacks
        raise ModelError(f"{name}: vLLM does not start: {type(error).__name__}: {error}") from None
    config = engine.model_config
    shape = Shape(int(config.max_model_len) - BESIDE, int(config.get_vocab_size()), source.adapter)
    return VllmModel(name, VllmEngine(engine, shape), tokenizer)


def arguments(source: Source, how: How) -> dict[str, Any]:
    """What vLLM's ``EngineArgs`` are made of."""
    found: dict[str, Any] = {
        "model": str(source.folder),
        "tokenizer": str(source.folder),
        "dtype": DTYPES[how.precision],
        "load_format": "safetensors",
        "trust_remote_code": False,
        "generation_config": "vllm",  # how to draw is said by Sibao's options, not by the folder
        "logprobs_mode": "raw_logprobs",  # before penalties and filters, as everywhere else here
        "disable_log_stats": True,
    }
    if source.adapter is not None:
        found |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": _rank(source.adapter)}
    return found


def _rank(adapter: Path) -> int:
    """Ranks that vLLM makes room for are powers of two from 8 on."""
    from sibao.models.weights import read_json

    rank = read_json(adapter / "adapter_config.json").get("r")
    if not isinstance(rank, int) or rank < 1:
        raise ModelError(f"{adapter}: adapter_config.json says r is {rank!r}, wanted a whole number of at least 1")
    return max(8, 1 << (rank - 1).bit_length())


class VllmModel(LocalModel):
    """A local model over vLLM's engine: implements ``core.types.Model`` and ``core.types.Scorer``."""

    def __init__(self, name: str, engine: VllmEngine, tokenizer: Tokenizer) -> None:
        self.name = name
        self.engine: Any = engine
        self.tokenizer = tokenizer
        self.context = engine.shape.context
        self._numbers = itertools.count()

    def embed(self, texts: Sequence[str], *, pooling: Any = "mean") -> list[list[float]]:
        """Not here: the engine that writes gives no hidden states.

        Raises:
            BadInput: always.
        """
        raise BadInput(f"{self.name} gives no embeddings", hint="leave out vllm: in the name, or take an encoder")

    def begin(self, prompt: Prompt | Sequence[int], options: GenerateOptions, *, echo: bool = False) -> Answer:
        """See ``LocalModel.begin``."""
        if echo:
            raise BadInput(f"{self.name} does not score its prompts", hint="leave out vllm: in the name")
        request = FormRequest(
            id=f"{self.name}#{next(self._numbers)}",
            prompt_ids=self._ids(prompt),
            sampling=options.sampling,
            stop_ids=frozenset(self.tokenizer.eos_ids),
            max_tokens=options.max_tokens,
            adapter=options.adapter,
            form=None if options.response_format is None else structure(options.response_format),
        )
        return Answer(request, StreamDecoder(self.tokenizer, options.stop))
