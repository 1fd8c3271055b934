"""The tree of errors is what its docstring shows, and the code keeps the rules of safety."""

import ast
import inspect
import re

from sibao.core import errors


def classes() -> dict[str, type]:
    """Every exception class of the tree, by name."""
    found = inspect.getmembers(errors, inspect.isclass)
    return {
        name: kind for name, kind in found if issubclass(kind, BaseException) and kind.__module__ == errors.__name__
    }


def drawn() -> dict[str, tuple[str | None, int | None]]:
    """What the module's docstring shows: name -> (parent, exit code where one is given)."""
    shown: dict[str, tuple[str | None, int | None]] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines()[1:]:
        match = re.match(r"([\s│├└─]*)([A-Z]\w+)\s+(?:exit (\d))?", line)
        if not match:
            continue
        depth = len(match[1])
        above = [(d, name) for d, name in above if d < depth]
        shown[match[2]] = (above[-1][1] if above else None, int(match[3]) if match[3] else None)
        above.append((depth, match[2]))
    return shown


def test_the_drawn_tree_is_the_real_one() -> None:
    real = {name: kind.__base__.__name__ if name != "SibaoError" else None for name, kind in classes().items()}
    assert {name: parent for name, (parent, _) in drawn().items()} == real


def test_the_drawn_exit_codes_are_the_real_ones() -> None:
    codes = {name: code for name, (_, code) in drawn().items() if code is not None}
    assert codes and all(classes()[name].exit_code == code for name, code in codes.items())


def test_every_error_says_what_it_is() -> None:
    assert [name for name, kind in classes().items() if not kind.__dict__.get("__doc__")] == []


def test_public_modules_define_no_errors_of_their_own(nodes: list[tuple[str, ast.AST]]) -> None:
    known = {*classes(), "Exception", "BaseException"}
    strays = [
        f"{where} {node.name}"
        for where, node in nodes
        if isinstance(node, ast.ClassDef)
        and not where.startswith("sibao/core/errors.py")
        and "/_" not in where  # a private module's marks never reach a caller
        and any(isinstance(base, ast.Name) and (base.id in known or base.id.endswith("Error")) for base in node.bases)
    ]
    assert strays == []


def test_no_assert_in_the_package(nodes: list[tuple[str, ast.AST]]) -> None:
    assert [where for where, node in nodes if isinstance(node, ast.Assert)] == []


def test_no_bare_except(nodes: list[tuple[str, ast.AST]]) -> None:
    assert [where for where, node in nodes if isinstance(node, ast.ExceptHandler) and node.type is None] == []


def imported(node: ast.AST) -> set[str]:
    """Top-level names of the packages that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and not node.level:
        return {(node.module or "").partition(".")[0]}
    return set()


def test_no_pickles(nodes: list[tuple[str, ast.AST]]) -> None:
    pickles = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    assert [where for where, node in nodes if imported(node) & pickles] == []


def is_call(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == name


def test_torch_load_reads_weights_only(nodes: list[tuple[str, ast.AST]]) -> None:
    for where, node in nodes:
        if is_call(node, "torch.load"):
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert keywords.get("weights_only") == "True", where
        if is_call(node, "np.load"):
            assert all(keyword.arg != "allow_pickle" for keyword in node.keywords), where


def test_no_remote_code(nodes: list[tuple[str, ast.AST]]) -> None:
    trusting = [
        where
        for where, node in nodes
        if isinstance(node, ast.keyword) and node.arg == "trust_remote_code" and ast.unparse(node.value) != "False"
    ]
    evaluated = [where for where, node in nodes if is_call(node, "eval") or is_call(node, "exec")]
    assert trusting == [] and evaluated == []
