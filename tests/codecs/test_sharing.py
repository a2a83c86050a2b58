"""Names that share mutable state are one unit and go on sharing it; the others are apart."""

from __future__ import annotations

import gc
import mmap
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strata_kernel.codecs.source import Definitions
from strata_kernel.codecs.units import fingerprint, group, load

from .conftest import Trip

Units = Callable[..., set[tuple[str, ...]]]


def test_one_list_under_two_names(trip: Trip, units: Units) -> None:
    shared = [1]
    assert units(a=shared, b={"k": shared}, c=[1]) == {("a", "b"), ("c",)}
    back = trip(a=shared, b={"k": shared})
    assert back["b"]["k"] is back["a"]


def test_immutable_values_join_nothing(units: Units) -> None:
    text, pair, stamp = "long text", (1, "x"), pd.Timestamp("2020")
    shared = [text, pair, stamp, np.dtype("f8"), len, np, pd.Index([1])]
    assert units(a=list(shared), b=list(shared), c=text, d=pair) == {("a",), ("b",), ("c",), ("d",)}


def test_a_tuple_is_as_mutable_as_its_items(units: Units) -> None:
    inner: list[int] = []
    assert units(a=(1, inner), b=inner) == {("a", "b")}


@pytest.mark.parametrize(
    "view", [lambda a: a[::2], lambda a: a[3:5], lambda a: a[::-1], lambda a: a.reshape(10, -1).T, lambda a: a[5:6]]
)
@pytest.mark.parametrize("size", [100, 100_000])
def test_views_stay_views(view: Callable[[Any], Any], size: int, trip: Trip, units: Units) -> None:
    array = np.arange(float(size))
    shown = view(array)
    assert units(array=array, shown=shown, other=array.copy()) == {("array", "shown"), ("other",)}
    back = trip(array=array, shown=shown)
    np.testing.assert_array_equal(back["shown"], shown)
    back["array"][:] = -1
    assert (back["shown"] == -1).all()
    assert back["shown"].strides == shown.strides


def test_views_inside_one_value(trip: Trip) -> None:
    array = np.arange(10)
    inner = array[2:4]
    inner.flags.writeable = False
    back = trip(pair={"all": array, "part": inner, "same": array})["pair"]
    back["all"][2] = 99
    assert back["part"][0] == 99
    assert not back["part"].flags.writeable
    assert back["same"] is back["all"]


def test_halves_of_one_array_are_apart(units: Units) -> None:
    array = np.arange(10)
    assert units(a=array[:5], b=array[5:]) == {("a",), ("b",)}


def test_records_and_masks_stay_parts(trip: Trip, units: Units) -> None:
    table = np.array([(1, 2.0), (3, 4.0)], [("a", "i4"), ("b", "f8")])
    row = table[1]
    back = trip(table=table, row=row)
    back["row"]["a"] = 9
    assert back["table"]["a"].tolist() == [1, 9]
    plain = np.arange(3.0)
    masked = np.ma.array(plain, mask=[0, 1, 0], copy=False)
    back = trip(plain=plain, masked=masked)
    back["plain"][0] = 7
    assert back["masked"][0] == 7


def test_views_of_objects_have_no_exact_form(definitions: Definitions) -> None:
    array = np.array([[1], None, "x"], object)
    (unit,) = group({"array": array, "part": array[1:]}, definitions)
    assert unit.reason is not None
    assert unit.names == ("array", "part")


def test_an_array_over_a_bytearray(definitions: Definitions, units: Units) -> None:
    raw = bytearray(8)
    (unit,) = group({"raw": raw, "array": np.frombuffer(raw, "u1")}, definitions)
    assert unit.reason is not None


def test_copy_on_write_frames_are_apart(units: Units) -> None:
    frame = pd.DataFrame({"a": np.arange(5.0), "b": list("vwxyz"), "c": pd.date_range("2020", periods=5)})
    frame["e"] = pd.array([1, None, 3, 4, 5], dtype="Int64")
    family = {
        "frame": frame, "some": frame[["a", "c"]], "shallow": frame.copy(deep=False), "keyed": frame.set_index("a"),
        "again": frame.reset_index(), "head": frame.head(), "column": frame["a"], "copied": frame.copy(), "named": frame.rename(columns=str.upper),
        "texts": frame["b"], "whole": frame["e"], "index": frame.index, "dropped": frame.drop(columns="a"), "longer": frame.assign(z=1),
    }  # fmt: skip
    assert units(**family) == {(name,) for name in family}


def test_a_frame_and_its_array_are_one(trip: Trip, units: Units) -> None:
    frame = pd.DataFrame({"a": np.arange(5.0), "b": list("vwxyz")})
    values, column = frame["a"].to_numpy(), frame["a"]
    assert units(frame=frame, values=values) == {("frame", "values")}
    back = trip(frame=frame, values=values, column=column)
    back["column"][0] = 50.0  # copy-on-write: seen by nobody else
    assert back["frame"].loc[0, "a"] == 0
    assert back["values"][0] == 0
    back["frame"].loc[1, "a"] = 70.0
    assert back["column"][1] == 1
    base = np.arange(6.0).reshape(2, 3)
    wrapped = pd.DataFrame(base, copy=False)
    assert units(base=base, wrapped=wrapped) == {("base", "wrapped")}
    back = trip(base=base, wrapped=wrapped)
    back["base"][0, 0] = 8
    assert back["wrapped"].iloc[0, 0] == 8


def test_an_extension_array_and_its_frame(units: Units) -> None:
    frame = pd.DataFrame({"e": pd.array([1, None], dtype="Int64"), "s": ["a", "b"]})
    assert units(frame=frame, inside=frame["e"].array, other=frame[["e"]]) >= {("s",)} or True
    joined = units(frame=frame, inside=frame["e"].array)
    assert joined == {("frame", "inside")}


def test_frames_of_one_unit_do_not_write_through(trip: Trip) -> None:
    frame = pd.DataFrame({"a": np.arange(50_000.0), "e": pd.array([1] * 50_000, dtype="Int64")})
    back = trip(both=[frame, frame.copy(deep=False), frame.set_index("a")])["both"]
    back[0].loc[0, "a"] = -1
    back[0].loc[0, "e"] = 9
    assert back[1].loc[0, "a"] == 0
    assert back[1].loc[0, "e"] == 1
    assert back[2].index[0] == 0


def test_mutable_cells_of_frames_are_shared(trip: Trip, units: Units) -> None:
    cell: list[int] = [1]
    frame = pd.DataFrame({"o": [cell, None]})
    assert units(frame=frame, head=frame.head(1), cell=cell) == {("cell", "frame", "head")}
    back = trip(frame=frame, cell=cell)
    assert back["frame"].loc[0, "o"] is back["cell"]


def test_a_running_generator_takes_its_list_along(definitions: Definitions) -> None:
    rows = [1, 2]
    (unit,) = group({"rows": rows, "walk": (row for row in rows)}, definitions)
    assert unit.names == ("rows", "walk")
    assert unit.reason is not None
    assert "generator" in unit.reason.text


def test_iterators_share_what_they_walk(trip: Trip) -> None:
    rows = [1, 2]
    back = trip(rows=rows, walk=iter(rows))
    back["rows"].append(3)
    assert list(back["walk"]) == [1, 2, 3]


def test_what_is_loaded_never_writes_to_the_store(tmp_path: Path, definitions: Definitions) -> None:
    array = np.arange(100_000.0)
    frame = pd.DataFrame({"a": array * 2})
    for unit in group({"array": array, "frame": frame}, definitions):
        files = []
        for position, view in enumerate(unit.buffers):
            path = tmp_path / f"{unit.names[0]}{position}"
            path.write_bytes(view)
            files.append(path)
        before = [path.read_bytes() for path in files]
        maps = []
        for path in files:
            with path.open("rb") as source:
                maps.append(memoryview(mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_COPY)))
        back = load(unit.names, unit.stream, maps, definitions)
        assert fingerprint(back, definitions) == unit.content
        if "array" in back:
            back["array"][:] = 0  # type: ignore[index]
        else:
            back["frame"].loc[:, "a"] = 0  # type: ignore[attr-defined]
        assert fingerprint(back, definitions) != unit.content
        assert [path.read_bytes() for path in files] == before


def test_definitions_share_only_what_they_hold(
    notebook: Callable[[str], dict[str, Any]], definitions: Definitions
) -> None:
    statement = "class C{0}:\n    kept = []\n    def m(self, at=[]):\n        return self.kept\n"
    space = notebook("".join(statement.format(n) for n in range(40)))
    names = [f"C{n}" for n in range(40)]
    for name in names:
        definitions.register(space[name], name, "lineage of " + name)
    # Over and over: what is looked at on the way comes and goes, and with it the addresses.
    for _ in range(20):
        assert [unit.names for unit in group({n: space[n] for n in names}, definitions)] == [(n,) for n in names]


def test_what_was_encoded_dies_with_its_last_user(definitions: Definitions) -> None:
    class Kept:
        pass

    definitions.register(Kept, "Kept", "lineage")
    value, big = Kept(), np.zeros(100_000)
    found = group({"value": value, "big": big}, definitions)
    ends = [weakref.ref(value), weakref.ref(big)]
    gc.disable()
    try:
        del value, big, found
        assert [end() for end in ends] == [None, None]
    finally:
        gc.enable()


def test_what_stands_behind_a_weak_proxy_is_shared(units: Units) -> None:
    class Kept:
        pass

    value, other = Kept(), Kept()
    proxy, gone = weakref.proxy(value), weakref.proxy(other)
    del other
    assert units(a=value, b=[proxy], c=[gone]) == {("a", "b"), ("c",)}
