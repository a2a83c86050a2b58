"""Results of DuckDB as frames, taken from Arrow columns where these hold what the driver's own frame would."""

from __future__ import annotations

from typing import Any

import duckdb

from strata_kernel.executors.frames import of_arrow

#: Columns of which Arrow says all: frames made of these are the driver's, in a third of the time. Dates, decimals,
#: identifiers and nested values look otherwise in Arrow.
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_TIMES = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE")
_PLAIN = frozenset({"BOOLEAN", "FLOAT", "DOUBLE", "VARCHAR", *_WHOLE, *_TIMES})


def fetched(con: duckdb.DuckDBPyConnection, text: str, binds: dict[str, Any], library: str) -> Any:
    """Run a query in the transaction that the connection is in, and return its rows as a frame of the library."""
    if hasattr(con, "fetch_arrow_table"):
        # Before DuckDB 2: what has run says too little of its columns.
        con.execute(text, binds or None)
        if library == "pandas":
            return con.df()
        return of_arrow(con.fetch_arrow_table(), library)
    try:
        found = con.sql(text, params=binds or None)
    except duckdb.Error:
        # The same refusal, with the place in the text.
        con.execute(text, binds or None)
        raise
    if library != "pandas":
        return of_arrow(found.to_arrow_table(), library)
    kinds = [str(kind) for kind in found.types]
    if len({name.lower() for name in found.columns}) < len(kinds) or not _PLAIN.issuperset(kinds):
        return found.df()
    return of_arrow(found.to_arrow_table(), library)
