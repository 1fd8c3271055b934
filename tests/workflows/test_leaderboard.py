"""``sibao leaderboard``: own runs and imported results, ranks, files out and in, the page."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.workflows.stored_runs import choices, translations

from sibao.core.errors import BadInput, DataError, UnknownName
from sibao.core.types import Score
from sibao.evaluation.ranks import RankRange
from sibao.store import database
from sibao.store.published import published, sources
from sibao.store.runs import add_scores, create_run, finish_run
from sibao.workflows._board_files import folder_name
from sibao.workflows._board_html import write_page
from sibao.workflows._board_show import imported
from sibao.workflows.leaderboard import (
    Choice,
    export_results,
    forget_files,
    import_files,
    leaderboard,
    to_json,
)

TABLES = Path(__file__).parents[1] / "data" / "paperswithcode" / "tables.json"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    yield
    database.close()


def three_models() -> None:
    """Two that agree on nearly every row, and one that is far worse."""
    rng = random.Random(5)
    good = [float(rng.random() < 0.7) for _ in range(300)]
    choices("good", good)
    choices("twin", [1.0 - v if n < 4 else v for n, v in enumerate(good)])
    choices("poor", [v if rng.random() < 0.5 else 0.0 for v in good])


def test_who_could_truly_be_first() -> None:
    three_models()
    board = next(b for b in leaderboard() if b.metric == "acc")
    ranks = {p.entry.result.model: p.ranks for p in board.places}
    assert ranks == {"good": RankRange(1, 2, 3), "twin": RankRange(1, 2, 3), "poor": RankRange(3, 3, 3)}
    assert board.places[-1].entry.result.model == "poor" and board.places[0].entry.chance == 0.25


def test_a_paired_test_of_the_rows_is_sharper_than_the_intervals() -> None:
    base = [1.0] * 60 + [0.0] * 40
    choices("a", base)
    choices("b", [1.0] * 68 + [0.0] * 32)  # overlapping intervals, but eight rows gained and none lost
    board = next(b for b in leaderboard() if b.metric == "acc")
    first, second = (p.entry.result for p in board.places)
    assert first.model == "b" and (first.low or 1) < (second.high or 0)
    assert [p.ranks for p in board.places] == [RankRange(1, 1, 2), RankRange(2, 2, 2)]


def test_the_newest_run_counts_and_other_ways_of_asking_stand_apart() -> None:
    choices("a", [0.0, 1.0])
    newest = choices("a", [1.0, 1.0])
    choices("a", [1.0, 0.0], {"precision": "int8"})
    choices("a", [1.0, 0.0], {"shots": 5})
    create_run("evaluate", "unfinished", {})
    found = [b for b in leaderboard() if b.metric == "acc"]
    plain = next(b for b in found if "shots:0" in b.how)
    assert {p.entry.result.model: p.entry.run == newest for p in plain.places} == {"a": True, "a (int8)": False}
    assert len(found) == 2 and all(b.apart for b in found)


def test_two_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for parent in ("x", "y"):
        (tmp_path / parent / "model").mkdir(parents=True)
        choices(str(tmp_path / parent / "model"), [1.0, 0.0])
    board = leaderboard(Choice(metrics=("acc",)))[0]
    assert {p.entry.result.model for p in board.places} == {"x/model", "y/model"}


def test_groups_with_a_total_and_what_is_no_number_are_left_out() -> None:
    run = create_run("evaluate", "m", {"suite": "mmlu", "data": "d", "split": "test"})
    scores = [Score("acc", 0.5), Score("acc/law", 0.4), Score("chrf/en-zh", 30.0), Score("acc_norm", float("nan"))]
    add_scores(run, scores)
    finish_run(run, "done")
    assert sorted(b.metric for b in leaderboard()) == ["acc", "chrf/en-zh"]


def test_files_are_imported_replaced_and_forgotten(tmp_path: Path) -> None:
    (one,) = import_files([str(TABLES)])
    assert one.results == len(published()) > 40 and sources() == {str(TABLES.resolve()): one.results}
    lines = imported([one])
    assert lines[0].endswith(f"{one.results} results, {sum(p.kind == 'absent' for p in one.problems)} empty cells")
    assert any("'93.0/90.7'" in line for line in lines)
    import_files([str(TABLES)])
    assert len(published()) == one.results
    board = next(b for b in leaderboard() if b.metric == "F1" and b.dataset == "ReCoRD")
    assert [p.entry.result.value for p in board.places][:2] == [91.209, 83.737]
    assert all(p.ranks is None for p in board.places)
    ogb = next(b for b in leaderboard() if b.metric == "Test Accuracy")
    assert [p.ranks for p in ogb.places][:2] == [RankRange(1, 2, 4)] * 2  # 0.8428 ± 0.0014 and 0.8418 ± 0.0007
    assert forget_files([str(TABLES)]) == one.results and published() == [] and leaderboard() == []
    with pytest.raises(UnknownName, match="no imported source named"):
        forget_files([str(TABLES)])


def test_a_figure_that_two_files_give_alike_stands_once(tmp_path: Path) -> None:
    (tmp_path / "copy.json").write_bytes(TABLES.read_bytes())
    import_files([str(TABLES), str(tmp_path / "copy.json")])
    assert len(published()) == 106 and sum(len(b.places) for b in leaderboard()) == 53


def test_nothing_is_kept_where_one_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(DataError, match=r"bad\.json:1"):
        import_files([str(TABLES), str(tmp_path / "bad.json")])
    assert published() == []
    for name in ("x.csv", "empty"):
        (tmp_path / name).mkdir() if name == "empty" else (tmp_path / name).write_text("a")
        with pytest.raises(BadInput) as error:
            import_files([str(tmp_path / name)])
        assert "README.md (model-index)" in error.value.hint
    with pytest.raises(DataError, match="does not exist"):
        import_files([str(tmp_path / "nowhere.json")])


def test_a_choice_by_name() -> None:
    import_files([str(TABLES)])
    choices("mini", [1.0, 0.0, 1.0])
    assert {b.dataset for b in leaderboard(Choice(datasets=("record",)))} == {"ReCoRD"}
    assert {b.task for b in leaderboard(Choice(suites=("mmlu",)))} == {"mmlu"}
    assert {b.task for b in leaderboard(Choice(tasks=("textual",)))} == {"Semantic Textual Similarity"}
    assert all(p.entry.run for b in leaderboard(Choice(own=True)) for p in b.places)
    (one,) = leaderboard(Choice(models=("LUKE (single model)",), metrics=("em",)))
    assert [p.entry.result.model for p in one.places] == ["LUKE (single model)"]
    with pytest.raises(UnknownName, match="no dataset on the board named 'recrod'") as error:
        leaderboard(Choice(datasets=("recrod",)))
    assert error.value.hint
    with pytest.raises(UnknownName, match="no model on the board") as many:
        leaderboard(Choice(models=("zzzzzz",)))
    assert "sibao leaderboard --json lists them" in many.value.hint


@pytest.mark.parametrize("form, name", [("pwc", "t.json.gz"), ("model-index", "cards"), ("eval-results", "repos")])
def test_own_results_go_out_and_come_back_with_interval_and_signature(form: str, name: str, tmp_path: Path) -> None:
    three_models()
    wanted = ["I like books.", "It rains."]
    translations("org/name", ["I like book.", "It rain."], wanted, {"data": ["/secret/对照.jsonl"], "to": "en"})
    before = sorted((replace(p.entry.result, source="") for b in leaderboard() for p in b.places), key=repr)
    paths = export_results(form, tmp_path / name, Choice(own=True))  # type: ignore[arg-type]
    assert all(path.is_file() and "secret" not in path.read_bytes().decode("latin-1") for path in paths)
    import_files([str(path) for path in paths])
    after = sorted((replace(r, source="", imported=0.0) for r in published()), key=repr)
    assert len(after) == len(before) == 7
    for a, b in zip(after, before, strict=True):
        assert a == replace(b, value=a.value, low=a.low, high=a.high) and a.value == pytest.approx(b.value, rel=1e-11)
        assert a.low == pytest.approx(b.low, rel=1e-11) and a.high == pytest.approx(b.high, rel=1e-11)
    together = next(b for b in leaderboard() if b.metric == "acc")
    assert len(together.places) == 6  # the same signature: one table


def test_an_export_refuses_what_it_would_spoil(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no results to export"):
        export_results("pwc", tmp_path / "x.json")
    choices("mini", [1.0, 0.0])
    export_results("model-index", tmp_path / "cards")
    with pytest.raises(DataError, match="is there already"):
        export_results("model-index", tmp_path / "cards")
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="is a file, wanted a folder"):
        export_results("eval-results", tmp_path / "file")


@pytest.mark.parametrize("model", ["../../etc", "..", "a/b", "/", "a:b*c", "", ".hidden", "诗人", "m (int8)"])
def test_a_models_folder_never_leads_out(model: str) -> None:
    name = folder_name(model)
    assert name and "/" not in name and name not in (".", "..") and not name.startswith(".")


def test_the_page_and_the_json_hold_all_tables(tmp_path: Path) -> None:
    from tests.evaluation.test_pages import EVIL, read

    import_files([str(TABLES)])
    choices(EVIL, [1.0, 0.0, 1.0])
    tables = leaderboard()
    html = write_page(tables, tmp_path / "榜.html", "zh").read_text(encoding="utf-8")
    reader = read(html)
    tags = [tag for tag, _ in reader.tags]
    assert (
        tags.count("table") == len(tables) == len(to_json(tables)) and tags.count("script") == 1 and "img" not in tags
    )
    assert EVIL in "".join(reader.text) and "未知" in html and "unknown" in html
    links = [a["href"] for tag, a in reader.tags if tag == "a"]
    assert all(link and link.startswith(("http", "#main")) for link in links) and len(links) > 5
    assert tags.count("circle") == sum(len(b.places) for b in tables)
    json.dumps(to_json(tables), allow_nan=False)
    empty = write_page([], tmp_path / "empty.html").read_text(encoding="utf-8")
    assert "No results yet." in empty and read(empty)


def test_a_link_of_another_scheme_is_no_link(tmp_path: Path) -> None:
    row = {"model_name": "m", "paper_title": "t", "paper_url": "javascript:alert(1)", "metrics": {"a": "1"}}
    content = [{"task": "t", "datasets": [{"dataset": "d", "sota": {"rows": [row]}}]}]
    (tmp_path / "x.json").write_text(json.dumps(content))
    import_files([str(tmp_path / "x.json")])
    html = write_page(leaderboard(), tmp_path / "x.html").read_text(encoding="utf-8")
    assert "javascript:" not in html
