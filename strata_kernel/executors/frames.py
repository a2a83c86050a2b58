"""Rows of a driver as frames of the library that the notebook wants, exactly: whole numbers stay whole beside nulls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from strata_kernel.errors import CellError


def frame(names: Sequence[str], rows: Sequence[Sequence[Any]], library: str) -> Any:
    """Return rows as a frame, whose types follow from all values; raise CellError for what the library has none for."""
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    if library != "pandas":
        return of_arrow(_table(names, columns), library)
    import pandas

    found = pandas.DataFrame({place: _column(values) for place, values in enumerate(columns)})
    found.columns = pandas.Index(list(names))
    return found


def _table(names: Sequence[str], columns: Sequence[Sequence[Any]]) -> Any:
    """Return an Arrow table; a NaN is no null here."""
    import pyarrow

    arrays = []
    for name, values in zip(names, columns, strict=True):
        try:
            arrays.append(pyarrow.array([str(v) if isinstance(v, UUID) else v for v in values]))
        except (pyarrow.ArrowException, OverflowError, ValueError, TypeError) as error:
            said = " ".join(str(error).split())
            cure = 'CAST it in the query, or set `frame = "pandas"` under [sql]'
            raise CellError(
                f"the column {name!r} has no type in Arrow, from which the frame is made: {said}\n{cure}"
            ) from None
    return pyarrow.table(arrays, names=list(names))


def of_arrow(table: Any, library: str) -> Any:
    """Return an Arrow table as the wanted library has it; raise CellError for names that it does not take."""
    if library == "polars":
        import polars

        twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
        if twice:
            raise CellError(f"two columns are called {twice[0]!r}, of which polars takes one: tell them apart by AS")
        return polars.from_arrow(table)
    return _of_columns(table) if library == "pandas" else table


def _of_columns(table: Any) -> Any:
    """Return a pandas frame that owns its memory; whole numbers and truths stay what they are beside nulls."""
    import pyarrow

    kinds, gaps = pyarrow.types, {}
    # Places and not names: these may be the same.
    for place, column in enumerate(table.columns):
        kind = column.type
        if kinds.is_decimal(kind) and kind.scale == 0 and _fits(column):
            column, kind = column.cast(pyarrow.int64()), pyarrow.int64()
        elif kinds.is_string(kind):
            # One piece, as pandas itself makes: there may be very many.
            column = column.cast(pyarrow.large_string()).combine_chunks()
        table = table.set_column(place, table.field(place).name, column)
        if column.null_count and (kinds.is_integer(kind) or kinds.is_boolean(kind)):
            gaps[place] = _masked(column)
    rest = [place for place in range(table.num_columns) if place not in gaps]
    found = table.select(rest).to_pandas(ignore_metadata=True)
    if any(column.num_chunks < 2 and not kinds.is_large_string(column.type) for column in table.select(rest).columns):
        # Columns of one piece are shown as they lie in Arrow's memory, which nobody may write.
        found = found.copy()
    for place, values in gaps.items():
        found.insert(place, table.field(place).name, values, allow_duplicates=True)
    return found


def _fits(column: Any) -> bool:
    """Tell whether whole numbers of any length have 64 bits."""
    import pyarrow.compute

    least, most = pyarrow.compute.min_max(column).as_py().values()
    return least is None or (least >= -(2**63) and most < 2**63)


def _masked(column: Any) -> Any:
    """Return a column with nulls as pandas has it; below a null lies always the same."""
    import pandas

    dtype = column.type.to_pandas_dtype()
    filled = column.fill_null(dtype(0).item()).to_numpy().astype(dtype)
    array = pandas.arrays.BooleanArray if filled.dtype.kind == "b" else pandas.arrays.IntegerArray
    return array(filled, column.is_null().to_numpy())


def _column(values: Sequence[Any]) -> Any:
    import pandas

    kinds = {type(v) for v in values if v is not None}
    gaps = any(v is None for v in values)
    if kinds == {int} and all(-(2**63) <= v < 2**63 for v in values if v is not None):
        return pandas.array(values, dtype="Int64" if gaps else "int64")
    if kinds == {float}:
        return pandas.array(values, dtype="float64")
    if kinds == {bool}:
        return pandas.array(values, dtype="boolean" if gaps else "bool")
    if kinds == {str}:
        return pandas.array(values, dtype="str")
    return pandas.Series(values, dtype=object)
