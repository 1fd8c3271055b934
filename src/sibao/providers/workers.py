"""One model computed by several processes of this machine, or by actors of a Ray cluster: the same answers, sooner.

Prompts are cut into pieces; whoever is free takes the next one. A worker that dies costs only the piece it held, which another
does again. Each loads the model with ``deterministic`` and as many threads as the others, so an answer is the same to the bit
whoever computes it, beside whatever, and whatever their number.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from sibao.core.errors import BadInput, ModelError, ProviderError
from sibao.core.types import Completion, Delta, GenerateOptions, Prompt, Scored, as_prompts
from sibao.providers._worker import Died

log = logging.getLogger("sibao.workers")
TRIES = 3
"""So many workers may die over one piece before it is given up."""
LARGEST = 32
"""Prompts in a piece, at most: what a death may cost."""


class Crew(Protocol):
    """Who computes. A worker is known by its number from 0."""

    size: int

    def start(self, number: int) -> None:
        """(Re)start a worker; it loads the model at once and is given work meanwhile."""
        ...

    def give(self, number: int, method: str, arguments: tuple[Any, ...]) -> None:
        """Hand a worker its next piece of work; it has none now."""
        ...

    def wait(self, busy: Sequence[int]) -> list[tuple[int, Any]]:
        """Some of the busy ones that are done, each with its result: a value, an exception, or ``Died``."""
        ...

    def close(self) -> None:
        """End all workers."""
        ...


def spread(
    name: str, *, precision: str = "auto", workers: int | None = None, ray: str | None = None, threads: int = 1
) -> Spread:
    """A local model over workers.

    Args:
        workers: how many; None: as many as this machine (or the cluster) has cores for ``threads`` each.
        ray: address of a Ray cluster; ``local`` starts one here. None: processes of this machine.

    Raises:
        BadInput: a number below 1, or a hosted model. MissingPackage: Ray is not installed. See also ``load.load``.
    """
    from sibao.providers.load import providers

    if workers is not None and workers < 1:
        raise BadInput(f"got {workers} workers, wanted 1 or more")
    kind, colon, _ = name.partition(":")
    if colon and kind in providers() and kind != "mock":
        raise BadInput(f"{name} does not run on workers", hint="leave out --workers and --ray")
    how = {"precision": precision, "threads": threads, "deterministic": kind != "mock"}
    if kind == "mock":
        how = {}
    crew: Crew
    if ray is None:
        from sibao.providers._processes import Processes

        crew = Processes(name, how, workers, threads)
    else:
        from sibao.providers._ray import RayCrew

        crew = RayCrew(name, how, workers, threads, ray)
    try:
        facts = first(crew)
    except BaseException:
        crew.close()
        raise
    return SpreadScorer(name, crew, facts) if facts["scores"] else Spread(name, crew, facts)


def first(crew: Crew) -> dict[str, Any]:
    """Start all workers; what the first to be ready says of the model.

    Raises:
        ModelError: it died while it loaded. What ``load`` raises.
    """
    for number in range(crew.size):
        crew.start(number)
    crew.give(0, "facts", ())
    ((_, result),) = crew.wait([0])
    if isinstance(result, Died):
        raise ModelError(
            "a worker died while it loaded the model", hint="is there memory for so many? try fewer workers"
        )
    if isinstance(result, Exception):
        raise result
    facts: dict[str, Any] = result
    return facts


class Spread:
    """Implements ``core.types.Model``. ``deaths`` counts the workers that were lost and replaced."""

    def __init__(self, name: str, crew: Crew, facts: dict[str, Any]) -> None:
        self.name, self.context = name, int(facts["context"])
        self.has_template, self.source_form = bool(facts["has_template"]), facts["source_form"]
        self.deaths = 0
        self._crew = crew

    def generate(self, prompts: str | Sequence[Prompt], options: GenerateOptions | None = None) -> list[Completion]:
        """As the model's own.

        Raises:
            ProviderError: the same piece killed several workers. What the model raises.
        """
        return self._map("generate", as_prompts(prompts), options or GenerateOptions())

    def stream(self, prompt: Prompt, options: GenerateOptions | None = None) -> Iterator[Delta]:
        """The whole answer as one piece."""
        (done,) = self.generate([prompt], options)
        yield Delta(done.text, done)

    def count(self, prompt: Prompt) -> int:
        """As the model's own."""
        return int(self._map("count_all", [prompt])[0])

    def close(self) -> None:
        """End the workers."""
        self._crew.close()

    def _map(self, method: str, many: Sequence[Any], *more: Any) -> list[Any]:
        """``method`` over pieces of ``many``; the results in order."""
        size = max(1, min(LARGEST, -(-len(many) // (2 * self._crew.size))))
        pieces = [list(many[begin : begin + size]) for begin in range(0, len(many), size)]
        todo, free = deque(range(len(pieces))), deque(range(self._crew.size))
        held, tries = dict[int, int](), dict[int, int]()
        done: dict[int, Any] = {}
        fault: Exception | None = None
        while held or (todo and fault is None):
            while free and todo and fault is None:
                worker = free.popleft()
                held[worker] = todo.popleft()
                self._crew.give(worker, method, (pieces[held[worker]], *more))
            for worker, result in self._crew.wait(list(held)):
                piece = held.pop(worker)
                free.append(worker)
                if isinstance(result, Died):
                    tries[piece] = tries.get(piece, 0) + 1
                    fault = fault or self._lost(worker, tries[piece])
                    todo.appendleft(piece)
                elif isinstance(result, Exception):
                    fault = fault or result  # the others finish first, so that nobody is left with half a piece
                else:
                    done[piece] = result
        if fault is not None:
            raise fault
        return [one for piece in range(len(pieces)) for one in done[piece]]

    def _lost(self, worker: int, tries: int) -> Exception | None:
        """Replace a dead worker; a fault where its piece has killed several."""
        self.deaths += 1
        log.warning("worker %d died; another does its rows again", worker)
        self._crew.start(worker)
        if tries < TRIES:
            return None
        return ProviderError(f"{tries} workers died over the same rows", hint="is there memory for so many?")


class SpreadScorer(Spread):
    """The same for a model whose probabilities can be read."""

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Scored]:
        """As the model's own."""
        return self._map("score", list(pairs))

    def score_text(self, texts: Sequence[str]) -> list[Scored]:
        """As the model's own."""
        return self._map("score_text", list(texts))
