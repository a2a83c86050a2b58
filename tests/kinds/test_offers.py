"""Tables and columns are offered in queries, each where it can stand."""

import pytest

from strata_kernel.cells.offers import asked, offers

TABLES = {"orders": ["id", "total"], "Best of": ["total", "Big one"], "clients": ["id", "name"], "old.notes": ["text"]}
HEAD = "%%sql shop\n# @name a\n"


def offered(text):
    """What is offered where `|` stands, and what it would replace."""
    source = HEAD + text
    cursor = source.index("|")
    found = offers(source.replace("|", ""), cursor, TABLES)
    return None if found is None else (found[0], source[found[1] : cursor])


@pytest.mark.parametrize(
    ("text", "wanted", "replaced"),
    [
        ("SELECT * FROM o|", ["orders", "old.notes"], "o"),
        ("SELECT * FROM |", ["orders", '"Best of"', "clients", "old.notes"], ""),
        ("SELECT to| FROM orders", ["total"], "to"),
        ("SELECT NA| FROM clients", ["name"], "NA"),
        ("SELECT na| FROM orders", [], "na"),
        ("SELECT orders.| FROM orders, clients", ["id", "total"], ""),
        ("SELECT o.t| FROM orders AS o", ["total"], "t"),
        ("SELECT c.| FROM orders o JOIN clients c ON o.id = c.i", ["id", "name"], ""),
        ('SELECT b.B| FROM "Best of" b', ['"Big one"'], "B"),
        ("SELECT * FROM old.|", ["notes"], ""),
        ("SELECT old.notes.| FROM old.notes", ["text"], ""),
        ("SELECT * FROM orders\nWHERE tot|", ["total"], "tot"),
    ],
)
def test_what_can_stand_here(text, wanted, replaced):
    assert offered(text) == (wanted, replaced)


@pytest.mark.parametrize("text", ["SELECT * FROM orders WHERE id = :o|", "SELECT 12|", "SELECT * FROM a LIMIT 1|"])
def test_where_none_can_stand(text):
    assert offered(text) is None


def test_where_a_query_is():
    source = HEAD + "SELECT 1"
    assert asked(source, len(source)) == "shop"
    assert asked(source, 14) is None
    assert asked("x = 1", 3) is None
    assert asked("# @sql connection=b\nSELECT 1", 25) == "b"
