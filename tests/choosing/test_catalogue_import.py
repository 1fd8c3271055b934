"""Imports: both public forms, faults counted by entry, the user's own words kept and winning."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sibao.choosing.catalogue import catalogue
from sibao.choosing.catalogue_import import BEGIN, END, import_prices
from sibao.core.errors import ConfigError, DataError

DAY = date(2026, 11, 1)
LITELLM = {
    "sample_spec": {"mode": "chat", "input_cost_per_token": "a number"},
    "gpt-9": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07,
              "cache_read_input_token_cost": 7.5e-08, "max_input_tokens": 128000, "supports_vision": True},
    "gemini/gemini-9": {"litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": "1e-06",
                        "output_cost_per_token": 2e-06, "max_input_tokens": "1048576"},
    "text-embedding-9": {"litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": 1e-08},
    "somebody/else": {"litellm_provider": "somebody", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1},
    "gpt-free": {"litellm_provider": "openai", "mode": "chat"},
    "gpt-negative": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": -1, "output_cost_per_token": 1e-6},
    "gpt-odd": "not an object",
}  # fmt: skip
MODELS_DEV = {
    "openai": {"id": "openai", "models": {"gpt-9": {"cost": {"input": 0.15, "output": 0.6, "cache_read": 0.075},
               "limit": {"context": 128000}, "modalities": {"input": ["text", "pdf"]}, "release_date": "2026-10-26"}}},
    "deepseek": {"id": "deepseek", "api": "https://api.deepseek.com/", "models": {
        "deepseek-9": {"cost": {"input": 0.1, "output": 0.2}, "limit": {"context": 0}, "release_date": "2026-10"},
        "deepseek-gift": {"limit": {"context": 9}}}},
    "nameless": {"id": "nameless", "models": {"x": {"cost": {"input": 1, "output": 1}}}},
}  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def write(folder: Path, data: Any) -> Path:
    path = folder / "list.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_litellm_prices_are_for_one_token(tmp_path: Path) -> None:
    done = import_prices(write(tmp_path, LITELLM), read=DAY, source="https://example.org/list")
    assert (done.form, done.taken, done.unnamed) == ("LiteLLM", 2, 1)
    assert {name for name, _ in done.faults} == {"gpt-free", "gpt-negative", "gpt-odd"}
    entry = catalogue().find("openai:gpt-9")
    assert entry is not None and entry.context == 128000 and entry.modalities == ("text", "image")
    price = entry.price
    assert price is not None and (price.input_per_million, price.output_per_million) == (0.15, 0.6)
    assert price.cached_per_million == pytest.approx(0.075)
    assert (price.date, price.source, price.currency) == ("2026-11-01", "https://example.org/list", "USD")
    assert catalogue().find("google:gemini-9") is not None


def test_models_dev_prices_are_for_a_million(tmp_path: Path) -> None:
    done = import_prices(write(tmp_path, MODELS_DEV), read=DAY)
    assert (done.form, done.taken, done.unnamed) == ("models.dev", 2, 1)
    assert [name for name, _ in done.faults] == ["deepseek/deepseek-gift"]
    entry, other = catalogue().find("openai:gpt-9"), catalogue().find("https://api.deepseek.com#deepseek-9")
    assert entry is not None and entry.released == date(2026, 10, 26) and entry.modalities == ("text",)
    assert other is not None and other.context is None and other.released is None
    assert other.price is not None and other.price.source == "list.json"


def test_the_users_own_words_stay_and_win(home: Path, tmp_path: Path) -> None:
    own = '# 我的价格\n[[model]]\nname = "openai:gpt-9"\nprice = { input = 9, output = 9, read = 2026-11-02, source = "合同" }\n'
    (home / "catalogue.toml").write_text(own, encoding="utf-8")
    for _ in range(2):  # a second import replaces the first one's block
        import_prices(write(tmp_path, LITELLM), read=DAY)
        text = (home / "catalogue.toml").read_text(encoding="utf-8")
        assert text.count(BEGIN) == text.count(END) == 1 and text.endswith(own)
        entry = catalogue().find("openai:gpt-9")
        assert entry is not None and entry.price is not None and entry.price.input_per_million == 9
        assert entry.context == 128000


def test_a_broken_catalogue_is_not_touched(home: Path, tmp_path: Path) -> None:
    (home / "catalogue.toml").write_text("half a [", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        import_prices(write(tmp_path, LITELLM), read=DAY)
    assert (home / "catalogue.toml").read_text(encoding="utf-8") == "half a ["


@pytest.mark.parametrize(("data", "message"), [([], "holds list"), ({}, "no model"), (None, "holds NoneType")])
def test_what_is_no_list_is_refused(tmp_path: Path, data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        import_prices(write(tmp_path, data), read=DAY)


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_bytes(b"\xff{")
    with pytest.raises(DataError, match="cannot be read as JSON"):
        import_prices(tmp_path / "list.json", read=DAY)
    with pytest.raises(DataError, match="cannot be read as JSON"):
        import_prices(tmp_path / "nowhere.json", read=DAY)


leaf = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8)
field = st.sampled_from(
    ["input_cost_per_token", "output_cost_per_token", "max_input_tokens", "mode", "models", "cost", "api"]
)
anything = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(field, inner, max_size=4), max_leaves=12
)
model = st.fixed_dictionaries(
    {"litellm_provider": st.just("openai")},
    optional={
        "input_cost_per_token": leaf,
        "output_cost_per_token": leaf,
        "max_input_tokens": leaf,
        "supports_vision": leaf,
    },
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(max_size=6), model | anything, max_size=4))
def test_whatever_a_list_holds_the_catalogue_stays_readable(tmp_path: Path, data: dict[str, Any]) -> None:
    path = tmp_path / "list.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    before = len(catalogue())
    try:
        done = import_prices(path, read=DAY)
    except DataError:
        return
    assert len(catalogue()) >= before and done.taken >= 0
