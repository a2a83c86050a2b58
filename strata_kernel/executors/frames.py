"""Rows of a driver as frames of the library that the notebook wants, exactly: whole numbers stay whole beside nulls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def frame(names: Sequence[str], rows: Sequence[Sequence[Any]], library: str) -> Any:
    """Return rows as a frame; the columns' types follow from all their values."""
    import pandas

    columns = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    found = pandas.DataFrame({place: _column(values) for place, values in enumerate(columns)})
    found.columns = pandas.Index(list(names))
    return converted(found, library)


def converted(found: Any, library: str) -> Any:
    """Return a pandas frame as the wanted library has it."""
    if library == "polars":
        import polars

        return polars.from_pandas(found)
    if library == "arrow":
        import pyarrow

        return pyarrow.Table.from_pandas(found, preserve_index=False)
    return found


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
