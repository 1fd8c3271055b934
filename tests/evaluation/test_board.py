"""Which figures share a table, in what order, and with which ranks."""

from __future__ import annotations

from dataclasses import replace

from sibao.evaluation.board import Entry, boards, made_how
from sibao.evaluation.ranks import RankRange
from sibao.store.published import Published

HOW = "suite:mmlu.v1|data:1a2b3c4d|split:test|shots:{}|prompt:raw|interval:wilson|sibao:0.1.0"


def own(model: str, value: float, half: float = 0.02, shots: int = 0, run: str = "", **more: object) -> Entry:
    """An entry of one's own."""
    result = Published(
        "mmlu", "mmlu", model, "acc", value, low=value - half, high=value + half, level=0.95, n=1000,
        signature=HOW.format(shots), source=f"run {run or model}",
    )  # fmt: skip
    return Entry(replace(result, **more), run or model, "mmlu")


def theirs(model: str, value: float, metric: str = "F1", **more: object) -> Entry:
    """An entry that somebody published."""
    return Entry(replace(Published("Question Answering", "SQuAD", model, metric, value, source="squad.json"), **more))


def test_only_figures_made_the_same_way_share_a_table() -> None:
    found = boards([own("a", 0.5), own("b", 0.6), own("a", 0.7, shots=5, run="a5")])
    assert [[p.entry.result.model for p in b.places] for b in found] == [["b", "a"], ["a"]]
    assert found[0].apart[0]["en"] == "apart: made with shots:0" and "shots:5" in found[1].apart[0]["zh"]
    alone = boards([own("a", 0.5)])
    assert alone[0].apart == () and alone[0].places[0].ranks == RankRange(1, 1, 1)


def test_the_version_and_the_kind_of_interval_do_not_matter() -> None:
    assert made_how(HOW.format(0)) == "suite:mmlu.v1|data:1a2b3c4d|split:test|shots:0|prompt:raw"
    other = HOW.format(0).replace("wilson", "t").replace("0.1.0", "9.9.9")
    assert len(boards([own("a", 0.5), own("b", 0.6, signature=other)])) == 1
    assert made_how("") == ""


def test_figures_that_do_not_say_how_they_were_made_stand_apart_from_those_that_do() -> None:
    mine = own("mine", 0.5)
    unsaid = Entry(replace(mine.result, model="theirs", signature="", source="x.json"))
    first, second = boards([mine, unsaid])
    assert "apart from figures that do not say" in first.apart[0]["en"] and "not stated" in second.apart[0]["en"]


def test_names_differ_in_letter_case_only() -> None:
    (one,) = boards([theirs("a", 90.0), theirs("b", 91.0, dataset="squad", task="question  answering")])
    assert [p.entry.result.model for p in one.places] == ["b", "a"] and one.task == "Question Answering"


def test_ranks_from_paired_tests_then_from_intervals_then_unknown() -> None:
    entries = [own("a", 0.50), own("b", 0.51), own("c", 0.40)]
    (plain,) = boards(entries)
    assert [p.ranks for p in plain.places] == [RankRange(1, 2, 3), RankRange(1, 2, 3), RankRange(3, 3, 3)]
    asked = []

    def paired(first: Entry, second: Entry) -> float | None:
        asked.append({first.run, second.run})
        return 1e-6

    (sharp,) = boards(entries, paired)
    assert [p.ranks and p.ranks.best for p in sharp.places] == [1, 2, 3] and len(asked) == 3
    (bare,) = boards([theirs("a", 90.0), theirs("b", 91.0)], paired)
    assert [p.ranks for p in bare.places] == [None, None] and len(asked) == 3  # nobody else's rows are here


def test_less_is_better_stands_first_and_sizes_have_no_rank() -> None:
    (errors,) = boards([theirs("a", 5.0, "Test Error"), theirs("b", 3.0, "Test Error")])
    assert [p.entry.result.model for p in errors.places] == ["b", "a"]
    (sizes,) = boards([theirs("a", 5.0, "Number of params", low=4.0, high=6.0), theirs("b", 3.0, "Number of params")])
    assert [p.ranks for p in sizes.places] == [None, None] and sizes.direction.which == "neither"


def test_what_a_reader_should_know_is_said() -> None:
    found = boards([
        theirs("a", 85.0, "MRPC", unit="%", low=84.0, high=86.0), theirs("b", 0.8, "MRPC", source="other.json"),
    ])[0].cautions  # fmt: skip
    said = " ".join(words["en"] for words in found)
    for part in ("not known", "carry %", "± as published", "do not say how each figure was made"):
        assert part in said
    assert all(words["zh"] for words in found)
