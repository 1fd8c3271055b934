"""Suites end to end with the model that ships: what is signed, stored, kept, limited, shown; and the scorecard made of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.tiny import tiny_folder
from typer.testing import CliRunner

from sibao.cli.main import app
from sibao.core.errors import BadInput, UnknownName
from sibao.core.prices import Price
from sibao.evaluation.budget import Purse
from sibao.evaluation.scorecard import Cell
from sibao.evaluation.suite import spread
from sibao.store import rows as stored
from sibao.store import runs
from sibao.workflows._models import Opening, identity_of, read_price
from sibao.workflows._scorecard_files import write_card
from sibao.workflows.compare import compare_runs
from sibao.workflows.evaluate_suites import SuiteAsk, against, evaluate_suites, preview_suites
from sibao.workflows.scorecard import CardAsk, scorecard


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))


def test_a_run_says_how_it_was_made_and_keeps_its_rows() -> None:
    (result,) = evaluate_suites("mini", ["csl_category"], SuiteAsk(limit=6, shots=0), quiet=True)
    acc = next(s for s in result.scores if s.name == "acc")
    assert acc.n == 6 and acc.chance == pytest.approx(1 / 13)
    assert acc.signature.startswith("suite:csl_category.v1|data:") and "(sample)|split:" in acc.signature
    assert "|shots:0|prompt:raw|limit:6spread|" in acc.signature
    kept = list(stored.rows_of(result.run))
    assert [row.row for row in kept] == list(range(6)) and all("acc" in row.metrics for row in kept)
    recipe = runs.get_run(result.run).recipe
    assert (recipe["suite"], recipe["shots"], recipe["limit"]) == ("csl_category", 0, 6)


def test_the_second_time_the_answers_are_those_that_were_kept() -> None:
    first, second = (evaluate_suites("mini", ["xstest"], SuiteAsk(limit=4), quiet=True)[0] for _ in range(2))
    assert [s.value for s in first.scores] == [s.value for s in second.scores]
    assert second.speed.completion_tokens == 0 < first.speed.completion_tokens


def test_explaining_shows_every_convention_and_the_border() -> None:
    (result,) = evaluate_suites("mini", ["mmlu"], SuiteAsk(limit=4, shots=0, explain=True), quiet=True)
    assert {"acc", "acc_norm", "acc_bytes", "acc_token", "acc_pmi"} <= {s.name for s in result.scores}
    assert result.explained["boundary"]["requests"] > 0
    (page,) = evaluate_suites("mini", ["wikitext2"], SuiteAsk(limit=1, explain=True), quiet=True)
    names = {s.name for s in page.scores}
    assert {"word_perplexity", "byte_perplexity", "token_perplexity", "strided_token_perplexity"} <= names


def test_perturbed_runs_are_runs_of_their_own() -> None:
    plain, turned = evaluate_suites("mini", ["mmlu"], SuiteAsk(limit=4, shots=0, perturb=("options",)), quiet=True)
    assert turned.task == "mmlu+options" and "|perturb:options.seed0|" in turned.scores[0].signature
    compared, metrics = against(plain, turned).comparison, compare_runs(turned.run, plain.run).metrics
    assert compared["acc"].n == 4
    assert {m.metric: (m.adjusted, m.verdict) for m in metrics} == {
        name: (c.p_value, c.verdict) for name, c in compared.items()
    }


def test_a_limit_of_cost_leaves_rows_missing_and_a_preview_says_so_before() -> None:
    how = Opening(price=Price(1e6, 1e6), cache=False)
    ((name, preview),) = preview_suites("mini", ["csl_category"], SuiteAsk(limit=12, shots=0), how)
    assert name == "csl_category" and 0 < preview.low <= preview.expected <= preview.high
    limited = Opening(price=Price(1e6, 1e6), purse=Purse(preview.expected / 2), cache=False)
    (result,) = evaluate_suites("mini", ["csl_category"], SuiteAsk(limit=12, shots=0), limited, quiet=True)
    assert 0 < result.scores[0].missing < 12


def test_a_suite_that_is_a_task_is_signed_by_the_tasks_own_prompt_and_knows_its_clusters() -> None:
    (result,) = evaluate_suites("mini", ["squad"], SuiteAsk(limit=4), quiet=True)
    f1 = next(s for s in result.scores if s.name == "f1")
    assert "|shots:0|prompt:task(chat)|limit:4spread|task:answer.v" in f1.signature
    rows = list(stored.rows_of(result.run))
    assert len(rows) == 4 and all(row.cluster for row in rows)
    assert runs.get_run(result.run).recipe["chat"] is True
    with pytest.raises(BadInput, match=r"the task answer's own prompt, which has no worked examples; got 3 shots"):
        evaluate_suites("mini", ["squad"], SuiteAsk(shots=3), quiet=True)
    with pytest.raises(BadInput, match="in the form 'chat'"):
        evaluate_suites("mini", ["squad"], SuiteAsk(chat="off"), quiet=True)


def test_an_english_name_in_a_chinese_suite_is_a_chinese_answer(tmp_path: Path) -> None:
    def asked(number: int, answer: str) -> dict[str, object]:
        return {"id": f"DEV_{number}", "question": "什么？", "answers": [{"text": answer, "answer_start": 0}]}

    passage = {"context": "NBA是北美的职业篮球联赛。", "qas": [asked(0, "NBA"), asked(1, "篮球联赛")]}
    file = {"version": "1", "data": [{"title": "篮球", "paragraphs": [passage]}]}
    (tmp_path / "dev.json").write_text(json.dumps(file, ensure_ascii=False), encoding="utf-8")
    for name in ("cmrc2018:all", "xquad"):
        if name == "xquad":
            (tmp_path / "dev.json").rename(tmp_path / "xquad.zh.json")
        (result,) = evaluate_suites("mini", [name], SuiteAsk(path=str(tmp_path)), quiet=True)
        assert {s.name.partition("/")[0] for s in result.scores} == {"f1", "exact_match"}
        assert all("lang:zh" in s.signature and s.n == 2 for s in result.scores)


def test_what_cannot_be_is_refused_before_a_model_is_loaded() -> None:
    with pytest.raises(UnknownName, match="suite"):
        evaluate_suites("mini", ["mmlo"])
    with pytest.raises(BadInput, match="/nowhere"):
        evaluate_suites("mini", ["mmlu"], SuiteAsk(path="/nowhere"))
    with pytest.raises(BadInput, match="lettered"):
        evaluate_suites("mini", ["csl_category"], SuiteAsk(perturb=("options",)))
    with pytest.raises(BadInput, match="perturbed"):
        evaluate_suites("mini", ["tatoeba"], SuiteAsk(perturb=("typos",)))
    for text in ("1", "a,b", "-1,2", "1,2,3"):
        with pytest.raises(BadInput, match=r"two numbers|numbers from 0"):
            read_price(text)


def test_identity_follows_the_files(tmp_path: Path) -> None:
    assert identity_of("mini") == identity_of("mini") != identity_of("mini", "int8")


def test_rows_are_spread_evenly() -> None:
    assert spread(range(10), 4) == [0, 2, 5, 7]


def test_the_scorecard_in_every_form(tmp_path: Path) -> None:
    ask = CardAsk(("csl_category", "crows_pairs", "wikitext2"), limit=4)
    card = scorecard("mini", ask, quiet=True)
    assert {c.section for c in card.cells} >= {"facts", "language", "accuracy", "bias", "speed", "cost"}
    assert all(c.source for c in card.cells)
    again = scorecard("mini", ask, quiet=True)  # from the store
    assert [c.source for c in again.section("bias")] == [c.source for c in card.section("bias")]
    files = {path.name: path.read_text(encoding="utf-8") for path in write_card(card, tmp_path / "card", "zh")}
    assert {"card.md", "card.html", "card.json", "bias.svg"} <= set(files)
    assert "偏见与公平" in files["card.md"] and "model-index" in files["card.md"]
    assert "<link" not in files["card.html"] and "src=" not in files["card.html"]  # nothing from another host
    assert json.loads(files["card.json"])["model"] == "mini"


def test_a_scorecard_takes_no_figure_of_other_weights_rows_or_askings(tmp_path: Path) -> None:
    model = str(tiny_folder(tmp_path / "model", context=512))

    def run() -> str:
        cells = scorecard(model, CardAsk(("csl_category",), limit=4, speed=False), quiet=True).section("accuracy")
        return cells[0].source

    first = run()
    evaluate_suites(model, ["csl_category"], SuiteAsk(limit=4, shots=0), quiet=True)
    assert run() == first
    tiny_folder(tmp_path / "model", seed=1, context=512)
    assert run() != first


def test_a_figure_that_guessing_reaches_is_marked() -> None:
    assert Cell("accuracy", "x", 0.3, low=0.2, high=0.4, chance=0.25).at_chance
    assert not Cell("accuracy", "x", 0.5, low=0.4, high=0.6, chance=0.25).at_chance


def test_the_command_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["evaluate", "mini", "--suite", "csl_category", "--limit", "3", "--shots", "0", "-q", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["results"][0]["task"] == "csl_category"
    listed = CliRunner().invoke(app, ["evaluate", "--list", "--json"])
    assert {"mmlu", "xstest", "wmt22"} <= {one["name"] for one in json.loads(listed.stdout)["suites"]}
    both = CliRunner().invoke(app, ["evaluate", "mini", "--suite", "mmlu", "--task", "answer"])
    assert both.exit_code == 2
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "a", "completion": "b"}\n')
    for words, message in (
        (["--task", "generate", "--data", str(rows), "--shots", "2"], "--shots is for --suite"),
        (["--task", "generate", "--data", str(rows), "--explain-score"], "--explain-score is for --suite"),
        (["--suite", "mmlu", "--max-tokens", "9"], "--max-tokens is for --task"),
        (["--task", "perplexity", "--data", str(rows), "--preview"], "there is no preview of it"),
    ):
        done = CliRunner().invoke(app, ["evaluate", "mini", *words])
        assert done.exit_code == 2 and message in done.output, done.output
    told = CliRunner().invoke(
        app, ["evaluate", "mock:echo", "--task", "generate", "--data", str(rows), "--preview", "--json"]
    )
    assert json.loads(told.stdout)["preview"][0]["rows"] == 1


def test_a_model_without_room_for_five_examples_gets_fewer_and_says_so() -> None:
    (result,) = evaluate_suites("mini", ["mmlu"], SuiteAsk(limit=4), quiet=True)
    signature = result.scores[0].signature
    found = re.search(r"shots:(\d)\(of 5, context 512\)", signature)
    assert found is not None and int(found[1]) < 5
    assert next(s for s in result.scores if s.name == "acc").missing == 0
    asked = evaluate_suites("mini", ["csl_category"], SuiteAsk(limit=4), quiet=True)[0].scores[0].signature
    assert "(of " not in asked


def test_a_number_of_examples_that_was_asked_for_is_kept() -> None:
    (result,) = evaluate_suites("mini", ["mmlu"], SuiteAsk(limit=4, shots=1), quiet=True)
    assert "|shots:1|" in result.scores[0].signature
