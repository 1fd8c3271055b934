"""Models that need no weights: ``mock:echo``, ``mock:fail-429`` and others, for tests and for trying out a program.

They behave as a real provider does (streaming, stop strings, max_tokens, usage) and always give the same answer.
A token is one character.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from sibao.core.errors import BadInput, ProviderError, UnknownName
from sibao.core.types import Completion, Delta, FinishReason, GenerateOptions, Message, Prompt, Usage, as_prompts
from sibao.text.detokenize import find_stop

SLOW_SECONDS = 0.05
"""Wait before each character of ``mock:slow``."""

ANSWERS: dict[str, Callable[[str], str]] = {
    "echo": lambda text: text,
    "empty": lambda text: "",
    "reverse": lambda text: text[::-1],
    "slow": lambda text: text,
}
FAILURES: dict[str, tuple[int, bool, str]] = {
    "fail-400": (400, False, "the request is not valid"),
    "fail-401": (401, False, "the key is not valid"),
    "fail-429": (429, True, "too many requests"),
    "fail-500": (500, True, "the server failed"),
}


def load(name: str) -> MockModel:
    """The mock of that name (``mock:echo``).

    Raises:
        UnknownName: no such mock; the nearest names are listed.
    """
    kind = name.removeprefix("mock:")
    if kind not in ANSWERS and kind not in FAILURES:
        raise UnknownName("mock model", kind, [*ANSWERS, *FAILURES])
    return MockModel(kind)


class MockModel:
    """Answers with a function of the last message, or fails as a hosted model may."""

    def __init__(self, kind: str) -> None:
        self.name = f"mock:{kind}"
        self.context = 1 << 20
        self._kind = kind

    def generate(self, prompts: str | Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        """Complete every prompt, in order."""
        return [self._timed(self._complete(p, options or GenerateOptions())) for p in as_prompts(prompts)]

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        """One character at a time; the last piece carries the completion."""
        started = time.perf_counter()
        completion = self._complete(prompt, options or GenerateOptions())
        for char in completion.text:
            self._wait()
            yield Delta(char)
        yield Delta("", _took(completion, time.perf_counter() - started))

    def count(self, prompt: Prompt) -> int:
        """Characters of all messages."""
        return len(prompt) if isinstance(prompt, str) else sum(len(_shown(m)) for m in prompt)

    def _complete(self, prompt: Prompt, options: GenerateOptions) -> Completion:
        if self._kind in FAILURES:
            status, retryable, message = FAILURES[self._kind]
            raise ProviderError(f"{self.name}: {message}", retryable=retryable, status=status)
        for field in ("response_format", "adapter"):
            if getattr(options, field) is not None:
                raise BadInput(f"{self.name} does not know {field}", hint="leave it out, or take another model")
        if options.max_tokens < 1:
            raise BadInput(f"max_tokens is {options.max_tokens}, at least 1 is needed")
        text = ANSWERS[self._kind](prompt if isinstance(prompt, str) else _shown(prompt[-1]) if prompt else "")
        cut = find_stop(text[: options.max_tokens], options.stop)
        full = len(text) if cut is None else cut
        text = text[: min(full, options.max_tokens)]
        reason: FinishReason = "length" if len(text) < full else "stop"
        return Completion(text, reason, Usage(self.count(prompt), len(text)))

    def _timed(self, completion: Completion) -> Completion:
        """The whole answer, after the wait for all of its characters."""
        started = time.perf_counter()
        for _ in completion.text:
            self._wait()
        return _took(completion, time.perf_counter() - started)

    def _wait(self) -> None:
        if self._kind == "slow":
            time.sleep(SLOW_SECONDS)


def _took(completion: Completion, seconds: float) -> Completion:
    return replace(completion, seconds=seconds, first_token_seconds=seconds / max(1, len(completion.text)))


def _shown(message: Message) -> str:
    """The words of a turn; a mock sees of a picture only that it is there."""
    content = message["content"]
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] if part["type"] == "text" else f"[{part['type']}]" for part in content)
