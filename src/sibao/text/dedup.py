"""Exact and near duplicates, found in one pass over a stream; the first of each group is kept, in its place.

Exact: a 128-bit BLAKE2b digest of the text in NFC, runs of white space taken as one. Near: MinHash (Broder 1997) of
5-shingles - characters for Chinese, words for English - with banded locality-sensitive hashing (Leskovec, Rajaraman,
Ullman, Mining of Massive Datasets, 3.4), and every candidate checked against its estimated Jaccard similarity.

Why the threshold is 0.5 and not the usual 0.8: each changed character breaks five shingles, so 5 % scattered edits
leave 0.95^5 = 77 % of them, a Jaccard similarity of 0.77 / (2 - 0.77) = 0.63. Unrelated texts share next to none.

Memory is bounded by ``window``: texts are compared with at least that many of the last kept ones (and with all, while
there are fewer). ``DedupCounts.outside`` says how many texts came after something had been forgotten.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Sized
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sibao.core.errors import BadInput
from sibao.text.language import detect

PERMUTATIONS = 128
SEED = 20210714
SHINGLE = 5
MIN_SHINGLES = 8
"""Shorter texts are only compared exactly: a handful of shingles says little, and one edit breaks most."""
EXACT_PER_NEAR = 8
"""A digest takes about a thirtieth of the memory of a signature with its buckets (about 5 KiB)."""
_HEAD = 4096
"""Characters that tell the language of a document."""
_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_WIDE = re.compile("[０-９Ａ-Ｚａ-ｚ]")
_NOT_LETTERS = re.compile(r"[\W_]+")
Half = TypeVar("Half", bound=Sized)


@dataclass(frozen=True)
class DedupOptions:
    """``threshold`` is the Jaccard similarity of shingles from which two texts are near duplicates.

    ``window`` 100,000 takes at most about 1.2 GB: when it is full, with twice that many long texts.
    """

    exact: bool = True
    near: bool = True
    threshold: float = 0.5
    window: int = 100_000
    pairs: bool = False

    def __post_init__(self) -> None:
        if not 0.1 <= self.threshold <= 1:
            raise BadInput(f"threshold is {self.threshold}, wanted a similarity from 0.1 to 1")
        if self.window < 1:
            raise BadInput(f"window is {self.window}, wanted 1 or more")


@dataclass
class DedupCounts:
    """What was found. ``pairs`` holds (dropped, kept, similarity), both by their place in the stream from 0."""

    seen: int = 0
    exact: int = 0
    near: int = 0
    outside: int = 0
    pairs: list[tuple[int, int, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Fingerprint:
    """All that deduplication needs of a text; small, and made in any process. ``signature`` is None for a short one."""

    digest: bytes
    signature: Any = None


def fingerprint(text: str, options: DedupOptions | None = None) -> Fingerprint:
    """Digest and MinHash signature of a text (a ``rensa.RMinHash`` of ``PERMUTATIONS`` values)."""
    options = options or DedupOptions()
    same = " ".join(unicodedata.normalize("NFC", text).split())
    digest = hashlib.blake2b(same.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    pieces = shingles(text) if options.near else []
    if len(pieces) < MIN_SHINGLES:
        return Fingerprint(digest)
    from rensa import RMinHash

    signature = RMinHash(PERMUTATIONS, SEED)
    signature.update(pieces)
    return Fingerprint(digest, signature)


def shingles(text: str) -> list[str]:
    """5-grams of characters for Chinese, of words for English; case, widths, punctuation and spaces do not count."""
    if _WIDE.search(text):  # only then, because NFKC of Chinese text is slow
        text = unicodedata.normalize("NFKC", text)
    text = text.casefold()
    if detect(text[:_HEAD]) == "zh":
        letters = _NOT_LETTERS.sub("", text)
        return [letters[i : i + SHINGLE] for i in range(len(letters) - SHINGLE + 1)]
    words = _WORD.findall(text)
    return [" ".join(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)]


def bands(threshold: float) -> int:
    """Bands of the signature: as few as still make a pair at the threshold a candidate with probability 0.85.

    With r values in each of b = PERMUTATIONS / r bands, a pair of similarity s is one with 1 - (1 - s^r)^b.
    """
    for rows in (16, 8, 4, 2):
        if 1 - (1 - threshold**rows) ** (PERMUTATIONS // rows) >= 0.85:
            return PERMUTATIONS // rows
    return PERMUTATIONS


class Deduplicator:
    """Takes texts one by one and says which are new. Equal input gives equal output, on every machine."""

    def __init__(self, options: DedupOptions | None = None) -> None:
        self.options = options or DedupOptions()
        self.counts = DedupCounts()
        self._digests = _Window[dict[bytes, int]](self.options.window * EXACT_PER_NEAR, dict)
        self._near = _Window[_Index](self.options.window, self._new_index)

    def is_new(self, text: str) -> bool:
        """Whether no earlier text is the same or nearly so."""
        return self.is_new_fingerprint(fingerprint(text, self.options))

    def is_new_fingerprint(self, mark: Fingerprint) -> bool:
        """As ``is_new``, for a fingerprint that was made elsewhere."""
        place, counts = self.counts.seen, self.counts
        counts.seen += 1
        counts.outside += self._digests.forgot or self._near.forgot
        if self.options.exact:
            kept = next((half[mark.digest] for half in self._digests.halves if mark.digest in half), None)
            if kept is not None:
                counts.exact += 1
                return self._drop(place, kept, 1.0)
        found = self._most_similar(mark.signature) if self.options.near and mark.signature is not None else None
        if self.options.exact:
            self._digests.room()[mark.digest] = found[0] if found else place
        if found:
            counts.near += 1
            return self._drop(place, *found)
        if self.options.near and mark.signature is not None:
            self._near.room().insert(place, mark.signature)
        return True

    def _drop(self, place: int, kept: int, similarity: float) -> bool:
        if self.options.pairs:
            self.counts.pairs.append((place, kept, similarity))
        return False

    def _new_index(self) -> _Index:
        return _Index(self.options.threshold)

    def _most_similar(self, signature: Any) -> tuple[int, float] | None:
        found = [match for half in self._near.halves for match in half.similar(signature)]
        return min(found, key=lambda match: (-match[1], match[0]), default=None)


class _Window(Generic[Half]):
    """Two halves, each filled up to ``size``; when the newer is full the older is forgotten."""

    def __init__(self, size: int, new: Callable[[], Half]) -> None:
        self.size, self.new = size, new
        self.halves = [new()]
        self.forgot = False

    def room(self) -> Half:
        """The half that takes the next one."""
        if len(self.halves[0]) >= self.size:
            self.forgot = self.forgot or len(self.halves) > 1
            self.halves = [self.new(), self.halves[0]]
        return self.halves[0]


class _Index:
    """The band table of rensa beside the signatures of its keys, which it does not give back."""

    def __init__(self, threshold: float) -> None:
        from rensa import RMinHashLSH

        self.threshold = threshold
        self.table = RMinHashLSH(threshold, PERMUTATIONS, bands(threshold))
        self.signatures: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self.signatures)

    def insert(self, place: int, signature: Any) -> None:
        self.table.insert(place, signature)
        self.signatures[place] = signature

    def similar(self, signature: Any) -> list[tuple[int, float]]:
        """Place and estimated similarity of every kept text above the threshold."""
        candidates = sorted(set(self.table.query(signature)))
        scored = [(place, signature.jaccard(self.signatures[place])) for place in candidates]
        return [match for match in scored if match[1] >= self.threshold]
