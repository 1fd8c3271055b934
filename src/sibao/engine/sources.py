"""The sources that texts of an encoder-decoder look at: each is read once, however many texts answer it at a time."""

from __future__ import annotations

from sibao.engine.blocks import BlockPool
from sibao.engine.runner import Source, blocks_for


class Sources:
    """Those in use, and their blocks."""

    def __init__(self, pool: BlockPool) -> None:
        self._pool = pool
        self._of: dict[tuple[int, ...], Source] = {}
        self.unread: list[Source] = []
        """What the next step has to read."""

    def needed(self, ids: tuple[int, ...] | None) -> int:
        """Blocks that one more text about this source would take."""
        return 0 if ids is None or ids in self._of else blocks_for(len(ids))

    def hold(self, ids: tuple[int, ...] | None, alone: bool) -> Source | None:
        """The source with one more holder. ``alone``: see ``BlockPool.take``."""
        if ids is None:
            return None
        if ids not in self._of:
            table = self._pool.take(blocks_for(len(ids)), alone)
            if table is None:
                raise RuntimeError(f"no room for a source of {len(ids)} tokens: ask ``needed`` before")
            self._of[ids] = Source(ids, table)
            self.unread.append(self._of[ids])
        self._of[ids].holders += 1
        return self._of[ids]

    def release(self, source: Source) -> None:
        """One holder less."""
        source.holders -= 1
        if source.holders:
            return
        self._pool.release(source.table)
        del self._of[source.ids]
        if source in self.unread:
            self.unread.remove(source)
