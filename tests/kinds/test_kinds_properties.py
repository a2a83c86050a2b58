"""Random templates, answers and queries: no error but the documented ones, and nothing that travels is evaluated.

STRATA_EXAMPLES=10000 plays so many of each.
"""

import json
import os
import sqlite3

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata_kernel.cells.query import bound, read, tokens
from strata_kernel.cells.template import read as read_template
from strata_kernel.errors import CellError
from strata_kernel.executors.engine import Ask, Connection
from strata_kernel.executors.lite import SqliteEngine
from strata_kernel.executors.render import render
from strata_kernel.executors.schema import check, extract
from strata_kernel.world.world import LocalWorld

many = settings(max_examples=int(os.environ.get("STRATA_EXAMPLES", "150")), deadline=None)


class Touched(Exception):
    """Something was called that must not be."""


class Bait:
    public = "seen"

    def method(self, *_, **__):
        raise Touched

    __call__ = __iter__ = __getitem__ = method


def function(*_, **__):
    raise Touched


VALUES = {
    "x": 3, "s": "text", "d": {"k": [1, {"y": None}], "pop": 1}, "l": [1, 2], "f": function, "b": Bait(), "t": Bait,
    "df": pandas.DataFrame({"a": [1, 2], "b": ["p", "q|r"]}),
}  # fmt: skip
PIECES = [
    "{{", "}}", "{%", "%}", "{#", "#}", " ", "x", "s", "d", "l", "f", "b", "t", "df", "nothing", ".", "[", "]", "(", ")", ",",
    "'k'", "0", "-1", "1e9", "|", "attr", "map", "tojson", "length", "join", "default", "for i in", "endfor", "if", "endif",
    "else", "is defined", "set z =", "import", "include", "macro", "call", "head", "sample", "describe", "to_markdown", "seed=1",
    "pop", "__class__", "__globals__", "_x", "method", "public", "+", "*", "**", "~", "==", "not", "and", "\n", "text", "range(9)",
    "{{ x }}", "{{ df.head(1) }}", "{{ d.k[1].y }}", "{% for i in l %}", "{% endfor %}", "{{ b.public }}", "{{ b.method() }}",
    "{{ f(1) }}", "{{ d.pop('k') }}", "{{ s.format(x) }}", "{{ [].append(1) }}", "{{ x | attr('real') }}",
]  # fmt: skip


@many
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=60))
def test_templates_evaluate_nothing_beyond_the_grammar(template):
    found = read_template(template)
    if found.error:
        return
    text = refusal = ""
    try:
        text = render(template, {n: VALUES[n] for n in found.reads if n in VALUES})
    except CellError as error:
        refusal = str(error)
    assert text or refusal
    assert "Touched" not in refusal
    assert "<function" not in text or "f" in found.reads


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
schemas = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["object", "array", "string", "integer", "null", "nonsense", 3]),
        "properties": st.dictionaries(
            st.text(max_size=3), st.sampled_from([{"type": "string"}, {"type": 1}, True]), max_size=2
        ),
        "required": st.lists(st.text(max_size=3), max_size=2) | st.integers(),
        "items": st.sampled_from([{"type": "integer"}, False, []]),
        "$ref": st.sampled_from(["#", "#/nowhere", "http://127.0.0.1:9/x", "#/properties/a"]),
        "pattern": st.sampled_from(["a", "(", "^x$"]),
        "minimum": st.integers() | st.text(max_size=2),
    },
)


@many
@given(schemas, st.text(max_size=30) | json_values.map(str) | json_values.map(lambda v: json.dumps(v)))
def test_answers_are_checked_without_raising(schema, answer):
    problems = check(answer, schema)
    assert all(isinstance(p, str) for p in problems)
    if not problems:
        extract(answer)


SQL = [
    "'",
    "''",
    '"',
    "`",
    "--",
    "/*",
    "*/",
    "\n",
    " ",
    ";",
    ":x",
    "::int",
    "$$",
    "$t$",
    "e'",
    "\\",
    "a",
    "1",
    "(",
    ")",
    "[",
    ":",
    "€",
]


@many
@given(st.lists(st.sampled_from(SQL), max_size=25).map("".join) | st.text(max_size=40))
def test_queries_are_read_without_loss(text):
    assert "".join(t.text for t in tokens(text)) == text
    assert bound(text, lambda name: f":{name}") == text
    read(text)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lite")
    con = sqlite3.connect(folder / "x.db")
    con.execute("CREATE TABLE item (name TEXT)")
    con.commit()
    con.close()
    connection = Connection("x", "sqlite", {"path": str(folder / "x.db")}, str(folder), {})
    return SqliteEngine(connection, LocalWorld([str(folder)]))


INJECTED = [
    "'",
    '"',
    ";",
    "--",
    "DROP TABLE item",
    "') OR 1=1",
    "\\",
    "\x00",
    "%s",
    ":name",
    "?",
    "$1",
    "''",
    "\n",
    "é",
    "/*",
]


@many
@given(
    name=st.lists(st.sampled_from(INJECTED), max_size=8).map("".join)
    | st.text(st.characters(codec="utf-8"), max_size=20)
)
def test_injected_strings_travel_as_text(engine, name):
    def ask(query, **binds):
        found = read(query)
        return Ask(query, found.statements, binds, {}, found.texts, found.words, "pandas")

    engine.write(ask("DELETE FROM item; INSERT INTO item VALUES (:name)", name=name))
    frame = engine.query(ask("SELECT name, name = :name AS same, count(*) OVER () AS n FROM item", name=name)).frame
    assert frame.values.tolist() == [[name, 1, 1]]
