"""Snowflake and BigQuery behind their drivers' interface, as DuckDB in memory answers it: no service was ever asked."""

import datetime
import sys
import uuid
from decimal import Decimal

import duckdb
import pytest

from strata_kernel.cells.query import read
from strata_kernel.errors import CellError
from strata_kernel.executors.engine import Ask, Connection
from strata_kernel.executors.sql import Databases
from strata_kernel.executors.warehouse import WAREHOUSES, WarehouseEngine
from strata_kernel.world.world import LocalWorld

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output")
TABLES = {
    "snowflake": {
        "driver": "snowflake", "account": "ab1", "database": "SHOP", "schema": "PUBLIC", "warehouse": "SMALL",
        "role": "READER", "write_role": "WRITER", "auth": {"user": "${U}", "password": "${P}"},
    },
    "bigquery": {"driver": "bigquery", "project": "p", "dataset": "d", "location": "EU", "auth": {"credentials": "${C}"}},
}  # fmt: skip
PINNED = {
    "snowflake": "SELECT * FROM t AT(TIMESTAMP => '2024-06-01 00:00:00 +02:00'::timestamp_tz)",
    "bigquery": "SELECT * FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '2024-06-01 00:00:00 UTC'",
}


class Failed(Exception):
    """What the driver raises."""

    class status_code:  # as ADBC tells why
        name = "UNKNOWN"


class Cursor:
    def __init__(self, driver):
        self.driver, self.rowcount = driver, -1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.log.append("cursor closed")

    def execute(self, text, values=None):
        self.driver.log.append((text, values))
        if self.driver.meets is not None:
            raise self.driver.meets
        try:
            self.found = self.driver.con.execute(text, list(values or ()))
            self.rowcount = 1
        except duckdb.Error as error:
            raise Failed(str(error)) from None
        return self

    def fetch_arrow_table(self):
        take = getattr(self.found, "fetch_arrow_table", None) or self.found.to_arrow_table
        return take()

    def fetchall(self):
        return self.found.fetchall()

    def adbc_cancel(self):
        self.driver.log.append("cancelled")
        raise Failed("nothing runs")


class Driver:
    """A module with ADBC's DB-API, as far as it is used."""

    Error = Failed

    def __init__(self):
        self.con, self.log, self.meets, self.options, self.refuses = duckdb.connect(), [], None, {}, ""
        self.con.execute("CREATE TABLE t (id BIGINT, name VARCHAR)")
        self.con.execute("INSERT INTO t VALUES (1, 'one'), (2, NULL)")

    def connect(self, *, db_kwargs, autocommit):
        if self.refuses:
            raise Failed(self.refuses)
        self.options, self.autocommit = db_kwargs, autocommit
        return self

    def cursor(self, *, adbc_stmt_kwargs):
        self.statement = adbc_stmt_kwargs
        return Cursor(self)

    def commit(self):
        self.log.append("committed")

    def close(self):
        self.log.append("closed")


@pytest.fixture(params=TABLES)
def engine(request):
    environ = {"U": "ada", "P": "hunter2-secret", "C": '{"private_key": "hunter2-secret"}'}
    connection = Connection("lake", request.param, TABLES[request.param], "/nowhere", environ)
    return WarehouseEngine(connection, WAREHOUSES[request.param], Driver())


def ask(engine, text, library="pandas", **more):
    binds = more.pop("binds", {})
    found = read(text, engine.connection.driver)
    return Ask(text, found.statements, binds, {}, found.texts, found.words, library, **more)


def test_a_query_is_bound_by_the_driver_and_runs_each_time(engine):
    text = "SELECT id, name, :x AS x FROM t WHERE id >= :least OR :x = 'never' ORDER BY id"
    answer = engine.query(ask(engine, text, binds={"least": 1, "x": "'); DROP TABLE t; --"}))
    assert answer.frame.astype(object).where(answer.frame.notna(), None).values.tolist() == [
        [1, "one", "'); DROP TABLE t; --"],
        [2, None, "'); DROP TABLE t; --"],
    ]
    sent, values = engine._driver.log[0]
    assert sent == "SELECT id, name, ? AS x FROM t WHERE id >= ? OR ? = 'never' ORDER BY id"
    assert values == ("'); DROP TABLE t; --", 1, "'); DROP TABLE t; --")
    assert answer.facts == ()
    assert [r.code for r in answer.reasons] == ["unobserved"]
    assert "does not tell" in answer.reasons[0].text
    assert engine.query(ask(engine, "SELECT 1 AS a", fresh=False)).reasons == ()
    assert engine._driver.log[-1] == "closed"
    for library, kind in (("polars", "DataFrame"), ("arrow", "Table")):
        assert type(engine.query(ask(engine, "SELECT 1 AS a", library)).frame).__name__ == kind


def test_whole_numbers_stay_whole_and_others_exact(engine):
    query = (
        "SELECT * FROM (VALUES (1::DECIMAL(38, 0), 1::DECIMAL(38, 0), 99999999999999999999::DECIMAL(38, 0), 1.50::DECIMAL(9, 2), true),"
        " (2, NULL, 3, NULL, NULL)) v(a, b, c, d, e)"
    )
    frame = engine.query(ask(engine, query)).frame
    assert [str(kind) for kind in frame.dtypes] == ["int64", "Int64", "object", "object", "boolean"]
    assert [frame.c[0], frame.d[0]] == [Decimal(99999999999999999999), Decimal("1.50")]


def test_binds_travel_as_they_are(engine):
    values = {
        "a": None, "b": True, "c": 2**40, "d": 0.1, "e": "x'y", "f": b"\0\xff", "g": Decimal("1.5"),
        "h": datetime.date(2020, 2, 29), "i": datetime.datetime(2020, 2, 29, 1, 2, 3), "j": datetime.time(1, 2, 3), "k": uuid.UUID(int=5),
    }  # fmt: skip
    engine.query(ask(engine, "SELECT " + ", ".join(f":{n}" for n in values), binds=values))
    assert engine._driver.log[0][1] == (*list(values.values())[:-1], str(uuid.UUID(int=5)))


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t VALUES (1, 'x')", "DROP TABLE t", "CALL p()", "CREATE TABLE u AS SELECT 1", "EXECUTE IMMEDIATE 'DROP TABLE t'",
        "BEGIN", "USE ROLE admin", "COPY INTO t FROM @s", "EXPORT DATA OPTIONS(uri='x') AS SELECT 1", "-- SELECT\nDELETE FROM t",
        "/* SELECT */ TRUNCATE TABLE t", "MERGE INTO t USING u ON 1 = 1 WHEN MATCHED THEN DELETE", "", "SELECT 1; DROP TABLE t",
    ],
)  # fmt: skip
def test_what_does_not_read_is_refused_before_anyone_is_asked(engine, text):
    with pytest.raises(CellError, match="write=true"):
        engine.query(ask(engine, text)) if text else engine._refuse_writes(read("1 + 1", "snowflake").statements[0])
    assert engine._driver.log == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("snowflake", "SELECT $t$; DROP TABLE t; SELECT $t$"),
        ("snowflake", "SHOW TABLES ->> INSERT INTO t SELECT 1"),
        ("snowflake", "SELECT 'a\\'; DROP TABLE t; --'"),
        ("bigquery", "SELECT '''a' '''; DROP TABLE t --'"),
        ("bigquery", 'SELECT "\\""; DROP TABLE t; --"'),
        ("bigquery", "FROM t |> INSERT INTO u"),
    ],
)
def test_no_string_hides_a_write(name, text):
    engine = WarehouseEngine(Connection("lake", name, TABLES[name], "/", {}), WAREHOUSES[name], Driver())
    if "\\'" in text:
        engine._refuse_writes(read(text, name).statements[0])
        assert len(read(text, name).statements) == 1
        return
    with pytest.raises(CellError, match="write=true"):
        engine.query(ask(engine, text))


def test_writes_take_their_role_and_are_all_or_nothing(engine):
    done = engine.write(ask(engine, "INSERT INTO t VALUES (:id, 'x')", binds={"id": 3}))
    assert [(w.kind, w.rows) for w in done] == [("INSERT", 1)]
    two = ask(engine, "INSERT INTO t VALUES (4, 'x'); UPDATE t SET id = 5")
    alone = ask(engine, "INSERT INTO t VALUES (4, 'x'); CREATE TABLE u (i INT)")
    if engine.connection.driver == "snowflake":
        assert engine._driver.options["adbc.snowflake.sql.role"] == "WRITER"
        assert len(engine.write(two)) == 2
        assert engine._driver.autocommit is False
        assert engine._driver.log.count("committed") == 2
    else:
        with pytest.raises(CellError, match="cell of its own"):
            engine.write(two)
    with pytest.raises(CellError, match="cell of its own"):
        engine.write(alone)
    before = engine._driver.log.count("committed")
    with pytest.raises(CellError, match=r"\[connections.lake\].*nowhere"):
        engine.write(ask(engine, "INSERT INTO nowhere VALUES (1)"))
    assert engine._driver.log.count("committed") == before
    engine.query(ask(engine, "SELECT 1", "arrow"))
    assert engine._driver.options.get("adbc.snowflake.sql.role", "READER") == "READER"


def test_an_interrupt_cancels_what_runs(engine):
    engine._driver.meets = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        engine.query(ask(engine, "SELECT 1"))
    assert engine._driver.log[-3:] == ["cancelled", "cursor closed", "closed"]
    cancelled = Failed("the query was cancelled")
    cancelled.status_code = type("", (), {"name": "CANCELLED"})
    engine._driver.meets = cancelled
    with pytest.raises(KeyboardInterrupt):
        engine.query(ask(engine, "SELECT 1"))


def test_errors_name_the_connection_and_the_cure_and_no_secret(engine):
    engine._driver.refuses = "no route to host; password hunter2-secret"
    with pytest.raises(CellError) as caught:
        engine.version()
    said = str(caught.value)
    assert "[connections.lake]" in said
    assert "cannot be reached" in said
    assert "see that the network" in said
    if engine.connection.driver == "snowflake":
        assert "hunter2" not in said
    lacking = Connection("lake", engine.connection.driver, {"driver": engine.connection.driver}, "/", {})
    with pytest.raises(CellError, match=r"needs `(account|project)`"):
        WarehouseEngine(lacking, engine.warehouse, Driver()).version()


def test_only_pinned_queries_are_snapshots(engine):
    name = engine.connection.driver
    with pytest.raises(CellError, match="not pinned to a literal time"):
        engine.query(ask(engine, "SELECT * FROM t", fresh=False, snapshot=True))
    later = PINNED[name].replace("2024", "2999")
    with pytest.raises(CellError, match="still to come"):
        engine.query(ask(engine, later, fresh=False, snapshot=True))
    with pytest.raises(CellError, match=r"\[connections.lake\]"):
        # DuckDB knows no such pin: what counts is that it was asked.
        engine.query(ask(engine, PINNED[name], fresh=False, snapshot=True))
    assert [entry[0] for entry in engine._driver.log if isinstance(entry, tuple)] == [PINNED[name]]


@pytest.mark.parametrize("name", TABLES)
def test_a_driver_that_is_not_installed_is_named_with_its_extra(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, WAREHOUSES[name].driver, None)
    databases = Databases({"lake": TABLES[name]}, tmp_path, "pandas", LocalWorld([]))
    with pytest.raises(CellError, match=rf"pip install 'strata-jupyter\[{name}\]'"):
        databases.engine("lake")
    with pytest.raises(CellError, match="snowflake or bigquery"):
        Databases({"lake": {"driver": "oracle"}}, tmp_path, "pandas", LocalWorld([])).engine("lake")
