"""Law: a cell cannot tell apart two namespaces that agree on the names it is said to read."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strata_kernel.domain.analyse import analyse

NAMES = ["a", "b", "c", "f", "g", "K"]
name = st.sampled_from(NAMES)


class Enough(BaseException):
    """The budget of a run is spent."""


def expressions() -> st.SearchStrategy[str]:
    atoms = st.one_of(name, st.sampled_from(["1", "0", "p(2)"]))
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.builds("p({}, {})".format, inner, inner),
            st.builds("call({})".format, inner),
            st.builds("({} if {} else {})".format, inner, inner, inner),
            st.builds("({} or {})".format, inner, inner),
            st.builds("({} and {})".format, inner, inner),
            st.builds("({} := {})".format, name, inner),
            st.builds("(lambda {}={}: {})".format, name, inner, inner),
            st.builds("(lambda: {})".format, inner),
            st.builds("p(*[{} for {} in (1, 2) if {}])".format, inner, name, inner),
            st.builds("p(*({} for {} in [{}]))".format, inner, name, inner),
            st.builds("p(*({} for {} in (1,) for {} in [{}]))".format, inner, name, name, inner),
            st.builds("p(0 < {} < {})".format, inner, inner),
            name.map("p(f'{{p({})}}')".format),
        ),
        max_leaves=4,
    )


expression = expressions()


def indent(block: str) -> str:
    return "\n".join("    " + line for line in block.split("\n"))


def block(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, min_size=1, max_size=4).map("\n".join).map(indent)


@cache
def simple(where: str) -> st.SearchStrategy[str]:
    found = [
        st.builds("{} = {}".format, name, expression),
        st.builds("{}, {} = {}, 2".format, name, name, expression),
        st.builds("{} += {}".format, name, expression),
        st.builds("{}: {} = {}".format, name, expression, expression),
        st.builds("del {}".format, name),
        st.builds("p({})".format, expression),
        st.builds("call({})".format, name),
        st.builds("call({})".format, name),
        st.builds("import math as {}".format, name),
        st.builds("from math import floor as {}".format, name),
        st.builds("assert p({})".format, expression),
        st.just("raise KeyError"),
        st.just("pass"),
    ]
    if where == "module":
        found += [
            st.builds("exec('{} = {}')".format, name, name),
            st.builds("p(eval('p({})'))".format, name),
            st.builds("exec('def {}(): return p({})')".format, name, name),
        ]
    if where == "loop":
        found += [st.just("break"), st.just("continue"), st.builds("if {}: break".format, expression)]
    if where == "function":
        found.append(st.builds("return {}".format, expression))
    return st.one_of(found)


@cache
def statements(where: str, depth: int) -> st.SearchStrategy[str]:
    plain = simple(where)
    if depth == 0:
        return plain
    same = block(st.deferred(lambda: statements(where, depth - 1)))
    loop = block(st.deferred(lambda: statements("loop" if where != "function" else where, depth - 1)))
    function = block(st.deferred(lambda: statements("function", depth - 1)))
    klass = block(st.deferred(lambda: statements("class", depth - 1)))
    declared = st.one_of(st.just(""), st.builds("    global {}\n".format, name))
    return st.one_of(
        plain,
        plain,
        st.builds("if {}:\n{}\nelse:\n{}".format, expression, same, same),
        st.builds("if {}:\n{}".format, expression, same),
        st.builds("for {} in (1, 2):\n{}\nelse:\n{}".format, name, loop, same),
        st.builds("while flip():\n{}".format, loop),
        st.builds("while True:\n    flip()\n{}\n    break".format, loop),
        st.builds("try:\n{}\nexcept (KeyError, NameError) as {}:\n{}\nelse:\n{}".format, same, name, same, same),
        st.builds("try:\n{}\nfinally:\n{}".format, same, same),
        st.builds("with suppress(KeyError, NameError) as {}:\n{}".format, name, same),
        st.builds("with nullcontext({}) as {}:\n{}".format, expression, name, same),
        st.builds("def {}({}={}):\n{}".format, name, st.sampled_from(["x", *NAMES]), expression, function),
        st.builds("def {}():\n{}{}".format, name, declared, function),
        st.builds("@deco\ndef {}():\n{}".format, name, function),
        st.builds("class {}:\n{}{}".format, name, declared, klass),
        st.builds("class {}(Base):\n{}".format, name, klass),
        st.builds(
            "match {}:\n    case 1 as {}:\n{}\n    case {}:\n{}".format,
            expression,
            name,
            same.map(indent),
            name,
            same.map(indent),
        ),
        st.builds("match {}:\n    case 1 | 2 if {}:\n{}".format, expression, expression, same.map(indent)),
    )


programs = st.lists(statements("module", 2), min_size=1, max_size=6).map("\n".join)


class World:
    """What a generated program calls; everything it can see is in `trace`."""

    def __init__(self) -> None:
        self.trace: list[Any] = []
        self.budget = 60

    def spend(self) -> None:
        self.budget -= 1
        if self.budget < 0:
            raise Enough

    def p(self, *values: Any) -> int:
        self.spend()
        self.trace.append([show(value) for value in values])
        return len(self.trace) % 3

    def call(self, value: Any) -> Any:
        self.spend()
        if callable(value):
            try:
                return value()
            except (TypeError, NameError, KeyError, AttributeError, RecursionError) as error:
                self.trace.append(type(error).__name__)
        for key, each in sorted(vars(value).items()) if isinstance(value, type) else []:
            if not key.startswith("_"):
                self.trace.append(show(each))
        return 0

    def deco(self, function: Any) -> Any:
        self.call(function)
        return function

    def flip(self) -> bool:
        self.spend()
        return self.budget % 3 != 0


def show(value: Any) -> str:
    return repr(value) if isinstance(value, int | str | tuple) else type(value).__name__


def run(source: str, namespace: dict[str, Any]) -> tuple[Any, ...]:
    world = World()

    class Base:
        def __init_subclass__(cls) -> None:
            for key, each in sorted(vars(cls).items()):
                if callable(each) and not key.startswith("_"):
                    world.call(lambda each=each: each())

    space: dict[str, Any] = {
        "p": world.p, "call": world.call, "deco": world.deco, "flip": world.flip, "Base": Base,
        "suppress": contextlib.suppress, "nullcontext": contextlib.nullcontext, **namespace,
    }  # fmt: skip
    before = dict(space)
    outcome = "done"
    try:
        exec(compile(source, "<cell>", "exec"), space)
    except Enough:
        outcome = "enough"
    except Exception as error:
        outcome = type(error).__name__
    changed = {key for key in NAMES if space.get(key, before) is not before.get(key, before)}
    return outcome, world.trace, space, changed, before


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.deferred(lambda: programs), st.sets(name), st.data())
def test_a_cell_sees_only_what_it_reads(source: str, present: set[str], data: st.DataObject) -> None:
    try:
        compile(source, "<cell>", "exec")
    except SyntaxError:
        return
    found = analyse(source)
    assert found.error is None
    assert not found.opaque
    first = {key: 100 + index for index, key in enumerate(NAMES) if key in present}
    second = dict(first)
    for key in NAMES:
        if key not in found.reads:
            second.pop(key, None)
            if data.draw(st.booleans()):
                second[key] = 900
    one, two = run(source, first), run(source, second)
    assert one[:2] == two[:2], found
    for outcome, _, space, changed, _ in (one, two):
        assert changed <= found.stores | found.deletes
        if outcome == "done":
            assert found.stores - found.unsure <= space.keys(), found
    for key in found.stores - found.unsure:
        if one[0] == "done":
            assert show(one[2][key]) == show(two[2][key]), found
