"""Words of Chinese text, which are not set apart by spaces."""

from __future__ import annotations

import functools
import warnings
from typing import Any


@functools.cache
def cutter() -> Any:
    """An own jieba tokenizer: words that someone adds to jieba's shared one move no score and no training run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba 0.42.1 asks for pkg_resources, which warns that it is old
        import jieba
    jieba.setLogLevel("WARNING")  # it reports the loading of its dictionary on stderr
    return jieba.Tokenizer()
