"""Documents agree with the code: links, command lines, paths, prompts, recipes, and the two languages of the README."""

from __future__ import annotations

import json
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from sibao.cli._recipe_docs import MEANINGS, recipe_document
from sibao.cli.main import app
from sibao.tasks.base import load_task
from sibao.tasks.forms.base import form_names, load_form
from sibao.text.readers import COMPRESSIONS, FORMATS
from sibao.text.rows import FORMS, kind_of, text_of
from sibao.training.recipe import DataFile, Recipe, read_recipe
from sibao.workflows._examples import TASK_OF

ROOT = Path(__file__).parents[2]
HIDDEN = {"build", "dist", "runs", "node_modules"}
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part in HIDDEN for part in path.relative_to(ROOT).parts)
)
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
TRAINED = ROOT / "src" / "sibao" / "mini"  # made by recipes/mini; a checkout may be without its weights and card
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"(?<!`)`(sibao [^`]+)`(?!`)")
PLACES = re.compile(r"(?<![\w.~])/(?:work|root|home|tmp|Users)/")
ROOT_COMMAND: Any = typer.main.get_command(app)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each code block."""
    return FENCE.findall(page.read_text(encoding="utf-8"))


@every_page
def test_every_relative_link_resolves(page: Path) -> None:
    links = [link for link in LINK.findall(prose(page)) if not re.match(r"[a-z]+:|#", link)]
    targets = {link: (page.parent / link.partition("#")[0]).resolve() for link in links}
    assert [link for link, path in targets.items() if not path.exists() and TRAINED not in path.parents] == []


@every_page
def test_no_place_on_somebodys_machine(page: Path) -> None:
    assert PLACES.findall(page.read_text(encoding="utf-8")) == []


@every_page
def test_code_fences_are_closed(page: Path) -> None:
    assert len(re.findall(r"^```", page.read_text(encoding="utf-8"), re.MULTILINE)) == 2 * len(blocks(page))


def typed(page: Path) -> list[list[str]]:
    """The words of every sibao command line in the page's shell blocks."""
    found: list[list[str]] = []
    for language, block in blocks(page):
        for line in block.replace("\\\n", " ").splitlines() if language in ("sh", "bash", "console") else []:
            words = shlex.split(line.removeprefix("$ "), comments=True)
            starts = [i + 1 for i, word in enumerate(words) if Path(word).name == "sibao"]
            for start in starts:
                rest = words[start:]
                end = next((i for i, word in enumerate(rest) if word in ("|", ">", "&&", ";")), len(rest))
                found.append(rest[:end])
    return found


def leaf(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words name, and what is left for it; a wrong name is an AssertionError."""
    command, path = ROOT_COMMAND, "sibao"
    while words and hasattr(command, "list_commands") and not words[0].startswith("-"):
        known = command.list_commands(None)
        assert words[0] in known, f"{path} has no command {words[0]!r}"
        command, path, words = command.get_command(None, words[0]), f"{path} {words[0]}", words[1:]
    return command, words


def options(command: Any) -> set[str]:
    """Every option of a command."""
    return {name for p in command.params for name in [*p.opts, *p.secondary_opts] if name.startswith("-")} | {"--help"}


def check_line(words: list[str]) -> None:
    """Parse a whole command line, as typing it would; nothing is run."""
    command, rest = leaf(words)
    if "--help" not in rest and "--version" not in rest:
        command.make_context("sibao", list(rest))


@every_page
def test_command_lines_parse(page: Path) -> None:
    for words in typed(page):
        if words[:1] != ["COMMAND"]:
            check_line(words)


@pytest.mark.parametrize(
    "line", ["translat 你好", "translate 你好 --too en", "translate 你好 --to fr", "data prepare a"]
)
def test_a_wrong_command_line_would_be_noticed(line: str) -> None:
    with pytest.raises(Exception, match=r"no command|No such option|not one of|Missing"):
        check_line(line.split())


@every_page
def test_commands_named_in_prose_exist(page: Path) -> None:
    for line in SPAN.findall(prose(page)):
        command, rest = leaf(shlex.split(line)[1:])
        unknown = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)} - options(command)
        assert not unknown, f"{line}: {unknown}"


def test_the_readme_shows_every_command() -> None:
    assert {words[0] for words in typed(READMES[0])} >= {"generate", "translate", "answer", "summarize", "finetune"}


def test_the_readmes_say_the_same() -> None:
    ours, theirs = READMES
    levels = [re.findall(r"^#+(?= )", prose(page), re.MULTILINE) for page in READMES]
    assert levels[0] == levels[1]
    code = [[block for language, block in blocks(page) if language != "tree"] for page in READMES]
    assert code[0] == code[1]
    links = [sorted(set(LINK.findall(prose(page))) - {ours.name, theirs.name}) for page in READMES]
    assert links[0] == links[1]


def tree(page: Path) -> list[str]:
    """Paths of the annotated file tree: two spaces a level, the name first."""
    found, above = [], [""]
    for line in next(block for language, block in blocks(page) if language == "tree").splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0]
        above = [*above[: depth + 1], above[depth] + name]
        found.append(above[-1])
    return found


@pytest.mark.parametrize("page", READMES, ids=lambda p: p.name)
def test_the_file_tree_is_there(page: Path) -> None:
    paths = tree(page)
    assert [path for path in paths if not (ROOT / path).exists() and ROOT / path != TRAINED] == []
    packages = {f"src/sibao/{path.parent.name}/" for path in (ROOT / "src" / "sibao").glob("*/__init__.py")}
    assert packages <= set(paths)


@pytest.mark.parametrize("page", READMES, ids=lambda p: p.name)
def test_scores_of_mini_stand_in_its_card(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    shown = text.partition("<!-- mini:start -->")[2].partition("<!-- mini:end -->")[0]
    assert "<!-- demo:start -->" in text and "<!-- demo:end -->" in text and "<!-- mini:end -->" in text
    card = (TRAINED / "README.md").read_text(encoding="utf-8") if shown.strip() else ""
    assert set(re.findall(r"\d+\.\d+", shown)) <= set(re.findall(r"\d+\.\d+", card))


def test_the_list_of_recipe_keys_is_fresh() -> None:
    written = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert written == recipe_document(), "keys of recipes have changed: run make docs, and say so in the CHANGELOG"


def test_no_meaning_is_left_over() -> None:
    known = {f"data.train.{key}" for key in DataFile.model_fields}
    for name, field in Recipe.model_fields.items():
        kind: Any = field.annotation  # a section, or a section that may be left out
        section = next(part for part in (kind, *getattr(kind, "__args__", ())) if hasattr(part, "model_fields"))
        known |= {f"{name}.{key}" for key in section.model_fields}
    assert set(MEANINGS) == known


RECIPES = [*sorted((ROOT / "recipes").rglob("*.toml")), *sorted((ROOT / "src" / "sibao" / "samples").glob("*.toml"))]


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_recipe_parses(path: Path) -> None:
    assert read_recipe(path).schedule.steps > 0


def test_recipes_in_the_documents_parse(tmp_path: Path) -> None:
    found = [
        block for page in PAGES for language, block in blocks(page) if language == "toml" and "[schedule]" in block
    ]
    assert found
    for block in found:
        (tmp_path / "recipe.toml").write_text(block, encoding="utf-8")
        read_recipe(tmp_path / "recipe.toml")


def test_the_prompts_shown_are_the_prompts_used() -> None:
    shown = set(re.findall(r"`([^`]+)`", prose(ROOT / "docs" / "tasks.md")))
    used = {text for name in form_names() for pair in load_form(name).prompts.values() for text in pair.values()}
    for name in ("translate", "answer", "summarize"):
        module = import_module(f"sibao.tasks.{name}")
        used |= {*module.PROMPT.values(), *module.PLAIN.values()}
    assert sorted(text for text in used if text.replace("\n", "⏎") not in shown) == []


def test_the_rows_shown_are_read_as_the_page_says() -> None:
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| `(\{.*?\})` \| (?:`(\w+)`|no task)", page, re.MULTILINE)
    shown = [(json.loads(row), task) for row, task in rows]
    assert {kind_of(row) for row, _ in shown} == set(FORMS)
    for row, task in shown:
        assert not task or load_task(task).training_pairs(row)
        assert (TASK_OF.get(kind_of(row)) == task) if task else text_of(row)


def test_the_formats_shown_are_the_formats_read() -> None:
    table = (
        (ROOT / "docs" / "data.md").read_text(encoding="utf-8").partition("## Formats of files")[2].partition("##")[0]
    )
    assert set(re.findall(r"`(\.\w+)`", table)) == {*FORMATS, *COMPRESSIONS}


@pytest.mark.parametrize("name", form_names())
def test_every_form_stands_in_the_documents(name: str) -> None:
    page = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |") and "checked" not in line)
    tunes = load_form("poem").styles[4:]
    assert [style for style in load_form(name).styles if style not in row and style not in tunes] == []
