"""Small rooms: short files, short functions, and ``__init__`` files that only say what a package is."""

import ast
from pathlib import Path

MOST_FILE_LINES = 350
MOST_FUNCTION_LINES = 60
HAS_CODE = "sibao/__init__.py"  # the public verbs, resolved on first use


def test_files_are_short(source: Path) -> None:
    lengths = {
        str(p.relative_to(source)): len(p.read_text(encoding="utf-8").splitlines()) for p in source.rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > MOST_FILE_LINES} == {}


def test_functions_are_short(nodes: list[tuple[str, ast.AST]]) -> None:
    long = {}
    for where, node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MOST_FUNCTION_LINES:
                long[f"{where} {node.name}"] = lines
    assert long == {}


def test_package_files_hold_a_docstring_only(trees: dict[str, ast.Module]) -> None:
    wrong = [
        name
        for name, tree in trees.items()
        if name.endswith("__init__.py") and name != HAS_CODE and not (len(tree.body) == 1 and ast.get_docstring(tree))
    ]
    assert wrong == []


def test_every_file_and_public_thing_says_what_it_is(trees: dict[str, ast.Module]) -> None:
    silent = []
    for name, tree in trees.items():
        if not ast.get_docstring(tree):
            silent.append(name)
        for node in tree.body:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if public and not ast.get_docstring(node):
                silent.append(f"{name}:{node.lineno} {node.name}")
    assert silent == []
