"""Answers that have a given form: a JSON schema, any JSON object, a regex, a grammar, or one of several choices.

A constraint says before each token which ones may come (Willard and Louf 2023, arXiv 2307.09702); the end token is among
them only where the text so far is complete. The work is done by llguidance (Earley's parser over regex derivatives,
github.com/guidance-ai/llguidance), which takes bytes: a character that several tokens make up comes out whole.

How an engine calls a constraint: ``mask(ids)`` when it has the logits, and, to compute the mask beside the forward that
makes them, ``prepare(ids)`` just before that forward, with the same ids. ``prepare`` returns at once and works in a
thread (llguidance does not hold Python's lock there); ``mask`` then waits for what is left. Masks that take less than
``WORTH_A_THREAD`` are computed in ``mask``, for handing them over would cost as much. The ids may grow by several tokens,
be the same again, or be shorter (after tokens were taken back): only the difference is read.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from sibao.core.errors import BadInput
from sibao.text._grammars import choice_grammar, format_grammar, json_grammar, lark_grammar, limits, regex_grammar
from sibao.text._patience import patiently
from sibao.text._vocabulary import Vocabulary, vocabulary
from sibao.text.tokenizer import Tokenizer

WORTH_A_THREAD = 200e-6
"""Seconds that a mask must have taken last time for the next one to be computed in a thread."""


class GrammarConstraint:
    """One answer on its way through a grammar; see the head of this file. Made by the functions below.

    It belongs to one request at a time; ``fresh`` gives another one at the beginning without compiling again.
    """

    def __init__(self, words: Vocabulary, matcher: Any) -> None:
        self._words, self._start, self._matcher = words, matcher, matcher.deep_copy()
        self._ids: list[int] = []  # what the matcher has read
        self._ahead: tuple[list[int], Future[Tensor]] | None = None
        self._seconds = 0.0
        self._lock = threading.Lock()

    def fresh(self) -> GrammarConstraint:
        """The same constraint at its beginning, for another answer."""
        return GrammarConstraint(self._words, self._start)

    def prepare(self, ids: Sequence[int]) -> None:
        """Begin with the mask that ``mask(ids)`` will be asked for, if it is worth a thread."""
        if self._seconds < WORTH_A_THREAD or (self._ahead is not None and self._ahead[0] == ids):
            return
        wanted = list(ids)
        self._ahead = (wanted, _threads().submit(self._mask, wanted))

    def mask(self, ids: list[int]) -> Tensor:
        """Bool [ids of the tokenizer], True where a token may follow the answer so far (without the prompt).

        Raises:
            BadInput: a token of the answer does not follow the grammar, or the grammar is too complex here.
        """
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == ids:
            return ahead[1].result()
        return self._mask(ids)

    def _mask(self, ids: list[int]) -> Tensor:
        with self._lock:
            began = time.perf_counter()
            self._read(ids)
            bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
            if self._matcher.is_error():
                raise self._failed(f"the grammar cannot go on after {len(ids)} tokens of the answer")
            allowed = torch.from_numpy(np.unpackbits(bits, count=self._words.size, bitorder="little")).view(torch.bool)
            for end in self._words.ends[1:]:
                allowed[end] = allowed[self._words.ends[0]]
            if not ids and len(self._words.led):
                allowed = self._first(allowed)
            self._seconds = time.perf_counter() - began
            return allowed

    def _first(self, allowed: Tensor) -> Tensor:
        """Before the first token: those that lose their space stand for what is left of them."""
        may_be = torch.cat([allowed, torch.tensor([False, True])])  # no such token; nothing is left
        return allowed.index_copy(0, self._words.led, may_be[self._words.shown])

    def _read(self, ids: list[int]) -> None:
        """Bring the matcher to the end of ``ids``."""
        same = len(self._ids)
        if ids[:same] != self._ids:
            same = next(i for i, (a, b) in enumerate(zip([*ids, None], self._ids, strict=False)) if a != b)
            if not self._matcher.rollback(len(self._fed(self._ids, same))):
                self._matcher, same = self._start.deep_copy(), 0
            del self._ids[same:]
        new = self._fed(ids, same)
        if new and not self._matcher.consume_tokens(new):
            raise self._failed(f"tokens {same} to {len(ids) - 1} of the answer do not follow the grammar")
        self._ids.extend(ids[same:])

    def _fed(self, ids: list[int], start: int) -> list[int]:
        """What the matcher reads for ``ids[start:]``: of a first token that loses its space, what is left."""
        shown = None if start or not ids else self._words.lost.get(ids[0])
        if shown is None:
            return ids[start:]
        return ids[1:] if shown == self._words.nothing else [shown, *ids[1:]]

    def _failed(self, what: str) -> BadInput:
        """The error for a matcher that stands still; it begins anew."""
        why = str(self._matcher.get_error()).partition("\n")[0]
        self._matcher, self._ids = self._start.deep_copy(), []
        return BadInput(f"{what}: {why}", hint="simplify the schema or the grammar")


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, thread_name_prefix="constraint")


def json_schema(schema: Mapping[str, Any], tokenizer: Tokenizer) -> GrammarConstraint:
    """Answers that are JSON and valid under a schema (json-schema.org; llguidance's part of draft 2020-12).

    Raises:
        BadInput: the schema cannot be compiled; the message names the place in it.
        MissingPackage: llguidance is not installed.
    """
    return _compiled(json_grammar(schema), tokenizer)


def any_json(tokenizer: Tokenizer) -> GrammarConstraint:
    """Answers that are a JSON object. Raises MissingPackage where llguidance is not installed."""
    return json_schema({"type": "object"}, tokenizer)


def regex(pattern: str, tokenizer: Tokenizer) -> GrammarConstraint:
    r"""Answers that match a regex from end to end. Rust's syntax (docs.rs/regex): no look-around, no references. ``\d``
    is 0-9; other classes are those of Unicode.

    Raises:
        BadInput: the regex cannot be compiled; the message names the place. MissingPackage: as above.
    """
    return _compiled(regex_grammar(pattern), tokenizer)


def grammar(text: str, tokenizer: Tokenizer) -> GrammarConstraint:
    """Answers that a grammar derives from its rule ``start``.

    Args:
        text: Lark's syntax as llguidance reads it, or llguidance's own JSON form (``{"grammars": [...]}``).

    Raises:
        BadInput: the grammar cannot be compiled; the message names line and column. MissingPackage: as above.
    """
    return _compiled(lark_grammar(text), tokenizer)


def choice(choices: Sequence[str], tokenizer: Tokenizer) -> GrammarConstraint:
    """Answers that are one of several texts.

    Raises:
        BadInput: no choice, or an empty one. MissingPackage: as above.
    """
    return _compiled(choice_grammar(choices), tokenizer)


KEPT = 32
"""Forms that stay compiled for each tokenizer, those used last."""
_KNOWN: WeakKeyDictionary[Tokenizer, OrderedDict[str, GrammarConstraint]] = WeakKeyDictionary()
_LOCK = threading.Lock()


def from_format(response_format: Mapping[str, Any], tokenizer: Tokenizer) -> GrammarConstraint | None:
    """The constraint of a ``response_format`` (see ``core.types.GenerateOptions``); None for ``{"type": "text"}``.

    Raises:
        BadInput: an unknown type, a field that is missing or of the wrong kind, or what the functions above raise.
    """
    try:
        key = json.dumps(response_format)
    except (TypeError, ValueError, RecursionError):
        key = ""  # it is refused below, with its place
    with _LOCK:
        known = _KNOWN.setdefault(tokenizer, OrderedDict())
        made = known.pop(key, None)
    if made is None:
        text = format_grammar(response_format)
        if text is None:
            return None
        made = _compiled(text, tokenizer)
    with _LOCK:
        known[key] = made
        if len(known) > KEPT:
            known.popitem(last=False)
    return made.fresh()


def _compiled(text: str, tokenizer: Tokenizer) -> GrammarConstraint:
    """A constraint from llguidance's form of a grammar that was checked already."""
    words = vocabulary(tokenizer)
    from llguidance import LLMatcher

    matcher = patiently(lambda: LLMatcher(words.engine, text, log_level=0, limits=limits()))
    if matcher.is_error():
        why = str(matcher.get_error()).partition("\n")[0]
        raise BadInput(f"the answer's form cannot be compiled: {why}", hint="simplify the schema or the grammar")
    return GrammarConstraint(words, matcher)
