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
    if lists and type(value) in (list, tuple):
        return [_plain(name, each) for each in value]
    return _plain(name, value)


def _plain(name: str, value: Any) -> Any:
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is bytearray:
        return bytes(value)
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if pandas is not None and numpy is not None and isinstance(value, numpy.datetime64):
        value = pandas.Timestamp(value)
        kind = type(value)
    if pandas is not None and kind is pandas.Timestamp and not value.nanosecond:
        return value.to_pydatetime()
    if numpy is not None and isinstance(value, numpy.generic) and type(value.item()) in PLAIN:
        return value.item()
    raise CellError(f"the bind :{name} is a {kind.__name__}, which is no value of SQL; accepted are {_NAMES}")
