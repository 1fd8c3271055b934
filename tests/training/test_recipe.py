"""Recipes: every published one parses, and every mistake is answered with its place and the nearest right name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.training.small import recipe_data, write_recipe

from sibao.core.errors import ConfigError
from sibao.training.recipe import parse_recipe, read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").rglob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_every_published_recipe_parses(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.schedule.warmup < recipe.schedule.steps
    assert recipe.run.micro_rows <= recipe.run.rows


def test_there_are_published_recipes() -> None:
    assert {"tiny", "pretrain.cpu"} <= {p.stem for p in RECIPES}


def test_toml_and_dictionary_are_the_same_and_survive_json(tmp_path: Path) -> None:
    import json

    data = recipe_data(tmp_path / "x.jsonl")
    recipe = read_recipe(write_recipe(tmp_path / "recipe.toml", data))
    assert recipe == parse_recipe(data) == parse_recipe(json.loads(json.dumps(recipe.model_dump())))
    assert recipe.model.config["hidden_size"] == 32
    assert recipe.optimizer.betas == (0.9, 0.95)  # not given: the default


@pytest.mark.parametrize(
    ("section", "keys", "message", "hint"),
    [
        ("optimizer", {"learning_rate": 1}, "unknown key optimizer.learning_rate", "known keys: adam_lr, betas"),
        ("optimizer", {"weight_decai": 1}, "unknown key optimizer.weight_decai", "did you mean weight_decay?"),
        ("run", {"microrows": 1}, "unknown key run.microrows", "did you mean micro_rows?"),
        ("schedul", {"steps": 1}, "unknown key schedul", "did you mean schedule?"),
        ("adapter", {"ranks": 4}, "unknown key adapter.ranks", "did you mean rank?"),
        ("run", {"rows": "many"}, r"run.rows: .*integer.*\(got 'many'\)", ""),
        ("run", {"rows": 0}, r"run.rows: .*greater than or equal to 1 \(got 0\)", ""),
        ("schedule", {"name": "step"}, r"schedule.name: .*'cosine' or 'wsd' \(got 'step'\)", ""),
        ("schedule", {"decay": 1.5}, r"schedule.decay: .*less than or equal to 1", ""),
        ("data", {"sequence_length": 8}, r"data.sequence_length: .*16", ""),
        ("data", {"train": "a.jsonl"}, r"data.train: .*list", ""),
        ("tokenizer", {"vocab_size": 100}, r"tokenizer.vocab_size: .*300", ""),
        ("run", {"precision": "fp16"}, r"run.precision: .*'fp32' or 'bf16'", ""),
    ],
)
def test_a_mistake_is_named(section: str, keys: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_recipe(recipe_data(Path("x.jsonl"), **{section: keys}), where="my.toml")
    assert str(caught.value).startswith("my.toml: ")
    assert hint in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("missing", ["model", "data", "schedule"])
def test_a_missing_section_is_named(missing: str) -> None:
    data = recipe_data(Path("x.jsonl"))
    del data[missing]
    with pytest.raises(ConfigError, match=f"recipe: {missing}: Field required"):
        parse_recipe(data)


def test_a_missing_key_is_named() -> None:
    data = recipe_data(Path("x.jsonl"))
    del data["schedule"]["steps"]
    with pytest.raises(ConfigError, match=r"schedule.steps: Field required"):
        parse_recipe(data)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "does not exist"), (b"[model", "is not valid TOML"), (b"\xff\xfe", "is not valid TOML")],
)
def test_a_file_that_is_no_recipe(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_recipe(path)
