"""WikiText-2: articles of Wikipedia (Merity et al. 2016, arXiv 1609.07843).

The published files are tokenized. As in lm-evaluation-harness the text that is scored is put back into ordinary spelling,
while words and bytes are counted in the page as published.
"""

from __future__ import annotations

import re

from sibao.core.errors import DataError
from sibao.core.types import Row
from sibao.evaluation.places import Place
from sibao.evaluation.suite import Rows
from sibao.evaluation.texts import TextSuite

HEADING = re.compile(r" = (?!= ).*(?<! =) = ?")
"""The line of an article's title; those of its sections have more signs."""
_JOINED = [
    ("s '", "s'"), (" @-@ ", "-"), (" @,@ ", ","), (" @.@ ", "."),
    (" : ", ": "), (" ; ", "; "), (" . ", ". "), (" ! ", "! "), (" ? ", "? "), (" , ", ", "),
]  # fmt: skip
_LAST = [
    ("= = = =", "===="), ("= = =", "==="), ("= =", "=="), (" ° ", "°"), (" \n", "\n"), ("\n ", "\n"), (" N ", " 1 "),
    (" 's", "'s"),
]  # fmt: skip
_ENCLOSED = [
    re.compile(rf"{re.escape(a)}\s*([^{re.escape(b)}]*?)\s*{re.escape(b)}") for a, b in ("()", "[]", "{}", '""', "''")
]


class WikiText2(TextSuite):
    """The validation file (``wiki.valid.tokens``, ``wiki.valid.raw`` or ``valid.txt``), one article a page."""

    name = "wikitext2"
    area = "language"
    about = {"en": "how well English Wikipedia articles are predicted", "zh": "对英文维基条目的预测能力"}
    license = "CC BY-SA 3.0"
    source = "https://huggingface.co/datasets/Salesforce/wikitext"
    folder = "wikitext2"
    files = ("*valid*",)
    caveat = {
        "en": "where rare words are <unk> (the tokenized file) figures do not compare with those of the raw one",
        "zh": "分词版文件以 <unk> 代替罕用词，分数不可与原始版比较",
    }

    def read(self, place: Place) -> Rows:
        """Rows of ``page``: an article with its title, as it stands in the file."""
        rows: list[Row] = []
        for path in place.files(self.files[0]):
            try:
                text = path.read_text(encoding="utf-8")
            except (UnicodeDecodeError, OSError) as error:
                raise DataError(f"cannot be read: {error}", file=str(path), hint="it is plain text in UTF-8") from None
            rows += [{"page": page, "_file": str(path), "_line": line} for line, page in articles(text)]
        return Rows(rows, split="valid")

    def pages(self, rows: Rows) -> list[tuple[str, str]]:
        """(article as published, article in ordinary spelling)."""
        return [(row["page"], detokenized(row["page"])) for row in rows.test]


def articles(text: str) -> list[tuple[int, str]]:
    """(line, article) of a file: an article begins at a title between empty lines; what stands before the first is none."""
    lines = text.split("\n")
    starts = [n for n, line in enumerate(lines) if HEADING.fullmatch(line) and not _filled(lines, n)]
    ends = [*starts[1:], len(lines)]
    return [(start + 1, "\n".join(lines[start:end])) for start, end in zip(starts, ends, strict=True)]


def _filled(lines: list[str], number: int) -> bool:
    """Whether the line before or behind holds something."""
    return any(0 <= n < len(lines) and lines[n].strip() for n in (number - 1, number + 1))


def detokenized(page: str) -> str:
    """Ordinary spelling, by the rules of lm-evaluation-harness in their order. One of them, for a digit between slashes, fits
    no text that the files hold and is left out."""
    for old, new in _JOINED:
        page = page.replace(old, new)
    for pattern in _ENCLOSED:
        page = pattern.sub(lambda found: found[0][0] + found[1] + found[0][-1], page)
    for old, new in _LAST:
        page = page.replace(old, new)
    return page


SUITE = WikiText2()
