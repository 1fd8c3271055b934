"""Transformers as another back end of the same folder: its tokens, its choices, its logits. Nothing is fetched, and no
code that comes with a model is run."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from sibao.core.errors import ModelError
from sibao.models._adapter_head import LABELS
from sibao.models.compressed import FORMATS, KEY
from sibao.providers._transformers_load import quiet
from sibao.text.chat import render
from sibao.text.tokenizer import Tokenizer
from sibao.workflows._check_tokens import CONVERSATION, PROBES
from sibao.workflows._check_types import Finding, Subject, shown


def installed() -> bool:
    """Whether Transformers is there to compare with."""
    return find_spec("transformers") is not None


@contextmanager
def running() -> Iterator[None]:
    """A computation of Transformers that may break: what it raises becomes a ModelError."""
    with quiet(logging.CRITICAL):  # its remarks are not findings: what matters is what it computes
        try:
            yield
        except Exception as error:  # it raises whatever its parts raise
            raise ModelError(f"Transformers fails on it: {type(error).__name__}: {str(error)[:200]}") from None


def tokenizer_findings(subject: Subject, tokenizer: Tokenizer) -> Iterator[Finding]:
    """The same ids from AutoTokenizer, for every probe and for the rendered conversation."""
    from transformers import AutoTokenizer

    name = "transformers_tokens"
    with quiet(logging.CRITICAL):
        try:
            theirs = AutoTokenizer.from_pretrained(str(subject.folder), local_files_only=True, trust_remote_code=False)
        except Exception as error:  # it raises whatever its parts raise
            got = f"Transformers cannot load this tokenizer: {type(error).__name__}: {str(error)[:200]}"
            yield Finding(name, "fail", got, "a tokenizer that both can load", "correct tokenizer_config.json")
            return
        source = subject.kind == "encoder-decoder" and subject.shape is not None
        encode = tokenizer.encode_source if source else partial(tokenizer.encode, add_special_tokens=True)
        pairs = {probe: (encode(text), list(theirs(text)["input_ids"])) for probe, text in PROBES.items()}
        if source:
            answer = [*tokenizer.encode_target(PROBES["code"]), *tokenizer.eos_ids[:1]]
            pairs["code, as an answer"] = (answer, list(theirs(text_target=PROBES["code"])["input_ids"]))
        if tokenizer.has_template:
            messages: list[Any] = [*CONVERSATION[:3]]
            rendered = theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
            pairs["the conversation"] = (render(tokenizer, CONVERSATION[:3]), list(rendered))
    for probe, (ours, other) in pairs.items():
        if ours != other:
            place = next(
                (i for i, (a, b) in enumerate(zip(ours, other, strict=False)) if a != b), min(map(len, (ours, other)))
            )
            got = f"{probe}: token {place} is {_near(tokenizer, ours, place)} here, {_near(tokenizer, other, place)} there"
            hint = "tokenizer.json and tokenizer_config.json ask for different things: Transformers rebuilds from the second"
            yield Finding(name, "fail", got, "the same ids", hint)
            return
    yield Finding(name, "ok", f"AutoTokenizer gives the same ids for {', '.join(pairs)}")


def _near(tokenizer: Tokenizer, ids: Sequence[int], place: int) -> str:
    return shown(tokenizer, ids[place : place + 2]) if place < len(ids) else "(the end)"


def _refuse_holes(model: Any, missing: Iterable[str]) -> None:
    """A head that is not in the file would be random; a pooler that no head reads is no fault."""
    lacking = sorted(name for name in missing if "pooler." not in name)
    if lacking:
        raise ModelError(f"{len(lacking)} tensors are missing: {', '.join(lacking[:3])}", hint="copy the weights again")
    odd = [name for name, weight in model.named_parameters() if not bool(weight.isfinite().all())]
    if odd:
        raise ModelError(f"{odd[0]} holds values that are not numbers", hint="the file is damaged")


class Reference:
    """The same folder, run by Transformers.

    Args:
        auto: name of the class that loads it, ``AutoModelForCausalLM`` say. dtype: precision of its weights.
        whole: nothing else has looked at its weights, so they must all be there and be numbers.

    Raises:
        ModelError: Transformers cannot load it; or, with ``whole``, weights are missing or damaged.
    """

    def __init__(self, subject: Subject, auto: str, dtype: torch.dtype, *, whole: bool = False) -> None:
        import transformers

        with quiet(logging.CRITICAL):
            try:
                loader = getattr(transformers, auto)
                head = (
                    subject.adapter / LABELS if subject.adapter is not None else None
                )  # a head that the adapter brings
                more: dict[str, Any] = {}
                if head is not None and head.is_file():
                    more["config"] = transformers.AutoConfig.from_pretrained(str(head.parent), local_files_only=True)
                if (
                    subject.config.get(KEY, {}).get("format") == FORMATS["int8"]
                ):  # without rounding activations, as here
                    more["quantization_config"] = transformers.CompressedTensorsConfig(dequantize=True)
                model, info = loader.from_pretrained(
                    str(subject.folder), dtype=dtype, local_files_only=True, trust_remote_code=False,
                    use_safetensors=True, output_loading_info=True, **more,
                )  # fmt: skip
                if subject.adapter is not None:
                    from peft import PeftModel

                    # the model itself, with the adapter in its layers: PEFT's wrapper has settings of its own
                    model = PeftModel.from_pretrained(model, str(subject.adapter)).get_base_model()
            except Exception as error:  # it raises whatever its parts raise
                what = f"Transformers cannot load it: {type(error).__name__}: {str(error)[:200]}"
                raise ModelError(what, hint="what Sibao loads and Transformers refuses is worth a look") from None
        if whole:
            _refuse_holes(model, info["missing_keys"])
        self.model: Any = model.eval()

    @torch.inference_mode()
    def greedy(self, prompt: Sequence[int], count: int, *, source: bool) -> tuple[list[int], list[Tensor]]:
        """Up to ``count`` tokens that its own ``generate`` chooses, the end included, and the logits (float32 [V]) of
        each choice. It starts and stops where the folder tells it to; penalties and chance are switched off, but what an
        encoder-decoder (``source``) forbids or forces by its generation settings holds, as it does here."""
        from transformers import GenerationConfig

        ids = torch.tensor([list(prompt)])
        asked = {"do_sample": False, "num_beams": 1, "max_new_tokens": count, "max_length": None, "output_logits": True,
                 "return_dict_in_generate": True}  # fmt: skip
        with running():
            own = self.model.generation_config
            if source:
                settings = deepcopy(own)
                settings.update(**asked, use_cache=False)  # its cache counts layers by the encoder's number
            else:  # a generation_config.json may set a temperature or penalties, which must not count here
                ends = {"eos_token_id": own.eos_token_id, "pad_token_id": own.pad_token_id or 0}
                settings = GenerationConfig(**asked, **ends)
            self.model.generation_config = settings
            out = self.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids))
        return [int(i) for i in out.sequences[0, 1 if source else len(prompt) :]], [s[0].float() for s in out.logits]

    @torch.inference_mode()
    def outputs(self, ids: Sequence[int]) -> Tensor:
        """What an encoder's head says of one text, or the last hidden states of a model without one, float32 [1, ...];
        begin and end of a span stand side by side."""
        with running():
            out = self.model(input_ids=torch.tensor([list(ids)]))
        if hasattr(out, "start_logits"):
            return torch.stack([out.start_logits, out.end_logits], -1).float()
        found: Tensor = out.logits if hasattr(out, "logits") else out.last_hidden_state
        return found.float()
