"""What queries bind in each library of frames, and what they take from the notebook, on each database."""

import datetime
import math
from decimal import Decimal
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from strata_kernel.cells.kind import Identity
from strata_kernel.cells.sql import SqlKind
from strata_kernel.domain.cell import Cell
from strata_kernel.errors import CellError
from strata_kernel.executors.binds import binds
from strata_kernel.executors.sql import Databases
from strata_kernel.world.world import LocalWorld
from tests.kinds.test_sql import ENGINES, filled, port  # noqa: F401


class Given:
    """A task and a stage: one cell, and the variables of the notebook."""

    def __init__(self, source, **namespace):
        self.cell, self.namespace = Cell("c", source), namespace


@pytest.fixture(scope="module", params=ENGINES)
def asking(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    outside = filled(request.param, folder, request)
    table = {"driver": request.param, "path": "shop.db"}
    if request.param == "postgresql":
        table = {"driver": "postgresql", "host": "127.0.0.1", "port": outside.port, "dbname": "shop", "user": "reader"}

    def ask(source, frame="pandas", **namespace):
        made = Databases({"shop": table}, folder, frame, LocalWorld([str(folder)]))
        given = Given(source if source.startswith("#") else f"%%sql shop\n{source}", **namespace)
        return next(iter(made.run(given, given).binds.values()))

    ask.engine = request.param
    return ask


def rows(frame):
    return frame.rows() if hasattr(frame, "rows") else [tuple(r.values()) for r in frame.to_pylist()]


@pytest.mark.parametrize(("library", "kind"), [("polars", "DataFrame"), ("arrow", "Table")])
def test_values_are_the_same_in_other_libraries(asking, library, kind):
    frame = asking("SELECT id, name, CASE WHEN id = 1 THEN 0.5 END AS half FROM item ORDER BY id", library)
    assert type(frame).__module__.startswith(library.replace("arrow", "pyarrow"))
    assert type(frame).__name__ == kind
    found = rows(frame)
    assert [(r[0], r[1], r[2] and float(r[2])) for r in found] == [(1, "one", 0.5), (2, "two", None)]
    ident = asking("SELECT :u AS u, :t AS t", library, u=UUID(int=5), t="x'y")
    assert [str(v) for v in rows(ident)[0]] == [str(UUID(int=5)), "x'y"]
    assert rows(asking("SELECT id FROM item WHERE id > 9", library)) == []
    done = asking(
        "# @sql connection=shop write=true\nUPDATE item SET name = name; CREATE TABLE IF NOT EXISTS other (i INTEGER)",
        library,
    )
    assert [r[1:] for r in rows(done)] == [("UPDATE", 2), ("CREATE", None)]
    if asking.engine != "sqlite":
        # SQLite makes a null of it.
        (found,) = rows(asking("SELECT :x AS x", library, x=math.nan))
        assert math.isnan(found[0])


def test_what_a_library_has_no_place_for_is_an_error_with_a_cure(asking):
    with pytest.raises(CellError, match=r"called 'a'.*AS"):
        asking("SELECT 1 AS a, 2 AS a", "polars")
    if asking.engine == "sqlite":
        with pytest.raises(CellError, match=r"'x' has no type(.|\n)*CAST"):
            asking("SELECT 1 AS x UNION ALL SELECT 'a'", "arrow")
    if asking.engine == "postgresql":
        for value in ("'10.0.0.1'::inet", "'NaN'::numeric", "int4range(1, 3)"):
            with pytest.raises(CellError, match=r"'x' has no type(.|\n)*CAST"):
                asking(f"SELECT {value} AS x", "polars")


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series, pd.Index])
def test_lists_of_all_kinds_are_binds_where_the_database_takes_them(asking, kind):
    ids = kind([2, 3])
    if asking.engine == "sqlite":
        with pytest.raises(CellError, match="json_each"):
            asking("SELECT name FROM item WHERE id IN (:ids)", ids=ids)
        ids = "[2, 3]"
    test = "IN (SELECT value FROM json_each(:ids))" if asking.engine == "sqlite" else "= ANY(:ids)"
    assert asking(f"SELECT name FROM item WHERE id {test}", ids=ids).values.tolist() == [["two"]]


def test_a_server_that_is_not_there_is_told_with_a_cure(asking, tmp_path):
    gone = {"driver": asking.engine, "path": "gone.db", "host": "127.0.0.1", "port": 1, "user": "reader"}
    made = Databases({"gone": gone}, tmp_path, "pandas", LocalWorld([]))
    given = Given("%%sql gone\nSELECT 1")
    with pytest.raises(
        CellError, match=r"\[connections.gone\].*(there is no file|cannot be reached(.|\n)*see that the server runs)"
    ):
        made.run(given, given)


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        (pd.NaT, None), (pd.NA, None), (np.datetime64("NaT"), None), (bytearray(b"x"), b"x"), (np.str_("é"), "é"), (np.int8(-1), -1),
        (np.uint64(2**63), 2**63), (np.bool_(False), False), (np.float32(0.5), 0.5), (np.bytes_(b"x"), b"x"),
        (np.datetime64("2020-02-29T01:02:03.000004"), datetime.datetime(2020, 2, 29, 1, 2, 3, 4)),
        (np.datetime64("2020-02-29T01:02:03", "ns"), datetime.datetime(2020, 2, 29, 1, 2, 3)),
        (np.datetime64("2020-02-29"), datetime.datetime(2020, 2, 29)), (pd.Timestamp("2020-02-29"), datetime.datetime(2020, 2, 29)),
    ],
)  # fmt: skip
def test_scalars_are_bound_as_what_they_stand_for(value, bound):
    found = binds(["x"], {"x": value}, lists=False)["x"]
    assert (type(found), found) == (type(bound), bound)


@pytest.mark.parametrize(
    ("value", "cure"),
    [
        # As numbers they would be taken for others.
        (np.timedelta64(3, "ns"), "is a timedelta64"), (np.datetime64(1, "ns"), "no moment"), (np.datetime64("20000-01-01"), "no moment"),
        (pd.Timestamp(1), "floor"), (datetime.timedelta(1), "accepted are"), ({1}, "is a set"), (object(), "is an object"), (1j, "is a complex"),
        (np.array([[1]]), "is a ndarray"), ([[1]], "is a list"), (pd.DataFrame(), "is a DataFrame"), (np.longdouble(1), "is a longdouble"),
    ],
)  # fmt: skip
def test_what_is_no_value_of_sql_is_refused(value, cure):
    with pytest.raises(CellError, match=f"the bind :x .*{cure}"):
        binds(["x"], {"x": value}, lists=True)


def test_elements_are_bound_as_values_are():
    mixed = [np.int64(1), None, pd.NaT, Decimal("1.5")]
    assert binds(["x"], {"x": mixed}, lists=True) == {"x": [1, None, None, Decimal("1.5")]}
    assert binds(["x"], {"x": pd.Series(pd.to_datetime(["2020-02-29"]))}, lists=True) == {
        "x": [datetime.datetime(2020, 2, 29)]
    }


@pytest.mark.parametrize(("frame", "module"), [("pandas", "pandas"), ("polars", "polars"), ("arrow", "pyarrow")])
def test_a_result_depends_on_the_library_of_its_frame(frame, module):
    reading = SqlKind({"shop": {"driver": "sqlite"}}, frame).read(Cell("c", "%%sql shop\nSELECT 1"), Identity("3.11"))
    assert reading.analysis.modules == {module}
