"""Instances come back as what they held, whatever their classes would have made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from strata_kernel.codecs.source import Definitions
from strata_kernel.codecs.units import group

Trip = Callable[..., dict[str, Any]]
Notebook = Callable[[str], dict[str, Any]]

LOSSY = """
class A:
    def __init__(self):
        self.kept, self.left = 1, [2]
    def __getstate__(self):
        return {'kept': self.kept}
"""
OTHER = """
class A:
    def __init__(self, kept=1, left=None):
        self.kept, self.left = kept, [2] if left is None else left
    def __reduce__(self):
        return A, (5, [6])
"""
COUNTING = """
made = []
class A:
    def __new__(cls):
        made.append(1)
        return super().__new__(cls)
    def __init__(self):
        self.kept, self.left = 1, [2]
    def __setstate__(self, state):
        made.append(2)
"""
SLOTS = """
class A:
    __slots__ = ('kept', 'left')
    def __init__(self):
        object.__setattr__(self, 'kept', 1)
        object.__setattr__(self, 'left', [2])
    def __setattr__(self, name, value):
        raise AttributeError(name)
"""


@pytest.mark.parametrize("source", [LOSSY, OTHER, COUNTING, SLOTS], ids=["getstate", "reduce", "new", "slots"])
def test_what_an_instance_holds_comes_back(
    source: str, trip: Trip, notebook: Notebook, definitions: Definitions
) -> None:
    notebook(source + "a = A()\n")
    definitions.register(definitions.namespace["A"], "A", "lineage")
    back: Any = trip(a=definitions.namespace["a"])["a"]
    assert type(back) is definitions.namespace["A"]
    assert (back.kept, back.left) == (1, [2])
    assert definitions.namespace.get("made", [1]) == [1]


@pytest.mark.parametrize(
    "source",
    [
        "class A(tuple):\n    def __new__(cls, it=()):\n        return super().__new__(cls, [i * 2 for i in it])\na = A([1])",
        "class A(dict):\n    def __setitem__(self, k, v):\n        super().__setitem__(k, v + 1)\na = A()\na['k'] = 1",
        "class A(set):\n    def __init__(self, it=()):\n        super().__init__([*it, 0])\na = A([1])",
    ],
    ids=["new", "setitem", "init"],
)
def test_what_would_be_made_anew_is_refused(source: str, notebook: Notebook, definitions: Definitions) -> None:
    notebook(source)
    definitions.register(definitions.namespace["A"], "A", "lineage")
    (unit,) = group({"a": definitions.namespace["a"]}, definitions)
    assert unit.reason is not None
    assert "`a`" in unit.reason.text


def test_plain_containers_of_the_notebook_are_kept(trip: Trip, notebook: Notebook, definitions: Definitions) -> None:
    notebook(
        "class A(dict):\n    def __init__(self, *given):\n        super().__init__(*given)\n        self.more = 1\na = A({'k': 1})\na.more = 3"
    )
    definitions.register(definitions.namespace["A"], "A", "lineage")
    back: Any = trip(a=definitions.namespace["a"])["a"]
    assert (dict(back), back.more) == ({"k": 1}, 3)
