"""What a frontend is told of declared databases: engines, tables, columns, errors with their cure; beside a cell too."""

import sqlite3
import time

import pytest

PASSWORD = "hush-hush"


@pytest.fixture
def front(frontend):
    front = frontend(SHOP_PASSWORD=PASSWORD)
    with sqlite3.connect(front.folder / "shop.db") as con:
        con.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL)")
        con.execute('CREATE VIEW "Best of" AS SELECT * FROM orders')
    con.close()
    declare(
        front,
        '[connections.shop]\ndriver = "sqlite"\npath = "shop.db"\n'
        '[connections.gone]\ndriver = "sqlite"\npath = "gone.db"\n'
        '[connections.server]\ndriver = "postgresql"\nhost = "127.0.0.1"\nport = 9\n'
        'auth = { user = "ada", password = "${SHOP_PASSWORD}" }\n',
    )
    front.hello()
    return front


def declare(front, text):
    (front.folder / "strata.toml").write_text(text)


def look(front, connection, table=None):
    front.tell(type="request-schema", id=f"{connection}.{table}", connection=connection, table=table)
    return front.hear(lambda said: said["type"] == "schema" and said["id"] == f"{connection}.{table}")


def test_tables_and_columns(front):
    found = look(front, "shop")
    assert found["engine"] == f"SQLite {sqlite3.sqlite_version}"
    assert found["tables"] == ["Best of", "orders"]
    columns = look(front, "shop", "orders")["columns"]
    assert columns == [{"name": "id", "type": "INTEGER"}, {"name": "total", "type": "REAL"}]
    assert "no table 'clients'" in look(front, "shop", "clients")["reason"]


def test_what_is_wrong_is_told_without_secrets(front):
    assert "there is no file" in look(front, "gone")["reason"]
    assert "did you mean 'shop'" in look(front, "shops")["reason"]
    assert "user must be written ${VARIABLE}" in look(front, "server")["reason"]
    declare(front, '[connections.server]\ndriver = "postgresql"\nauth = { password = "${NO_SUCH}" }\n')
    assert "set it where the kernel starts" in look(front, "server")["reason"]
    text = '[connections.server]\ndriver = "postgresql"\nhost = "127.0.0.1"\nport = 9\n'
    declare(front, text + 'auth = { password = "${SHOP_PASSWORD}" }\n')
    found = look(front, "server")
    assert "cannot be reached" in found["reason"] or "is not installed" in found["reason"]
    assert PASSWORD not in str(found)
    declare(front, "[connections.server\n")
    assert "strata.toml" in look(front, "server")["reason"]


def test_a_database_is_looked_into_while_a_cell_runs(front):
    front.use_subshell()
    sent = front.send("import time\nfor _ in range(600):\n    time.sleep(0.1)", "a")
    front.hear(lambda said: said.get("state") == "running")
    began = time.monotonic()
    assert look(front, "shop")["tables"] == ["Best of", "orders"]
    assert time.monotonic() - began < 30
    front.manager.interrupt_kernel()
    assert front.finish(sent).error == "KeyboardInterrupt"


def test_whoever_looks_never_fails_a_cell_that_reads_or_writes(front):
    pytest.importorskip("duckdb")
    declare(front, '[connections.store]\ndriver = "duckdb"\npath = "store.duckdb"\n')
    front.use_subshell()
    write = "%%sql\n# @sql connection=store write=true\n# @name done\n# @cache off\n"
    assert front.run(write + "CREATE TABLE goods (id INTEGER)", "a").error is None
    for place in range(12):
        query = write + f"INSERT INTO goods VALUES ({place})" if place % 2 else "%%sql store\n# @cache off\nFROM goods"
        sent = front.send(query, "a")
        for ask in range(4):
            front.tell(type="request-schema", id=f"{place}.{ask}", connection="store")
        assert front.finish(sent).error is None
    last = front.hear(lambda said: said.get("id") == "11.3")
    assert last["tables"] == ["goods"]


def test_tables_and_columns_complete_a_query(front):
    def offered(code):
        found = front.request("complete_request", code=code, cursor_pos=len(code))
        return found["matches"], code[found["cursor_start"] :]

    assert offered("%%sql shop\nSELECT * FROM or") == (["orders"], "or")
    assert offered("# @sql connection=shop\nSELECT * FROM orders WHERE to") == (["total"], "to")
    assert "least" in front.value("[least := 1] and 'least'")
    assert "least" in offered("%%sql shop\nSELECT * FROM orders WHERE total > :lea")[0]
    assert offered("%%sql gone\nSELECT * FROM or")[1] == "or"
