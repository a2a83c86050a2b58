"""Results of DuckDB as frames, taken from Arrow columns where these hold what the driver's own frame would."""

from __future__ import annotations

from typing import Any

import duckdb

#: Columns of which Arrow says all: frames made of these are the driver's, in a third of the time. Dates, decimals,
#: identifiers and nested values look otherwise in Arrow.
_WHOLE = {
    "TINYINT": "int8", "SMALLINT": "int16", "INTEGER": "int32", "BIGINT": "int64",
    "UTINYINT": "uint8", "USMALLINT": "uint16", "UINTEGER": "uint32", "UBIGINT": "uint64",
}  # fmt: skip
_TIMES = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE")
_PLAIN = frozenset({"BOOLEAN", "FLOAT", "DOUBLE", "VARCHAR", *_WHOLE, *_TIMES})


def fetched(con: duckdb.DuckDBPyConnection, text: str, binds: dict[str, Any], library: str) -> Any:
    """Run a query in the transaction that the connection is in, and return its rows as a frame of the library."""
    if hasattr(con, "fetch_arrow_table"):
        # Before DuckDB 2: what has run says too little of its columns.
        con.execute(text, binds or None)
        if library == "pandas":
            return con.df()
        return _of_arrow(con.fetch_arrow_table(), library)
    try:
        found = con.sql(text, params=binds or None)
    except duckdb.Error:
        # The same refusal, with the place in the text.
        con.execute(text, binds or None)
        raise
    if library != "pandas":
        return _of_arrow(found.to_arrow_table(), library)
    kinds = [str(kind) for kind in found.types]
    if len({name.lower() for name in found.columns}) < len(kinds) or not _PLAIN.issuperset(kinds):
        return found.df()
    return _of_columns(found.to_arrow_table(), kinds)


def _of_arrow(table: Any, library: str) -> Any:
    if library == "polars":
        import polars

        return polars.from_arrow(table)
    return table


def _of_columns(table: Any, kinds: list[str]) -> Any:
    """Return a pandas frame that owns its memory; whole numbers and truths stay what they are beside nulls."""
    import pyarrow

    gaps = {}
    for place, kind in enumerate(kinds):
        column = table.column(place)
        if kind == "VARCHAR":
            # One piece, as pandas itself makes: there may be very many.
            whole = column.cast(pyarrow.large_string()).combine_chunks()
            table = table.set_column(place, table.field(place).name, whole)
        elif column.null_count and (kind in _WHOLE or kind == "BOOLEAN"):
            gaps[place] = _masked(column, _WHOLE.get(kind, "bool"))
    rest = [place for place in range(len(kinds)) if place not in gaps]
    found = table.select(rest).to_pandas(ignore_metadata=True)
    if any(kinds[place] != "VARCHAR" and table.column(place).num_chunks < 2 for place in rest):
        # Columns of one piece are shown as they lie in Arrow's memory, which nobody may write.
        found = found.copy()
    for place, values in gaps.items():
        found.insert(place, table.field(place).name, values)
    return found


def _masked(column: Any, dtype: str) -> Any:
    """Return a column with nulls as pandas has it; below a null lies always the same."""
    import pandas

    filled = column.fill_null(False if dtype == "bool" else 0).to_numpy().astype(dtype)
    array = pandas.arrays.BooleanArray if dtype == "bool" else pandas.arrays.IntegerArray
    return array(filled, column.is_null().to_numpy())
