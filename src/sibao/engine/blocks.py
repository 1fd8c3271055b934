"""The blocks of the key/value cache: who holds which, and which contents are remembered for requests that begin alike.

A block that is full can be found again by what it holds: its tokens and the block before it (prefix caching as in
SGLang's radix tree, arXiv 2312.07104, section 3, over blocks as in vLLM). Blocks nobody holds stay findable until their
memory is wanted, least recently used first.

What two requests have in common seldom ends where a block does. So of blocks that were read at once the first tokens are
remembered too: another that goes on with the same ones has them copied, which costs far less than reading them.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from sibao.engine.runner import BLOCK

Root = tuple[object, ...]
"""What a sequence begins with besides tokens: its adapter, say."""
_Key = tuple[object, tuple[int, ...]]
ALIKE = range(8, BLOCK, 4)
"""So many first tokens of a block are looked for in others that begin alike."""


class BlockPool:
    """Counts, shares and remembers blocks; their contents lie in the runner's cache.

    Args:
        capacity: how many blocks the cache has.
        limit: how many may be in use or remembered while several requests run; one alone may go beyond.
    """

    def __init__(self, capacity: int, limit: int) -> None:
        self.capacity, self.limit = capacity, min(limit, capacity)
        self._free: list[int] = []
        self._touched = 0  # blocks 0.._touched-1 were used at some time; later ones have cost no memory yet
        self._holders = [0] * capacity
        self._idle: OrderedDict[int, None] = OrderedDict()  # remembered, held by nobody; oldest first
        self._block: dict[_Key, int] = {}
        self._key: dict[int, _Key] = {}
        self._serial: dict[int, int] = {}  # of what a block holds; never given twice
        self._count = 0
        # by first tokens, as many as ALIKE says: the first block that held them; of a block all it is known to hold, and its keys
        self._begun: dict[_Key, int] = {}
        self._beginning: dict[int, tuple[tuple[int, ...], list[_Key]]] = {}

    @property
    def held(self) -> int:
        """Blocks that some request holds."""
        return self._touched - len(self._free) - len(self._idle)

    def room(self, alone: bool = False) -> int:
        """Blocks that could be had now."""
        return (self.capacity if alone else self.limit) - self.held

    def find(self, root: Root, ids: Sequence[int]) -> list[int]:
        """Blocks that hold the beginning of ``ids``, all full, and never the last token: that is read for its result."""
        found: list[int] = []
        before: object = root
        for end in range(BLOCK, len(ids), BLOCK):
            block = self._block.get((before, tuple(ids[end - BLOCK : end])))
            if block is None:
                break
            found.append(block)
            before = self._serial[block]
        return found

    def beginnings(self, root: Root, found: Sequence[int], ids: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Blocks that begin as ``ids`` go on after the blocks ``found``, those with most in common first, and how many tokens
        that is: never the last one."""
        rest = tuple(ids[len(found) * BLOCK : min(len(ids) - 1, (len(found) + 1) * BLOCK)])
        before = self._serial[found[-1]] if found else root
        for size in reversed(ALIKE):
            block = self._begun.get((before, rest[:size])) if size <= len(rest) else None
            if block is not None:
                held, _ = self._beginning[block]
                unlike = (n for n, (one, other) in enumerate(zip(rest, held, strict=False)) if one != other)
                yield block, next(unlike, min(len(rest), len(held)))

    def hold(self, blocks: Sequence[int]) -> None:
        """One more holder for each."""
        for block in blocks:
            self._holders[block] += 1
            self._idle.pop(block, None)

    def take(self, count: int, alone: bool = False) -> array[int] | None:
        """So many blocks with one holder and nothing in them; None where there is no room for all."""
        if count > self.room(alone):
            return None
        return array("i", [self._one() for _ in range(count)])

    def _one(self) -> int:
        if self._free:
            block = self._free.pop()
        elif self._touched < self.limit or not self._idle:
            block = self._touched
            self._touched += 1
        else:
            block, _ = self._idle.popitem(last=False)
            self._forget(block)
        self._holders[block] = 1
        return block

    def release(self, blocks: Sequence[int]) -> None:
        """One holder less for each. Later blocks are given up first: without those before them they are never found."""
        for block in reversed(blocks):
            self._holders[block] -= 1
            if self._holders[block]:
                continue
            if block in self._key or block in self._beginning:
                self._idle[block] = None
            else:
                self._free.append(block)

    def remember(self, block: int, root: Root, before: int | None, ids: Sequence[int]) -> None:
        """A block is full: it may be found by its tokens and the block before it (None: it is the first)."""
        if before is not None and before not in self._serial:
            return  # the block before was a copy of one remembered already: what follows it is not found through it
        key = (root if before is None else self._serial[before], tuple(ids))
        if key in self._block or block in self._key:
            return
        self._count += 1
        self._block[key], self._key[block], self._serial[block] = block, key, self._count

    def remember_beginning(self, block: int, root: Root, before: int | None, ids: Sequence[int]) -> None:
        """A block begins with these tokens, and may be found by the first of them, where no other is."""
        if before is not None and before not in self._serial:
            return
        self._forget_beginning(block)
        which: object = root if before is None else self._serial[before]
        keys: list[_Key] = [(which, tuple(ids[:size])) for size in ALIKE if size <= len(ids)]
        if new := [key for key in keys if key not in self._begun]:
            self._begun |= dict.fromkeys(new, block)
            self._beginning[block] = tuple(ids), new

    def forget(self, blocks: Sequence[int]) -> None:
        """What these blocks hold is not to be found any more: a step that should have filled them failed."""
        for block in blocks:
            self._forget(block)

    def _forget(self, block: int) -> None:
        if block in self._key:
            del self._block[self._key.pop(block)]
            del self._serial[block]
        self._forget_beginning(block)

    def _forget_beginning(self, block: int) -> None:
        _, keys = self._beginning.pop(block, ((), []))
        for key in keys:
            del self._begun[key]
