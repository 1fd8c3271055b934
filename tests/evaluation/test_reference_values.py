"""Published and computed constants that need no downloaded weights. The others of them stand where their code is tested:

BLEU, chrF and chrF++ of sacrebleu's own sentences and of the Chinese pairs, and ROUGE: ``CASES`` of ``metrics`` (run by
tests/contract/test_metrics.py), tests/metrics; Wilson, standard errors, McNemar: tests/metrics/test_intervals.py and
test_statistics.py; energy of hosted answers: tests/core/test_api_energy.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from sibao.choosing.shapes import Shape, read_shape
from sibao.core.types import Scored
from sibao.evaluation.conventions import right, values
from sibao.evaluation.suites._questions import ANSWERED, BIASED, RIGHT, ROWS, bias_score, scaled_score
from sibao.evaluation.suites.stereoset import icat
from sibao.metrics.perplexity import bits_per_byte, byte_perplexity, word_perplexity
from sibao.models.base import Keys
from sibao.models.folder import family_of

MIB, GIB = 2**20, 2**30
GPT2: dict[str, Any] = {
    "model_type": "gpt2", "vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024,
    "bos_token_id": 50256, "eos_token_id": 50256,
}  # fmt: skip
LLAMA2: dict[str, Any] = {
    "model_type": "llama", "vocab_size": 32000, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 32, "intermediate_size": 11008, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
    "hidden_act": "silu", "tie_word_embeddings": False,
}  # fmt: skip
QWEN25: dict[str, Any] = {
    "model_type": "qwen2", "vocab_size": 152064, "hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28,
    "num_key_value_heads": 4, "intermediate_size": 18944, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6,
    "hidden_act": "silu", "tie_word_embeddings": False, "rope_theta": 1e6,
}  # fmt: skip


def shape_of(config: dict[str, Any]) -> Shape:
    """Sizes by ``config.json`` alone."""
    family = str(config["model_type"])
    return read_shape(family, family_of(family).read(Keys(config)))


def test_memory_of_gpt2() -> None:
    shape = shape_of(GPT2)
    assert shape.parameters == 124_439_808
    assert shape.weight_bytes("fp32") / MIB == pytest.approx(474.7, abs=0.05)
    assert shape.weight_bytes("fp16") / MIB == pytest.approx(237.4, abs=0.05)
    assert shape.cached * 2 * 1024 == 36 * MIB


def test_keys_and_values_of_larger_models() -> None:
    assert shape_of(LLAMA2).cached * 2 == 512 * 1024
    assert shape_of(QWEN25).cached * 2 * 32768 == 1.75 * GIB


@pytest.mark.parametrize(
    ("word", "byte", "bits"), [(8.7921, 1.5016, 0.5865)], ids=["Llama-2-7B, lm-evaluation-harness #2301"]
)
def test_word_byte_and_bit_figures_of_one_likelihood_agree(word: float, byte: float, bits: float) -> None:
    """The three published figures are one log-likelihood over one text, whose bytes a word they fix: 5.35."""
    words, size = 10_000, round(10_000 * math.log(word) / math.log(byte))
    loglikelihood = -words * math.log(word)
    assert size / words == pytest.approx(5.35, abs=0.01)
    assert word_perplexity(loglikelihood, words) == pytest.approx(word)
    assert byte_perplexity(loglikelihood, size) == pytest.approx(byte, abs=5e-5)
    assert bits_per_byte(loglikelihood, size) == pytest.approx(bits, abs=5e-5)


PYTHIA_70M = (-41.9024, -42.9393, -33.9142, -37.0714)
"""lm-evaluation-harness' stored log-likelihoods of the first four choices that pythia-70m reads of ARC-easy."""


def test_conventions_by_hand_on_published_likelihoods() -> None:
    """acc takes the greatest sum; longer choices win when the sum is divided by their length."""
    choices = ["x" * length for length in (60, 50, 20, 40)]
    given = [Scored(ll, 10, False) for ll in PYTHIA_70M]
    found = values(choices, given)
    assert found["acc"] == list(PYTHIA_70M)
    assert found["acc_norm"] == pytest.approx([-0.69837, -0.85879, -1.69571, -0.92679], abs=1e-5)
    picked = {
        n: [right(choices, given, (), [i])[n] for i in range(4)].index(True) for n in ("acc", "acc_norm", "acc_token")
    }
    assert picked == {"acc": 2, "acc_norm": 0, "acc_token": 2}


def test_han_text_normalizes_alike_by_characters_and_bytes_and_mixed_text_does_not() -> None:
    given = [Scored(-6.0, 2, False), Scored(-7.0, 2, False)]
    pure, mixed = ["北京市", "南京市区"], ["GPT-2模型", "生成式预训练"]
    agreed = [right(pure, given, (), [1])[name] for name in ("acc_norm", "acc_bytes")]
    assert agreed == [True, True]
    one, two = (
        right(mixed, [Scored(-7.0, 2, False), Scored(-7.2, 2, False)], (), [1])[n] for n in ("acc_norm", "acc_bytes")
    )
    assert (one, two) == (False, True)


def test_bias_scores() -> None:
    """7 of 10 answers with the stereotype and an accuracy of .6 (BBQ); GPT-2's published lms and ss (StereoSet)."""
    sums = np.zeros((1, 4))
    sums[0, [RIGHT, ROWS, BIASED, ANSWERED]] = 6, 10, 7, 10
    assert bias_score(sums)[0] == pytest.approx(0.4) and scaled_score(sums)[0] == pytest.approx(0.16)
    assert icat(83.6, 56.4) == pytest.approx(72.90, abs=5e-3)
