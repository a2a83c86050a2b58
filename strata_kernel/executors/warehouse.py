"""Snowflake and BigQuery by their ADBC drivers, where nothing tells changes and nothing but a role forbids writes."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from strata_kernel.cells.grammar import moments
from strata_kernel.cells.query import Statement, bound, tokens
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import Fact
from strata_kernel.errors import CellError
from strata_kernel.executors.engine import Answer, Ask, Connection, Written, denied, explained, first_word, one
from strata_kernel.executors.frames import of_arrow

#: What may follow BigQuery's pipe; others write.
_PIPED = frozenset({
    "SELECT", "EXTEND", "SET", "DROP", "RENAME", "AS", "WHERE", "LIMIT", "AGGREGATE", "DISTINCT", "ORDER", "UNION",
    "CALL", "INTERSECT", "EXCEPT", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "TABLESAMPLE", "PIVOT", "UNPIVOT",
    "WINDOW", "WITH",
})  # fmt: skip


class Warehouse(msgspec.Struct, frozen=True):
    """A kind of warehouse: its driver, what begins a statement that reads, and the words that join several in one.

    `options` gives the driver's options for a connection, for writes or reads. `together` are statements of which
    several make one transaction; others count at once.
    """

    title: str
    driver: str
    reads: frozenset[str]
    pipe: str
    piped: frozenset[str]
    together: frozenset[str]
    options: Callable[[Connection, bool], dict[str, str]]
    statement: Mapping[str, str]
    version: str
    columns: Callable[[Connection], str]
    plan: str = ""


class WarehouseEngine:
    """One database of a warehouse; `driver` is the module that connects to it, by DB-API 2.0 with ADBC's additions."""

    lists = False

    def __init__(self, connection: Connection, warehouse: Warehouse, driver: Any = None) -> None:
        self.connection, self.warehouse = connection, warehouse
        self._driver: Any = importlib.import_module(warehouse.driver) if driver is None else driver

    def query(self, ask: Ask) -> Answer:
        """Run one statement that reads, as far as its words tell."""
        statement = one(ask)
        self._refuse_writes(statement)
        if ask.snapshot:
            self._check_pins(statement)
        with self._cursor(write=False) as cursor:
            self._execute(cursor, ask, statement)
            table = cursor.fetch_arrow_table()
        text = f"{self.warehouse.title} does not tell when what a query read changes: `@cache ttl=1h` would keep it"
        return Answer(of_arrow(table, ask.library), (), (Reason("unobserved", text),) if ask.fresh else ())

    def write(self, ask: Ask) -> list[Written]:
        """Run all statements, or none of them."""
        kinds = [first_word(statement.text) for statement in ask.statements]
        alone = [kind for kind in kinds if kind not in self.warehouse.together]
        if len(kinds) > 1 and alone:
            raise CellError(
                f"{self.warehouse.title} counts {alone[0]} at once, whatever becomes of the other statements: "
                "give it a cell of its own"
            )
        done = []
        with self._cursor(write=True) as cursor:
            for statement, kind in zip(ask.statements, kinds, strict=True):
                self._execute(cursor, ask, statement)
                counted = kind in ("INSERT", "UPDATE", "DELETE", "MERGE") and cursor.rowcount >= 0
                done.append(Written(statement.text, kind, cursor.rowcount if counted else None))
        return done

    def explain(self, ask: Ask) -> str:
        """Return the plan as the warehouse tells it."""
        if not self.warehouse.plan:
            raise CellError(f"{self.warehouse.title} tells of no plan before it has run a query")
        self._refuse_writes(explained(ask))
        statement = explained(ask).behind(self.warehouse.plan)
        with self._cursor(write=False) as cursor:
            self._execute(cursor, ask, statement)
            return "\n".join(str(row[0]) for row in cursor.fetchall())

    def holds(self, fact: Fact) -> bool:
        """Tell False: no query of a warehouse gives a fact."""
        return False

    def version(self) -> str:
        """Connect, and return the service's name and version."""
        with self._cursor(write=False) as cursor:
            cursor.execute(self.warehouse.version)
            rows = cursor.fetchall()
        return f"{self.warehouse.title} {rows[0][0]}".strip()

    def schema(self) -> dict[str, dict[str, str]]:
        """Return the tables and views of the declared schema."""
        found: dict[str, dict[str, str]] = {}
        with self._cursor(write=False) as cursor:
            cursor.execute(self.warehouse.columns(self.connection))
            for table, column, kind in cursor.fetchall():
                found.setdefault(str(table), {})[str(column)] = str(kind)
        return found

    def _check_pins(self, statement: Statement) -> None:
        """Raise CellError unless every table of the query is read as it was at a time that is over."""
        late = [m for m in moments(statement, self.connection.driver) if m >= datetime.now(UTC)]
        if late:
            raise CellError(f"`@cache snapshot`: {late[0].isoformat(' ')} is still to come: pin to a time that is over")

    def _refuse_writes(self, statement: Statement) -> None:
        """Raise CellError for what does not read by its words: the warehouse itself runs whatever the role may."""
        engine = self.connection.driver
        pieces = [" '' " if t.kind in ("string", "dollar") else t.text for t in tokens(statement.text, engine)]
        bare = "".join(piece for piece in pieces if not piece.startswith(("--", "/*", "//", "#", '"', "`")))
        first, *rest = re.split(self.warehouse.pipe, bare)
        for word, allowed in [
            (first_word(first), self.warehouse.reads),
            *((first_word(p), self.warehouse.piped) for p in rest),
        ]:
            if word not in allowed:
                raise denied(self.connection, f"{word or 'this'} is no query")

    def _execute(self, cursor: Any, ask: Ask, statement: Statement) -> None:
        values: list[Any] = []

        def mark(name: str) -> str:
            values.append(_value(ask.binds[name]))
            return "?"

        cursor.execute(bound(statement.text, mark, engine=self.connection.driver), tuple(values) or None)

    @contextmanager
    def _cursor(self, *, write: bool) -> Iterator[Any]:
        name = self.connection.name
        options = self.warehouse.options(self.connection, write)
        try:
            con = self._driver.connect(db_kwargs=options, autocommit=not (write and self.warehouse.together))
        except self._driver.Error as error:
            said = self._said(error)
            cure = "see that the network reaches it, and that what is declared and the variables of `auth` are right"
            raise CellError(f"[connections.{name}] {self.warehouse.title} cannot be reached: {said}\n{cure}") from None
        try:
            with con.cursor(adbc_stmt_kwargs=dict(self.warehouse.statement)) as cursor:
                try:
                    yield cursor
                except KeyboardInterrupt:
                    with suppress(self._driver.Error):  # it has ended already
                        cursor.adbc_cancel()
                    raise
            if write and self.warehouse.together:
                con.commit()
        except self._driver.Error as error:
            if getattr(getattr(error, "status_code", None), "name", "") == "CANCELLED":
                raise KeyboardInterrupt from None
            raise CellError(f"[connections.{name}] {self._said(error)}") from None
        finally:
            # What has not been committed goes with the session.
            con.close()

    def _said(self, error: Exception) -> str:
        return self.connection.safe(" ".join(str(error).split()))


def _value(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def _text(connection: Connection, *keys: str) -> str:
    """Return what a connection declares under the first of the keys that it has; raise CellError where none is."""
    for key in keys:
        if connection.table.get(key):
            return str(connection.table[key])
    raise CellError(f"[connections.{connection.name}] needs `{keys[0]}`")


def _snowflake(connection: Connection, write: bool) -> dict[str, str]:
    table, start = connection.table, "adbc.snowflake.sql."
    found = {f"{start}account": _text(connection, "account")}
    for key, option in (("database", "db"), ("schema", "schema"), ("warehouse", "warehouse"), ("region", "region")):
        if table.get(key):
            found[start + option] = str(table[key])
    role = table.get("write_role" if write and table.get("write_role") else "role")
    if role:
        found[f"{start}role"] = str(role)
    user = connection.secret("user") or table.get("user")
    if user:
        found["username"] = str(user)
    client = f"{start}client_option."
    if password := connection.secret("password"):
        found["password"] = password
    elif token := connection.secret("token"):
        found |= {f"{start}auth_type": "auth_pat", f"{client}auth_token": token}
    elif private := connection.secret("private_key"):
        found |= {f"{start}auth_type": "auth_jwt", f"{client}jwt_private_key_pkcs8_value": private}
        if word := connection.secret("private_key_password"):
            found[f"{client}jwt_private_key_pkcs8_password"] = word
    if table.get("connect_timeout"):
        found[f"{client}login_timeout"] = f"{table['connect_timeout']}s"
    # Whole numbers of up to 38 digits come as they are.
    return found | {f"{client}use_high_precision": "true"}


def _bigquery(connection: Connection, write: bool) -> dict[str, str]:
    table, start = connection.table, "adbc.bigquery.sql."
    found = {f"{start}project_id": _text(connection, "project")}
    for key, option in (("dataset", "dataset_id"), ("location", "location")):
        if table.get(key):
            found[start + option] = str(table[key])
    path = table.get("write_credentials_path" if write and table.get("write_credentials_path") else "credentials_path")
    if written := connection.secret("write_credentials" if write else "credentials") or connection.secret(
        "credentials"
    ):
        found |= {f"{start}auth_type": f"{start}auth_type.json_credential_string", f"{start}auth_credentials": written}
    elif path:
        file = str((Path(connection.folder) / Path(str(path)).expanduser()).absolute())
        if not os.path.isfile(file):
            raise CellError(f"[connections.{connection.name}] there is no file {file}")
        found |= {f"{start}auth_type": f"{start}auth_type.json_credential_file", f"{start}auth_credentials": file}
    return found


def _snowflake_columns(connection: Connection) -> str:
    return (
        "SELECT CASE WHEN table_schema = CURRENT_SCHEMA() THEN table_name ELSE table_schema || '.' || table_name END,"
        " column_name, data_type FROM information_schema.columns WHERE table_schema <> 'INFORMATION_SCHEMA'"
        " ORDER BY 1, ordinal_position"
    )


def _bigquery_columns(connection: Connection) -> str:
    parts = (_text(connection, "project"), _text(connection, "dataset"))
    if any("`" in part or "\\" in part for part in parts):
        raise CellError(f"[connections.{connection.name}] `project` and `dataset` are names")
    return (
        f"SELECT table_name, column_name, data_type FROM `{'.'.join(parts)}.INFORMATION_SCHEMA.COLUMNS`"
        " ORDER BY 1, ordinal_position"
    )


WAREHOUSES = {
    "snowflake": Warehouse(
        title="Snowflake",
        driver="adbc_driver_snowflake.dbapi",
        reads=frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "VALUES", "LIST", "LS"}),
        pipe="->>",
        piped=frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC"}),
        together=frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"}),
        options=_snowflake,
        statement={},
        version="SELECT CURRENT_VERSION()",
        columns=_snowflake_columns,
        plan="EXPLAIN USING TEXT ",
    ),
    "bigquery": Warehouse(
        title="BigQuery",
        driver="adbc_driver_bigquery.dbapi",
        reads=frozenset({"SELECT", "WITH", "FROM"}),
        pipe=r"\|>",
        piped=_PIPED,
        # It runs several in one transaction only as one script, whose binds and places would be others.
        together=frozenset(),
        options=_bigquery,
        statement={
            "adbc.bigquery.sql.query.parameter_mode": "adbc.bigquery.sql.query.parameter_mode_positional",
            "adbc.bigquery.sql.query.use_legacy_sql": "false",
        },
        version="SELECT ''",
        columns=_bigquery_columns,
    ),
}
