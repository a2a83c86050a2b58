"""Functions, closures, classes and what they can reach."""

from __future__ import annotations

import inspect
import linecache
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from strata_kernel.codecs.source import Definitions
from strata_kernel.codecs.units import fingerprint, group, load
from strata_kernel.errors import CodecError

from .conftest import Trip, restore

Notebook = Callable[[str], dict[str, Any]]


def names(definitions: Definitions, *wanted: str) -> dict[str, Any]:
    return {name: definitions.namespace[name] for name in wanted}


def test_lambdas_bind_to_the_live_namespace(trip: Trip, notebook: Notebook, definitions: Definitions) -> None:
    notebook("scale = 2\nf = lambda x, y=[1], *, z=3: (x * scale, y, z)\nf.tag = 'kept'")
    back = trip(**names(definitions, "f"))["f"]
    definitions.namespace["scale"] = 5
    assert back(2) == (10, [1], 3)
    assert back.tag == "kept"
    assert back.__module__ == "__main__"
    assert back.__globals__ is definitions.namespace
    assert back.__name__ == "<lambda>"


def test_closures_share_their_cells(trip: Trip, notebook: Notebook, definitions: Definitions) -> None:
    notebook(
        "def counter():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n    def read(): return n\n"
        "    return up, read\nup, read = counter()\nup()"
    )
    (unit,) = group(names(definitions, "up", "read"), definitions)
    back = restore([unit], definitions)
    back["up"]()
    assert back["read"]() == 2
    assert definitions.namespace["read"]() == 1
    assert fingerprint(names(definitions, "up", "read"), definitions) == unit.content
    definitions.namespace["up"]()
    assert fingerprint(names(definitions, "up", "read"), definitions) != unit.content


def test_functions_that_hold_themselves(trip: Trip, notebook: Notebook, definitions: Definitions) -> None:
    notebook(
        "def make():\n    def fact(n): return n * fact(n - 1) if n else 1\n    fact.me = fact\n    return fact\nf = make()"
    )
    back = trip(**names(definitions, "f"))["f"]
    assert back(5) == 120
    assert back.me is back
    assert back.__closure__[0].cell_contents is back


def test_everything_about_a_function_survives(trip: Trip, notebook: Notebook, definitions: Definitions) -> None:
    notebook(
        "def make():\n    def f(a: int, /, b: str = 'dd', *rest, c=('xx', 'yy'), **more) -> 'list':\n        'Doc.'\n"
        "        def inner(): return b, {'xx', 'yy'} and a in {'pp', 'qq'}\n        yield inner\n    return f\nf = make()"
    )
    original = definitions.namespace["f"]
    (unit,) = group({"f": original}, definitions)
    back: Any = restore([unit], definitions)["f"]
    assert inspect.signature(back) == inspect.signature(original)
    assert back.__doc__ == "Doc."
    assert back.__qualname__ == "make.<locals>.f"
    assert back.__code__ == original.__code__
    assert fingerprint({"f": back}, definitions) == unit.content


def test_sources_come_along(notebook: Notebook, definitions: Definitions) -> None:
    filename = definitions.locate("cell.py")
    source = "f = lambda x: x + 1\n"
    linecache.cache[filename] = (len(source), None, [source], filename)
    notebook(source)
    (unit,) = group(names(definitions, "f"), definitions)
    elsewhere = Definitions({"__name__": "__main__"}, cell_directory="/tmp/ipykernel_1")
    back: Any = load(unit.names, unit.stream, [], elsewhere)["f"]
    assert back.__code__.co_filename == "/tmp/ipykernel_1/cell.py"
    assert inspect.getsource(back) == source
    assert fingerprint({"f": back}, elsewhere) == unit.content


def test_definitions_travel_as_references(notebook: Notebook, definitions: Definitions) -> None:
    source = "class Point:\n    seen = []\n    class Inner: pass\n    def __init__(self, x): self.x = x\n    def double(self): return self.x * 2\n"
    notebook(source + "p = Point(1); inner = Point.Inner(); double = Point.double; bound = p.double")
    definitions.register(definitions.namespace["Point"], "Point", "v1")
    units = group(names(definitions, "p", "inner", "double", "bound"), definitions)
    assert {unit.names for unit in units} == {("bound", "p"), ("inner",), ("double",)}
    assert all(unit.reach.definitions == (("Point", "v1"),) for unit in units)
    fresh = Definitions({"__name__": "__main__"})
    made: list[str] = []

    def loader(name: str, lineage: str) -> object:
        if (live := fresh.live(name, lineage)) is not None:
            return live
        made.append(name)
        found = fresh.execute(source, name, "cell.py", 3)
        fresh.namespace[name] = found
        fresh.register(found, name, lineage)
        return found

    with pytest.raises(CodecError):
        load(("p",), units[0].stream, [], Definitions({"__name__": "__main__"}))
    fresh.loader = loader
    back: dict[str, Any] = {}
    for unit in units:
        back.update(load(unit.names, unit.stream, [], fresh))
    assert made == ["Point"]
    assert isinstance(back["p"], fresh.namespace["Point"])
    assert back["double"] is fresh.namespace["Point"].double
    assert back["bound"].__self__ is back["p"]
    assert type(back["inner"]) is fresh.namespace["Point"].Inner
    assert inspect.getsource(fresh.namespace["Point"].double).strip().startswith("def double")


def test_executing_a_definition_leaves_the_namespace(definitions: Definitions) -> None:
    definitions.namespace["f"] = "kept"
    made: Any = definitions.execute("def f():\n    return f\n", "f", "cell.py", 7)
    assert definitions.namespace["f"] == "kept"
    assert made() == "kept"
    assert made.__code__.co_firstlineno == 7
    assert os.path.dirname(made.__code__.co_filename) == definitions.cell_directory
    assert inspect.getsource(made) == "def f():\n    return f\n"
    with pytest.raises(CodecError):
        definitions.execute("def g(): pass", "f", "cell.py", 1)


@pytest.mark.parametrize(
    ("source", "change"),
    [
        ("class A:\n    count = 0\n    rows = []\n    def f(self): return 1\n", "A.count += 1"),
        ("class A:\n    count = 0\n    rows = []\n    def f(self): return 1\n", "A.rows.append(1)"),
        ("class A:\n    def f(self): return 1\n", "A.f = lambda self: 2"),
        ("def A(x=[]): return x\n", "A().append(1)"),
        ("def A(x=[]): return x\n", "A.calls = 1"),
        ("import enum\nclass A(enum.Enum):\n    X = 1\n", "A.note = 'new'"),
        ("import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: int = 1\n", "A.x = 2"),
        ("import functools\n@functools.lru_cache\ndef A(x): return x\n", "A.note = 1"),
        ("from abc import ABC, abstractmethod\nclass A(ABC):\n    @abstractmethod\n    def f(self): ...\n", "A.g = 1"),
        (
            "class A:\n    __slots__ = ('x',)\n    @property\n    def p(self): return 1\n    @staticmethod\n    def s(): ...\n",
            "del A.s",
        ),
    ],
)
def test_the_state_of_definitions(source: str, change: str, notebook: Notebook, definitions: Definitions) -> None:
    notebook(source)
    definitions.register(definitions.namespace["A"], "A", "v1")
    (unit,) = group(names(definitions, "A"), definitions)
    assert unit.kind == "definition"
    assert unit.lineage == "v1"
    assert not unit.stream
    assert unit.reason is None
    assert fingerprint(names(definitions, "A"), definitions) == unit.content
    notebook(change)
    assert fingerprint(names(definitions, "A"), definitions) != unit.content


@pytest.mark.parametrize(
    "use",
    [
        "import pickle; pickle.dumps(A())",
        "import copy; copy.deepcopy(A())",
        "A.__annotations__",
        "import typing; typing.get_type_hints(A)",
    ],
)
def test_use_is_no_change_of_a_class(use: str, notebook: Notebook, definitions: Definitions) -> None:
    notebook("class A:\n    def __init__(self): self.x = 1\n")
    definitions.register(definitions.namespace["A"], "A", "v1")
    before = fingerprint(names(definitions, "A"), definitions)
    assert before
    with suppress(pickle.PicklingError):  # what stands for the notebook's module here has no such class
        notebook(use)
    assert fingerprint(names(definitions, "A"), definitions) == before


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def make():\n    class Local: pass\n    return Local()\nv = make()", "Local"),
        ("class Unknown: pass\nv = [Unknown()]", "Unknown"),
        ("from functools import lru_cache\nv = lru_cache(lambda x: x)", "lru_cache"),
        ("from typing import TypeVar\nv = TypeVar('T')", "T"),
        ("from collections import namedtuple\nv = namedtuple('Q', 'a b')(1, 2)", "Q"),
        ("v = exec('def f(): pass', s := {'__name__': 'x'}) or s['f']", "f"),
    ],
)
def test_nothing_refers_to_the_notebook_by_name(
    source: str, told: str, notebook: Notebook, definitions: Definitions
) -> None:
    notebook(source)
    (unit,) = group(names(definitions, "v"), definitions)
    assert unit.reason is not None
    assert told in unit.reason.text
    assert unit.stream == b""


def test_reach(notebook: Notebook, definitions: Definitions) -> None:
    notebook(
        "f = lambda d: [row + offset for row in d.query('a > @limit', engine='python')]\n"
        "def g():\n    'doc mentions nothing'\n    global counter\n    counter = helper()\n    import os\n"
        "h = [lambda: eval('x')]"
    )
    units = {unit.names[0]: unit.reach for unit in group(names(definitions, "f", "g", "h"), definitions)}
    assert set(units["f"].names) == {"offset"}
    assert set(units["f"].mentions) == {"a", "limit", "python"}
    assert set(units["g"].names) == {"counter", "helper"}
    assert not units["g"].mentions
    assert not units["g"].opaque
    assert units["h"].opaque
    assert "x" in units["h"].mentions


PROGRAM = """
import sys
from strata_kernel.codecs.source import Definitions
from strata_kernel.codecs.units import group
import numpy as np, pandas as pd
definitions = Definitions({"__name__": "__main__"})
exec(compile('''
import collections
def make(k):
    def f(x, y=(1, "y"), *, z={"a", "b"}): return x in {"p", "q"}, k, unknown
    return f
f = make([1]); g = lambda: f
class A:
    rows = [1]
    def m(self, a="b"): return a
a = A()
d = collections.OrderedDict(a={"x", "y", "z", "zz"})
''', definitions.locate("17.py"), "exec"), definitions.namespace)
values = {name: definitions.namespace[name] for name in ("f", "A", "a", "d")}
definitions.register(values["A"], "A", "v1")
values["array"] = np.arange(30000.0).reshape(100, -1)
values["frame"] = pd.DataFrame({"a": range(20000), "b": "x", "c": pd.Categorical(["u", "v"] * 10000)})
values["cells"] = [{"k": (i, str(i))} for i in range(5)]
for unit in group(values, definitions):
    print(unit.names, unit.content, unit.reason)
"""


def test_digests_are_equal_in_two_processes() -> None:
    answers = {
        subprocess.run(
            [sys.executable, "-c", "\n" * padding + PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=True,
        ).stdout
        for padding in (0, 3)
    }  # fmt: skip
    assert len(answers) == 1
    assert "Reason" not in answers.pop()


def test_constant_sets_are_walked_as_before(trip: Trip, notebook: Notebook, definitions: Definitions) -> None:
    walks = ", ".join(f"[x for x in {{'a{i}', 'b{i}', ('c{i}', 1)}}]" for i in range(80))
    notebook(f"def make():\n    def f():\n        return [{walks}]\n    return f\nf = make()")
    assert trip(f=definitions.namespace["f"])["f"]() == definitions.namespace["f"]()
