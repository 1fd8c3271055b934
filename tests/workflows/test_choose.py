"""Choosing end to end: limits, race, pick and what is recorded, on models that ship and tiny ones."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from tests.evaluation.models import Reader
from tests.tiny import tiny_folder

from sibao.choosing.cells import Cell
from sibao.choosing.limits import Limits
from sibao.choosing.race_result import Plan
from sibao.core.errors import BadInput, DataError, ProviderError, UnknownName
from sibao.core.prices import Price
from sibao.core.system import machine
from sibao.models.names import MINI
from sibao.store import rows as stored
from sibao.store import runs
from sibao.workflows import _models
from sibao.workflows._choose_ask import PROBE, Ask
from sibao.workflows._choose_cells import Candidate, known_cells, refuse_crowd
from sibao.workflows._choose_html import page as html_page
from sibao.workflows._choose_plot import han_font, save, svg
from sibao.workflows._choose_result import Choice
from sibao.workflows._choose_show import show
from sibao.workflows._choose_words import short
from sibao.workflows._schema_choose import ChooseOut
from sibao.workflows.choose import choose

TODAY = date(2026, 11, 28)
ECHO, REVERSE, EMPTY = (Candidate(f"mock:{kind}") for kind in ("echo", "reverse", "empty"))
SAME = [{"prompt": f"第{i}句 {'ab' * (i % 5)}", "completion": f"第{i}句 {'ab' * (i % 5)}".strip()} for i in range(120)]
PALINDROMES = [{"prompt": text, "completion": text} for i in range(60) if (text := f"{i}啊{str(i)[::-1]}")]
SAMPLE = Path(_models.__file__).parents[1] / "samples" / "csl_category.test.jsonl"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which the interpreter's own share of memory is measured already."""
    home = tmp_path / "home"
    monkeypatch.setenv("SIBAO_HOME", str(home))
    (home / "cache").mkdir(parents=True)
    key = f"python {machine().python} torch {torch.__version__} sibao {version('sibao')}"
    known = {key: {"inference": 250_000_000, "training": 350_000_000}}
    (home / "cache" / "base-memory.json").write_text(json.dumps(known))
    return home


def text(choice: Choice) -> str:
    """What a terminal of 200 columns shows."""
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(show(choice))
    return console.export_text()


def checked(choice: Choice) -> ChooseOut:
    """The JSON object, as the contract has it."""
    head = {"command": "choose", "model": choice.pick.name, "version": "0"}
    return ChooseOut.model_validate(json.loads(json.dumps({**head, **choice.to_json()})))


def test_the_better_model_wins_early_and_the_run_is_kept() -> None:
    choice = choose(Ask((ECHO, EMPTY), rows=SAME), quiet=True, today=TODAY)
    assert (choice.need.task, choice.metric) == ("generate", "accuracy")
    assert (choice.pick.name, choice.pick.by, choice.pick.verdict) == ("mock:echo", "race", "best")
    assert choice.race is not None and choice.race.tokens < choice.race.full_tokens / 2
    quality = choice.table["mock:echo"]["quality"]
    assert quality.value == 1.0 and quality.low is not None and quality.low < 1 and quality.date == "2026-11-28"
    run = runs.get_run(choice.run)
    assert (run.kind, run.status, run.result["choice"]["pick"]["name"]) == ("choose", "done", "mock:echo")
    scores = {score.name: score for score in runs.scores_of(choice.run)}
    assert scores["accuracy/mock:empty"].value == 0 and "always-valid" in scores["accuracy/mock:echo"].signature
    kept = list(stored.rows_of(choice.run))
    assert len(kept) == len(choice.race.order) and kept[0].metrics == {"mock:echo": 1.0, "mock:empty": 0.0}
    assert checked(choice).race is not None
    shown = text(choice)
    assert "Pick: mock:echo" in shown and "dropped after" in shown and "95 %" in shown


def test_equals_are_said_to_be_equal_in_both_languages() -> None:
    choice = choose(Ask((ECHO, REVERSE), rows=PALINDROMES), quiet=True)
    assert choice.pick.verdict == "not distinguishable" and choice.race is not None and choice.race.stopped == "rows"
    assert set(choice.pick.rivals) == {"mock:echo", "mock:reverse"} and choice.pick.name in choice.pick.rivals
    assert "Not distinguishable in quality" in text(choice) and "without effect" in text(choice).lower()
    chinese = text(replace(choice, language="zh"))
    assert "质量无法区分" in chinese and "数据用完" in chinese and "Not " not in chinese


def test_weights_decide_among_equals() -> None:
    dear, cheap = replace(ECHO, price=Price(2.0, 2.0)), replace(REVERSE, price=Price(1.0, 1.0))
    choice = choose(Ask((dear, cheap), rows=PALINDROMES, weights={"cost": 1.0}), quiet=True)
    assert (choice.pick.name, choice.pick.by) == ("mock:reverse", "weights")
    cost = [choice.table[name]["cost"].value for name in ("mock:echo", "mock:reverse")]
    assert cost[0] == pytest.approx(2 * cost[1])  # type: ignore[operator]
    assert "cost / 1000 100 %" in text(choice)


def test_a_model_that_cannot_answer_is_out_with_the_reason() -> None:
    choice = choose(Ask((ECHO, EMPTY, Candidate("mock:fail-429")), rows=SAME), quiet=True)
    (out,) = choice.excluded
    assert (out.name, out.limit) == ("mock:fail-429", "answers") and "too many requests" in out.got
    assert choice.pick.name == "mock:echo" and "mock:fail-429" in choice.others


def test_limits_rule_out_before_anything_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = _models._bare
    monkeypatch.setattr(_models, "_bare", lambda name, how: (opened.append(name), real(name, how))[1])
    names = ("openai:gpt-6-luna", "openai:davinci", "facebook/nllb-200-distilled-600M")
    limits = Limits(offline=True, licences=("commercial",), allow_unknown=True)
    choice = choose(Ask((ECHO, EMPTY, *map(Candidate, names)), rows=SAME, limits=limits), quiet=True, today=TODAY)
    assert opened == ["mock:echo", "mock:empty"]
    assert {(one.name, one.limit) for one in choice.excluded} == {
        ("openai:gpt-6-luna", "offline"), ("openai:davinci", "availability"), ("openai:davinci", "offline"),
        ("facebook/nllb-200-distilled-600M", "licence"),
    }  # fmt: skip
    assert all(one.source for one in choice.excluded)
    assert "CC-BY-NC-4.0" in text(choice)


def test_nobody_keeps_the_limits() -> None:
    choice = choose(Ask((ECHO, EMPTY), rows=SAME, limits=Limits(languages=("zh",))), quiet=True)
    assert choice.pick.name is None and choice.race is None and len(choice.excluded) == 2
    assert checked(choice).model is None and "没有模型符合限制" in text(choice)  # the one language asked for
    assert "no model keeps the limits" in text(replace(choice, language="en"))


def test_who_is_slow_is_out_once_that_is_measured() -> None:
    rows = [{"prompt": "一二三四", "completion": "一二三四"}] * 30
    choice = choose(Ask((ECHO, Candidate("mock:slow")), rows=rows, limits=Limits(max_latency=0.1)), quiet=True)
    (out,) = choice.excluded
    assert (out.name, out.limit) == ("mock:slow", "max-latency") and "5 requests" in out.source
    assert (choice.pick.name, choice.pick.by) == ("mock:echo", "only one left")


def test_a_budget_is_what_a_thousand_requests_cost() -> None:
    dear, fair = replace(ECHO, price=Price(50.0, 50.0)), replace(REVERSE, price=Price(0.5, 0.5))
    choice = choose(Ask((dear, fair, EMPTY), rows=PALINDROMES, limits=Limits(budget=0.1)), quiet=True)
    (out,) = choice.excluded
    assert (out.name, out.limit) == ("mock:echo", "budget") and choice.pick.name == "mock:reverse"


def test_money_is_shared_and_never_passed() -> None:
    both = (replace(ECHO, price=Price(1e4, 1e4)), replace(REVERSE, price=Price(1e4, 1e4)))
    choice = choose(Ask(both, rows=PALINDROMES * 5, plan=Plan(max_cost=3.0), max_tokens=8), quiet=True)
    assert choice.race is not None and choice.race.stopped == "budget"
    spent = sum(lane.cost for lane in choice.race.lanes)
    assert 1.0 < spent <= 3.0 and "ended with the money" in text(choice)


def test_a_price_that_nobody_knows_cannot_be_kept_to() -> None:
    unknown = Candidate("https://nowhere.example/v1#model")
    asked = Ask((ECHO, EMPTY, unknown), rows=SAME, plan=Plan(max_cost=1.0))
    (out,) = choose(asked, quiet=True).excluded
    assert (out.limit, out.wanted, out.got) == ("max-cost", "a price", "")


def reader(monkeypatch: pytest.MonkeyPatch, make: Callable[[str], Any]) -> None:
    """Models of these tests in place of real ones."""
    monkeypatch.setattr(_models, "_bare", lambda name, how: make(name))


class Plain(Reader):
    """It is given the bare prompt."""

    has_template = False


def test_rows_that_fail_are_missing_not_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    reader(monkeypatch, Plain)
    rows = [{"prompt": f"{'FAIL ' if i % 3 == 0 else ''}abc{i}", "completion": f"{i}"[::-1] + "cba"} for i in range(90)]
    choice = choose(Ask((Candidate("mock:a"), Candidate("mock:b")), rows=rows), quiet=True)
    assert choice.race is not None and choice.pick.verdict == "not distinguishable"
    for lane in choice.race.lanes:
        assert (lane.missing, len(lane.values), lane.mean) == (30, 60, 1.0)
    assert "30 of 90 rows have no answer" in text(choice)


def test_a_second_race_asks_only_what_is_new_and_times_a_few_rows_again(monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[Reader] = []
    reader(monkeypatch, lambda name: models.append(Reader(name)) or models[-1])
    rows = [{"prompt": f"abc{i}", "completion": f"{i}"[::-1] + "cba"} for i in range(40)]
    asked = Ask((Candidate("mock:a", price=Price(1, 1)), Candidate("mock:b", price=Price(1, 1))), rows=rows)
    first, second = choose(asked, quiet=True), choose(asked, quiet=True)
    assert models[0].asked == 40 and models[2].asked == models[3].asked == PROBE
    assert first.race is not None and second.race is not None
    assert second.race.tokens == first.race.tokens
    assert sum(x.cost for x in second.race.lanes) == pytest.approx(sum(x.cost for x in first.race.lanes) / 8, rel=0.2)
    choose(replace(asked, cache=False), quiet=True)
    assert models[4].asked == 40


def test_times_are_of_this_run_and_of_one_request_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Timed(Reader):
        seconds = 9.0  # as a batch on a slow machine may take for each of its rows

        def generate(self, prompts: Any, options: Any = None) -> list[Any]:
            return [replace(c, seconds=self.seconds) for c in super().generate(prompts, options)]

    reader(monkeypatch, Timed)
    rows = [{"prompt": f"abc{i}", "completion": f"{i}"[::-1] + "cba"} for i in range(20)]
    asked = Ask((Candidate("mock:a"), Candidate("mock:b")), rows=rows)
    choose(asked, quiet=True)
    monkeypatch.setattr(Timed, "seconds", 0.5)
    again = choose(asked, quiet=True)
    assert {cells["latency"].value for cells in again.table.values()} == {0.5}


@pytest.mark.parametrize("status", [401, 429, 503])
def test_who_fails_on_most_rows_is_not_picked(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    class Tiring(Reader):
        def generate(self, prompts: Any, options: Any = None) -> list[Any]:
            if self.name == "mock:b" and self.calls >= 5:
                raise ProviderError("the quota is used up", status=status)
            return super().generate(prompts, options)

    reader(monkeypatch, Tiring)
    rows = [{"prompt": f"abc{i}", "completion": f"{i}"[::-1] + "cba"} for i in range(40)]
    asked = Ask((Candidate("mock:a", price=Price(1, 1)), Candidate("mock:b")), rows=rows, weights={"cost": 1.0})
    choice = choose(asked, quiet=True)
    assert choice.pick.name == "mock:a" and list(choice.table) == ["mock:a"]
    (out,) = choice.excluded
    assert (out.name, out.limit) == ("mock:b", "answers") and "rows failed: the quota is used up" in out.got


def test_money_in_another_currency_cannot_be_counted() -> None:
    foreign = replace(ECHO, price=Price(1.0, 1.0, currency="CNY"))
    choice = choose(Ask((foreign, EMPTY), rows=SAME, plan=Plan(max_cost=1.0)), quiet=True)
    (out,) = choice.excluded
    assert (out.limit, out.wanted, out.got) == ("max-cost", "a price in USD", "a price in CNY")
    own = Ask((foreign, EMPTY), rows=SAME, plan=Plan(max_cost=1.0), limits=Limits(currency="CNY"))
    assert not choose(own, quiet=True).excluded


def test_a_model_against_itself_in_another_precision(tmp_path: Path) -> None:
    folder = str(tiny_folder(tmp_path / "tiny"))
    rows = [{"prompt": f"a{i}", "completion": "b"} for i in range(24)]
    both = (Candidate(folder, "fp32"), Candidate(folder, "bf16"))
    choice = choose(Ask(both, rows=rows, metric="chrf", max_tokens=4), quiet=True)
    assert list(choice.table) == [f"{folder} (fp32)", f"{folder} (bf16)"]
    memory = [cells["memory"].number for cells in choice.table.values()]
    assert memory[0] is not None and memory[1] is not None and memory[0] > memory[1] > 250_000_000
    first = choice.table[f"{folder} (fp32)"]
    assert first["parameters"].value and first["modalities"].value == ("text",) and first["offline"].value is True
    assert first["energy"].number and first["speed"].number and first["first_token"].number
    assert first["memory"].kind == "estimated" and "~" in text(choice)


def test_a_model_that_is_damaged_is_out_and_one_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "tiny")
    (folder / "model.safetensors").write_bytes(b"nothing")
    (out,) = choose(Ask((ECHO, EMPTY, Candidate(str(folder))), rows=SAME), quiet=True).excluded
    assert out.limit == "opens" and out.got
    with pytest.raises(BadInput, match="no model named"):
        choose(Ask((ECHO, Candidate("nowhere")), rows=SAME), quiet=True)


def test_a_failed_race_is_recorded_as_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise ValueError("a fault of the program")

    reader(monkeypatch, broken)
    with pytest.raises(ValueError, match="a fault"):
        choose(Ask((ECHO, EMPTY), rows=SAME), quiet=True)
    (run,) = runs.list_runs("choose")
    assert run.status == "failed" and "a fault" in run.message


@pytest.mark.parametrize(
    ("asked", "kind", "message"),
    [
        (Ask((ECHO, EMPTY)), BadInput, "neither rows nor a need"),
        (Ask((ECHO, EMPTY), rows=[{"text": "a"}]), BadInput, "cannot be told"),
        (Ask((ECHO, EMPTY), rows=SAME, task="translat"), UnknownName, "translat"),
        (Ask((ECHO, EMPTY), rows=SAME, metric="perplexity"), BadInput, "cannot be raced on"),
        (Ask((ECHO, EMPTY), rows=SAME, weights={"prize": 1.0}), UnknownName, "prize"),
        (Ask((ECHO, ECHO), rows=SAME), BadInput, "stands twice"),
        (Ask((ECHO, EMPTY), rows=[{"prompt": "a"}], task="generate"), BadInput, "has no target"),
        (Ask((ECHO, EMPTY), rows=[{"prompt": 3, "completion": "b"}], task="generate"), DataError, "prompt"),
    ],
)
def test_mistakes_are_refused_before_a_run_begins(asked: Ask, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        choose(asked, quiet=True)
    assert runs.list_runs("choose") == []


def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text('{"prompt": "a", "completion": "b"}\n{"prompt": "", "completion": "b"}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl:2 field 'prompt'"):
        choose(Ask((ECHO, EMPTY), data=(str(data),)), quiet=True)


def test_a_need_alone_is_answered_with_advice() -> None:
    choice = choose(Ask(need="把英文邮件翻译成中文", limits=Limits(offline=True)), quiet=True, today=TODAY)
    assert (choice.need.task, choice.need.to, choice.language, choice.run) == ("translate", "zh", "zh", "")
    shown = text(choice)
    for word in ("最佳应用", "大小决定", "openai:davinci", "困惑度", "BLEU"):
        assert word in shown
    assert "openai:gpt-6-luna 0.1" not in shown  # hosted models break --offline
    assert checked(choice).run is None and runs.list_runs("choose") == []
    english = choose(Ask(need="a TL;DR under every post", candidates=(ECHO, Candidate("openai:davinci"))), quiet=True)
    assert english.language == "en" and english.excluded[0].name == "openai:davinci"


def test_a_need_sets_the_direction_of_a_translation() -> None:
    rows = [{"translation": {"en": f"I read book {i}.", "zh": f"我读第{i}本书。"}} for i in range(20)]
    choice = choose(Ask((ECHO, EMPTY), rows=rows, need="把英文翻译成中文"), quiet=True)
    assert (choice.need.task, choice.metric, choice.language) == ("translate", "chrf", "zh")
    assert {row.references[0][0] for row in stored.rows_of(choice.run)} == {"我"}


def test_without_models_those_of_the_catalogue_that_are_here_race() -> None:
    with pytest.raises(BadInput, match="on this machine are"):
        choose(Ask(rows=SAME), quiet=True)


def test_candidates_that_do_not_fit_together_are_refused() -> None:
    table = {name: {"memory": Cell(1e15, "bytes")} for name in "ab"}
    with pytest.raises(BadInput, match="need 2e"):
        refuse_crowd(table)
    refuse_crowd({"a": {"memory": Cell(1e15)}, "b": {}})


def test_long_paths_are_shown_by_their_ends() -> None:
    names = [
        "mini",
        "mini+/home/me/runs/r1/model",
        "/data/models/big",
        "org/name",
        "http://box:8000/v1#qwen",
        "~/a/b/c (int8)",
    ]
    assert list(short(names).values()) == [
        "mini", "mini+…/r1/model", "…/models/big", "org/name", "http://box:8000/v1#qwen", "…/b/c (int8)",
    ]  # fmt: skip
    alike = ["/a/x/model", "/b/x/model"]
    assert short(alike) == {name: name for name in alike}


def test_an_adapter_and_a_hosted_name_are_known_for_what_they_are() -> None:
    from sibao.choosing.catalogue import catalogue

    known = catalogue()
    hosted = known_cells(Candidate("openai:gpt-6-luna"), known)
    assert hosted["offline"].value is False and hosted["memory"].value == 0
    assert known_cells(Candidate("http://localhost:8000/v1#m"), known)["offline"].value is True
    assert known_cells(Candidate("http://box:8000/v1#m"), known)["offline"].value is False


def test_the_page_and_the_plot_hold_all_of_it(tmp_path: Path) -> None:
    dear, cheap = replace(ECHO, price=Price(2.0, 2.0)), replace(EMPTY, price=Price(1.0, 1.0))
    choice = choose(Ask((dear, cheap, Candidate("mock:fail-500")), rows=SAME), quiet=True)
    page = html_page(choice)
    assert page.startswith("<!doctype html>") and "<svg" in page and "too" not in page.partition("<body>")[0]
    assert not re.search(r"(?:src|href)=\"(?!#)", page)  # nothing from elsewhere
    for word in ("Pick: mock:echo", "mock:fail-500", "the server failed", "this race: accuracy"):
        assert word in page
    for kind, magic in (("svg", b"<?xml"), ("png", b"\x89PNG")):
        save(tmp_path / f"plot.{kind}", choice.table, choice.pick.front, "en")
        assert (tmp_path / f"plot.{kind}").read_bytes().startswith(magic)
    with pytest.raises(BadInput, match=r"no \.png or \.svg"):
        save(tmp_path / "plot.pdf", choice.table, (), "en")
    with pytest.raises(BadInput, match="nothing to draw"):
        save(tmp_path / "none.svg", {"a": {"quality": Cell(0.5), "cost": Cell(1.0)}}, ("a",), "en")


def test_chinese_names_are_drawn_not_boxed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {
        name: {"quality": Cell(q, low=q - 0.1, high=q + 0.1), "cost": Cell(c, "USD / 1000 requests")}
        for name, q, c in (("模型/甲", 0.8, 2.0), ("b", 0.6, 1.0))
    }
    # matplotlib warns of a character that no font has, and here a warning is an error
    save(tmp_path / "zh.png", table, ("b",), "zh")
    drawn = svg(table, ("模型/甲", "b"), "zh")
    assert "模型/甲" in drawn and "质量" in drawn and "<path" in drawn
    monkeypatch.setattr("sibao.workflows._choose_plot.HAN_FONTS", ())
    assert han_font() is None
    save(tmp_path / "plain.png", table, ("b",), "zh")  # in English, with the name escaped


@pytest.mark.skipif(not (MINI / "config.json").is_file(), reason="mini is not in this checkout")
def test_mini_races_itself_in_int8_on_real_rows() -> None:
    both = (Candidate("mini"), Candidate("mini", "int8"))
    asked = Ask(both, data=(str(SAMPLE),), task="generate", metric="accuracy", limit=48, max_tokens=8)
    choice = choose(asked, quiet=True)
    assert choice.race is not None and set(choice.table) == {"mini", "mini (int8)"}
    cells = choice.table["mini"]
    assert cells["licence"].value == "apache-2.0" and cells["commercial"].value is True
    assert cells["languages"].value == ("zh", "en") and cells["parameters"].value == 8_000_768
    assert cells["memory"].number > choice.table["mini (int8)"]["memory"].number  # type: ignore[operator]
    assert checked(choice).pick.name in choice.table


def test_provider_errors_while_opening_are_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str) -> Any:
        if name == "mock:b":
            raise ProviderError("the key is not valid", hint="set it")
        return Reader(name)

    reader(monkeypatch, refused)
    rows = [{"prompt": f"abc{i}", "completion": "x"} for i in range(20)]
    choice = choose(Ask((Candidate("mock:a"), Candidate("mock:b")), rows=rows), quiet=True)
    assert [(one.limit, one.got) for one in choice.excluded] == [("opens", "the key is not valid")]
