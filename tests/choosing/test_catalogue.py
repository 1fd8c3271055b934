"""The catalogue: every shipped entry is sourced and dated, the guide's models are there, the user's file wins by key."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from sibao.choosing.catalogue import SHIPPED, Catalogue, catalogue, entry_of, read_rows
from sibao.choosing.facts import cost_cell, entry_cells, price_words
from sibao.choosing.prices import age_days, is_old, per_thousand
from sibao.core.errors import ConfigError
from sibao.core.prices import Price
from sibao.core.types import Usage

TODAY = date(2026, 11, 28)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path))
    return tmp_path


def write(home: Path, text: str) -> Catalogue:
    (home / "catalogue.toml").write_text(text, encoding="utf-8")
    return catalogue()


def test_every_shipped_entry_says_where_and_when_it_is_known_from() -> None:
    for entry in catalogue():
        assert entry.sources and entry.checked, entry.name
        assert all(source.startswith("https://") for source in entry.sources) or entry.name == "mini"
        if entry.price is not None:
            assert entry.price.source.startswith("https://") and entry.price.date and entry.remote, entry.name
        assert entry.availability != "retired" or entry.price is None
        assert entry.successor == "" or catalogue().find(entry.successor) is not None, entry.name
        assert entry.active is None or (entry.parameters or 0) > entry.active


def test_no_shipped_name_stands_twice() -> None:
    names = [line for line in SHIPPED.read_text(encoding="utf-8").splitlines() if line.startswith("name = ")]
    assert len(names) == len(set(names)) == len(catalogue()) > 50


def test_the_models_of_the_guide_are_there_with_what_became_of_them() -> None:
    known = catalogue()
    for size in ("", "-medium", "-large", "-xl"):
        assert known.find(f"openai-community/gpt2{size}") is not None
    for old, maker in (("openai:davinci", "OpenAI"), ("google:lamda", "Google"), ("ai21:j1-jumbo", "AI21")):
        entry = known.find(old)
        assert entry is not None and entry.maker == maker and entry.availability == "retired"
        now = known.find(entry.successor)
        assert now is not None and now.maker == maker and now.availability == "hosted" and now.price is not None


def test_mini_is_what_its_card_says() -> None:
    from sibao.models.folder import read_config
    from sibao.models.names import MINI

    if not (MINI / "config.json").is_file():
        pytest.skip("mini is not in this checkout")
    from sibao.choosing.shapes import read_shape

    entry, shape = catalogue().find("mini"), read_shape(*read_config(MINI))
    assert entry is not None and (entry.parameters, entry.context) == (shape.parameters, shape.context)


@pytest.mark.parametrize(
    "name",
    [
        "Qwen/Qwen3-0.6B",
        "qwen/qwen3-0.6b",
        "Qwen/Qwen3-0.6B@main",
        "transformers:Qwen/Qwen3-0.6B",
        "Qwen/Qwen3-0.6B+/a/dapter",
    ],
)
def test_an_entry_is_found_under_every_name_it_is_loaded_by(name: str) -> None:
    entry = catalogue().find(name)
    assert entry is not None and entry.name == "Qwen/Qwen3-0.6B"


def test_addresses_are_names_too() -> None:
    entry = catalogue().find("https://api.deepseek.com#deepseek-v4-flash")
    assert entry is not None and entry.remote and entry.price is not None
    assert catalogue().find("nobody/nothing") is None


def test_the_users_file_wins_key_by_key(home: Path) -> None:
    known = write(
        home,
        """
        [[model]]
        name = "openai:gpt-6-luna"
        price = { input = 0.5, output = 1, read = 2026-11-20, source = "contract" }
        [[model]]
        name = "http://box:8000/v1#own"
        availability = "hosted"
        languages = ["zh"]
    """,
    )
    luna, own = known.find("openai:gpt-6-luna"), known.find("http://box:8000/v1#own")
    assert luna is not None and luna.maker == "OpenAI"
    assert luna.price == Price(0.5, 1.0, None, "USD", "2026-11-20", "contract")
    assert own is not None and own.languages == ("zh",) and own.price is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[model]]\nname = 'mini'\nlicense = 'MIT'", r"catalogue.toml: model 'mini', key 'license': extra inputs"),
        ("[[model]]\nname = 'x'", r"model 'x', key 'availability': field required"),
        ("[[model]]\navailability = 'open'", "model 1 has no name"),
        ("[[model]]\nname = 'mini'\ncontext = 0", "key 'context'"),
        ("[[model]]\nname = 'mini'\nlanguages = ['de']", "key 'languages.0'"),
        ("[[model]]\nname = 'x'\navailability = 'hosted'\nprice = { input = -1, output = 1, read = 2026-01-01, source = 's' }",
         "key 'price.input'"),
        ("[[model]]\nname = 'x'\navailability = 'hosted'\nprice = { input = 1, output = 1, source = 's' }", "key 'price.read'"),
        ("models = 3", "has the key models"),
        ("model = 3", "has the key model"),
        ("not toml", "cannot be read as TOML"),
    ],
)  # fmt: skip
def test_a_broken_file_says_where(home: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        write(home, text)


def test_a_model_is_retired_from_the_day_its_maker_switches_it_off() -> None:
    row = {"name": "openai:x", "availability": "hosted", "ends": date(2027, 1, 14)}
    entry = entry_of(row, SHIPPED)
    assert entry_cells(entry, TODAY)["availability"].value == "hosted"
    assert entry_cells(entry, TODAY)["availability"].note == "ends 2027-01-14"
    assert entry_cells(entry, date(2027, 1, 14))["availability"].value == "retired"


def test_what_an_entry_does_not_say_is_not_there() -> None:
    cells = entry_cells(entry_of({"name": "org/x", "availability": "open"}, SHIPPED), TODAY)
    assert set(cells) == {"availability", "offline"} and cells["offline"].value is True
    assert read_rows(SHIPPED)["mini"]["licence"] == "Apache-2.0"


def test_prices_know_their_age_and_their_currency() -> None:
    price = Price(1.0, 2.0, None, "USD", "2026-07-02", "https://x")
    assert age_days(price, TODAY) == 149 and is_old(price, TODAY)
    assert not is_old(Price(1, 2), TODAY) and age_days(Price(1, 2), TODAY) is None
    usage = Usage(1_000_000, 500_000)
    assert per_thousand(price, usage, 500) == 4.0
    cell = cost_cell(price, usage, 500, "USD", TODAY)
    assert cell.value == 4.0 and "149 days ago" in cell.note and cell.date == "2026-07-02"
    assert cost_cell(price, usage, 500, "CNY", TODAY).value is None
    assert cost_cell(Price(0, 0), usage, 500, "CNY", TODAY).value == 0
    assert cost_cell(None, usage, 500, "USD").value is None and cost_cell(price, usage, 0, "USD").value is None
    assert price_words(price, TODAY) == "1 / 2 USD (2026-07-02, 149 d)" and price_words(None) == "–"
