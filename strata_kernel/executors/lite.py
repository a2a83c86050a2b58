"""SQLite: reads in one snapshot whose state is told by the file, the log beside it and the log's index."""

from __future__ import annotations

import datetime
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

from strata_kernel.cells.query import Statement, tokens
from strata_kernel.domain.manifest import Fact
from strata_kernel.errors import CellError
from strata_kernel.executors.engine import Answer, Ask, Connection, Written, denied, explained, first_word, one
from strata_kernel.executors.frames import frame
from strata_kernel.ports import World

#: How long another process may hold the file before that is an error, in seconds.
PATIENCE = 5.0
_TRIES = 20
#: Virtual machine steps between two looks at whether the user wants to stop.
_STEPS = 20_000
#: In the log's index (`WalIndexHdr`): frames, pages, checksum of the last frame, salts.
_INDEX = slice(16, 40)
_NEAR = re.compile(r'near "(.*)": syntax error', re.DOTALL)
_NO_SUCH = re.compile(r"no such (?:column|table|function): (?:.*\.)?([^.]+)", re.DOTALL)
_EXPLAIN = "EXPLAIN QUERY PLAN "


class SqliteEngine:
    """One SQLite file."""

    lists = False

    def __init__(self, connection: Connection, world: World) -> None:
        self.connection, self.world = connection, world

    def query(self, ask: Ask) -> Answer:
        """Run one statement in a transaction that cannot write."""
        statement = one(ask)
        with self._open(write=False) as (con, fact), self._told(con, ask, statement):
            con.set_authorizer(_only_this_file)
            cursor = con.execute(statement.text, _values(ask.binds))
            names = [d[0] for d in cursor.description or ()]
            rows = cursor.fetchall()
        return Answer(frame(names, rows, ask.library), (fact,) if ask.fresh else ())

    def write(self, ask: Ask) -> list[Written]:
        """Run all statements, or none of them."""
        done = []
        with self._open(write=True) as (con, _), self._told():
            con.execute("BEGIN IMMEDIATE")
            values = _values(ask.binds)
            for statement in _joined(ask.statements):
                before = con.total_changes
                with self._told(con, ask, statement):
                    con.execute(statement.text, values)
                kind = first_word(statement.text)
                rows = con.total_changes - before if kind in ("INSERT", "UPDATE", "DELETE", "REPLACE", "WITH") else None
                done.append(Written(statement.text, kind, rows))
            con.execute("COMMIT")
        return done

    def explain(self, ask: Ask) -> str:
        """Return the query plan as a tree."""
        statement = explained(ask).behind(_EXPLAIN)
        with self._open(write=False) as (con, _), self._told(con, ask, statement):
            con.set_authorizer(_only_this_file)
            steps = con.execute(statement.text, _values(ask.binds)).fetchall()
        depths: dict[int, int] = {}
        for number, parent, _, _ in steps:
            depths[number] = depths.get(parent, -1) + 1
        return "\n".join("  " * depths[number] + str(detail) for number, _, _, detail in steps)

    def holds(self, fact: Fact) -> bool:
        """Tell whether the file and its log are as they were."""
        try:
            with self._open(write=False) as (_, now):
                if now.digest == fact.digest:
                    return True
        except CellError:
            return False
        return False

    def version(self) -> str:
        """Open the file, and return the engine's name and version."""
        with self._open(write=False):
            return f"SQLite {sqlite3.sqlite_version}"

    def schema(self) -> dict[str, dict[str, str]]:
        """Return the tables and views of the file."""
        with self._open(write=False) as (con, _):
            names = [r[0] for r in con.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")]
            return {n: {r[1]: r[2] for r in con.execute("SELECT * FROM pragma_table_xinfo(?)", (n,))} for n in names}

    @contextmanager
    def _open(self, *, write: bool) -> Iterator[tuple[sqlite3.Connection, Fact]]:
        path = self.connection.path()
        if path == ":memory:":
            raise CellError(
                f"[connections.{self.connection.name}] an SQLite database in memory ends with its connection: "
                "give it a file as `path`"
            )
        if not write and not os.path.isfile(path):
            raise CellError(f"[connections.{self.connection.name}] there is no file {path}")
        uri = f"file:{path.replace('%', '%25').replace('?', '%3f').replace('#', '%23')}?mode={'rwc' if write else 'ro'}"
        try:
            con = sqlite3.connect(uri, timeout=PATIENCE, isolation_level=None, uri=True)
        except sqlite3.Error as error:
            raise CellError(f"[connections.{self.connection.name}] {error}: {path}") from None
        try:
            con.set_progress_handler(lambda: 0, _STEPS)
            yield con, Fact("table", self.connection.name) if write else self._snapshot(con, path)
        finally:
            if con.in_transaction:
                con.rollback()
            con.close()

    def _snapshot(self, con: sqlite3.Connection, path: str) -> Fact:
        """Begin to read, and return what the file holds from now on for this connection."""
        with self._told():
            con.execute("PRAGMA query_only = ON")
            for _ in range(_TRIES):
                before = self._state(path)
                con.execute("BEGIN")
                con.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                # A writer may have come in between; the log is written before its index tells readers of it.
                after = self._state(path)
                if before is not None and before == after:
                    return after
                con.rollback()
        raise CellError(f"[connections.{self.connection.name}] is written without pause: {path}")

    def _state(self, path: str) -> Fact | None:
        file = self.world.observe("file", path)
        if file is None:
            return None
        log = _log(path)
        return Fact("table", self.connection.name, f"{file.digest}:{log}")

    @contextmanager
    def _told(
        self, con: sqlite3.Connection | None = None, ask: Ask | None = None, statement: Statement | None = None
    ) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            text = str(error)
            if text == "interrupted":
                raise KeyboardInterrupt from None
            if "readonly" in text or "not authorized" in text:
                raise denied(self.connection, text) from None
            if "locked" in text:
                text += f": another program has been writing for {PATIENCE:.0f} s"
            if con is not None and ask is not None and statement is not None:
                spot = _spot(con, statement.text, text)
                text += "" if spot is None else f" ({ask.where(statement, spot)})"
            raise CellError(f"[connections.{self.connection.name}] {text}") from None


def _log(path: str) -> str:
    """Return what of the write-ahead log counts for readers, as its index says; "" when nothing does."""
    try:
        with open(path + "-shm", "rb", buffering=0) as file:
            head = file.read(96)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise CellError(f"the index of the log of {path} cannot be read: {error.strerror}") from None
    if head[:48] != head[48:96]:
        return "moving" + head.hex()
    return "" if not any(head[16:20]) else head[_INDEX].hex()


def _only_this_file(action: int, *what: Any) -> int:
    refused = (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH)
    return sqlite3.SQLITE_DENY if action in refused else sqlite3.SQLITE_OK


def _values(binds: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(name, value) for name, value in binds.items()}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise CellError(f"the bind :{name} is too large for SQLite, whose whole numbers have 64 bits")
    return value


def _spot(con: sqlite3.Connection, text: str, error: str) -> int | None:
    """Return where the error is, which Python is not told: a parser fails at the first piece that cannot go on."""
    if (lacking := _NO_SUCH.fullmatch(error)) is not None:
        named = [t.start for t in tokens(text, "sqlite") if lacking[1] in (t.text, t.text[1:-1])]
        return named[0] if len(named) == 1 else None
    near = _NEAR.fullmatch(error)
    if near is None:
        return len(text) if error == "incomplete input" else None
    for token in tokens(text, "sqlite"):
        if token.text == near[1]:
            try:
                con.execute(_EXPLAIN + text[: token.start + len(token.text)].removeprefix(_EXPLAIN))
            except sqlite3.Error as again:
                if str(again) == error:
                    return token.start
    return None


def _joined(statements: tuple[Statement, ...]) -> Iterator[Statement]:
    """Put together what belongs together: a trigger holds statements of its own."""
    pending = Statement("", ())
    for statement in statements:
        after = statement.behind(pending.text)
        pending = Statement(after.text + ";", pending.marks + after.marks)
        if sqlite3.complete_statement(pending.text):
            yield pending
            pending = Statement("", ())
    if pending.text:
        yield pending
