"""The published small recipe, on its real text: it must beat a Kneser-Ney bigram over the same tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bench.ngram import NGram, bits_per_byte, seen_rows

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_tiny_recipe_beats_a_bigram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sibao.text.pack import TokenFile
    from sibao.training.recipe import read_recipe
    from sibao.workflows.pretrain import pretrain

    monkeypatch.setenv("SIBAO_HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)
    recipe = read_recipe("recipes/tiny.toml")
    result = pretrain(recipe, quiet=True)
    rows = recipe.schedule.steps * recipe.run.rows
    tokens = result.folder / "tokens"
    seen = seen_rows(tokens / "train", recipe.data.sequence_length, recipe.run.seed, rows)
    valid = TokenFile(tokens / "valid")
    bigram = bits_per_byte(
        NGram(*seen, valid.meta.vocab_size, 2), np.asarray(valid.tokens), valid.starts, valid.meta.bytes
    )
    assert 2.0 < bigram < 3.5
    assert result.bits_per_byte is not None and result.bits_per_byte < bigram - 0.1
