"""What every database engine gives the executor of sql cells, and how a connection's declaration is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from strata_kernel.cells.query import Statement
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import Fact
from strata_kernel.errors import CellError

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")


class Connection(msgspec.Struct, frozen=True):
    """One table `[connections.NAME]`: `folder` anchors relative paths, `environ` holds what `${VAR}` stands for."""

    name: str
    driver: str
    table: Mapping[str, Any]
    folder: str
    environ: Mapping[str, str]

    def path(self) -> str:
        """Return the database file, or `:memory:`; raise CellError when none is declared."""
        found = str(self.table.get("path") or self.table.get("uri") or "")
        if not found:
            raise CellError(f"[connections.{self.name}] needs `path`, a file or :memory:")
        return found if found == ":memory:" else str((Path(self.folder) / Path(found).expanduser()).absolute())

    def secret(self, key: str) -> str | None:
        """Return a value of `auth`; raise CellError for a literal, or a variable that is not set."""
        auth = self.table.get("auth")
        value = auth.get(key) if isinstance(auth, Mapping) else None
        if value is None:
            return None
        match = _VARIABLE.fullmatch(str(value))
        if match is None:
            raise CellError(f"[connections.{self.name}.auth] {key} must be written ${{VARIABLE}}: secrets stay outside")
        if match[1] not in self.environ:
            raise CellError(
                f"[connections.{self.name}.auth] {key}: the environment has no variable {match[1]}: "
                "set it where the kernel starts"
            )
        return self.environ[match[1]]

    def safe(self, text: str) -> str:
        """Return a message without the secrets of this connection."""
        auth = self.table.get("auth")
        for key in auth if isinstance(auth, Mapping) else ():
            try:
                value = self.secret(key)
            except CellError:
                continue
            if value and len(value) > 2:
                text = text.replace(value, "•••")
        return text


class Answer(msgspec.Struct):
    """The result of a query as a frame of the wanted library, and what it depended on."""

    frame: Any
    facts: tuple[Fact, ...] = ()
    reasons: tuple[Reason, ...] = ()


class Written(msgspec.Struct, frozen=True):
    """One statement of a write: its text, its first word, and the rows that it affected where the engine tells."""

    statement: str
    kind: str
    rows: int | None


class Ask(msgspec.Struct):
    """What a cell asks: the text, its statements, binds by name, frames of the notebook by name, and strings in it.

    `fresh`: whether what the tables hold is to be recorded, to be noticed when it changes. `snapshot`: whether only
    what can never change is to be read. `line`: the line of the cell at which the text begins, from 1.
    """

    text: str
    statements: tuple[Statement, ...]
    binds: dict[str, Any]
    frames: dict[str, Any]
    texts: tuple[str, ...]
    words: frozenset[str]
    library: str
    fresh: bool = True
    snapshot: bool = False
    line: int = 1

    def where(self, statement: Statement, place: int) -> str:
        """Return in words which line and column of the cell, from 1, a place in a statement's text stands for."""
        source = min(statement.source(place), len(self.text))
        start = self.text.rfind("\n", 0, source) + 1
        return f"line {self.line + self.text.count(chr(10), 0, source)}, column {source - start + 1} of the cell"


class Engine(Protocol):
    """A kind of database. Every method may raise CellError; `lists`: a list can be a bind."""

    lists: bool

    def query(self, ask: Ask) -> Answer:
        """Run one statement, read-only, and say what it depended on."""
        ...

    def write(self, ask: Ask) -> list[Written]:
        """Run all statements in one transaction: all or nothing."""
        ...

    def explain(self, ask: Ask) -> str:
        """Return in words how the only statement would be run, which it is not."""
        ...

    def holds(self, fact: Fact) -> bool:
        """Tell whether a fact that a query of this connection gave still holds."""
        ...

    def version(self) -> str:
        """Connect, and return the engine's name and version."""
        ...

    def schema(self) -> dict[str, dict[str, str]]:
        """Return the types of the columns, by table."""
        ...


def first_word(statement: str) -> str:
    """Return what a statement does, in one word."""
    found = re.search(r"[A-Za-z]+", re.sub(r"--[^\n]*|/\*.*?\*/", " ", statement, flags=re.DOTALL))
    return found.group().upper() if found else ""


def one(ask: Ask) -> Statement:
    """Return the only statement; raise CellError when there are none or several."""
    if not ask.statements:
        raise CellError("the cell holds no query")
    if len(ask.statements) > 1:
        raise CellError(
            f"a cell that reads holds one statement, this one has {len(ask.statements)}: "
            "put each in a cell of its own, or say `# @sql connection=… write=true`"
        )
    return ask.statements[0]


def explained(ask: Ask) -> Statement:
    """Return the only statement, to be explained; raise CellError when there are several, or it explains another."""
    if len(ask.statements) > 1:
        raise CellError(f"the cell has {len(ask.statements)} statements: only one at a time is explained")
    statement = one(ask)
    if first_word(statement.text) == "EXPLAIN":
        raise CellError("the cell explains a query already: run it")
    return statement


def denied(connection: Connection, text: str) -> CellError:
    """Return the error for a write in a cell that only reads."""
    return CellError(
        f"{connection.safe(text)}\nThis cell only reads. To write: # @sql connection={connection.name} write=true"
    )
