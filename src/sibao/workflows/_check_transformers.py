"""Transformers as another back end of the same folder: its tokens, its choices, its logits. Nothing is fetched, and no
code that comes with a model is run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from sibao.core.errors import ModelError
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
        pairs = {
            probe: (tokenizer.encode(text, add_special_tokens=True), list(theirs(text)["input_ids"]))
            for probe, text in PROBES.items()
        }
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


class Reference:
    """The same folder, run by Transformers.

    Args:
        auto: name of the class that loads it, ``AutoModelForCausalLM`` say. dtype: precision of its weights.

    Raises:
        ModelError: Transformers cannot load it.
    """

    def __init__(self, subject: Subject, auto: str, dtype: torch.dtype) -> None:
        import transformers

        with quiet(logging.CRITICAL):
            try:
                loader = getattr(transformers, auto)
                model = loader.from_pretrained(
                    str(subject.folder), dtype=dtype, local_files_only=True, trust_remote_code=False
                )
                if subject.adapter is not None:
                    from peft import PeftModel

                    model = PeftModel.from_pretrained(model, str(subject.adapter))
            except Exception as error:  # it raises whatever its parts raise
                what = f"Transformers cannot load it: {type(error).__name__}: {str(error)[:200]}"
                raise ModelError(what, hint="what Sibao loads and Transformers refuses is worth a look") from None
        self.model: Any = model.eval()

    @torch.inference_mode()
    def greedy(self, prompt: Sequence[int], count: int) -> tuple[list[int], list[Tensor]]:
        """Up to ``count`` tokens that its own ``generate`` chooses, the end included, and the logits (float32 [V]) of
        each choice. It stops where the folder tells it to; penalties and chance are switched off."""
        from transformers import GenerationConfig

        own = self.model.generation_config
        ids = torch.tensor([list(prompt)])
        with running():
            # a generation_config.json may set a temperature or penalties, which must not count here
            self.model.generation_config = GenerationConfig(
                do_sample=False, max_new_tokens=count, eos_token_id=own.eos_token_id, pad_token_id=own.pad_token_id or 0,
                output_logits=True, return_dict_in_generate=True,
            )  # fmt: skip
            out = self.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids))
        return [int(i) for i in out.sequences[0, len(prompt) :]], [step[0].float() for step in out.logits]

    @torch.inference_mode()
    def outputs(self, **inputs: Tensor) -> Tensor:
        """Its logits, or the last hidden states of a model without a head, float32 [B, T, ...]."""
        with running():
            out = self.model(**inputs)
        found: Tensor = out.logits if hasattr(out, "logits") else out.last_hidden_state
        return found.float()
