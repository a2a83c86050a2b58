"""Which definitions can change by a call, and that every change of one is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from strata_kernel.codecs.changing import can_change, sign, stands
from strata_kernel.codecs.source import Definitions

FIXED = """
def f(x, y=3, *, k=(1, 'a')):
    return x
class f:
    k = 1
    def m(self, a=2):
        return super().__init__()
    @property
    def p(self):
        return 1
from dataclasses import dataclass, field
@dataclass
class f:
    n: int = 1
    l: list = field(default_factory=list)
"""
CHANGING = """
def f(x, acc=[]):
    pass
def f(x, *, acc={}):
    pass
def make():
    kept = []
    def f():
        kept.append(1)
    return f
f = make()
class f:
    seen = []
class f:
    def m(self, acc=[]):
        pass
class f:
    @staticmethod
    def m(acc=[]):
        pass
from enum import Enum
class f(Enum):
    A = 1
"""
CHANGES = [
    "f.k = 2",
    "f.other = 1",
    "del f.k",
    "f.m = lambda self: 1",
    "f.m.__defaults__ = (9,)",
    "f.p.fget.note = 1",
    "vars(f)['s'].__func__.note = 1",
]


def pieces(text: str) -> list[str]:
    """Split where a definition of `f` is complete."""
    found, lines = [], list[str]()
    for line in text.strip().splitlines():
        if lines and not line.startswith((" ", "f = ")) and not lines[-1].startswith(("from", "@")):
            found.append("\n".join(lines))
            lines = []
        lines.append(line)
    return [*found, "\n".join(lines)]


@pytest.mark.parametrize("source", pieces(FIXED))
def test_what_no_call_changes(source: str, notebook: Callable[[str], None], definitions: Definitions) -> None:
    notebook(source)
    assert not can_change(definitions.namespace["f"])


@pytest.mark.parametrize("source", pieces(CHANGING))
def test_what_a_call_may_change(source: str, notebook: Callable[[str], None], definitions: Definitions) -> None:
    notebook(source)
    assert can_change(definitions.namespace["f"])


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("more", ["", "    seen = []\n"])
def test_each_change_is_told(change: str, more: str, notebook: Callable[[str], None], definitions: Definitions) -> None:
    notebook(
        "class f:\n    k = 1\n" + more + "    def m(self, a=2):\n        return 1\n    @property\n    def p(self):\n"
        "        return 1\n    @staticmethod\n    def s():\n        return 1\n"
    )
    value = definitions.namespace["f"]
    before = sign(value, definitions)
    assert stands(value, before, definitions)
    notebook(change)
    assert not stands(value, before, definitions)


def test_a_list_that_grows_in_a_class_is_told(notebook: Callable[[str], None], definitions: Definitions) -> None:
    notebook("class f:\n    seen = []\n")
    value = definitions.namespace["f"]
    before = sign(value, definitions)
    notebook("f.seen.append(1)")
    assert not stands(value, before, definitions)
