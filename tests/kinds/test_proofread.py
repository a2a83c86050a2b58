"""What can be told of queries from their text alone: what cannot be parsed, and what is pinned to a time."""

import pytest

from strata_kernel.cells.grammar import moments, wrong
from strata_kernel.cells.proofread import proofread
from strata_kernel.cells.query import read
from strata_kernel.domain.cell import Cell
from strata_kernel.errors import CellError

CONNECTIONS = {name: {"driver": name} for name in ("duckdb", "sqlite", "postgresql", "snowflake", "bigquery")}
FLAKE = "t AT(TIMESTAMP => '2024-06-01 00:00:00 +02:00'::timestamp_tz)"
QUERY = "t FOR SYSTEM_TIME AS OF TIMESTAMP '2024-06-01 00:00:00 UTC'"


def found(source):
    return [
        (f.code, f.severity, f.line, source.split("\n")[f.line - 1][f.column : f.end])
        for f in proofread(Cell("c", source), CONNECTIONS)
    ]


@pytest.mark.parametrize("name", CONNECTIONS)
def test_what_cannot_be_parsed_is_told_with_its_place(name):
    assert found(f"%%sql {name}\n# @name x\n-- one\nSELECT a, :b AS b -- 'two\n  FROM WHERE c") == [
        ("sql_parse_error", "warning", 5, "WHERE")
    ]
    assert found(f"%%sql {name}\nSELECT (a FROM t") == [("sql_parse_error", "warning", 2, "FROM")]
    assert found(f"%%sql {name}\nSELECT 'a") == [("sql_parse_error", "warning", 2, "'a")]
    assert found(f"%%sql {name}\nSELECT a, :b AS b FROM t WHERE c = :d\n-- done") == []


@pytest.mark.parametrize(
    "source",
    [
        "%%sql duckdb\nFROM t SELECT a", "%%sql duckdb\nSUMMARIZE t", "%%sql\nSELECT * FROM 'a.csv'", "%%sql duckdb\nPRAGMA table_info('t')",
        "# @sql connection=sqlite write=true\nCREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET a = 1; DELETE FROM u; END",
        "%%sql sqlite\nSELECT a FROM t WHERE a MATCH :x AND b GLOB 'c*'", "%%sql postgresql\nSELECT DISTINCT ON (a) a FROM t WHERE id = ANY(:ids)",
        "%%sql postgresql\nSELECT data->>'k' FROM t FOR UPDATE SKIP LOCKED", "# @sql connection=postgresql write=true\nVACUUM",
        "%%sql nowhere\nSELECT FROM WHERE", "x = 1", "%%sql duckdb\n-- nothing", "%%sql postgresql\nSELECT '[1,2)'::int4range @> 1",
    ],
)  # fmt: skip
def test_what_databases_do_beyond_the_standard_is_no_finding(source):
    assert found(source) == []


def test_a_snapshot_without_pins_is_an_error():
    source = "%%sql {}\n# @cache snapshot\nSELECT *\nFROM {}"
    assert found(source.format("snowflake", "t")) == [("sql_snapshot_unpinned", "error", 3, "SELECT")]
    assert found(source.format("snowflake", FLAKE)) == []
    assert found(source.format("bigquery", QUERY)) == []
    assert found(source.format("duckdb", "t")) == []


@pytest.mark.parametrize(
    ("engine", "query", "count"),
    [
        ("snowflake", f"SELECT * FROM {FLAKE}", 1),
        ("snowflake", f"WITH o AS (SELECT * FROM {FLAKE}) SELECT * FROM o x JOIN (SELECT a FROM o) USING (a)", 1),
        ("snowflake", f"SELECT f.value FROM {FLAKE}, LATERAL FLATTEN(input => t.a) f WHERE t.b = :b", 1),
        ("snowflake", f"SELECT (SELECT max(a) FROM {FLAKE}) FROM {FLAKE} UNION ALL SELECT 1 FROM {FLAKE}", 3),
        ("bigquery", f"SELECT * FROM {QUERY}, UNNEST(t.a) WHERE b = :b", 1),
        ("bigquery", "SELECT * FROM `p.d.t` AS x FOR SYSTEM_TIME AS OF '2024-06-01'", 1),
    ],
)
def test_pinned(engine, query, count):
    assert len(moments(read(query, engine).statements[0], engine)) == count


@pytest.mark.parametrize(
    ("engine", "query"),
    [
        ("snowflake", f"SELECT * FROM {FLAKE} JOIN u USING (a)"),
        ("snowflake", f"SELECT (SELECT max(a) FROM u) FROM {FLAKE}"),
        # Another name than that of the part: quoted ones are told by case.
        ("snowflake", f'WITH o AS (SELECT * FROM {FLAKE}) SELECT * FROM "o"'),
        ("snowflake", f"SELECT * FROM {FLAKE}, o WHERE EXISTS (WITH o AS (SELECT 1) SELECT * FROM o)"),
        ("snowflake", f"WITH o AS (SELECT * FROM {FLAKE}) SELECT * FROM s.o"),
        ("snowflake", "SELECT * FROM t AT(TIMESTAMP => '2024-06-01 00:00:00'::timestamp_ltz)"),
        ("snowflake", "SELECT * FROM t AT(TIMESTAMP => '2024-06-01 00:00:00 +00:00'::timestamp_ntz)"),
        ("snowflake", "SELECT * FROM t AT(TIMESTAMP => :moment)"),
        ("snowflake", "SELECT * FROM t AT(TIMESTAMP => current_timestamp())"),
        ("snowflake", "SELECT * FROM t AT(OFFSET => -60)"),
        ("snowflake", "SELECT * FROM t BEFORE(STATEMENT => '8e5d0ca9')"),
        ("snowflake", f"SELECT f(a) FROM {FLAKE}"),
        ("snowflake", f"SELECT s.nextval FROM {FLAKE}"),
        ("snowflake", f"SELECT $x FROM {FLAKE}"),
        ("snowflake", f"SELECT * FROM {FLAKE}, TABLE(g(1))"),
        ("snowflake", f"SELECT * FROM {FLAKE}, @stage/x"),
        ("snowflake", f"SELECT * FROM {FLAKE} ->> SELECT * FROM u"),
        ("snowflake", "SHOW TABLES"),
        ("snowflake", "SELECT 1"),
        ("snowflake", "SELECT FROM WHERE"),
        ("bigquery", f"SELECT * FROM {QUERY}, u"),
        ("bigquery", "SELECT * FROM t FOR SYSTEM_TIME AS OF TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 HOUR)"),
        ("bigquery", "SELECT * FROM `d.t_*` FOR SYSTEM_TIME AS OF '2024-06-01'"),
        ("bigquery", f"SELECT * FROM EXTERNAL_QUERY('c', 'SELECT 1'), {QUERY}"),
        ("bigquery", f"SELECT * FROM ML.PREDICT(MODEL d.m, (SELECT * FROM {QUERY}))"),
        ("bigquery", f"SELECT @@x FROM {QUERY}"),
    ],
)  # fmt: skip
def test_not_pinned(engine, query):
    with pytest.raises(CellError, match="`@cache snapshot`"):
        moments(read(query, engine).statements[0], engine)


def test_a_query_nested_beyond_reading_is_no_finding():
    assert wrong(read("SELECT " + "(" * 4000 + "1" + ")" * 4000, "duckdb").statements[0], "duckdb") is None
