"""SQL cells: a query against a declared connection, with binds from the notebook and a name for its result."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from strata_kernel.cells import query
from strata_kernel.cells.grammar import PINS
from strata_kernel.cells.kind import Identity, Policy, Reading
from strata_kernel.domain import provenance
from strata_kernel.domain.analysis import Analysis
from strata_kernel.domain.cell import Cell, Reason
from strata_kernel.domain.diagnostic import Diagnostic, nearest
from strata_kernel.domain.digest import Plain, digest
from strata_kernel.domain.directives import Directives, parse
from strata_kernel.domain.terms import settle

_MAGIC = re.compile(r"\s*%%sql(?:[ \t]+(?P<connection>\S+))?[ \t]*(?:\r?\n|\Z)", re.IGNORECASE)
_HEAD = re.compile(r"(?:[ \t]*(?:#[^\n]*)?(?:\n|\Z))*?(?=[ \t]*[^\s#]|\Z)")

#: The connection of a cell that names none: a DuckDB of its own, for the notebook's frames and files.
DEFAULT = "memory"
#: What an engine is imported as, and what stands behind its results.
MODULES = {
    "duckdb": ("duckdb",),
    "sqlite": (),
    "postgresql": ("psycopg",),
    "snowflake": ("adbc_driver_snowflake",),
    "bigquery": ("adbc_driver_bigquery",),
}
#: What the libraries of frames are imported as.
FRAMES = {"arrow": "pyarrow"}
_ALIASES = {"sqlite3": "sqlite", "postgres": "postgresql"}
#: DuckDB, SQLite and PostgreSQL read one snapshot, and none of them gives it a name by which it can be had again.
NO_SNAPSHOT = (
    "`@cache snapshot` asks for a snapshot that can be read again, and the database names none: it runs each time"
)
#: What asks the clock or draws, in some engine: functions by a parenthesis, or they are columns; words anywhere.
_CLOCK = re.compile(
    r"\b(?:(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|getdate|sysdate|today|age"
    r"|get_current_timestamp|get_current_time|systimestamp|unixepoch|julianday|strftime|pg_postmaster_start_time) ?\("
    r"|(current_timestamp|current_datetime|current_date|current_time|localtimestamp|localtime)\b"
    r"|(date|time|datetime) ?\( ?\))",
    re.IGNORECASE,
)
_RANDOM = re.compile(
    r"\b(?:(random|randomblob|rand|setseed|uuid|uuidv4|uuidv7|gen_random_uuid|uuid_generate_v4|generate_uuid|uuid_string"
    r"|randstr) ?\("
    r"|(tablesample|using sample)\b)",
    re.IGNORECASE,
)
#: Texts that engines read as times of now.
_NOW = frozenset({"now", "today", "yesterday", "tomorrow"})


class Source(msgspec.Struct, frozen=True):
    """The parts of a sql cell: where it runs, the name that it binds, and its query."""

    connection: str
    name: str
    write: bool
    text: str
    query: query.Query
    directives: Directives
    line: int


def is_sql(source: str) -> bool:
    """Tell whether a cell is a sql cell: by `%%sql`, or by `# @sql` at its head."""
    if _MAGIC.match(source):
        return True
    return "@sql" in source and not source.lstrip().startswith("%%") and parse(source).sql is not None


def take_apart(source: str, connections: Mapping[str, Mapping[str, Any]]) -> Source:
    """Read the parts of a sql cell, whose dialect is that of the connection it names; never raises."""
    directives = parse(source)
    magic = _MAGIC.match(source)
    rest = source[magic.end() :] if magic else source
    head = _HEAD.match(rest)
    text = rest[head.end() :] if head else rest
    declared = directives.sql
    connection = (declared.connection if declared else None) or (magic["connection"] if magic else None) or DEFAULT
    name = directives.name if directives.name and directives.name.isidentifier() else "result"
    line = source[: len(source) - len(text)].count("\n") + 1
    read = query.read(text, driver(connections.get(connection, {})))
    return Source(connection, name, bool(declared and declared.write), text, read, directives, line)


def driver(table: Mapping[str, Any]) -> str:
    """Return the engine that a connection's table names."""
    named = str(table.get("driver", "duckdb")).lower()
    return _ALIASES.get(named, named)


def identity(table: Mapping[str, Any]) -> str:
    """Return what makes a connection the same: all that is declared but its secrets."""
    kept = {k: v for k, v in table.items() if k not in ("auth", "password", "user", "options")}
    auth = table.get("auth") if isinstance(table.get("auth"), Mapping) else {}
    user = table.get("user", (auth or {}).get("user", ""))
    return digest("connection", {**{str(k): _plain(v) for k, v in kept.items()}, "driver": driver(table)}, str(user))


def _plain(value: Any) -> Plain:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


class SqlKind:
    """The kind of cells that start with `%%sql`; `connections` are the tables of the settings, by name."""

    name = "sql"

    def __init__(self, connections: Mapping[str, Mapping[str, Any]], frame: str = "pandas") -> None:
        self._connections = {DEFAULT: {"driver": "duckdb", "path": ":memory:"}, **connections}
        self._frame = frame

    def claims(self, source: str) -> bool:
        """Claim cells whose first line is `%%sql`, or that say `# @sql`."""
        return is_sql(source)

    def read(self, cell: Cell, identity: Identity) -> Reading:
        """Read what the query binds, which names may be tables of the notebook, and what it makes."""
        source = take_apart(cell.source, self._connections)
        directives, table = source.directives, self._connections.get(source.connection, {})
        engine, terms = driver(table), settle(directives, identity.defaults)
        policy = directives.cache or None
        chosen = Policy(policy.policy, policy.seconds) if policy else Policy("session" if source.write else "")
        place = f"conn:{source.connection}"
        stores = {source.name} | ({place} if source.write else set())
        return Reading(
            cell=cell,
            analysis=Analysis(
                code=digest("sql", source.query.canonical),
                reads=frozenset({*source.query.binds, place}),
                stores=frozenset(stores),
                unsure=frozenset({place} & stores),
                mentions=source.query.words if engine == "duckdb" else frozenset(),
                modules=frozenset({*MODULES.get(engine, ()), FRAMES.get(self._frame, self._frame)}),
                frozen=() if source.write else _undetermined(source.query),
                mutates=frozenset(),
                result=True,
                labels=(source.name,),
            ),
            program=provenance.program(
                code=digest("sql", source.query.canonical),
                directives=self._matters(source, table) | terms.matters,
                python=identity.python,
                worker=identity.of_worker(terms.worker),
                session=identity.session if chosen.name == "session" else "",
            ),
            policy=chosen,
            directives=directives,
            deps=tuple((d.kind, d.name) for d in directives.deps),
            kind=self.name,
            terms=terms,
        )

    def _matters(self, source: Source, table: Mapping[str, Any]) -> dict[str, str]:
        return {
            "sql": identity(table) if source.connection in self._connections else source.connection,
            "name": source.name,
            "write": str(source.write),
            "frame": self._frame,
        }


def unknown(cell: Cell, connections: Mapping[str, Mapping[str, Any]]) -> Iterator[Diagnostic]:
    """Yield what is wrong with the connection that a sql cell names, and with what it asks of it.

    The place is the first line that names the connection, or the directive.
    """
    if cell.kind != "code" or not is_sql(cell.source):
        return
    source = take_apart(cell.source, {})
    name, policy = source.connection, source.directives.cache
    if policy and policy.policy == "snapshot" and driver(connections.get(name, {})) not in PINS:
        lines = cell.source.split("\n")
        place = next((i for i, line in enumerate(lines) if "snapshot" in line.lower()), 0)
        start = max(lines[place].lower().find("snapshot"), 0)
        yield Diagnostic("sql_snapshot_unsupported", NO_SNAPSHOT, "warning", place + 1, start, start + 8, cell.id)
    known = {DEFAULT, *connections}
    if name in known:
        return
    lines = cell.source.splitlines()
    line = next((i for i, text in enumerate(lines) if name in text), 0)
    start = lines[line].find(name)
    guess = nearest(name, known)
    cure = f"did you mean {guess!r}?" if guess else f"declare it in strata.toml under [connections.{name}]"
    text = f"no connection is named {name!r}: {cure}"
    end = start + len(name)
    yield Diagnostic("sql_connection_unknown", text, "warning", line + 1, start, end, cell.id, guess)


def _undetermined(found: query.Query) -> tuple[Reason, ...]:
    """Say where a query asks the clock or for random numbers."""
    text = re.sub(r"\s+", " ", ";".join(found.canonical))
    asked = {*_names(_CLOCK, text), *(t for t in found.texts if t.lower() in _NOW)}
    reasons = [Reason("clock", f"asks the clock ({', '.join(sorted(asked))})")] if asked else []
    if drawn := _names(_RANDOM, text):
        reasons.append(Reason("random", f"unseeded random numbers ({', '.join(sorted(drawn))})"))
    return tuple(reasons)


def _names(pattern: re.Pattern[str], text: str) -> set[str]:
    return {next(filter(None, match.groups())).lower() for match in pattern.finditer(text)}
