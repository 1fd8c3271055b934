"""What options ask of every token: checked, and in the form that an engine takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sibao.core.errors import BadInput
from sibao.core.types import GenerateOptions, Sampling
from sibao.text.constraint import GrammarConstraint, from_format


def control(options: GenerateOptions, tokenizer: Any) -> tuple[Sampling, GrammarConstraint | None]:
    """The sampling and the constraint of one request. What holds for each token in turn is not for beam search: then the
    number of beams is settled at one where it was left to the model.

    Raises:
        BadInput: a form that cannot be compiled, or one together with beam search.
        MissingPackage: llguidance is not installed.
    """
    sampling = options.sampling
    constraint = None if options.response_format is None else from_format(options.response_format, tokenizer)
    if constraint is not None and (sampling.num_beams or 1) > 1:
        raise BadInput(
            f"num_beams is {sampling.num_beams}, and beam search does not know response_format",
            hint="leave out one of them",
        )
    if (constraint is not None or sampling.needs_steps) and sampling.num_beams is None:
        sampling = replace(sampling, num_beams=1)
    return sampling, constraint


def refuse_control(name: str, options: GenerateOptions, *, form_only: bool = False) -> None:
    """For models that cannot give an answer a form; with ``form_only`` they take all settings of sampling.

    Raises:
        BadInput: the options ask for what the model ``name`` does not do.
    """
    form = options.response_format is not None and options.response_format.get("type") != "text"
    named = ["adapter"] if options.adapter is not None else []
    asked = [*(["response_format"] if form else []), *named, *(() if form_only else options.sampling.needs_steps)]
    if asked:
        raise BadInput(
            f"{name} does not know {', '.join(asked)}", hint="leave it out, or take a decoder (mini, org/name)"
        )
