"""Fixtures that several packages' tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings
from tests.tiny import tiny_folder

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# the same examples in every run; HYPOTHESIS_PROFILE=search looks for new ones
settings.register_profile("seeded", derandomize=True)
settings.register_profile("search")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "seeded"))


@pytest.fixture(scope="session")
def qwen_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen3 with ChatML template; read only."""
    return tiny_folder(tmp_path_factory.mktemp("tiny") / "qwen3")


@pytest.fixture(scope="session")
def gpt2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-2; read only."""
    return tiny_folder(tmp_path_factory.mktemp("tiny") / "gpt2", family="gpt2", seed=1)
