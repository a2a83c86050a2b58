"""Values of the notebook as binds: exact types only, so that what a driver is given is what the notebook means."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from strata_kernel.errors import CellError

PLAIN = (
    type(None), bool, int, float, str, bytes, Decimal, UUID, datetime.date, datetime.time, datetime.datetime,
)  # fmt: skip
_NAMES = "None, bool, int, float, str, bytes, Decimal, UUID, date, time, datetime and scalars of numpy"


def binds(names: Iterable[str], namespace: Mapping[str, Any], *, lists: bool) -> dict[str, Any]:
    """Return the values behind the names as drivers take them; raise CellError for what is missing or no such value."""
    return {name: _one(name, namespace, lists) for name in names}


def _one(name: str, namespace: Mapping[str, Any], lists: bool) -> Any:
    if name not in namespace:
        raise CellError(f"the bind :{name} has no value: no cell above binds `{name}`")
    value = namespace[name]
    if (elements := _elements(value)) is None:
        return _plain(name, value)
    if not lists:
        raise CellError(
            f"the bind :{name} is {_article(type(value).__name__)}, and this database takes no lists: bind its elements"
            f" by names of their own; of `json.dumps(…)` SQLite reads them: IN (SELECT value FROM json_each(:{name}))"
        )
    return [_plain(name, each) for each in elements]


def _elements(value: Any) -> Iterable[Any] | None:
    """Return the elements of what is a list to a database, None for any other value."""
    if type(value) in (list, tuple):
        return value  # type: ignore[no-any-return]
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and type(value) is numpy.ndarray and value.ndim == 1:
        return value  # type: ignore[no-any-return]
    if pandas is not None and isinstance(value, pandas.Series | pandas.Index) and value.ndim == 1:
        return value  # type: ignore[no-any-return]
    return None


def _plain(name: str, value: Any) -> Any:
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is bytearray:
        return bytes(value)
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if pandas is not None and (value is pandas.NaT or value is pandas.NA):
        return None
    if pandas is not None and kind is pandas.Timestamp:
        if value.nanosecond:
            raise CellError(f"the bind :{name} counts nanoseconds, which get lost on the way: .floor('us') leaves them")
        return value.to_pydatetime()
    if numpy is not None and isinstance(value, numpy.datetime64):
        return _moment(name, value, numpy)
    # A span of time in nanoseconds would come out as a number.
    if numpy is not None and isinstance(value, numpy.generic) and not isinstance(value, numpy.timedelta64):
        plain = value.item()
        if type(plain) in PLAIN:
            return plain
    raise CellError(f"the bind :{name} is {_article(kind.__name__)}, which is no value of SQL; accepted are {_NAMES}")


def _article(noun: str) -> str:
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def _moment(name: str, value: Any, numpy: Any) -> datetime.datetime | None:
    """Return a numpy moment as Python has it, whatever unit it counts in."""
    if numpy.isnat(value):
        return None
    coarse = value.astype("datetime64[us]")
    found = coarse.item()
    if coarse != value or not isinstance(found, datetime.datetime):
        raise CellError(f"the bind :{name} is no moment between the years 1 and 9999 in microseconds: {value}")
    return found
