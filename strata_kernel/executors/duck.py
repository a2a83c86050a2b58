"""DuckDB: a file, or one in memory over frames and files of the notebook; it reaches no other file than those named."""

from __future__ import annotations

import glob
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from strata_kernel.cells.query import Statement, bound, read
from strata_kernel.domain.manifest import Fact
from strata_kernel.errors import CellError
from strata_kernel.executors.columns import fetched
from strata_kernel.executors.engine import Answer, Ask, Connection, Written, denied, explained, first_word, one
from strata_kernel.ports import World

_READING = ("SELECT", "EXPLAIN")
_TRIES = 5
#: How long a look at a database waits for a cell that uses it, in seconds.
PATIENCE = 2.0
#: The line of a query that an error shows, and the mark below it.
_SPOT = re.compile(r"\n*^LINE (?P<line>\d+): (?P<text>.*)\n(?P<mark> *)\^+\s*\Z", re.MULTILINE)
#: A process has a file open in one way at a time, with settings that all its connections share.
_in_use: dict[str, threading.Lock] = {}


class DuckdbEngine:
    """One DuckDB database."""

    lists = True

    def __init__(self, connection: Connection, world: World) -> None:
        self.connection, self.world = connection, world

    def query(self, ask: Ask) -> Answer:
        """Run one statement that reads; while it runs no other process can write to the database."""
        statement = one(ask)
        self._refuse_writes(ask, statement)
        files = self._files(ask.texts)
        for _ in range(_TRIES):
            facts = self._facts(files)
            with self._open(write=False) as con, self._told(ask, statement):
                if not _same(facts, self._facts(files)):
                    continue
                self._fence(con, files)
                self._register(con, ask)
                con.execute("BEGIN TRANSACTION READ ONLY")
                frame = fetched(con, _dollars(statement.text), ask.binds, ask.library)
            if _same(facts, self._facts(files)):
                # Files beside the database are held by no lock, so their cell may have to run again.
                return Answer(frame, facts if ask.fresh else ())
        raise CellError(f"[connections.{self.connection.name}] what the query reads is written without pause")

    def write(self, ask: Ask) -> list[Written]:
        """Run all statements, or none of them."""
        if self._memory():
            raise CellError(
                f"the connection {self.connection.name!r} is in memory and forgets what is written to it: "
                "declare one with a file as `path`"
            )
        files = self._files(ask.texts)
        done = []
        with self._open(write=True) as con, self._told():
            self._fence(con, files)
            self._register(con, ask)
            con.execute("BEGIN TRANSACTION")
            for statement in ask.statements:
                with self._told(ask, statement):
                    text = statement.text
                    binds = {n: ask.binds[n] for n in read(text, "duckdb").binds}
                    con.execute(_dollars(text), binds or None)
                    done.append(Written(text, first_word(text), _affected(con, text)))
            con.execute("COMMIT")
        return done

    def explain(self, ask: Ask) -> str:
        """Return the plan as DuckDB draws it."""
        statement = explained(ask).behind("EXPLAIN ")
        with self._open(write=False, patience=PATIENCE) as con, self._told(ask, statement):
            self._fence(con, self._files(ask.texts))
            self._register(con, ask)
            con.execute("BEGIN TRANSACTION READ ONLY")
            con.execute(_dollars(statement.text), ask.binds or None)
            return "\n".join(str(row[-1]).rstrip() for row in con.fetchall())

    def holds(self, fact: Fact) -> bool:
        """Tell False: all that a query reads are files, which need no one's word."""
        return False

    def version(self) -> str:
        """Open the database, and return the engine's name and version."""
        with self._open(write=False, patience=PATIENCE):
            return f"DuckDB {duckdb.__version__}"

    def schema(self) -> dict[str, dict[str, str]]:
        """Return the tables and views of the database."""
        found: dict[str, dict[str, str]] = {}
        with self._open(write=False, patience=PATIENCE) as con, self._told():
            con.execute("SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal")
            for table, column, kind in con.fetchall():
                found.setdefault(table, {})[column] = kind
        return found

    def _memory(self) -> bool:
        return self.connection.path() == ":memory:"

    def _facts(self, files: dict[str, list[str]]) -> tuple[Fact, ...]:
        """Return what is known of the database's file and log, and of the files and folders that the query names."""
        found: list[Fact] = []
        if not self._memory():
            path = self.connection.path()
            found += [self._fact(path), self._fact(path + ".wal")]
        for pattern, matches in files.items():
            if pattern not in matches:
                found.append(self._fact(os.path.dirname(pattern), "dir"))
            found += [self._fact(path) for path in matches]
        if files and (start := self.world.observe("cwd", "start")) is not None:
            found.append(start)
        return tuple(dict.fromkeys(found))

    def _fact(self, path: str, kind: str = "file") -> Fact:
        found = self.world.observe(kind, path) or self.world.observe("absent", path)
        if found is None:
            raise CellError(f"{path} does not hold still")
        return found

    def _files(self, texts: tuple[str, ...]) -> dict[str, list[str]]:
        """Return the files that the query's strings name, by absolute path or pattern."""
        found = {}
        for text in texts:
            if not text or len(text) > 1024 or "\0" in text or "://" in text:
                continue
            path = os.path.abspath(text)
            if "**" in text:
                continue
            matches = sorted(glob.glob(path)) if glob.has_magic(text) else [path] * os.path.isfile(path)
            matches = [m for m in matches if os.path.isfile(m)]
            if matches and (not glob.has_magic(os.path.dirname(path)) or path in matches):
                found[path] = matches
        return found

    def _fence(self, con: duckdb.DuckDBPyConnection, files: dict[str, list[str]]) -> None:
        """Let the connection reach nothing outside but the files that are known to be read."""
        con.execute("SET python_enable_replacements = false")
        allowed = {*files, *(m for matches in files.values() for m in matches)}
        allowed |= {os.path.relpath(path) for path in allowed}
        quoted = ", ".join("'" + path.replace("'", "''") + "'" for path in sorted(allowed))
        con.execute(f"SET allowed_paths = [{quoted}]")
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")

    def _register(self, con: duckdb.DuckDBPyConnection, ask: Ask) -> None:
        con.execute("SELECT table_name FROM duckdb_columns() WHERE NOT internal")
        taken = {name.lower() for (name,) in con.fetchall()}
        for name, frame in ask.frames.items():
            if name.lower() not in taken:
                con.register(name, frame)

    def _refuse_writes(self, ask: Ask, statement: Statement) -> None:
        with self._told(ask, statement):
            kinds = [s.type.name for s in duckdb.extract_statements(_dollars(statement.text))]
        for kind in kinds:
            if kind not in _READING:
                raise denied(self.connection, f"{first_word(statement.text)} is no query (its kind is {kind})")

    @contextmanager
    def _open(self, *, write: bool, patience: float = -1) -> Iterator[duckdb.DuckDBPyConnection]:
        path = self.connection.path()
        with self._alone(path, patience), self._opened(path, write=write) as con:
            yield con

    @contextmanager
    def _alone(self, path: str, patience: float) -> Iterator[None]:
        """Wait until no other thread has the file open, so many seconds at most; -1 is as long as it takes."""
        lock = threading.Lock() if path == ":memory:" else _in_use.setdefault(os.path.realpath(path), threading.Lock())
        if not lock.acquire(timeout=patience):
            name = self.connection.name
            raise CellError(f"[connections.{name}] a running cell has the file open: ask again when it has ended")
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _opened(self, path: str, *, write: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        if not write and path != ":memory:" and not os.path.isfile(path):
            raise CellError(f"[connections.{self.connection.name}] there is no file {path}")
        try:
            con = duckdb.connect(path, read_only=not write and path != ":memory:")
        except duckdb.Error as error:
            raise CellError(f"[connections.{self.connection.name}] {_first(error)}") from None
        try:
            yield con
        finally:
            con.close()

    @contextmanager
    def _told(self, ask: Ask | None = None, statement: Statement | None = None) -> Iterator[None]:
        try:
            yield
        except duckdb.PermissionException as error:
            cure = "name the file in the query by one plain string, from the notebook's folder"
            raise CellError(f"{_first(error)}\nA sql cell reads only files that it names: {cure}.") from None
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None
        except duckdb.Error as error:
            if "read-only" in str(error):
                raise denied(self.connection, _first(error)) from None
            text = str(error).strip()
            if ask is not None and statement is not None:
                text = _placed(text, ask, statement)
            raise CellError(f"[connections.{self.connection.name}] {self.connection.safe(text)}") from None
        except RuntimeError as error:
            if "interrupted" in str(error).lower():
                raise KeyboardInterrupt from None
            raise


def _same(one: tuple[Fact, ...], other: tuple[Fact, ...]) -> bool:
    # A file that has settled in between has a stat to show for it.
    return [(f.kind, f.name, f.digest) for f in one] == [(f.kind, f.name, f.digest) for f in other]


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _dollars(text: str) -> str:
    """Return the text with binds as DuckDB calls them, every piece in its place."""
    return bound(text, lambda name: f"${name}", engine="duckdb")


def _placed(error: str, ask: Ask, statement: Statement) -> str:
    """Return an error with the place in the cell for the line that DuckDB counts in what it was sent."""
    found = _SPOT.search(error)
    if found is None:
        return error
    text, start = _dollars(statement.text), 0
    for _ in range(int(found["line"]) - 1):
        start = text.find("\n", start) + 1
    column = len(found["mark"]) - len(f"LINE {found['line']}: ")
    shown = found["text"]
    if shown.startswith("..."):
        # Of a long line only the part around the mark is shown.
        column, shown = column - 3, shown[3:]
        start = text.find(shown.removesuffix("..."), start)
    if start < 0 or column < 0:
        return error
    said, _, rest = error.partition("\n")
    return f"{said} ({ask.where(statement, start + column)})\n{rest}"


def _affected(con: duckdb.DuckDBPyConnection, statement: str) -> int | None:
    if first_word(statement) not in ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY"):
        return None
    row = con.fetchone()
    return row[0] if row is not None and isinstance(row[0], int) else None
