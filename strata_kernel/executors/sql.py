"""Runs sql cells against the declared connections, and tells whether what they read is as it was."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strata_kernel.cells.grammar import PINS
from strata_kernel.cells.sql import DEFAULT, NO_SNAPSHOT, Source, driver, take_apart
from strata_kernel.domain.cell import Cell, Reason, Task
from strata_kernel.domain.diagnostic import nearest
from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import Fact
from strata_kernel.errors import CellError
from strata_kernel.executors.binds import binds
from strata_kernel.executors.engine import Ask, Connection, Engine, Written
from strata_kernel.ports import Done, Stage, World

#: Extras that bring the driver of an engine.
_EXTRAS = {"postgresql": "postgres"}
_DRIVERS = "duckdb, sqlite, postgresql, snowflake or bigquery"
#: What is loaded when the driver of an engine is.
_MODULES = {
    "duckdb": "strata_kernel.executors.duck",
    "sqlite": "strata_kernel.executors.lite",
    "postgresql": "strata_kernel.executors.postgres",
    "snowflake": "adbc_driver_snowflake.dbapi",
    "bigquery": "adbc_driver_bigquery.dbapi",
}


class Databases:
    """The connections of one notebook; implements the `Performer` and `Witness` ports."""

    def __init__(self, tables: Mapping[str, Mapping[str, Any]], start: Path, frame: str, world: World) -> None:
        self._tables: dict[str, Mapping[str, Any]] = {}
        self._start, self._frame, self._world = start, frame, world
        self._engines: dict[str, Engine] = {}
        self.declare(tables)

    def declare(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        """Take the connections that are declared now; those that stay as they were keep their engines."""
        wanted = {DEFAULT: {"driver": "duckdb", "path": ":memory:"}, **tables}
        for name in [name for name in self._engines if wanted.get(name) != self._tables[name]]:
            del self._engines[name]
        self._tables = wanted

    def run(self, task: Task, stage: Stage) -> Done:
        """Run the query of a cell, or its statements, and bind the result."""
        source = take_apart(task.cell.source, self._tables)
        policy = source.directives.cache.policy if source.directives.cache else ""
        self._check(source, policy)
        engine = self.engine(source.connection)
        ask = self._ask(source, engine, stage.namespace, policy)
        if source.write:
            shown = _table(engine.write(ask), self._frame)
            mark = digest("written", source.query.canonical).encode()
            return Done({source.name: shown}, shown, hidden={f"conn:{source.connection}": mark})
        answer = engine.query(ask)
        reasons = answer.reasons
        if ask.snapshot and driver(self._tables[source.connection]) not in PINS:
            reasons += (Reason("unobserved", NO_SNAPSHOT),)
        return Done({source.name: answer.frame}, answer.frame, answer.facts, reasons=reasons)

    def explain(self, cell: Cell, namespace: Mapping[str, Any]) -> str:
        """Return in words how the query of a cell would be run with these values; it is not. For any thread."""
        source = take_apart(cell.source, self._tables)
        if source.write:
            raise CellError("the cell writes: only queries are explained")
        engine = self.engine(source.connection)
        return engine.explain(self._ask(source, engine, namespace, "")) or "the database tells of no plan"

    def _ask(self, source: Source, engine: Engine, namespace: Mapping[str, Any], policy: str) -> Ask:
        return Ask(
            text=source.text,
            statements=source.query.statements,
            binds=binds(source.query.binds, namespace, lists=engine.lists),
            frames=_frames(source, namespace),
            texts=source.query.texts,
            words=source.query.words,
            library=self._frame,
            fresh=policy in ("", "fingerprint", "off"),
            snapshot=policy == "snapshot",
            line=source.line,
        )

    def load(self) -> None:
        """Load the drivers of the declared connections, while no cell runs: some change the process when they load."""
        for name in self._tables.keys() - {DEFAULT}:
            with contextlib.suppress(CellError):
                self.engine(name)

    def loaded(self, name: str) -> bool:
        """Tell whether the driver of a connection is loaded already, or will never be."""
        module = _MODULES.get(driver(self._tables.get(name, {"driver": ""})))
        return module is None or module in sys.modules

    def look_anew(self) -> None:
        """Forget nothing: each question is asked of the database."""

    def holds(self, fact: Fact) -> bool:
        """Tell whether the tables behind a fact hold what they held."""
        try:
            return self.engine(fact.name.partition(":")[0]).holds(fact)
        except CellError:
            return False

    def engine(self, name: str) -> Engine:
        """Return what speaks to a declared connection; raise CellError when there is none."""
        if name not in self._engines:
            self._engines[name] = self._made(name)
        return self._engines[name]

    def _made(self, name: str) -> Engine:
        table = self._tables.get(name)
        if table is None:
            guess = nearest(name, self._tables)
            hint = f"; did you mean {guess!r}?" if guess else f": declare it in strata.toml under [connections.{name}]"
            raise CellError(f"there is no connection {name!r}{hint}")
        kind = driver(table)
        connection = Connection(name, kind, table, str(self._start), dict(os.environ))
        try:
            match kind:
                case "duckdb":
                    from strata_kernel.executors.duck import DuckdbEngine

                    return DuckdbEngine(connection, self._world)
                case "sqlite":
                    from strata_kernel.executors.lite import SqliteEngine

                    return SqliteEngine(connection, self._world)
                case "postgresql":
                    from strata_kernel.executors.postgres import PostgresEngine

                    return PostgresEngine(connection)
                case "snowflake" | "bigquery":
                    from strata_kernel.executors.warehouse import WAREHOUSES, WarehouseEngine

                    return WarehouseEngine(connection, WAREHOUSES[kind])
        except ImportError as error:
            extra = _EXTRAS.get(kind, kind)
            text = f"[connections.{name}] the driver of {kind} is not installed: pip install 'strata-jupyter[{extra}]'"
            raise CellError(text) from error
        raise CellError(f"[connections.{name}] knows no driver {kind!r}: {_DRIVERS}")

    def _check(self, source: Source, policy: str) -> None:
        if not source.query.statements:
            raise CellError("the cell holds no query")
        if source.write and policy in ("fingerprint", "snapshot"):
            raise CellError(
                "a cell that writes cannot go by what it reads: choose `@cache session`, `forever` or `off`"
            )


def _frames(source: Source, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return the frames of the notebook whose names stand in the query."""
    kinds: list[type] = []
    for module, names in (("pandas", ("DataFrame",)), ("polars", ("DataFrame",)), ("pyarrow", ("Table",))):
        if (found := sys.modules.get(module)) is not None:
            kinds += [getattr(found, n) for n in names]
    return {w: namespace[w] for w in source.query.words if w in namespace and isinstance(namespace[w], tuple(kinds))}


def _table(done: list[Written], library: str) -> Any:
    from strata_kernel.executors.frames import frame

    found = frame(("statement", "kind", "rows"), [(w.statement, w.kind, w.rows) for w in done], library)
    # Of one type, whether or not the database tells of every statement.
    return found.astype({"rows": "Int64"}) if library == "pandas" else found
