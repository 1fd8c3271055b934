"""Imports go down the floors, and never in a circle."""

import ast
import shutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run import-linter with the contract of the given folder's pyproject.toml."""
    pytest.importorskip("importlinter", reason="import-linter is not installed (pip install 'sibao[dev]')")
    code = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=300,
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the package that a test may spoil."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    return tmp_path


def test_imports_go_down_the_floors() -> None:
    done = lint(ROOT, {"PYTHONPATH": str(ROOT / "src")})
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_contract_would_notice(copied: Path) -> None:
    (copied / "src/sibao/core/upward.py").write_text("def late():\n    import sibao.store.runs\n")
    (copied / "src/sibao/nn/sideways.py").write_text("import sibao.store.runs\n")
    done = lint(copied, {"PYTHONPATH": str(copied / "src")})
    assert done.returncode != 0
    assert "sibao.core is not allowed to import sibao.store" in done.stdout
    assert "sibao.nn is not allowed to import sibao.store" in done.stdout


def imports_of(tree: ast.AST, modules: set[str]) -> set[str]:
    """Modules of the package that a file imports, late imports included."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module for name in inside}
    return found & modules


def graph(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Which module imports which."""
    names = {path: path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in trees}
    modules = set(names.values())
    return {names[path]: imports_of(tree, modules) - {"sibao"} for path, tree in trees.items()}


def test_no_import_goes_in_a_circle(trees: dict[str, ast.Module]) -> None:
    try:
        TopologicalSorter(graph(trees)).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


def test_a_circle_would_be_noticed() -> None:
    trees = {
        "sibao/a.py": ast.parse("from sibao import b"),
        "sibao/b.py": ast.parse("def f():\n    from sibao.a import x"),
    }
    with pytest.raises(CycleError):
        TopologicalSorter(graph(trees)).prepare()


def test_every_package_stands_on_a_floor() -> None:
    import tomllib

    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    listed = {name.strip() for layer in contract["layers"] for name in layer.split("|")}
    packages = {f"sibao.{path.parent.name}" for path in (ROOT / "src/sibao").glob("*/__init__.py")}
    assert packages == listed
