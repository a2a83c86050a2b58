"""Values come back with the type and the content that they had."""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import io
import pathlib
import random
import re
import types
import uuid
import zoneinfo
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from strata_kernel.codecs.source import Definitions
from strata_kernel.codecs.summary import summarise
from strata_kernel.codecs.units import fingerprint, group, unchanged

from .conftest import Trip, copied, restore

EQUAL: list[Any] = [
    {1: "a", 2: "b"}, {"t": (1, 2)}, [1, (2, 3), {4: 5}], {1: 2, (2, 3): [4]}, 10**30, float("inf"), -0.0, None, True,
    "ü", "\udc80", b"a", bytearray(b"a"), (1, 2), {1, 2}, frozenset({1}), range(3), ..., NotImplemented, 1 + 2j,
    collections.OrderedDict(a=1), collections.Counter("aab"), collections.deque([1], 3), collections.ChainMap({1: 2}),
    collections.defaultdict(list, a=[1]), np.float32(1), np.bool_(True), np.str_("a"), np.datetime64("2020-01-01"),
    pd.Timestamp("2020-01-01", tz="Europe/Paris"), pd.Timedelta(1, "ns"), pd.Period("2020"), pd.Interval(0, 1),
    datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1))), datetime.time(1, 2),
    decimal.Decimal("1e60"), uuid.UUID(int=3), fractions.Fraction(1, 3), pathlib.PurePosixPath("a/b"),
    re.compile("a+", re.I), zoneinfo.ZoneInfo("Europe/Paris"), types.SimpleNamespace(a=[1]), slice(1, 2), len, list,
    np.dtype("f8"), pa.table({"a": [1, None]}), pa.schema([("a", pa.int32())]), np.sum, datetime, list[int], int | str,
]  # fmt: skip


@pytest.mark.parametrize("value", EQUAL, ids=lambda value: type(value).__name__)
def test_plain_values(value: Any, trip: Trip, definitions: Definitions) -> None:
    back = trip(value=value)["value"]
    assert type(back) is type(value)
    assert back == value
    assert repr(back) == repr(value)
    assert fingerprint({"value": back}, definitions) == fingerprint({"value": value}, definitions)


def test_factories_and_limits_survive(trip: Trip) -> None:
    back = trip(d=collections.defaultdict(list), q=collections.deque(maxlen=2))
    assert back["d"]["new"] == []
    assert back["q"].maxlen == 2


BASE = np.arange(24.0).reshape(2, 3, 4)
READ_ONLY = np.arange(5)
READ_ONLY.flags.writeable = False
ARRAYS: list[Any] = [
    BASE, BASE.T, BASE[::2], BASE[:, ::2], BASE[::-1], BASE.transpose(1, 0, 2), np.asfortranarray(BASE), np.array(5),
    np.array([]), np.zeros((0, 3)), np.array(["a", "bb"]), np.array([b"a"]), np.array(["2020"], "M8[ns]"), READ_ONLY,
    np.array([1, 2], ">i4"), np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]), np.array([1, "a", None], object),
    np.array([[1, 2], [3, 4]], object).T, np.broadcast_to(np.arange(3), (4, 3)), np.array([1 + 2j]), np.arange(100000),
    np.lib.stride_tricks.sliding_window_view(np.arange(10), 3), np.array([True]), np.array([1], "q"), np.zeros(3, "V5"),
    np.array(["a", "bcd" * 20], np.dtypes.StringDType()), np.array([1], "m8[s]"), np.zeros((3, 1))[:, 0],
]  # fmt: skip


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}-{array.shape}")
def test_arrays_keep_layout_and_flags(array: Any, trip: Trip, definitions: Definitions) -> None:
    back = trip(array=array)["array"]
    assert type(back) is np.ndarray
    np.testing.assert_array_equal(back, array)
    assert (back.dtype, back.dtype.char, back.shape) == (array.dtype, array.dtype.char, array.shape)
    assert [s for s, n in zip(back.strides, array.shape, strict=False) if n != 1] == [
        s for s, n in zip(array.strides, array.shape, strict=False) if n != 1
    ]
    for flag in ("C_CONTIGUOUS", "F_CONTIGUOUS", "WRITEABLE"):
        assert back.flags[flag] == array.flags[flag], flag
    assert fingerprint({"array": back}, definitions) == fingerprint({"array": array}, definitions)


def test_small_arrays_own_their_memory(trip: Trip) -> None:
    back = trip(array=np.arange(3))["array"]
    back.resize(5, refcheck=False)
    assert back.tolist() == [0, 1, 2, 0, 0]


class Tagged(np.ndarray):
    tag: str


def test_subclasses_keep_their_attributes(trip: Trip) -> None:
    masked = np.ma.array([1.0, 2, 3], mask=[0, 1, 0], fill_value=9)
    tagged = np.arange(3).view(Tagged)
    tagged.tag = "t"
    records = np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
    back = trip(masked=masked, matrix=np.matrix([[1, 2]]), tagged=tagged, records=records)
    assert type(back["masked"]) is np.ma.MaskedArray
    assert back["masked"].mask.tolist() == [False, True, False]
    assert back["masked"].fill_value == 9
    assert type(back["matrix"]) is np.matrix
    assert type(back["tagged"]) is Tagged
    assert back["tagged"].tag == "t"
    assert back["records"].a.tolist() == [1]


def test_frames(trip: Trip, definitions: Definitions) -> None:
    frame = pd.DataFrame(
        {
            "a": np.arange(5.0),
            1: ["x", None, "y", "z", "w"],
            "c": pd.date_range("2020", periods=5, tz="Europe/Paris"),
            "d": pd.Categorical(list("aabbc"), ordered=True),
            "e": pd.array([1, 2, None, 4, 5], dtype="Int64"),
            "o": [[1], {2}, {"k": 3}, None, (1,)],
            "p": pd.period_range("2020", periods=5),
            "cut": pd.cut(range(5), 2),
            "s": pd.arrays.SparseArray([0, 0, 1, 0, 2]),
            "b": pd.array([True, None, False, True, True], dtype="boolean"),
            "w": pd.array([1, 2, 3, 4, 5], dtype="int64[pyarrow]"),
            "t": pd.timedelta_range("1D", periods=5),
        }
    )
    frame.attrs["note"] = {"deep": [1]}
    doubled = pd.concat([frame[["a"]], frame[["a"]]], axis=1)
    for value in (frame, frame.set_index(["a", 1]), frame.T, doubled, frame.describe(), frame["a"], frame.index):
        back = trip(value=value)["value"]
        assert type(back) is type(value)
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(back, value, check_flags=True)
            assert back.attrs == value.attrs
        (unit,) = group({"value": value}, definitions)
        assert unchanged({"value": back}, str(unit.content), unit.stream, copied(unit.buffers), definitions)
    back = trip(frame=frame)["frame"]
    for column in ("a", "c", "d", "e"):
        back.loc[0, column] = back.loc[2, column]


def test_reading_a_frame_is_no_change(definitions: Definitions) -> None:
    frame = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "p": pd.period_range("2020", periods=2)})
    before = fingerprint({"frame": frame}, definitions)
    repr(frame), frame.dtypes, frame.p.dt.year, frame.describe(), frame.a.mean(), frame.index.is_unique
    assert fingerprint({"frame": frame}, definitions) == before


def test_polars_and_arrow(trip: Trip) -> None:
    frame = pl.DataFrame({"a": range(9000), "b": ["x", None, "y"] * 3000, "c": [[1]] * 9000})
    frame = frame.with_columns(d=pl.col("b").cast(pl.Categorical))
    back = trip(frame=frame, lazy=frame.lazy(), series=frame["b"], expression=pl.col("a") + 1)
    assert back["frame"].equals(frame)
    assert back["frame"].schema == frame.schema
    assert back["lazy"].collect().equals(frame)
    assert back["series"].name == "b"
    assert str(back["expression"]) == str(pl.col("a") + 1)


def test_generators_of_randomness_go_on(trip: Trip) -> None:
    ours, theirs = random.Random(3), np.random.default_rng(3)
    back = trip(ours=ours, theirs=theirs)
    assert back["ours"].random() == ours.random()
    assert back["theirs"].random() == theirs.random()


def test_the_process_wide_generators_are_not_copied(trip: Trip) -> None:
    back = trip(draw=random.random, shuffle=np.random.shuffle)
    assert back["draw"].__self__ is random.random.__self__
    assert back["shuffle"].__self__ is np.random.shuffle.__self__


@pytest.mark.parametrize("count", [3, 5, 8, 20, 100, 3000])
def test_sets_are_walked_in_the_same_order(count: int, trip: Trip) -> None:
    draw = random.Random(count)
    for _ in range(30):
        words = {str(draw.random()) for _ in range(count)}
        words -= set(list(words)[: count // 4]) if draw.random() < 0.2 else set()
        inner = words.copy()
        back = trip(words=words, inner={"k": [inner]})
        assert back["words"] == words
        assert list(back["inner"]["k"][0]) == list(inner)
        # After removals the table may have holes that no order of insertion gives.
        assert list(back["words"]) == list(words) or len(words) < count


def test_modules_and_in_memory_files(trip: Trip, definitions: Definitions) -> None:
    stream = io.BytesIO(b"abc")
    stream.read(1)
    back = trip(stream=stream, nested=[np])
    assert back["stream"].read() == b"bc"
    assert back["nested"][0] is np
    (unit,) = group({"np": np}, definitions)
    assert unit.kind == "module"
    assert unit.immutable
    assert restore([unit], definitions)["np"] is np


def test_summaries_name_type_and_shape(definitions: Definitions) -> None:
    (unit,) = group({"frame": pd.DataFrame({"a": [1, 2]})}, definitions)
    assert unit.summary["frame"].startswith("DataFrame (2, 1)")


def test_the_line_about_a_number_is_the_number():
    told = {
        3: "int 3",
        0.1: "float 0.1",
        True: "bool True",
        None: "NoneType None",
        np.float32(0.5): "float32 0.5",
        10**400: "int 8 B",
        "text": "str (4) 8 B",
    }
    assert {value: summarise(value, 8) for value in told} == told
