"""What can be told of SQL from its text."""

import pytest

from strata_kernel.cells.kind import Identity
from strata_kernel.cells.sql import SqlKind, identity, take_apart, unknown
from strata_kernel.domain.cell import Cell

SHOP = {"shop": {"driver": "sqlite", "path": "/x/shop.db"}}
KIND = SqlKind(SHOP)


def reading(source):
    return KIND.read(Cell("c", source), Identity("3.11"))


@pytest.mark.parametrize(
    ("text", "binds"),
    [
        ("a = :x AND b = :y OR c = :x", ("x", "y")),
        ("a::int, ':no', \"q:no\", `z:no`", ()),
        ("-- :no\n/* :no */ :x", ("x",)),
        ("$$ :no $$ $tag$ :no $$ $tag$ :x", ("x",)),
        ("e'it\\'s :no' || 'it''s :no' || :x", ("x",)),
        ("b[1:2], {'k':v}, f(1):no", ()),
    ],
)
def test_binds(text, binds):
    assert take_apart(f"%%sql\nSELECT {text}", {}).query.binds == binds


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("SELECT age, date, uuid, random, now FROM t WHERE a::uuid = b", []),
        ("SELECT now(), x", ["clock"]),
        ("SELECT CURRENT_DATE", ["clock"]),
        ("SELECT date(day), date('2020-01-01')", []),
        ("SELECT date ( )", ["clock"]),
        ("SELECT date('now')", ["clock"]),
        ("SELECT 'today'::date, random()", ["clock", "random"]),
        ("SELECT * FROM t TABLESAMPLE SYSTEM (1)", ["random"]),
    ],
)
def test_what_is_not_determined(query, codes):
    assert [r.code for r in reading(f"%%sql shop\n{query}").analysis.frozen] == codes


def test_what_counts_in_the_key():
    plain = reading("%%sql shop\nSELECT a FROM t")
    assert reading("%%sql shop\n-- why\nSELECT  a\nFROM t;").program == plain.program
    assert reading("# @sql connection=shop\nSELECT a FROM t").program == plain.program
    for other in ("%%sql\nSELECT a FROM t", "%%sql shop\n# @name x\nSELECT a FROM t", "%%sql shop\nSELECT A FROM t"):
        assert reading(other).program != plain.program
    assert "conn:shop" in plain.analysis.reads
    assert reading("# @sql connection=shop write=true\nDELETE FROM t").analysis.stores == {"result", "conn:shop"}


def test_identity_knows_no_secret():
    table = {"driver": "postgresql", "host": "h", "auth": {"user": "${U}", "password": "${P}"}}
    other = {**table, "auth": {"user": "${U}", "password": "${Q}"}}
    assert identity(table) == identity(other)
    assert identity(table) != identity({**table, "host": "g"})
    assert identity(table) != identity({**table, "auth": {"user": "${V}"}})


def test_unknown_connections_are_told_with_the_nearest():
    (found,) = unknown(Cell("c", "%%sql shpo\nSELECT 1"), SHOP)
    assert (found.code, found.line, found.column, found.end, found.suggestion) == (
        "sql_connection_unknown",
        1,
        6,
        10,
        "shop",
    )
    assert not [*unknown(Cell("c", "%%sql shop\nSELECT 1"), SHOP), *unknown(Cell("c", "%%sql\nSELECT 1"), {})]
    assert not [*unknown(Cell("c", "x = 1"), {})]


def test_a_snapshot_that_no_database_names_is_told():
    (found,) = unknown(Cell("c", "%%sql shop\n# @cache snapshot\nSELECT 1"), SHOP)
    assert (found.code, found.line, found.column, found.end) == ("sql_snapshot_unsupported", 2, 9, 17)
