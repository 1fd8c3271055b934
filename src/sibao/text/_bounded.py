"""A sandbox for chat templates with one budget of work for each rendering, so that none takes all time or memory.

Work is counted in units of about one character written or read. Every turn of a loop costs ``STEP``, every call ``CALL``;
whatever makes, copies or compares a value pays for the size of that value, before it does so where it may grow.
"""

from __future__ import annotations

import re
from collections import abc
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from types import GeneratorType
from typing import Any

from jinja2 import nodes
from jinja2.ext import loopcontrols
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from sibao.core.errors import ModelError

WORK, PER_CHARACTER = 1 << 26, 64
"""Units for a rendering, and further ones for each character of the messages; published templates need a few."""
STEP, CALL, ELEMENT = 64, 512, 64
"""Units of a turn of a loop (a million of them in all), of a call or filter, and of an element of a list."""
MAX_NUMBER, MAX_BITS = 1 << 20, 1 << 14
"""Whole numbers up to this are taken as arguments; none may have more bits than that."""
_CHEAP = {"length", "count", "first", "last", "default", "d", "safe"}
_GROWING = {"indent", "tojson", "wordwrap", "urlize", "translate", "expandtabs"}
_FORMATS = {"format", "format_map"}
_COMPARING = {"in", "eq", "equalto", "==", "ne", "!=", "lt", "<", "le", "<=", "gt", ">", "ge", ">=", "lower", "upper"}
_NESTED = (list, tuple, set, frozenset, abc.KeysView, abc.ValuesView, abc.ItemsView)
_SEEN, _WRITTEN = "\0seen", "\0written"  # filters that no template can name


class _Budget:
    """What is left of one rendering; ``known`` are objects that the caller gave: they are of ordinary size."""

    __slots__ = ("known", "left")

    def __init__(self, left: int, known: frozenset[int] = frozenset()) -> None:
        self.left, self.known = left, known


_BUDGET: ContextVar[_Budget] = ContextVar("template_budget")


@contextmanager
def budget(given: Any = ()) -> Iterator[None]:
    """A fresh budget, for compiling or for a rendering of the messages ``given``."""
    characters = sum(100 + sum(len(v) for v in message.values() if isinstance(v, str)) for message in given)
    known = frozenset([id(given), *(id(message) for message in given)])
    token = _BUDGET.set(_Budget(WORK + PER_CHARACTER * characters, known))
    try:
        yield
    finally:
        _BUDGET.reset(token)


def too_much() -> ModelError:
    """The one error of a template that wants more than any real one."""
    return ModelError(
        "the chat template takes more time or memory than any real one",
        hint="the file is damaged, or made to do harm; copy it from the model's publisher",
    )


def spend(units: int) -> bool:
    """Pay; true, so that it can stand in a condition.

    Raises:
        ModelError: nothing is left.
    """
    now = _BUDGET.get()
    now.left -= units
    if now.left < 0:
        raise too_much()
    return True


def weigh(value: Any, *, whole: bool = False) -> int:
    """Pay for the size of a value and of all it holds; returns what was paid.

    Args:
        whole: also for what the messages hold; else they count as one element each, because nothing copies them.
    """
    now, paid, waiting = _BUDGET.get(), 0, [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, (str, bytes)):
            units, inside = len(one), None
        elif isinstance(one, int):
            if one.bit_length() > MAX_BITS:
                raise too_much()
            units, inside = ELEMENT, None
        else:
            inside = _inside(one)
            units = ELEMENT * (1 + len(inside))
        paid += units
        now.left -= units
        if now.left < 0:
            raise too_much()
        if inside and (whole or id(one) not in now.known):
            waiting += inside
    return paid


def _inside(value: Any) -> Collection[Any]:
    """What a value holds, as far as it is written or compared with it."""
    if isinstance(value, Namespace):
        value = object.__getattribute__(value, "_Namespace__attrs")
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, _NESTED) else ()


def _seen(value: Any) -> Any:
    """The same value, paid for."""
    weigh(value)
    return value


def _written(value: Any) -> Any:
    """The same value, paid for as what is written of it."""
    weigh(value, whole=True)
    return value


def _counted(values: Iterator[Any]) -> Iterator[Any]:
    for value in values:
        spend(STEP)
        yield _seen(value)


def _pay(name: str, value: Any, arguments: list[Any]) -> None:
    """Pay for a filter or a method before it runs: what it reads, and what it may grow its value to."""
    spend(CALL)
    if any(isinstance(a, int) and abs(a) > MAX_NUMBER for a in arguments):
        raise too_much()
    size, weights = weigh(value), [abs(a) if isinstance(a, int) else weigh(a) for a in arguments]
    if name == "replace" and len(arguments) > 1:
        old, new = (str(a) for a in arguments[:2])
        spend(str(value).count(old) * len(new))
    elif name == "join":  # a filter of the parts, or a method of what stands between them
        parts, between = (arguments[0], value) if isinstance(value, str) and arguments else (value, arguments[:1])
        spend(len(parts) * len(str(between)) if hasattr(parts, "__len__") else size)
    elif name == "sum" and weights:
        spend(size * size)
    elif name in _FORMATS and isinstance(value, str):
        spend((value.count("%") + value.count("{")) * sum(weights))
        for width in re.findall(r"[0-9]+", value):
            spend(int(width) if len(width) < 10 else WORK * WORK)
    elif name in _GROWING:
        spend(size * max([1, *weights]))


def _at_price(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same filter or test, at its price. The first argument that it gets may be a context."""
    skip = int(hasattr(function, "jinja_pass_arg"))

    @wraps(function)
    def priced(*args: Any, **kwargs: Any) -> Any:
        values = list(args)
        if len(values) > skip:
            if name in ("join", "sum", *_GROWING) and isinstance(values[skip], abc.Iterator):
                values[skip] = list(values[skip])
            _pay(name, values[skip], [*values[skip + 1 :], *kwargs.values()])
        made = function(*values, **kwargs)
        return _counted(made) if isinstance(made, GeneratorType) else _seen(made)

    return priced


def _steps(tree: nodes.Template) -> None:
    """Make every turn of a loop and every start of a macro pay for itself and for the plain text in it."""
    found: list[Any] = list(tree.find_all((nodes.For, nodes.Macro, nodes.CallBlock, nodes.Block)))
    for node in found:
        plain = sum(len(data.data) for part in node.body for data in _data(part))
        # the code generator writes the attribute's name as it stands: the quickest call there is
        pay = nodes.EnvironmentAttribute(f"spend({STEP + plain})", lineno=node.lineno)
        node.body.insert(0, nodes.ExprStmt(pay, lineno=node.lineno))
        if isinstance(node, nodes.For) and node.test is not None:
            node.test = nodes.And(pay, node.test, lineno=node.lineno)


def _data(node: nodes.Node) -> Iterator[nodes.TemplateData]:
    if isinstance(node, nodes.TemplateData):
        yield node
    yield from node.find_all(nodes.TemplateData)


def _priced(node: nodes.Expr, by: str = _WRITTEN) -> nodes.Expr:
    return node if isinstance(node, nodes.Const) else nodes.Filter(node, by, [], [], None, None, lineno=node.lineno)


def _prices(tree: nodes.Template) -> None:
    """Make what copies, compares or hashes values, and is neither call nor filter, pay for their size."""
    for joined in list(tree.find_all(nodes.Concat)):
        joined.nodes = [nodes.Filter(n, _WRITTEN, [], [], None, None, lineno=n.lineno) for n in joined.nodes]
    for compared in list(tree.find_all(nodes.Compare)):
        sides: list[Any] = [compared, *compared.ops]
        for side in sides:
            side.expr = _priced(side.expr)
    for item in list(tree.find_all(nodes.Getitem)):
        if isinstance(item.arg, nodes.Slice):
            item.node = _priced(item.node, _SEEN)
        else:
            item.arg = _priced(item.arg)
    for pair in list(tree.find_all(nodes.Pair)):
        pair.key = _priced(pair.key)


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Jinja as Transformers sets it up, at a price. Render and compile inside ``budget()``."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})
    spend = staticmethod(spend)

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols], finalize=_written)
        del self.globals["lipsum"]  # random text without end
        filters: dict[str, Any] = dict(self.filters)
        for name, function in filters.items():
            self.filters[name] = function if name in _CHEAP else _at_price(name, function)
        for name in _COMPARING:
            test: Any = self.tests[name]
            self.tests[name] = _at_price(name, test)
        self.filters |= {_SEEN: _seen, _WRITTEN: _written}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        _steps(tree)
        _prices(tree)
        return tree

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """The operation, once what it makes is paid for."""
        if operator == "+" and type(left) is str and type(right) is str:
            spend(len(left) + len(right))
            return left + right
        numbers = isinstance(left, int) and isinstance(right, int)
        if numbers:
            bits = {"**": left.bit_length() * abs(right), "*": left.bit_length() + right.bit_length()}
            if bits.get(operator, 0) > MAX_BITS:
                raise too_much()
        elif operator == "*" and (isinstance(left, int) or isinstance(right, int)):
            times, value = (left, right) if isinstance(left, int) else (right, left)
            spend(weigh(value) * max(0, times))
        elif operator == "%" and isinstance(left, (str, bytes)):
            _pay("format", left, list(right) if isinstance(right, tuple) else [right])
        else:
            weigh(left)
            weigh(right)
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """The call, once what it reads and may make is paid for."""
        method = getattr(__obj, "__wrapped__", __obj)
        owner = getattr(method, "__self__", None)
        _pay(str(getattr(method, "__name__", "")), owner, [*args, *kwargs.values()])
        return _seen(super().call(__context, __obj, *args, **kwargs))
