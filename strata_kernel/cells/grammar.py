"""What sqlglot makes of a query: where it cannot be parsed, and whether all of its tables are pinned to a time.

It takes most of a second to load and does not know all that databases do. So it is loaded where it is asked alone, what
it cannot parse is a warning, and nothing of what it says is part of a key.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from strata_kernel.cells.query import Statement, bound, tokens, unbound
from strata_kernel.errors import CellError

_NAMES = {"postgresql": "postgres"}
#: How a table is read as it was at a time, by engine.
PINS = {
    "snowflake": "table AT(TIMESTAMP => '2024-06-01 00:00:00 +00:00'::timestamp_tz)",
    "bigquery": "table FOR SYSTEM_TIME AS OF TIMESTAMP '2024-06-01 00:00:00 UTC'",
}
_ZONE = re.compile(r" *(?:Z|UTC)\Z", re.IGNORECASE)
_OFFSET = re.compile(r" *([+-]\d\d):?(\d\d)\Z")
#: What begins statements that hold others, which our reading takes apart at their semicolons.
_NESTED = ("CREATE TRIGGER", "CREATE TEMP TRIGGER", "CREATE TEMPORARY TRIGGER", "BEGIN", "END", "DECLARE", "EXECUTE")


def wrong(statement: Statement, engine: str) -> tuple[str, int] | None:
    """Return what sqlglot finds wrong with a statement and the place in its text, None for nothing."""
    if statement.text.upper().startswith(_NESTED):
        return None
    from sqlglot.errors import SqlglotError

    try:
        _parsed(statement, engine)
    except SqlglotError as error:
        for found in getattr(error, "errors", None) or ():
            spot = len(str(found.get("start_context") or ""))
            said = str(found.get("description") or "cannot be parsed")
            # Its own names of things are none of the reader's.
            said = "something is missing" if "<class " in said else said.partition(" but got <")[0]
            near = str(found.get("highlight") or "")
            place = unbound(statement.text, spot, _mark, engine)
            return f"{said[:1].lower()}{said[1:]}" + (f", near {near!r}" if near else ""), place
        *_, last = tokens(statement.text, engine)
        return "a string or a quoted name has no end", last.start
    except RecursionError:
        pass
    return None


def moments(statement: Statement, engine: str) -> list[datetime]:
    """Return the times to which the tables of a query are pinned; raise CellError where one is not, saying how."""
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.scope import traverse_scope

    cure = f"pin each table to a literal time, as in {PINS[engine]}"
    try:
        tree = _parsed(statement, engine)
        # Names of WITH; whatever else looks like a table is one.
        inner = {
            id(node)
            for scope in traverse_scope(tree)
            for node, source in scope.selected_sources.values()
            if not isinstance(source, exp.Table) and isinstance(node, exp.Table) and _means(node, scope)
        }
    except (SqlglotError, RecursionError):
        raise CellError(f"`@cache snapshot`: the query cannot be read, so nothing tells its tables: {cure}") from None
    if not isinstance(tree, exp.Query):
        raise CellError("`@cache snapshot` is for queries: SELECT, or WITH … SELECT")
    for kind, what in ((exp.Anonymous, "calls {}, which may read what it likes"), (exp.Parameter, "reads {}")):
        for each in tree.find_all(kind):
            said = what.format(each.sql(engine))
            raise CellError(f"`@cache snapshot`: the query {said}: leave it out, or choose another policy")
    if any(column.name.upper() == "NEXTVAL" for column in tree.find_all(exp.Column)):
        raise CellError("`@cache snapshot`: the query draws from a sequence: choose another policy")
    found = []
    for table in tree.find_all(exp.Table):
        if id(table) in inner:
            continue
        pin = table.args.get("when") or table.args.get("version")
        moment = None if "*" in table.name else _moment(pin, engine)
        if moment is None:
            raise CellError(f"`@cache snapshot`: {table.sql(engine)} is not pinned to a literal time: {cure}")
        found.append(moment)
    if not found:
        raise CellError(f"`@cache snapshot`: the query names no table: {cure}")
    return found


def _means(node: Any, scope: Any) -> bool:
    """Tell whether a name stands for a part of the query: quoted names are told by case, others are not."""
    if node.args.get("db") or node.args.get("when") or node.args.get("version"):
        return False
    parts = [cte.args["alias"].this for cte in _commons(scope)]
    return any(p.name == node.name and bool(p.args.get("quoted")) == bool(node.this.args.get("quoted")) for p in parts)


def _commons(scope: Any) -> Iterator[Any]:
    while scope is not None:
        with_ = scope.expression.args.get("with_") or scope.expression.args.get("with")
        yield from with_.expressions if with_ is not None else ()
        scope = scope.parent


def _moment(pin: Any, engine: str) -> datetime | None:
    """Return the time that a pin names by a literal, None for any other."""
    from sqlglot import exp

    if pin is None or str(pin.args.get("kind")).upper() not in ("TIMESTAMP", "AS OF"):
        return None
    value = pin.expression
    zones = (exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ)
    cast = isinstance(value, exp.Cast) and value.to.this in zones
    if cast:
        value = value.this
    if not isinstance(value, exp.Literal) or not value.is_string:
        return None
    text = _OFFSET.sub(r"\1:\2", _ZONE.sub("+00:00", value.this.strip()))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if engine == "bigquery":
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    # Without a zone, or a type that has one, Snowflake may take that of the session, which others can change.
    return found if cast and found.tzinfo is not None else None


def _mark(name: str) -> str:
    return "?"


def _parsed(statement: Statement, engine: str) -> Any:
    import sqlglot

    text = bound(statement.text, _mark, engine=engine)
    with _silent():
        return sqlglot.parse_one(text, dialect=_NAMES.get(engine, engine), error_message_context=len(text))


@contextmanager
def _silent() -> Iterator[None]:
    """Keep sqlglot from telling what it does not know, on standard error."""
    log = logging.getLogger("sqlglot")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before
