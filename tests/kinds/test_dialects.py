"""What a database is sent means what was written: random texts of each dialect, asked of the databases themselves.

STRATA_EXAMPLES=10000 plays so many of each.
"""

import os
import sqlite3

import duckdb
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata_kernel.cells.query import DIALECTS, bound, read, tokens, unbound
from strata_kernel.executors.engine import Ask
from tests.kinds.test_sql import port  # noqa: F401

EXAMPLES = int(os.environ.get("STRATA_EXAMPLES", "400"))
TABLE = 'CREATE TABLE t (a INTEGER, e TEXT, "c d" TEXT, "c  d" TEXT)'
ROW = "INSERT INTO t VALUES (7, 'e', 'one', 'two')"

PIECES = [
    "'a  b'", "'it''s  --'", "'/*'", "'*/'", "'--  x'", "''", "'\\'", "e'a\\'", "E'a\\'  b'", "e", "$$ a  b $$", "$t$ '  $t$", "$", "a$b",
    "$a$", "b$", '"c d"', '"c  d"', '"e""  "', "[c d]", "[c  d]", "[", "]", "`c  d`", "`", "a", "1", "1.", "1e", "7", "+", "-", "||", "(", ")",
    "AS x", "AS", "b", "::text", "x'41'", "U&'a'", "--", "/*", "*/", "'a'\n'b'", "'a' -- c\n 'b'", "'a' 'b'", "\xa0", "\u2003", "\x0b", "é",
    "N'a'", "current_query()", "WHERE", "FROM t", "UNION SELECT 2", "*",
]  # fmt: skip
GAPS = [
    "",
    "",
    " ",
    " ",
    "  ",
    "\n",
    "\t \n",
    "\r\n",
    "\r",
    "\f",
    "-- c '\n",
    "--\n",
    "/* ' */",
    "/**/",
    "/* /* */",
    "/* \n */",
    "/*/",
]
piece = st.tuples(st.sampled_from(GAPS), st.sampled_from(PIECES)).map("".join)
column = st.lists(piece, min_size=1, max_size=3).map("".join)
texts = st.tuples(st.lists(column, min_size=1, max_size=3).map(",".join), st.sampled_from(GAPS), st.booleans()).map(
    lambda parts: "SELECT " + parts[0] + parts[1] + " FROM t" * parts[2]
)


def lite(_):
    con = sqlite3.connect(":memory:")
    con.execute(TABLE)
    con.execute(ROW)

    def ask(text):
        # Columns without a name of their own are called what was written, and sent.
        return sorted(map(repr, con.execute(text).fetchall()))

    return ask


def duck(_):
    con = duckdb.connect()
    con.execute(TABLE)
    con.execute(ROW)

    def ask(text):
        found = con.execute(text)
        # The order of a union is nobody's.
        return [d[0] for d in found.description or ()], sorted(map(repr, found.fetchall()))

    return ask


def postgres(request):
    place = {"host": "127.0.0.1", "port": request.getfixturevalue("port"), "dbname": "shop", "user": "reader"}
    con = psycopg.connect(**place, autocommit=True)
    con.execute("DROP TABLE IF EXISTS t")
    con.execute(TABLE)
    con.execute(ROW)

    def ask(text):
        found = con.execute(text.encode())
        return [d.name for d in found.description or ()], sorted(map(repr, found.fetchall()))

    return ask


ENGINES = {"sqlite": (lite, sqlite3.Error), "duckdb": (duck, duckdb.Error), "postgresql": (postgres, psycopg.Error)}


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_sent_means_what_was_written(engine, request):
    begin, wrong = ENGINES[engine]
    ask = begin(request)

    def answer(text):
        try:
            return ask(text)
        except (wrong, ValueError):
            return "error"

    answers = []

    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(texts)
    def check(text):
        found = read(text, engine)
        if len(found.statements) == 1 and "current_query" not in text:
            answers.append(answer(text))
            assert answer(found.statements[0].text) == answers[-1], found.statements[0].text

    check()
    assert sum(a != "error" for a in answers) > EXAMPLES / 10


@pytest.mark.parametrize(
    ("engine", "one", "other"),
    [
        ("sqlite", "SELECT [c  d] FROM t", "SELECT [c d] FROM t"),
        ("sqlite", "SELECT e'a\\', '  b' FROM t", "SELECT e'a\\', ' b' FROM t"),
        ("duckdb", "SELECT current_query()", "SELECT  current_query()"),
        ("postgresql", "SELECT 'a'\n'b'", "SELECT 'a' 'b'"),
        ("postgresql", "SELECT 1 --\r+ 1", "SELECT 1"),
        ("postgresql", "SELECT a\xa0b FROM t", "SELECT a b FROM t"),
        ("postgresql", "SELECT a$t$, $t$  b$t$", "SELECT a$t$, $t$ b$t$"),
        ("bigquery", "SELECT '''it's  ''' ", "SELECT '''it's ''' "),
        ("snowflake", "SELECT 'a\\'  b'", "SELECT 'a\\' b'"),
    ],
)
def test_what_differs_for_the_database_differs_in_the_key(engine, one, other):
    assert read(one, engine).canonical != read(other, engine).canonical


@pytest.mark.parametrize("engine", DIALECTS)
def test_layout_comments_and_a_last_semicolon_do_not(engine):
    one = read("SELECT a, 'x'\n  FROM t -- why\n WHERE /* so */ b = :n", engine)
    assert one.canonical == read(" SELECT a, 'x' FROM t  WHERE b = :n ; \n-- end", engine).canonical
    assert one.canonical == ("SELECT a, 'x' FROM t WHERE b = :n",)
    assert one.canonical != read("SELECT a, 'X' FROM t WHERE b = :n", engine).canonical


@given(texts, st.sampled_from(sorted(DIALECTS)), st.data())
def test_places_are_those_of_the_text_as_written(text, engine, data):
    text = text.replace("SELECT ", "SELECT :a, ", 1)
    (statement, *_) = read(text, engine).statements

    def place(name):
        return f"%({name})s"

    sent = bound(statement.text, place, engine=engine)
    for token in tokens(statement.text, engine):
        if token.kind in ("word", "bind", "number"):
            assert text.startswith(token.text, statement.source(token.start))
            spot = len(bound(statement.text[: token.start], place, engine=engine))
            if token.kind == "word" and sent.startswith(token.text, spot):
                assert unbound(statement.text, spot, place, engine) == token.start


def test_a_place_is_told_by_line_and_column():
    text = "SELECT a, -- one\n\n  nme FROM t"
    (statement,) = read(text, "sqlite").statements
    ask = Ask(text, (statement,), {}, {}, (), frozenset(), "pandas", line=3)
    assert ask.where(statement, statement.text.index("nme")) == "line 5, column 3 of the cell"
