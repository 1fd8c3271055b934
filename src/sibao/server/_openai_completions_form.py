"""What ``/v1/completions`` is sent and answers. https://platform.openai.com/docs/api-reference/completions"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sibao.core.errors import BadInput
from sibao.server._openai_form import (
    MOST_N,
    MOST_PROMPTS,
    MOST_TOP,
    Bool,
    Finish,
    Ids,
    Int,
    SamplingForm,
    Told,
    UsageOut,
)

Many = Field(min_length=1, max_length=MOST_PROMPTS)
USUAL = 16
"""OpenAI's number of new tokens where none is given."""


class CompletionForm(SamplingForm):
    """Text to be gone on with, as it stands: no chat template."""

    prompt: str | Ids | Annotated[list[str], Many] | Annotated[list[Ids], Many] = Field(
        description="Text, token ids, or a list of either; control tokens in a text are text."
    )
    max_tokens: Annotated[Int, Field(ge=0)] | None = Field(
        None, description=f"Most new tokens; null: {USUAL}, as OpenAI's. 0 only with `echo`."
    )
    echo: Bool | None = Field(None, description="The prompt stands before the answer.")
    logprobs: Annotated[Int, Field(ge=0, le=MOST_TOP)] | None = Field(
        None, description="Tell log-probabilities, and so many of the likeliest tokens; with `echo` of the prompt too."
    )
    best_of: Annotated[Int, Field(ge=1, le=MOST_N)] | None = Field(None, description="Refused unless it is `n`.")
    suffix: str | None = Field(None, description="Refused: the models write forwards.")

    @property
    def tokens(self) -> int:
        """Most new tokens.

        Raises:
            BadInput: none, and no prompt to repeat; or a field that would change the answer and cannot.
        """
        found = USUAL if self.max_tokens is None else self.max_tokens
        if self.suffix:
            raise BadInput("suffix is not known here: the models write forwards", hint="leave it out")
        if self.best_of is not None and self.best_of != (self.n or 1):
            raise BadInput(f"best_of is {self.best_of} and n {self.n or 1}, wanted the same", hint="leave out best_of")
        if found == 0 and not self.echo:
            raise BadInput("max_tokens is 0, and without echo that is no answer", hint="ask for one token or more")
        if found == 0 and (self.num_beams or 1) > 1:
            raise BadInput("max_tokens is 0, and a search needs one token or more", hint="leave out num_beams")
        if self.stream and self.echo and self.logprobs is not None:
            raise BadInput("the prompt's log-probabilities are not streamed", hint='say "stream": false')
        return found

    @property
    def prompts(self) -> list[str] | list[list[int]]:
        """All prompts; one alone is a list of one."""
        given = self.prompt
        if isinstance(given, str):
            return [given]
        if isinstance(given[0], int):
            return [given]
        return given


class TextLogprobs(Told):
    """Natural-log probabilities, token by token; of a prompt's first token, which nothing stands before, null."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None] | None
    text_offset: list[int]


class TextChoice(Told):
    """One answer. ``index`` counts prompts, and the ``n`` answers of each."""

    index: int
    text: str
    logprobs: TextLogprobs | None = None
    finish_reason: Finish | None


class CompletionOut(Told):
    """The answers; a stream tells the same object piece by piece."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    usage: UsageOut | None = None
    system_fingerprint: str
