"""What is wrong with the queries of a notebook as far as their text tells, for who has the time to ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from strata_kernel.cells.grammar import PINS, moments, wrong
from strata_kernel.cells.query import DIALECTS
from strata_kernel.cells.sql import DEFAULT, Source, driver, is_sql, take_apart
from strata_kernel.domain.cell import Cell
from strata_kernel.domain.diagnostic import Diagnostic, Severity
from strata_kernel.errors import CellError


def proofread(cell: Cell, connections: Mapping[str, Mapping[str, Any]]) -> Iterator[Diagnostic]:
    """Yield where the query of a sql cell cannot be parsed, which is a warning: the database may know better."""
    if cell.kind != "code" or not is_sql(cell.source):
        return
    source = take_apart(cell.source, connections)
    engine = driver(connections.get(source.connection, {}))
    if engine not in DIALECTS or source.connection not in {DEFAULT, *connections}:
        return
    for statement in source.query.statements:
        if (found := wrong(statement, engine)) is not None:
            text = f"this does not look like SQL of {engine}: {found[0]}; run it to hear what the database says"
            yield _placed("sql_parse_error", text, "warning", cell, source, statement.source(found[1]))
            return
    policy = source.directives.cache
    if policy and policy.policy == "snapshot" and engine in PINS and source.query.statements:
        statement = source.query.statements[0]
        try:
            moments(statement, engine)
        except CellError as error:
            yield _placed("sql_snapshot_unpinned", str(error), "error", cell, source, statement.source(0))


def _placed(code: str, text: str, severity: Severity, cell: Cell, source: Source, place: int) -> Diagnostic:
    """Return a finding about the word at a place of the query."""
    whole = cell.source
    start = min(len(whole) - len(source.text) + place, max(len(whole.rstrip()) - 1, 0))
    begin = whole.rfind("\n", 0, start) + 1
    end = next((at for at in range(start, len(whole)) if whole[at].isspace()), len(whole))
    line = whole.count("\n", 0, start) + 1
    return Diagnostic(code, text, severity, line, start - begin, max(end, start + 1) - begin, cell.id)
