"""What every metric promises. A new file under sibao/metrics is tested by being there."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sibao.core.errors import BadInput
from sibao.core.names import load_module, module_names
from sibao.core.types import Score
from sibao.metrics.base import Case
from sibao.metrics.perplexity import Likelihood

METRICS = {name: load_module("sibao.metrics", name, "metric") for name in module_names("sibao.metrics")}
TEXT = {name: module for name, module in METRICS.items() if module.INPUT == "text"}
CASES = [
    pytest.param(module, case, id=f"{name}-{row}")
    for name, module in METRICS.items()
    for row, case in enumerate(module.CASES)
]

ENGLISH = ["The dog bit the man first.", "It was a surprise to nobody here.", "Read three books about the sea."]
CHINESE = ["今天天气很好，我们去公园散步。", "他喜欢读书和写字。", "北京是中国的首都，人口很多。"]
CORPORA = {
    "en": ([*ENGLISH[:2], "Read two books on the sea."], [[text] for text in ENGLISH]),
    "zh": ([*CHINESE[:2], "上海不是中国的首都，人口更多。"], [[text] for text in CHINESE]),
}
LIKELIHOODS = [Likelihood.of("我喜欢读书。", -14.0, 5), Likelihood.of("a b c", -9.5, 4), Likelihood.of("x", -2.0, 1)]

every_metric = pytest.mark.parametrize("module", METRICS.values(), ids=METRICS.keys())
every_text_metric = pytest.mark.parametrize("module", TEXT.values(), ids=TEXT.keys())
both_languages = pytest.mark.parametrize("language", ["zh", "en"])


def sample(module: ModuleType, language: str = "en", order: tuple[int, ...] = (0, 1, 2)) -> tuple[Any, ...]:
    columns = CORPORA[language] if module.INPUT == "text" else (LIKELIHOODS,)
    return tuple([column[row] for row in order] for column in columns)


def test_the_metrics_of_the_four_tasks_are_here() -> None:
    wanted = {"accuracy", "bleu", "chrf", "chrf_pp", "exact_match", "f1", "perplexity", "rouge1", "rouge2", "rougel"}
    assert wanted <= set(METRICS)


def test_listing_metrics_loads_no_heavy_package() -> None:
    script = (
        "import sys\n"
        "from sibao.core.names import load_module, module_names\n"
        "for name in module_names('sibao.metrics'): load_module('sibao.metrics', name, 'metric')\n"
        "print([name for name in ('sacrebleu', 'jieba', 'torch', 'sibao.workflows') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@every_metric
def test_module_says_what_it_is(module: ModuleType) -> None:
    assert module.__name__.rsplit(".", 1)[1] == module.NAME
    assert module.INPUT in ("text", "likelihood")
    assert isinstance(module.HIGHER_IS_BETTER, bool)
    assert module.SCALE is None or module.SCALE in (1.0, 100.0)
    assert re.search(r"\b(19|20)\d\d\b", module.CITATION)
    assert module.__doc__ and module.CASES


@pytest.mark.parametrize(("module", "case"), CASES)
def test_known_value(module: ModuleType, case: Case) -> None:
    score = module.score(*case.arguments, **case.options)
    assert score.value == pytest.approx(case.expected, abs=case.tolerance, rel=0)
    assert score.n == len(case.arguments[0])


@every_metric
def test_score_has_interval_and_signature(module: ModuleType) -> None:
    score = module.score(*sample(module))
    assert isinstance(score, Score)
    assert score.low is not None and score.high is not None
    assert score.low <= score.value <= score.high
    assert score.low < score.high
    assert score.level == 0.95 and score.n == 3 and score.missing == 0
    head, *pairs = score.signature.split("|")
    assert head == module.NAME
    fields = dict(pair.split(":", 1) for pair in pairs)
    assert {"lang", "tok", "unit", "nrefs", "interval", "sibao"} <= set(fields)
    assert len(fields) == len(pairs), "a key stands twice"


@every_metric
def test_order_of_rows_does_not_matter(module: ModuleType) -> None:
    values = {module.score(*sample(module, order=order)).value for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0))}
    assert len(values) == 1


@every_metric
def test_no_rows_are_refused(module: ModuleType) -> None:
    empty: tuple[list[Any], ...] = tuple([] for _ in sample(module))
    for function in (module.score, module.per_row):
        with pytest.raises(BadInput, match=r"got no (rows|texts)") as caught:
            function(*empty)
        assert caught.value.hint


@every_metric
def test_one_row_gives_a_value_and_per_row_agrees_in_length(module: ModuleType) -> None:
    one = module.score(*sample(module, order=(0,)))
    assert math.isfinite(one.value) and one.n == 1
    rows = module.per_row(*sample(module))
    assert len(rows) == 3 and all(isinstance(value, float) for value in rows)


@every_metric
def test_direction_flag(module: ModuleType) -> None:
    if module.INPUT == "text":
        hypotheses, references = sample(module)
        better = module.score([accepted[0] for accepted in references], references).value
        worse = module.score(["zzz"] * 3, references).value
        assert better == pytest.approx(module.SCALE) and worse == pytest.approx(0.0)
        assert worse < module.score(hypotheses, references).value < better
    else:
        better = module.score([Likelihood.of("abc", -1.0, 3)]).value
        worse = module.score([Likelihood.of("abc", -2.0, 3)]).value
    assert (better > worse) == module.HIGHER_IS_BETTER


@every_text_metric
@both_languages
def test_references_score_full_marks_in_both_languages(module: ModuleType, language: str) -> None:
    _, references = CORPORA[language]
    score = module.score([accepted[0] for accepted in references], references, language=language)
    assert score.value == pytest.approx(module.SCALE)
    assert f"lang:{language}" in score.signature


@every_text_metric
def test_language_tag_with_region(module: ModuleType) -> None:
    hypotheses, references = CORPORA["zh"]
    plain = module.score(hypotheses, references, language="zh").value
    assert module.score(hypotheses, references, language="zh-CN").value == plain
    assert module.score(hypotheses, references).value == plain, "Chinese references are recognised"


@every_text_metric
def test_best_of_several_references(module: ModuleType) -> None:
    hypotheses, references = CORPORA["en"]
    single = module.score(hypotheses, references).value
    more = module.score(hypotheses, [[*accepted, hypotheses[row]] for row, accepted in enumerate(references)])
    assert more.value == pytest.approx(module.SCALE) and more.value > single
    assert "nrefs:2" in more.signature
    mixed = module.score(hypotheses, [[*references[0], "other"], *references[1:]])
    assert "nrefs:var" in mixed.signature


@every_text_metric
@pytest.mark.parametrize(
    ("hypotheses", "references", "message"),
    [
        (["a", "b"], [["a"]], "got 2 hypotheses and references for 1 rows"),
        (["a"], [["a"], ["b"]], "got 1 hypotheses and references for 2 rows"),
        (["a", "b"], ["a", "b"], "references of row 0 are str"),
        (["a", "b"], [["a"], "b"], "references of row 1 are str"),
        ("ab", [["a"], ["b"]], "got one string"),
        (["a"], "a", "got one string"),
        (["a"], [[]], "row 0 has no reference"),
        (["a"], [[None]], "row 0 has no reference, or one that is not a string"),
        ([None], [["a"]], "hypothesis 0 is NoneType"),
    ],
)
def test_what_cannot_be_paired_is_refused(module: ModuleType, hypotheses: Any, references: Any, message: str) -> None:
    for function in (module.score, module.per_row):
        with pytest.raises(BadInput, match=re.escape(message)) as caught:
            function(hypotheses, references)
        assert caught.value.hint


@every_text_metric
def test_empty_answers_are_wrong_not_missing(module: ModuleType) -> None:
    _, references = CORPORA["zh"]
    score = module.score(["", " ", "\n"], references)
    assert score.value == 0.0 and score.n == 3


@every_text_metric
def test_row_statistics_make_the_score(module: ModuleType) -> None:
    if not hasattr(module, "row_statistics"):
        assert module.score(*sample(module)).value == pytest.approx(np.mean(module.per_row(*sample(module))))
        return
    rows = module.row_statistics(*sample(module))
    assert module.from_sums(rows.sum(axis=0, keepdims=True))[0] == module.score(*sample(module)).value
