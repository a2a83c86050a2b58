"""Results of DuckDB as frames: as the driver makes them, however many rows and nulls, and as they were stored."""

import warnings

import duckdb
import pandas
import pytest

from strata_kernel.codecs.values import LiveValues
from strata_kernel.executors.columns import fetched

#: Two values of each type that a column may have, the second one null in the cases with gaps.
VALUES = {
    "BOOLEAN": ("true", "false"), "TINYINT": ("-1", "7"), "INTEGER": ("-5", "6"), "BIGINT": ("9007199254740993", "1"),
    "UBIGINT": ("18446744073709551615", "0"), "HUGEINT": ("3", "4"), "FLOAT": ("0.1", "'nan'"), "DOUBLE": ("1e300", "-0.0"),
    "VARCHAR": ("''", "'ä€𝄞'"), "JSON": ("'{\"a\": 1}'", "'null'"), "DATE": ("'2020-02-29'", "'0001-01-01'"),
    "TIME": ("'01:02:03.4'", "'00:00'"), "TIMESTAMP": ("'2020-01-02 03:04:05.678901'", "'infinity'"),
    "TIMESTAMP_NS": ("'2020-01-02 03:04:05.678901234'", "'1970-01-01'"), "TIMESTAMPTZ": ("'2020-10-25 02:30:00+02'", "'1970-01-01'"),
    "INTERVAL": ("'3 days'", "'1 second'"), "UUID": ("'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000002'"),
    "DECIMAL(20,3)": ("1.5", "2"), "BLOB": ("'\\xAA'", "''"), "INTEGER[]": ("[1, 2]", "[]"), "ENUM('a', 'b')": ("'a'", "'b'"),
}  # fmt: skip


@pytest.fixture(scope="module")
def con():
    with duckdb.connect() as found:
        found.execute("SET TimeZone = 'Europe/Berlin'")
        yield found


def listed(frame):
    return [[(type(v), repr(v)) for v in frame.iloc[:, place].tolist()] for place in range(frame.shape[1])]


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("rows", [0, 1, 3, 150_001])
def test_columns_are_those_of_the_driver(con, kind, rows):
    one, other = VALUES[kind]
    if rows > 3 and kind in ("UUID", "INTEGER[]", "JSON", "BLOB", "TIME"):
        pytest.skip("the driver makes them itself, slowly")
    for last in (other, "NULL"):
        value = f"CASE WHEN i % 3 = 2 THEN {last}::{kind} ELSE {one}::{kind} END"
        query = f"SELECT {value} AS x, i AS n, {value} AS y FROM range({rows}) r(i) ORDER BY i"
        ours, theirs = fetched(con, query, {}, "pandas"), con.execute(query).df()
        if rows:
            pandas.testing.assert_series_equal(ours.dtypes, theirs.dtypes)
        else:
            assert list(ours.columns) == list(theirs.columns)
        assert ours.index.equals(theirs.index)
        assert type(ours.index) is type(theirs.index)
        few = slice(None) if rows < 9 else slice(122_870, 122_890)
        assert listed(ours[few]) == listed(theirs[few])
        assert ours.equals(theirs) or kind in ("INTEGER[]", "INTERVAL", "FLOAT") or not rows


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 AS a, 'x' AS a, 2.5::DOUBLE AS A",
        "EXPLAIN SELECT 1",
        'SELECT 1::BIGINT AS " "',
        "SELECT NULL AS x",
        "SELECT NULL::INT AS a, NULL::BOOLEAN AS b FROM range(3)",
    ],
)
def test_names_and_plans_are_those_of_the_driver(con, query):
    assert fetched(con, query, {}, "pandas").equals(con.execute(query).df())


def test_a_frame_is_its_own(con):
    """What Arrow lends can only be read."""
    for query in (
        "SELECT i, 2 * i AS j FROM range(3) r(i)",
        "SELECT 1.5::DOUBLE AS i",
        "SELECT i, i % 2 = 0 AS t FROM range(150000) r(i)",
    ):
        frame = fetched(con, query, {}, "pandas")
        frame.loc[0, "i"] = 7
        frame.iloc[0, -1] = True if frame.dtypes.iloc[-1].kind == "b" else 1
        assert frame.loc[0, frame.columns[-1]] == 1


@pytest.mark.parametrize("rows", [3, 200_000])
def test_equal_results_have_equal_stored_forms(con, rows):
    """What lies below a null, or behind the end, is no part of a value."""
    columns = ", ".join(
        f"CASE WHEN i % 3 > 0 THEN (i % 99)::{kind} END AS c{n}"
        for n, kind in enumerate(("BIGINT", "BOOLEAN", "DOUBLE", "VARCHAR"))
    )
    contents = set()
    for _ in range(3):
        con.execute("SELECT list(random()) FROM range(100000)").fetchall()
        (group,) = LiveValues({}).group({"x": fetched(con, f"SELECT {columns} FROM range({rows}) r(i)", {}, "pandas")})
        contents.add(group.content)
    assert len(contents) == 1


@pytest.mark.parametrize(("library", "kind"), [("polars", "DataFrame"), ("arrow", "Table")])
def test_other_libraries_get_frames_of_their_own(con, library, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = fetched(
            con, "SELECT $least AS i, 'x' AS s, DATE '2020-01-02' AS d, 1.50::DECIMAL(9, 2) AS m", {"least": 3}, library
        )
    assert type(frame).__name__ == kind
    rows = frame.to_dicts() if library == "polars" else frame.to_pylist()
    assert [str(v) for v in rows[0].values()] == ["3", "x", "2020-01-02", "1.50"]
