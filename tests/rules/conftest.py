"""The package's source, parsed once for all rules."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture(scope="session")
def source() -> Path:
    """The folder that holds the package."""
    return SOURCE


@pytest.fixture(scope="session")
def trees() -> dict[str, ast.Module]:
    """Every Python file of the package, by its path."""
    files = sorted(SOURCE.rglob("*.py"))
    return {str(path.relative_to(SOURCE)): ast.parse(path.read_text(encoding="utf-8")) for path in files}


@pytest.fixture(scope="session")
def nodes(trees: dict[str, ast.Module]) -> list[tuple[str, ast.AST]]:
    """Every node of every file, with ``file:line``."""
    return [(f"{name}:{getattr(node, 'lineno', 0)}", node) for name, tree in trees.items() for node in ast.walk(tree)]
