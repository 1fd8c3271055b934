"""Sibao (四宝): a language model's four jobs - generate, translate, answer, summarize - and proof of how well it does them.

    import sibao
    model = sibao.load("mini")
    sibao.translate("你好", to="en", model=model)

Importing this package loads nothing heavy; torch arrives with the first model.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["answer", "chat", "describe", "evaluate", "generate", "load", "summarize", "translate"]


def __getattr__(name: str) -> Any:
    """Resolve the public verbs on first use, so that ``import sibao`` stays light."""
    if name in __all__:
        from sibao.workflows import api

        return getattr(api, name)
    raise AttributeError(f"module 'sibao' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
