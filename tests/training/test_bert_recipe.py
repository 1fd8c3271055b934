"""The published recipe of a small BERT, on its real text: hidden words are guessed better than their frequencies allow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_bert_recipe_beats_the_frequencies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sibao.text.pack import TokenFile
    from sibao.text.tokenizer import Tokenizer
    from sibao.training.recipe import read_recipe
    from sibao.workflows.pretrain import pretrain

    monkeypatch.setenv("SIBAO_HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)
    result = pretrain(read_recipe("recipes/bert.toml"), quiet=True)
    control = list(Tokenizer.load(result.folder / "tokenizer").special_ids)
    counts = np.bincount(np.asarray(TokenFile(result.folder / "tokens" / "valid").tokens), minlength=4096).astype(float)
    counts[control] = 0.0
    shares = counts[counts > 0] / counts.sum()
    entropy = float(-(shares * np.log(shares)).sum())
    assert 5.0 < entropy < 8.0
    assert result.valid_loss is not None and result.valid_loss < entropy - 0.5
