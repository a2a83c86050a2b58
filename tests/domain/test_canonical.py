"""Canonical code: equal exactly when the trees are, whatever the layout."""

from __future__ import annotations

import ast
import math
import os
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_kernel.domain.analyse import analyse
from strata_kernel.domain.canonical import canonical

constants = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(), st.binary(), st.just(...)
    ),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=4,
)


def exact(value: object) -> object:
    """A form whose equality is identity of type and value."""
    match value:
        case float():
            return ("float", value.hex())
        case complex():
            return ("complex", value.real.hex(), value.imag.hex())
        case tuple():
            return ("tuple", *map(exact, value))
        case _:
            return (type(value).__name__, value)


@given(constants, constants)
def test_constants_are_told_apart_by_type_and_value(one: object, other: object) -> None:
    same = exact(one) == exact(other)
    assert (canonical(ast.Constant(one)) == canonical(ast.Constant(other))) is same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "True"), ("1", "1.0"), ("1", "'1'"), ("0.0", "-0.0"), ("''", "b''"), ("1", "1j"), ("None", "..."),
        ("'None'", "None"), ("'a' 'b'", "'a', 'b'"), ("f'{x}'", "'{x}'"), ("f'{x!r}'", "f'{x}'"), ("f'{x:3}'", "f'{x}'"),
        ("f'{x}{y}'", "f'{x}' f'{y} '"), ("[a, b]", "[a], b"), ("(a, b)", "[a, b]"), ("a - (b - c)", "a - b - c"),
        ("f(a, *b)", "f(*b, a)"), ("f(x=1)", "f('x', 1)"), ("a.b", "a .c"), ("x: int", "(x): int"),
        ("def f():\n 'doc'", "def f():\n 'doc '"), ("'a  b'", "'a b'"), ("x = y = 1", "x = (y := 1)"),
        ("from . import a", "from .. import a"), ("async def f(): pass", "def f(): pass"), ("x", "x;"),
        ("def f(a, /, b): 0", "def f(a, b, /): 0"), ("def f(a, *, b): 0", "def f(a, *b): 0"),
        ("[x for x in y if a if b]", "[x for x in y if a and b]"), ("10", "0xA + 0"), ("if a: b\nc", "if a: b; c"),
        ("1e999", "1e308"), ("'\\ud800'", "'\\ud801'"),
    ],
)  # fmt: skip
def test_different_programs_have_different_code(one: str, other: str) -> None:
    assert analyse(one).error is None
    assert analyse(other).error is None
    assert analyse(one).code != analyse(other).code


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x=1", "x  =  1  # why"), ("x = 1\ny = 2", "\n\nx = 1\n\n# c\ny = 2\n\n"), ("x = 1; y = 2", "x = 1\ny = 2"),
        ("u'a'", "'a'"), ("'a' 'b'", '"ab"'), ("f(a,b)", "f(\n  a,\n  b,\n)"), ("10", "0xA"), ("x = 1 # type: int", "x = 1"),
        ("(a)", "a"), ("if a:\n  b", "if a:\n      b"), ("1_000", "1000"), ("x; # c", "x ;"), ("x = '#'", "x = '#' # '#'"),
    ],
)  # fmt: skip
def test_layout_is_not_code(one: str, other: str) -> None:
    assert analyse(one).code == analyse(other).code


PROGRAM = '''import numpy as np

def f(a, b=1, *, c: int = 2):
    """Doc."""
    if a > b:
        return [x for x in range(a) if x]
    return {"k": a, **c}

class A(B, metaclass=M):
    x: int = 1

    async def m(self):
        async with self as s:
            await s.go()

try:
    y = f(3)
except (A, B) as error:
    raise E from error
finally:
    print(f"{y!r:>{w}} done")
'''


@given(st.integers(0, 2**32))
def test_comments_and_blank_lines_are_not_code(seed: int) -> None:
    pick = random.Random(seed)
    lines: list[str] = []
    for line in PROGRAM.split("\n"):
        lines += [" " * pick.randrange(9) + pick.choice(["", "# note", "#"]) for _ in range(pick.randrange(3))]
        lines.append(line + pick.choice(["", " ", "  # why", "\t"]))
    assert analyse("\n".join(lines)).code == analyse(PROGRAM).code


@given(st.data())
def test_any_change_of_a_name_or_constant_is_code(data: st.DataObject) -> None:
    tree, other = ast.parse(PROGRAM), ast.parse(PROGRAM)
    nodes = [n for n in ast.walk(other) if isinstance(n, ast.Name | ast.Constant | ast.arg | ast.alias | ast.Attribute)]
    node = data.draw(st.sampled_from(nodes))
    match node:
        case ast.Name():
            node.id += "_"
        case ast.Constant():
            node.value = (node.value,)
        case ast.arg():
            node.arg += "_"
        case ast.alias():
            node.name += "_"
        case ast.Attribute():
            node.attr += "_"
    assert canonical(tree) != canonical(other)


def test_odd_values() -> None:
    assert canonical(ast.Constant(math.nan)) == canonical(ast.Constant(math.nan))
    huge = "0x" + "f" * 10_000
    assert analyse(huge).code != analyse(huge + "0").code
    deep = "x = " + "+".join(["a"] * 2500)
    assert analyse(deep).code != analyse(deep + "+a").code
    assert analyse(deep).opaque


def test_code_is_equal_in_another_process() -> None:
    program = f"from strata_kernel.domain.analyse import analyse; print(analyse({PROGRAM!r}).code)"
    codes = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert codes == {analyse(PROGRAM).code}
