"""``transformers:FOLDER | org/name[@revision]``: any architecture that Transformers has, with the interface of a local model.

Names, cache and offline rule are those of ``models.names``. Only safetensors are read, and no code of a repository is run.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sibao.core.errors import BadInput, MissingPackage, ModelError
from sibao.core.types import GenerateOptions, Prompt, Scored
from sibao.engine.whole_rows import WholeRows
from sibao.providers._answers import Answer
from sibao.providers._control import control, refuse_control
from sibao.providers._precision import SMALL
from sibao.providers.local import LocalModel

if TYPE_CHECKING:
    from torch import Tensor

    from sibao.models.names import Source
    from sibao.providers._transformers_load import Loaded

PREFIX = "transformers:"
UNLIMITED = 1 << 20
"""Context of a network that names no limit (those without position embeddings)."""
_LIMITS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_source_positions")


@dataclass(frozen=True)
class How:
    """In which way a model is loaded; see ``providers.load``."""

    precision: str = "auto"
    adapter: str | Path | None = None
    threads: int | None = None


def load(name: str, how: How | None = None) -> TransformersModel:
    """The model of that name (``transformers:`` in front), ready to answer.

    Raises:
        BadInput: no such model. ModelError: a folder that is damaged, pickled, or needs code of its own.
        MissingPackage: Transformers is not installed.
    """
    from sibao.models.names import resolve

    return open_source(name, resolve(name.removeprefix(PREFIX)), how or How())


def open_source(name: str, source: Source, how: How) -> TransformersModel:
    """The model of a folder that was found already. Raises what ``load`` raises."""
    try:
        import transformers  # noqa: F401
    except ImportError:
        raise MissingPackage("transformers", extra="hf", purpose=f"{name} (an architecture Sibao lacks)") from None
    import torch

    from sibao.providers._transformers_load import load_folder

    if how.threads is not None:
        torch.set_num_threads(how.threads)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}.get(how.precision)
    loaded = load_folder(source.folder, dtype)
    if how.precision == "auto" and sum(p.numel() for p in loaded.network.parameters()) <= SMALL:
        loaded.network.float()
    adapter = how.adapter if how.adapter is not None else source.adapter
    if adapter is not None:
        _put_on(loaded.network, Path(adapter))
    return TransformersModel(name, loaded)


def _put_on(network: Any, adapter: Path) -> None:
    """An adapter folder of PEFT onto a network, through Transformers' own integration."""
    from sibao.providers._transformers_load import refuse_links

    if not (adapter / "adapter_model.safetensors").is_file():
        raise ModelError(f"{adapter} holds no adapter_model.safetensors", hint="pickled adapters are refused")
    refuse_links(adapter)
    try:
        network.load_adapter(str(adapter), adapter_kwargs={"local_files_only": True})
    except ImportError:
        raise MissingPackage("peft", extra="hf", purpose="an adapter on a model of Transformers") from None
    except Exception as error:  # whatever a damaged folder makes the library raise
        raise ModelError(f"{adapter}: the adapter does not fit: {type(error).__name__}: {error}") from None


class TransformersModel(LocalModel):
    """A local model over Transformers' networks: the same prompts, boundaries, windows and stop strings, because it is the
    same code; only the engine under it differs. ``kind`` says what the network can do."""

    def __init__(self, name: str, loaded: Loaded) -> None:
        from sibao.providers._transformers_engine import Shape, TransformersEngine

        config = loaded.network.config
        self.name, self.kind = name, loaded.kind
        self.context = _context(config, loaded.tokenizer, loaded.kind)
        vocab = loaded.network.get_input_embeddings().weight.shape[0]
        answer = self.context if loaded.kind == "seq2seq" else 0
        self.engine: Any = TransformersEngine(loaded.network, Shape(self.context, vocab, answer, loaded.beams))
        self.tokenizer: Any = loaded.tokenizer
        self.processor = loaded.processor
        self._numbers = itertools.count()
        self._whole = WholeRows(self._states)

    @property
    def has_template(self) -> bool:
        """Whether messages are rendered; a model that sees always does, with its picture marks at least."""
        return self.processor is not None or bool(self.tokenizer.has_template)

    def encode(self, prompt: Prompt) -> list[int]:
        """Token ids that the model reads for a prompt, places of pictures among them."""
        if self.processor is None or isinstance(prompt, str) or not prompt:
            return super().encode(prompt)
        from sibao.providers._transformers_see import see

        return see(self.processor, prompt).ids

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Scored]:
        """As ``LocalModel.score``; an encoder-decoder reads the context and is asked for the continuation.

        Raises:
            BadInput: a continuation without a token, a picture in the context, or a model that only reads.
        """
        self._must_write()
        if self.kind == "seq2seq":
            from sibao.providers._transformers_seq2seq import score

            return score(self, pairs)
        if self.processor is not None and any(_sees(context) for context, _ in pairs):
            raise BadInput("continuations of prompts with pictures are not scored", hint="score text, or generate")
        return super().score(pairs)

    def score_text(self, texts: Sequence[str]) -> list[Scored]:
        """As ``LocalModel.score_text``; needs a model that goes on from nothing.

        Raises:
            BadInput: an encoder-decoder, or a model that only reads.
        """
        self._must_write()
        if self.kind == "seq2seq":
            raise BadInput(
                f"{self.name} is an encoder-decoder: a text by itself has no likelihood under it",
                hint="score pairs of context and continuation, or take a decoder",
            )
        return super().score_text(texts)

    def _states(self, ids_BT: Tensor, mask_BT: Tensor, types_BT: Tensor | None) -> Tensor:
        """Of the encoder where there is one, else of the body below the head."""
        network = self.engine.model
        body = network.get_encoder() if network.config.is_encoder_decoder else network.base_model
        read = body(input_ids=ids_BT.to(network.device), attention_mask=mask_BT.to(network.device))
        states: Tensor = read.last_hidden_state
        return states.cpu()

    def begin(self, prompt: Prompt | Sequence[int], options: GenerateOptions, *, echo: bool = False) -> Answer:
        """See ``LocalModel.begin``."""
        self._must_write()
        if self.kind == "seq2seq":
            refuse_control(self.name, options, form_only=True)
        looks = self.processor is not None and _sees(prompt)
        answer = None if looks else super().begin(prompt, options, echo=echo)
        return answer if answer is not None else self._seen_answer(prompt, options)

    def _seen_answer(self, prompt: Any, options: GenerateOptions) -> Answer:
        from sibao.providers._transformers_engine import SeenRequest
        from sibao.providers._transformers_see import see
        from sibao.text.detokenize import StreamDecoder

        seen = see(self.processor, prompt)
        sampling, constraint = control(options, self.tokenizer)
        request = SeenRequest(
            id=f"{self.name}#{next(self._numbers)}",
            prompt_ids=seen.ids,
            sampling=sampling,
            stop_ids=frozenset(self.tokenizer.eos_ids),
            max_tokens=options.max_tokens,
            constraint=constraint,
            adapter=options.adapter,
            seen=seen.inputs,
        )
        return Answer(request, StreamDecoder(self.tokenizer, options.stop))

    def _must_write(self) -> None:
        if self.kind == "encoder":
            raise BadInput(
                f"{self.name} is an encoder: it reads text and writes none", hint="embed with it, or take another model"
            )


def _sees(prompt: Prompt | Sequence[int]) -> bool:
    from sibao.text.media import sees

    return not isinstance(prompt, str) and any(not isinstance(turn, int) and sees(turn) for turn in prompt)


def _context(config: Any, tokenizer: Any, kind: str) -> int:
    """Tokens the network holds, from its config, else from the tokenizer's, else unlimited."""
    text, limit = config.get_text_config(), tokenizer.config.get("model_max_length")
    limit = int(limit) if isinstance(limit, int | float) and 0 < limit < UNLIMITED else UNLIMITED
    for name in _LIMITS:
        value = getattr(text, name, None)
        if isinstance(value, int) and value > 0:
            # RoBERTa and its kin count positions from behind the padding token: two of them are never used
            return min(value, limit) if kind == "encoder" else value
    return limit
