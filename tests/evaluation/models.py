"""A model for tests that computes its answers from the prompt, counts its calls and can fail on chosen words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from sibao.core.errors import ContextOverflow, ProviderError
from sibao.core.types import Completion, Delta, GenerateOptions, Prompt, Scored, Usage, as_prompts


class Reader:
    """Likelihoods and texts that are a function of the text alone; ``asked`` counts what was put to it.

    A prompt that holds "FAIL" makes the provider fail, one that holds "LONG" does not fit.
    """

    context = 512

    def __init__(self, name: str = "reader") -> None:
        self.name = name
        self.asked = 0
        self.calls = 0

    def generate(self, prompts: str | Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        """The prompt's last word, said backwards."""
        many = as_prompts(prompts)
        self._see([str(prompt) for prompt in many])
        limit = (options or GenerateOptions()).max_tokens
        return [
            Completion(str(p).split()[-1][::-1][:limit], "stop", Usage(len(str(p)), min(limit, 5)), 0.1) for p in many
        ]

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        """In one piece."""
        (done,) = self.generate([prompt], options)
        yield Delta(done.text, done)

    def count(self, prompt: Prompt) -> int:
        """Characters."""
        return len(str(prompt))

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Scored]:
        """A number made from the text."""
        self._see([f"{context}{continuation}" for context, continuation in pairs])
        return [
            Scored(_number(f"{context}|{continuation}"), len(continuation), False) for context, continuation in pairs
        ]

    def score_text(self, texts: Sequence[str]) -> list[Scored]:
        """The same for whole texts."""
        return self.score([("", text) for text in texts])

    def _see(self, texts: list[str]) -> None:
        self.calls += 1
        for text in texts:
            if "FAIL" in text:
                raise ProviderError("the provider failed", status=500)
            if "LONG" in text:
                raise ContextOverflow(600, 512)
        self.asked += len(texts)


def _number(text: str) -> float:
    return -1.0 - int(hashlib.sha256(text.encode()).hexdigest()[:6], 16) / 2**20
