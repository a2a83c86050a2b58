"""PostgreSQL: one snapshot for the query and for what it read; unchanged as long as no transaction has come since."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import psycopg.sql

from strata_kernel.cells.query import Statement, bound, unbound
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import Fact
from strata_kernel.errors import CellError
from strata_kernel.executors.engine import Answer, Ask, Connection, Written, denied, explained, first_word, one
from strata_kernel.executors.frames import frame

#: Larger tables, in bytes, are told unchanged only as long as nothing in the whole cluster is written.
MOST_BYTES = 256 << 20
_NAME = "postgresql"
_OPTIONS = ("host", "port", "dbname", "search_path", "role", "sslmode", "connect_timeout")
#: Who asks, and the settings of the session, which roles and databases may set: results can depend on any.
_SETTINGS = """
SELECT current_user || coalesce(sum(hashtextextended(name || '=' || setting, 9)), 0)::text FROM pg_settings
WHERE context IN ('user', 'superuser')
"""
#: Which transactions can be seen, in which life of which cluster.
_SNAPSHOT = f"""
SELECT pg_current_snapshot()::text, (SELECT system_identifier FROM pg_control_system())::text,
       (SELECT timeline_id FROM pg_control_checkpoint())::text, pg_postmaster_start_time()::text,
       ({_SETTINGS})
"""
#: Every relation that this transaction has touched: views, partitions and functions hold locks on what they read.
_TOUCHED = """
SELECT relation::bigint, relation::regclass::text FROM pg_locks
WHERE pid = pg_backend_pid() AND locktype = 'relation'
"""
_VOLATILE = "SELECT DISTINCT proname::text FROM pg_proc WHERE oid >= 16384 AND provolatile = 'v' AND proname = ANY(%s)"
_RELATIONS = """
SELECT n.nspname, c.relname, c.relkind::text, pg_table_size(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY(%s::oid[]) AND c.relkind NOT IN ('i', 'I', 't') ORDER BY 1, 2
"""
#: What names mean: columns, views, rights, partitions, functions, types and operators of the user's.
_MEANING = """
SELECT (SELECT coalesce(sum(hashtextextended(t::text, 1)), 0) FROM (
          SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attisdropped, a.xmin::text
          FROM pg_attribute a WHERE a.attrelid = ANY(%(oids)s::oid[]) AND a.attnum > 0) t),
       (SELECT coalesce(sum(hashtextextended(t::text, 2)), 0) FROM (
          SELECT r.oid, r.xmin::text FROM pg_rewrite r WHERE r.ev_class = ANY(%(oids)s::oid[])) t),
       (SELECT coalesce(sum(hashtextextended(t::text, 3)), 0) FROM (
          SELECT p.oid, p.xmin::text FROM pg_policy p WHERE p.polrelid = ANY(%(oids)s::oid[])) t),
       (SELECT coalesce(sum(hashtextextended(t::text, 4)), 0) FROM (
          SELECT i.inhrelid, i.inhparent FROM pg_inherits i WHERE i.inhparent = ANY(%(oids)s::oid[])) t),
       (SELECT coalesce(sum(hashtextextended(t::text, 5)), 0) FROM (
          SELECT oid, xmin::text FROM pg_proc WHERE oid >= 16384 UNION ALL
          SELECT oid, xmin::text FROM pg_operator WHERE oid >= 16384 UNION ALL
          SELECT oid, xmin::text FROM pg_cast WHERE oid >= 16384 UNION ALL
          SELECT oid, xmin::text FROM pg_enum UNION ALL
          SELECT oid, xmin::text FROM pg_collation WHERE oid >= 16384 UNION ALL
          SELECT member, roleid::text FROM pg_auth_members) t),
       (SELECT coalesce(sum(hashtextextended(t::text, 6)), 0) FROM (
          SELECT c.oid, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relname = ANY(%(names)s)) t)
"""


Told = tuple[tuple[Fact, ...], tuple[Reason, ...]]


class PostgresEngine:
    """One PostgreSQL database, with one connection that is kept to ask whether anything has changed."""

    lists = True

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._probe: psycopg.Connection[Any] | None = None

    def query(self, ask: Ask) -> Answer:
        """Run one statement in a read-only transaction with one snapshot."""
        statement = one(ask)
        with self._transaction(write=False) as cursor:
            self._execute(cursor, ask, statement)
            if cursor.description is None:
                raise denied(self.connection, f"{first_word(statement.text)} gives no rows")
            names, rows = [c.name for c in cursor.description], cursor.fetchall()
            facts, reasons = self._told_by(cursor, ask.words) if ask.fresh else ((), ())
        return Answer(frame(names, rows, ask.library), facts, reasons)

    def write(self, ask: Ask) -> list[Written]:
        """Run all statements, or none of them."""
        done = []
        with self._transaction(write=True) as cursor:
            for statement in ask.statements:
                self._execute(cursor, ask, statement)
                kind = first_word(statement.text)
                counted = kind in ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "WITH")
                rows = cursor.rowcount if counted and cursor.rowcount >= 0 else None
                done.append(Written(statement.text, kind, rows))
        return done

    def explain(self, ask: Ask) -> str:
        """Return the plan with the costs that PostgreSQL expects."""
        statement = explained(ask).behind("EXPLAIN ")
        with self._transaction(write=False) as cursor:
            self._execute(cursor, ask, statement)
            return "\n".join(str(row[0]) for row in cursor.fetchall())

    def _execute(self, cursor: psycopg.Cursor[Any], ask: Ask, statement: Statement) -> None:
        try:
            cursor.execute(_named(statement.text, ask.binds), ask.binds or None, prepare=False)
        except psycopg.errors.ReadOnlySqlTransaction:
            raise
        except psycopg.Error as error:
            spot = error.diag.statement_position
            if spot is None:
                raise
            # The server was sent its own names for the binds.
            numbers = {name: f"${place}" for place, name in enumerate(ask.binds, 1)}
            place = unbound(statement.text, int(spot) - 1, lambda name: numbers.get(name, f":{name}"), _NAME)
            text = f"{error.diag.message_primary} ({ask.where(statement, place)})"
            hint = f"\n{error.diag.message_hint}" if error.diag.message_hint else ""
            said = self.connection.safe(text + hint)
            raise CellError(f"[connections.{self.connection.name}] {said}") from None

    def holds(self, fact: Fact) -> bool:
        """Tell whether no transaction has come since, or the tables hold the same all the same."""
        try:
            for _ in range(2):
                try:
                    return self._holds(fact)
                except psycopg.OperationalError:
                    self._close()  # the server may have been started anew
        except (CellError, psycopg.Error):
            self._close()
        return False

    def _holds(self, fact: Fact) -> bool:
        if self._probe is None:
            self._probe = self._connect(write=False)
        with self._probe.transaction(), self._probe.cursor() as cursor:
            snapshot = self._snapshot(cursor)
            coarse, fine = fact.digest.split(":")
            if snapshot == coarse:
                return True
            tables = _tables(fact.name)
            return bool(fine) and fine == self._content(cursor, tables)

    def version(self) -> str:
        """Connect, and return the engine's name and version."""
        with self._transaction(write=False) as cursor:
            row = cursor.execute("SHOW server_version").fetchone() or ("",)
        return f"PostgreSQL {row[0]}"

    def schema(self) -> dict[str, dict[str, str]]:
        """Return the tables and views that can be read without a schema's name, and others with it."""
        found: dict[str, dict[str, str]] = {}
        with self._transaction(write=False) as cursor:
            cursor.execute(
                "SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname ELSE n.nspname || '.' || c.relname END,"
                " a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c"
                " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid"
                " WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped"
                " AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, a.attnum"
            )
            for table, column, kind in cursor.fetchall():
                found.setdefault(table, {})[column] = kind
        return found

    def _told_by(
        self, cursor: psycopg.Cursor[Any], words: frozenset[str]
    ) -> tuple[tuple[Fact, ...], tuple[Reason, ...]]:
        """Return the fact about all that the transaction read, or why there can be none."""
        touched = cursor.execute(_TOUCHED).fetchall()
        unseen = [name for oid, name in touched if oid < _OWN and name != "pg_locks"]
        unseen += ["pg_locks"] * ("pg_locks" in words)
        own = cursor.execute(_RELATIONS, ([oid for oid, _ in touched if oid >= _OWN],)).fetchall()
        unseen += [f"{t[0]}.{t[1]}" for t in own if t[2] in ("f", "S")]
        coarse = self._snapshot(cursor)
        drawn = [r[0] for r in cursor.execute(_VOLATILE, (list(words),)).fetchall()]
        text = f"calls functions that are declared volatile ({', '.join(drawn)})"
        undetermined = (Reason("random", text),) if drawn else ()
        if unseen:
            text = f"nothing tells when {', '.join(unseen)} changes (another server's, a sequence or a catalogue)"
            return (), (Reason("unobserved", text),)
        tables = [(t[0], t[1]) for t in own if t[2] in ("r", "m", "p", "v")]
        small = sum(t[3] or 0 for t in own) <= MOST_BYTES
        small = small and not any(" + " in a + b or "." in a + b for a, b in tables)
        fine = self._content(cursor, tables) if small else ""
        name = f"{self.connection.name}: {' + '.join(f'{a}.{b}' for a, b in tables)}"
        return (Fact("table", name, f"{coarse}:{fine}"),), undetermined

    def _snapshot(self, cursor: psycopg.Cursor[Any]) -> str:
        return digest("snapshot", [str(v) for v in cursor.execute(_SNAPSHOT).fetchone() or ()])

    def _content(self, cursor: psycopg.Cursor[Any], tables: list[tuple[str, str]]) -> str:
        """Return a digest of all rows of the tables, and of all that gives their names and columns a meaning."""
        found: list[Any] = []
        oids = []
        for schema, name in tables:
            row = cursor.execute(
                "SELECT c.oid::bigint, c.relkind::text, c.relrowsecurity FROM pg_class c JOIN pg_namespace n"
                " ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s",
                (schema, name),
            ).fetchone()
            if row is None:
                return "gone"
            oids.append(row[0])
            found.append([schema, name, *map(str, row)])
            if row[1] in ("r", "m"):
                table = psycopg.sql.Identifier(schema, name)
                counted = psycopg.sql.SQL(
                    "SELECT count(*), coalesce(sum(hashtextextended(t::text, 7)), 0)::text,"
                    " coalesce(sum(hashtextextended(t::text, 8)), 0)::text FROM ONLY {} AS t"
                ).format(table)
                found.append([str(v) for v in cursor.execute(counted).fetchone() or ()])
        row = cursor.execute(_MEANING, {"oids": oids, "names": [n for _, n in tables]}).fetchone()
        found.append([str(v) for v in row or ()])
        where = cursor.execute(_SETTINGS).fetchone()
        return digest("tables", found, [str(v) for v in where or ()])

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[psycopg.Cursor[Any]]:
        con = self._connect(write=write)
        try:
            with con.transaction(), con.cursor() as cursor:
                yield cursor
        except KeyboardInterrupt:
            con.cancel()
            raise
        except psycopg.errors.ReadOnlySqlTransaction as error:
            raise denied(self.connection, str(error)) from None
        except psycopg.Error as error:
            said = self.connection.safe(str(error).strip())
            raise CellError(f"[connections.{self.connection.name}] {said}") from None
        finally:
            con.close()

    def _connect(self, *, write: bool) -> psycopg.Connection[Any]:
        table = self.connection.table
        given: dict[str, Any] = {k: str(table[k]) for k in _OPTIONS if k in table}
        settings = {k: given.pop(k) for k in ("search_path", "role") if k in given}
        if settings:
            given["options"] = " ".join(f"-c {k}={_escaped(v)}" for k, v in settings.items())
        given["user"] = self.connection.secret("user") or table.get("user")
        given["password"] = self.connection.secret("password")
        given = {k: v for k, v in given.items() if v is not None}
        try:
            con: psycopg.Connection[Any] = psycopg.connect(
                str(table.get("uri", "")), application_name="strata", autocommit=True, **given
            )
        except psycopg.Error as error:
            text = self.connection.safe(str(error).strip())
            cure = "see that the server runs, and that host, port, dbname, user and the variables of `auth` are right"
            raise CellError(f"[connections.{self.connection.name}] cannot be reached: {text}\n{cure}") from None
        con.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        con.read_only = not write
        return con

    def _close(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None


#: Objects of the user's are numbered from here on.
_OWN = 16384


def _tables(name: str) -> list[tuple[str, str]]:
    listed = name.partition(": ")[2]
    return [(a, b) for a, _, b in (t.partition(".") for t in listed.split(" + ") if t)]


def _named(statement: str, binds: dict[str, Any]) -> bytes:
    if not binds:
        return statement.encode()
    return bound(statement, lambda name: f"%({name})s", lambda text: text.replace("%", "%%"), _NAME).encode()


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
