"""Tables that a benchmark prints, put into the documents between their marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path


def put(page: Path, mark: str, lines: Sequence[str]) -> None:
    """Replace what stands between ``<!-- mark -->`` and ``<!-- end -->``."""
    block = "\n".join([f"<!-- {mark} -->", *lines, "<!-- end -->"])
    text = page.read_text(encoding="utf-8")
    page.write_text(re.sub(rf"<!-- {mark} -->.*?<!-- end -->", lambda _: block, text, flags=re.S), encoding="utf-8")
