"""Random nested values: the round trip keeps types, values and sharing, and the fingerprint tells every change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strata_kernel.codecs.source import Definitions
from strata_kernel.codecs.units import fingerprint, group, load

from .conftest import copied

DEFINITIONS = Definitions({"__name__": "__main__"})
BASE = st.sampled_from([0, 1, 2, 5])


class Box:
    """An instance with attributes."""


ATOMS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5), st.binary(max_size=5)
)


@st.composite
def notebooks(draw: st.DrawFn) -> dict[str, Any]:
    """Names over a heap in which later objects may hold earlier ones, some of them twice."""
    heap: list[Any] = [np.arange(8.0), [0], {"k": 1}]
    for _ in range(draw(st.integers(1, 8))):
        picked = st.one_of(ATOMS, st.sampled_from(heap))
        kind = draw(st.sampled_from(["list", "dict", "tuple", "set", "box", "array", "view", "frame", "bytes"]))
        if kind == "list":
            heap.append(draw(st.lists(picked, max_size=3)))
        elif kind == "dict":
            heap.append({key: draw(picked) for key in draw(st.sets(st.integers() | st.text(max_size=3), max_size=3))})
        elif kind == "tuple":
            heap.append(tuple(draw(st.lists(picked, max_size=3))))
        elif kind == "set":
            heap.append(draw(st.sets(st.text(max_size=3) | st.integers(), max_size=12)))
        elif kind == "box":
            heap.append(box := Box())
            box.part, box.own = draw(picked), box  # type: ignore[attr-defined]
        elif kind == "array":
            heap.append(np.arange(draw(st.integers(0, 6))) + draw(st.integers(0, 9)))
        elif kind == "view":
            source = draw(st.sampled_from([item for item in heap if isinstance(item, np.ndarray)]))
            heap.append(source[draw(st.slices(len(source)))])
        elif kind == "frame":
            frames = [item for item in heap if isinstance(item, pd.DataFrame)]
            heap.append(draw(st.sampled_from(frames)).copy(deep=False) if frames else pd.DataFrame({"a": [1.0, 2.0]}))
        else:
            heap.append(bytearray(draw(st.binary(max_size=4))))
    chosen = draw(st.lists(st.sampled_from(range(len(heap))), min_size=1, max_size=5))
    return {f"n{position}": heap[index] for position, index in enumerate(chosen)}


def shape(value: Any, seen: dict[int, int]) -> Any:
    """Return types, values and, by numbers of first meeting, the sharing."""
    if isinstance(value, (type(None), bool, int, float, str, bytes)):
        return type(value), value, str(value)
    if isinstance(value, np.ndarray) and not value.size:
        return "empty", value.dtype.str, value.shape  # nothing to share
    if id(value) in seen:
        return "again", seen[id(value)]
    seen[id(value)] = len(seen)
    if isinstance(value, (list, tuple)):
        return type(value), [shape(item, seen) for item in value]
    if isinstance(value, dict):
        return "dict", [(shape(key, seen), shape(item, seen)) for key, item in value.items()]
    if isinstance(value, set):
        return "set", list(value)
    if isinstance(value, np.ndarray):
        flags = value.flags
        return "array", value.dtype.str, value.tolist(), value.strides if value.size > 1 else (), flags.writeable
    if isinstance(value, pd.DataFrame):
        return "frame", value.to_dict()
    if isinstance(value, bytearray):
        return "bytearray", bytes(value)
    return type(value), shape(vars(value), seen)


def whole(values: dict[str, Any]) -> Any:
    seen: dict[int, int] = {}
    return [(name, shape(values[name], seen)) for name in sorted(values)]


def restored(values: dict[str, Any]) -> dict[str, Any]:
    back: dict[str, Any] = {}
    for unit in group(values, DEFINITIONS):
        assert unit.reason is None, unit.reason
        loaded = load(unit.names, unit.stream, copied(unit.buffers), DEFINITIONS)
        assert fingerprint(loaded, DEFINITIONS) == unit.content
        assert fingerprint({name: values[name] for name in unit.names}, DEFINITIONS) == unit.content
        back.update(loaded)
    return back


def aliases(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the pairs of top-level arrays that overlap."""
    arrays = [name for name in sorted(values) if isinstance(values[name], np.ndarray)]
    return [(a, b) for a in arrays for b in arrays if a < b and np.shares_memory(values[a], values[b])]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(notebooks())
def test_round_trip(values: dict[str, Any]) -> None:
    back = restored(values)
    immutable = {name for name, value in values.items() if isinstance(value, tuple)}
    if not immutable:  # which equal tuples are one object may differ between units, and nobody minds
        assert whole(back) == whole(values)
    else:
        assert {name: shape(back[name], {}) for name in back} == {name: shape(values[name], {}) for name in values}
    assert aliases(back) == aliases(values)


def poke(value: Any) -> bool:
    """Change the value in place; tell whether there was something to change."""
    if isinstance(value, list):
        value.append("new")
    elif isinstance(value, dict):
        value["new key"] = 1
    elif isinstance(value, set):
        value.add("new item")
    elif isinstance(value, bytearray):
        value += b"!"
    elif isinstance(value, pd.DataFrame):
        value.iloc[0, 0] += 1
    elif isinstance(value, np.ndarray) and value.size:
        value.flat[0] += 1
    elif isinstance(value, Box):
        value.part = "new"  # type: ignore[attr-defined]
    else:
        return False
    return True


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(notebooks(), st.data())
def test_a_change_shows_in_its_unit_and_nowhere_else(values: dict[str, Any], data: st.DataObject) -> None:
    units = group(values, DEFINITIONS)
    name = data.draw(st.sampled_from(sorted(values)))
    if not poke(values[name]):
        return
    for unit in units:
        now = fingerprint({key: values[key] for key in unit.names}, DEFINITIONS)
        assert (now != unit.content) == (name in unit.names), unit.names


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(notebooks(), st.data())
def test_restored_values_change_as_the_originals_do(values: dict[str, Any], data: st.DataObject) -> None:
    back = restored(values)
    name = data.draw(st.sampled_from(sorted(values)))
    poke(values[name]), poke(back[name])
    assert {key: shape(back[key], {}) for key in back} == {key: shape(values[key], {}) for key in values}
