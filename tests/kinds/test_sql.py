"""SQL cells in a real kernel, against SQLite and DuckDB files and a real PostgreSQL."""

import shutil
import sqlite3
import textwrap

import duckdb
import psycopg
import pytest

from tests.conftest import Frontend
from tests.kinds import postgres

ENGINES = ("sqlite", "duckdb", "postgresql")


@pytest.fixture(scope="module")
def port():
    if postgres.programs() is None:
        pytest.skip("this machine has no PostgreSQL: apt-get install postgresql")
    with postgres.server() as found:
        with psycopg.connect(host="127.0.0.1", port=found, dbname="postgres", user="postgres", autocommit=True) as con:
            con.execute("CREATE ROLE reader LOGIN")
            con.execute("CREATE DATABASE shop OWNER reader")
        yield found


class Outside:
    """Another program that writes to the database."""

    def __init__(self, engine, folder, port=None):
        self.engine, self.folder, self.port, self.file = engine, folder, port, "shop.db"

    def declared(self):
        if self.engine == "postgresql":
            return f'driver = "postgresql"\nhost = "127.0.0.1"\nport = {self.port}\ndbname = "shop"\nuser = "reader"'
        return f'driver = "{self.engine}"\npath = "{self.file}"'

    def open(self):
        if self.engine == "sqlite":
            return sqlite3.connect(self.folder / self.file, isolation_level=None)
        if self.engine == "duckdb":
            return duckdb.connect(str(self.folder / self.file))
        return psycopg.connect(host="127.0.0.1", port=self.port, dbname="shop", user="reader", autocommit=True)

    def execute(self, *statements):
        con = self.open()
        for statement in statements:
            con.execute(statement)
        con.close()


def filled(engine, folder, request):
    """Return a database with a table of two rows, declared for the kernels that start in the folder."""
    port = request.getfixturevalue("port") if engine == "postgresql" else None
    found = Outside(engine, folder, port)
    (folder / "strata.toml").write_text(f"[connections.shop]\n{found.declared()}\n")
    found.execute("DROP TABLE IF EXISTS item", "CREATE TABLE item (id INTEGER, name TEXT)")
    found.execute("INSERT INTO item VALUES (1, 'one'), (2, 'two')")
    return found


@pytest.fixture(params=ENGINES)
def outside(request, tmp_path):
    return filled(request.param, tmp_path, request)


@pytest.fixture(scope="module", params=ENGINES)
def running(request, tmp_path_factory):
    """One kernel for each engine: to start it and to load its libraries takes longer than what is tried in it."""
    folder = tmp_path_factory.mktemp("sql")
    filled(request.param, folder, request)
    found = Frontend(folder, folder / "store")
    yield found, request.param
    found.stop()


@pytest.fixture
def shared(running, request):
    """A kernel that remembers nothing of the tests before, and its database as it was."""
    kernel, engine = running
    kernel.document()
    shutil.rmtree(kernel.store, ignore_errors=True)
    return kernel, filled(engine, kernel.folder, request)


def play(kernel, **cells):
    kernel.document(**cells)
    return {name: kernel.run(source, name) for name, source in cells.items()}


READ = "%%sql shop\n# @name found\nSELECT id, name FROM item WHERE id >= :least ORDER BY id"


def test_a_query_is_bound_served_and_noticed_to_be_old(shared):
    kernel, outside = shared
    cells = {"a": "least = 2", "b": READ, "c": "print(type(found).__module__.split('.')[0], found.values.tolist())"}
    runs = play(kernel, **cells)
    assert runs["b"].error is None, runs["b"].content
    assert runs["c"].text() == "pandas [[2, 'two']]\n"
    assert "text/html" in dict(runs["b"].outputs)["execute_result"]["data"]
    assert [r.status for r in play(kernel, **cells).values()] == ["hit"] * 3
    outside.execute("INSERT INTO item VALUES (3, 'three')")
    runs = play(kernel, **cells)
    assert runs["b"].status == "ran"
    assert runs["c"].text() == "pandas [[2, 'two'], [3, 'three']]\n"
    kernel.restart()
    assert [r.status for r in play(kernel, **cells).values()] == ["hit"] * 3
    outside.execute("DELETE FROM item WHERE id = 3")
    assert play(kernel, **cells)["c"].text() == "pandas [[2, 'two']]\n"
    runs = play(kernel, **{**cells, "a": "least = 1"})
    assert runs["c"].text() == "pandas [[1, 'one'], [2, 'two']]\n"
    assert runs["b"].content["execution_count"] == runs["a"].content["execution_count"] + 1


def test_layout_and_comments_are_not_in_the_key_but_the_query_is(shared):
    kernel, _ = shared
    play(kernel, a="least = 1", b=READ)
    again = READ.replace(" WHERE", "\n  -- those that count\n  WHERE")
    assert play(kernel, a="least = 1", b=again)["b"].status == "hit"
    assert play(kernel, a="least = 1", b=READ.replace(">=", ">"))["b"].status == "ran"


def test_writes_are_denied_to_cells_that_read(shared):
    kernel, outside = shared
    for statement in (
        "INSERT INTO item VALUES (9, 'x')",
        "DROP TABLE item",
        "CREATE TABLE t (i INTEGER)",
        "DELETE FROM item",
    ):
        run = kernel.run(f"%%sql shop\n{statement}", "b")
        assert run.error == "CellError", statement
        assert "# @sql connection=shop write=true" in run.content["evalue"]
    assert outside.open().execute("SELECT count(*) FROM item").fetchone() == (2,)


WRITE = "# @sql connection=shop write=true\n# @name done\nINSERT INTO item VALUES (:id, :name); UPDATE item SET name = 'uno' WHERE id = 1;"


def test_a_write_is_all_or_nothing_once_a_session_and_reads_below_follow(shared):
    kernel, outside = shared
    cells = {
        "a": 'id, name, least = 7, "x\'); DROP TABLE item; --", 1',
        "b": WRITE,
        "c": READ,
        "d": "print(found.values.tolist())",
    }
    runs = play(kernel, **cells)
    assert runs["b"].error is None, runs["b"].content["evalue"]
    assert kernel.value("done[['kind', 'rows']].values.tolist()") == "[['INSERT', 1], ['UPDATE', 1]]"
    assert runs["d"].text() == f"""[[1, 'uno'], [2, 'two'], [7, {'"' + "x'); DROP TABLE item; --" + '"'}]]\n"""
    assert [r.status for r in play(kernel, **cells).values()] == ["hit"] * 4
    assert outside.open().execute("SELECT count(*) FROM item").fetchone() == (3,)
    bad = "# @sql connection=shop write=true\nINSERT INTO item VALUES (8, 'eight'); INSERT INTO nowhere VALUES (1)"
    assert kernel.run(bad, "e").error == "CellError"
    assert outside.open().execute("SELECT count(*) FROM item").fetchone() == (3,)
    kernel.restart()
    play(kernel, **cells)
    assert outside.open().execute("SELECT count(*) FROM item").fetchone() == (4,)


def test_a_read_below_an_edited_write_waits_for_it(shared):
    kernel, _ = shared
    cells = {
        "a": "least = 1",
        "b": "# @sql connection=shop write=true\nUPDATE item SET name = 'A' WHERE id = 1",
        "c": READ,
    }
    play(kernel, **cells)
    kernel.document(**{**cells, "b": cells["b"].replace("'A'", "'B'")})
    kernel.run(READ, "c")
    assert kernel.value("found.name[0]") == "'B'"


def test_errors_name_cause_and_cure(shared):
    kernel, _ = shared
    for source, word in [
        ("%%sql shpo\nSELECT 1", "did you mean 'shop'"),
        ("%%sql shop\nSELECT :missing", "no cell above binds `missing`"),
        ("%%sql shop\nSELECT FROM WHERE", "syntax"),
        ("%%sql shop\n-- nothing", "holds no query"),
        ("%%sql shop\nSELECT 1; SELECT 2", "one statement"),
        ("%%sql shop\nSELECT * FROM nowhere", "nowhere"),
    ]:
        run = kernel.run(source, "b")
        assert run.error == "CellError", source
        assert word in run.content["evalue"], run.content["evalue"]
        assert "executors" not in "".join(run.content["traceback"])
    kernel.run("thing = {1}", "a")
    assert "is a set" in kernel.run("%%sql shop\nSELECT :thing", "z").content["evalue"]


def test_errors_name_the_line_and_the_column_of_the_cell(shared):
    kernel, _ = shared
    for body, place in [
        ("SELECT id, -- one\n  nme AS x FROM item", (4, 3)),
        ("SELECT id FROM item\n\nWHERE /* 1\n 2 */ id = = 3", (6, 12)),
        ("SELECT :least,\n :least AS b, nope(id) FROM item", (4, 15)),
        (f"SELECT '{'x' * 300}', nme FROM item", (3, 312)),
    ]:
        run = kernel.run("least = 1", "a") and kernel.run(f"%%sql shop\n# @name found\n{body}", "b")
        assert "line {}, column {} of the cell".format(*place) in run.content["evalue"], run.content["evalue"]


PLANS = {"sqlite": "SCAN", "duckdb": "Order By", "postgresql": "Seq Scan on item"}


def explained(kernel, cell):
    kernel.tell(type="request-explain", id="e", cell=cell)
    answer = kernel.hear("explanation")
    return answer.get("text") or answer["reason"]


def test_a_query_is_explained_while_a_cell_runs_and_after_a_restart(shared):
    kernel, outside = shared
    word = PLANS[outside.engine]
    cells = {"a": "least = 2", "b": READ, "c": "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)"}
    kernel.document(**cells)
    kernel.use_subshell()
    assert "run the cell above first" in explained(kernel, "b")
    kernel.run(cells["a"], "a")
    message = kernel.send(cells["c"], "c")
    kernel.hear(lambda d: d.get("type") == "cell-status" and d["id"] == "c" and d["state"] == "running")
    try:
        assert word in explained(kernel, "b")
        assert "no sql cell" in explained(kernel, "a")
        assert "there is no cell" in explained(kernel, "z")
    finally:
        (kernel.folder / "go").touch()
    assert kernel.finish(message).error is None
    (kernel.folder / "go").unlink()
    del cells["c"]
    kernel.quiet()
    kernel.restart()
    kernel.document(**cells)
    assert word in explained(kernel, "b")
    assert word in kernel.run("%strata explain found", "d").text()
    assert "only queries" in kernel.run("%strata explain 1", "d").text()


def test_what_cannot_be_explained_says_why(shared):
    kernel, outside = shared
    cells = {
        "write": "# @sql connection=shop write=true\nDELETE FROM item",
        "two": "%%sql shop\nSELECT 1; SELECT 2",
        "plan": "%%sql shop\nEXPLAIN SELECT 1",
        "wrong": "%%sql shop\nSELECT nme\nFROM item",
        "nowhere": "%%sql shpo\nSELECT 1",
        "unbound": "%%sql shop\nSELECT :missing",
    }
    kernel.document(**cells)
    said = {cell: explained(kernel, cell) for cell in cells}
    for cell, word in {
        "write": "only queries are explained",
        "two": "only one at a time",
        "plan": "run it",
        "wrong": "line 2, column 8",
        "nowhere": "did you mean 'shop'",
        "unbound": "no cell above binds `missing`",
    }.items():
        assert word in said[cell]
    assert outside.open().execute("SELECT count(*) FROM item").fetchone() == (2,)


def test_an_interrupt_ends_the_query(shared):
    kernel, outside = shared
    endless = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "duckdb": "SELECT count(*) FROM range(10000000000) a WHERE hash(a) % 7 = 3",
        "postgresql": "SELECT pg_sleep(300)",
    }[outside.engine]
    # What is imported by then cannot take the interrupt for itself.
    cells = {"a": "%%sql shop\nSELECT count(*) FROM item", "endless": f"%%sql shop\n{endless}"}
    kernel.document(**cells)
    kernel.run(cells["a"], "a")
    message = kernel.send(cells["endless"], "endless")
    kernel.hear(lambda d: d.get("type") == "cell-status" and d["id"] == "endless" and d["state"] == "running")
    kernel.manager.interrupt_kernel()
    run = kernel.finish(message)
    assert run.error == "KeyboardInterrupt"
    assert kernel.run("%%sql shop\nSELECT count(*) AS n FROM item", "c").error is None
    if outside.engine == "postgresql":
        running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%' AND state = 'active' AND pid <> pg_backend_pid()"
        assert outside.open().execute(running).fetchone() == (0,)


def test_headless_a_warm_notebook_starts_no_kernel(headless, outside):
    headless.write(a="least = 1", b=READ, c="len(found)")
    assert headless.statuses() == {"a": "ok", "b": "ok", "c": "ok"}
    headless.pool.close()
    assert headless.statuses() == {"a": "cached", "b": "cached", "c": "cached"}
    assert not headless.started
    outside.execute("INSERT INTO item VALUES (3, 'three')")
    assert "changed" in headless.why("b")
    assert headless.statuses() == {"a": "cached", "b": "ok", "c": "ok"}


def test_policies(shared):
    kernel, outside = shared
    cells = {
        p: f"%%sql shop\n# @name r_{n}\n# @cache {p}\nSELECT count(*) AS n FROM item"
        for n, p in enumerate(["forever", "ttl=1h", "session", "off", "fingerprint"])
    }
    play(kernel, **cells)
    outside.execute("INSERT INTO item VALUES (3, 'three')")
    again = {p: kernel.run(source, p).status for p, source in cells.items()}
    assert again == {"forever": "hit", "ttl=1h": "hit", "session": "hit", "off": "bypass", "fingerprint": "ran"}
    kernel.restart()
    again = {p: run.status for p, run in play(kernel, **cells).items()}
    assert again == {"forever": "hit", "ttl=1h": "hit", "session": "ran", "off": "bypass", "fingerprint": "hit"}
    snapshot = "%%sql shop\n# @cache snapshot\nSELECT count(*) AS n FROM item"
    for _ in range(2):
        run = kernel.run(snapshot, "s")
        assert (run.status, "unobserved" in run.codes) == ("ran", True)


TYPES = textwrap.dedent("""
    import datetime, decimal, uuid, numpy as np
    none, yes, whole, real, text, raw = None, True, 2**40, 0.1, "a'b:c", bytes([0, 255])
    dec, ident = decimal.Decimal('1.50'), uuid.UUID(int=5)
    day, hour, moment = datetime.date(2020, 2, 29), datetime.time(1, 2, 3), datetime.datetime(2020, 2, 29, 1, 2, 3)
    np_int, np_float, np_bool = np.int32(7), np.float64(0.5), np.bool_(True)
""")


def test_binds_travel_by_exact_types(shared):
    kernel, outside = shared
    names = [
        "none",
        "yes",
        "whole",
        "real",
        "text",
        "raw",
        "dec",
        "ident",
        "day",
        "hour",
        "moment",
        "np_int",
        "np_float",
        "np_bool",
    ]
    casts = {
        "none": "::int",
        "yes": "::bool",
        "whole": "::bigint",
        "real": "::float8",
        "text": "::text",
        "raw": "::bytea",
    }
    cast = casts if outside.engine == "postgresql" else {}
    query = ", ".join(f"CAST(:{n} AS {cast[n][2:]}) AS {n}" if n in cast else f":{n} AS {n}" for n in names)
    runs = play(kernel, a=TYPES, b=f"%%sql shop\n# @name got\nSELECT {query}")
    assert runs["b"].error is None, runs["b"].content
    assert kernel.value(
        "got.text[0], int(got.whole[0]), float(got.real[0]), int(got.np_int[0]), float(got.np_float[0])"
    ) == ('("a\'b:c", 1099511627776, 0.1, 7, 0.5)')
    assert kernel.value("bytes(got.raw[0]), got.none.isna()[0], bool(got.yes[0]), bool(got.np_bool[0])") in (
        "(b'\\x00\\xff', True, True, True)",
        "(b'\\x00\\xff', np.True_, True, True)",
    )
    assert "2020-02-29" in kernel.value("str(got.day[0])")
    assert "1.5" in kernel.value("str(got.dec[0])")


def test_frames_and_files_of_the_notebook_are_tables_of_duckdb(frontend, tmp_path):
    kernel = frontend()
    (tmp_path / "a.csv").write_text("k,v\n1,10\n2,20\n")
    cells = {
        "a": "import pandas as pd\nsales = pd.DataFrame({'k': [1, 2, 2], 'n': [1, 1, 5]})",
        "b": "%%sql\nSELECT k, sum(n * v)::BIGINT AS total FROM sales JOIN 'a.csv' USING (k) GROUP BY k ORDER BY k",
        "c": "print(result.values.tolist())",
    }
    assert play(kernel, **cells)["c"].text() == "[[1, 10], [2, 120]]\n"
    assert [r.status for r in play(kernel, **cells).values()] == ["hit"] * 3
    (tmp_path / "a.csv").write_text("k,v\n1,10\n2,30\n")
    assert play(kernel, **cells)["c"].text() == "[[1, 10], [2, 180]]\n"
    runs = play(kernel, **{**cells, "a": cells["a"].replace("[1, 1, 5]", "[1, 1, 6]")})
    assert runs["c"].text() == "[[1, 10], [2, 210]]\n"
    (tmp_path / "b1.csv").write_text("k\n1\n")
    glob = "%%sql\n# @name many\nSELECT count(*) AS n FROM 'b*.csv'"
    assert kernel.run(glob, "g").status == "ran"
    assert kernel.run(glob, "g").status == "hit"
    (tmp_path / "b2.csv").write_text("k\n1\n")
    kernel.run(glob, "g")
    assert kernel.value("int(many.n[0])") == "2"
    hidden = "%%sql\nSELECT * FROM read_csv('a' || '.csv')"
    assert kernel.run(hidden, "h").error == "CellError"
    assert kernel.run("%%sql\nCOPY (SELECT 1) TO 'a.csv'", "h").error == "CellError"
    assert kernel.run("%%sql\n# @sql connection=memory write=true\nCREATE TABLE t (i INT)", "h").error == "CellError"


def test_what_is_not_determined_is_frozen_and_secrets_stay_secret(frontend, outside, monkeypatch):
    kernel = frontend(SHOP_PASSWORD="hunter2-secret")
    toml = (outside.folder / "strata.toml").read_text()
    (outside.folder / "strata.toml").write_text(toml + '[connections.shop.auth]\npassword = "${SHOP_PASSWORD}"\n')
    kernel.restart()
    clock = "CURRENT_TIMESTAMP"
    assert kernel.run(f"%%sql shop\nSELECT {clock} AS t", "a").error is None
    run = kernel.run(f"%%sql shop\nSELECT {clock} AS t", "a")
    assert run.status == "hit"
    assert "clock" in run.codes
    kernel.run("%%sql shop\nSELECT * FROM item", "b")
    kernel.stop()
    for path in (outside.folder / "store").rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes()
    kernel.start()
