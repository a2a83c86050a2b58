"""Values in the forms that the published executor protocol names: Arrow where that is exact, JSON, and pickles."""

from __future__ import annotations

import datetime
import decimal
import importlib
import io
import json
import pickle
import sys
import types
import uuid
from collections.abc import Callable
from typing import Any

from strata_kernel.domain.published import ARROW, JSON, MODULE, PICKLE
from strata_kernel.errors import CodecError

_SHAPE, _SOURCE, _NAME = b"strata.arrow.shape", b"strata.arrow.source", b"strata.arrow.pandas.name"
_DIMENSIONS, _DTYPE = b"strata.arrow.tensor.shape", b"strata.arrow.tensor.dtype"
_SCALAR = b"strata.arrow.scalar.type"
_ENVELOPE, _TAG = "__strata_object_codec__", "strata.notebook.object_codec.v1"
_TYPED = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID, bytes)
#: Rows, characters and the largest whole number of a preview, which readers may parse with 64 bits.
_ROWS, _LONG, _WHOLE = 20, 1000, 2**63 - 1

Written = tuple[str, bytes, dict[str, Any]]


def read(kind: str, content: bytes | memoryview, injected: dict[str, Any] | None = None) -> Any:
    """Return the value; raise CodecError for a format that is not known, and whatever its content makes of itself."""
    match kind:
        case "json/object":
            return json.loads(bytes(content))
        case "pickle/object":
            return _unpickled(content)
        case "arrow/ipc":
            return _from_arrow(bytes(content))
        case "module/import":
            return importlib.import_module(json.loads(bytes(content))["module_name"])
        case "module/cell":
            return _defined(json.loads(bytes(content)), injected or {})
    raise CodecError(f"values in the format {kind!r} cannot be read")


def write(value: Any) -> Written:
    """Return (format, bytes, what is told of them); raise whatever pickling raises."""
    if isinstance(value, types.ModuleType):
        about = {"preview": f"<module {value.__name__!r}>"}
        return MODULE, json.dumps({"module_name": value.__name__}).encode(), about
    if _plain(value, set()):
        return JSON, json.dumps(value).encode(), {"preview": _preview(value)}
    table = _to_arrow(value)
    if table is not None:
        return table
    import cloudpickle

    name = type(value).__name__
    payload = {_ENVELOPE: _TAG, "codec": "cloudpickle", "payload": cloudpickle.dumps(value, protocol=5)}
    about = {"codec": "cloudpickle", "type": name, "preview": f"<{name} object>"}
    return PICKLE, pickle.dumps(payload, protocol=5), about


def _unpickled(content: bytes | memoryview) -> Any:
    found = pickle.loads(content)
    if isinstance(found, dict) and found.get(_ENVELOPE) == _TAG:
        return pickle.loads(found["payload"])
    return found


def _plain(value: Any, above: set[int]) -> bool:
    """Tell whether JSON holds the value exactly; what is met twice would be two."""
    kind = type(value)
    if kind in (type(None), bool, int, float, str):
        return True
    if kind not in (list, dict) or id(value) in above or len(above) > 100_000:
        return False
    above.add(id(value))
    if kind is list:
        return all(_plain(each, above) for each in value)
    return all(type(key) is str and _plain(each, above) for key, each in value.items())


def _preview(value: Any) -> Any:
    text = repr(value)
    small = len(text) <= _LONG and not (type(value) is int and abs(value) > _WHOLE)
    return value if small and type(value) in (bool, int, float, str) else text[:_LONG]


def _defined(record: dict[str, Any], injected: dict[str, Any]) -> Any:
    """Return a function or class of the notebook from the module that its cell was made into."""
    name = record["module_name"]
    module = sys.modules.get(name)
    if module is None:
        module = types.ModuleType(name)
        vars(module).update(injected)
        exec(compile(record["source"], name, "exec"), vars(module))
        sys.modules[name] = module
    return getattr(module, record["symbol_name"])


# Arrow


def _to_arrow(value: Any) -> Written | None:
    """Return the value in Arrow's stream format where it comes back as it was, else None."""
    kind = _library(value)
    if kind is None:
        return None
    try:
        table, about = kind(value)
        import pyarrow

        out = io.BytesIO()
        with pyarrow.ipc.new_stream(out, table.schema) as stream:
            stream.write_table(table)
        content = out.getvalue()
        if not _same(value, _from_arrow(content)):
            return None
    except Exception:  # whatever a library's types and Arrow make of each other: then it is pickled
        return None
    return ARROW, content, about


def _library(value: Any) -> Callable[[Any], tuple[Any, dict[str, Any]]] | None:
    numpy, pandas, polars = (sys.modules.get(name) for name in ("numpy", "pandas", "polars"))
    pyarrow = sys.modules.get("pyarrow")
    if type(value) in _TYPED or type(value) is complex:
        return _scalar_table
    if numpy is not None and type(value) is numpy.ndarray:
        return _tensor_table
    if pandas is not None and type(value) in (pandas.DataFrame, pandas.Series):
        return _pandas_table
    if polars is not None and type(value) in (polars.DataFrame, polars.Series):
        return _polars_table
    if pyarrow is not None and type(value) is pyarrow.Table:
        return lambda table: (_stamped(table, {_SHAPE: b"table", _SOURCE: b"pyarrow.Table"}), _rows(table))
    return None


def _stamped(table: Any, more: dict[bytes, bytes]) -> Any:
    return table.replace_schema_metadata({**(table.schema.metadata or {}), **more})


def _rows(table: Any) -> dict[str, Any]:
    shown = [[str(column[i].as_py()) for column in table.columns] for i in range(min(_ROWS, table.num_rows))]
    return {"rows": table.num_rows, "columns": table.column_names, "preview": shown}


def _pandas_table(value: Any) -> tuple[Any, dict[str, Any]]:
    import pandas
    import pyarrow

    series = isinstance(value, pandas.Series)
    table = pyarrow.Table.from_pandas(value.to_frame() if series else value)
    more = {_SHAPE: b"table", _SOURCE: b"pandas.Series" if series else b"pandas.DataFrame"}
    if series:
        more[_NAME] = str(value.name or "").encode()
    return _stamped(table, more), _rows(table)


def _polars_table(value: Any) -> tuple[Any, dict[str, Any]]:
    import polars

    series = isinstance(value, polars.Series)
    table = (value.to_frame() if series else value).to_arrow()
    return _stamped(table, {_SHAPE: b"table", _SOURCE: b"polars.Series" if series else b"polars.DataFrame"}), _rows(
        table
    )


def _tensor_table(value: Any) -> tuple[Any, dict[str, Any]]:
    import pyarrow

    table = pyarrow.table({"values": pyarrow.array(value.reshape(-1))})
    more = {
        _SHAPE: b"tensor",
        _DIMENSIONS: json.dumps(list(value.shape)).encode(),
        _DTYPE: str(value.dtype).encode(),
    }
    return _stamped(table, more), {"preview": f"ndarray shape={value.shape} dtype={value.dtype}"}


def _scalar_table(value: Any) -> tuple[Any, dict[str, Any]]:
    import pyarrow

    more = {_SHAPE: b"scalar"}
    if isinstance(value, uuid.UUID):
        column, more[_SCALAR] = pyarrow.array([value.bytes], type=pyarrow.binary(16)), b"uuid"
    elif isinstance(value, complex):
        both = pyarrow.struct([("real", pyarrow.float64()), ("imag", pyarrow.float64())])
        column, more[_SCALAR] = pyarrow.array([{"real": value.real, "imag": value.imag}], type=both), b"complex"
    else:
        column = pyarrow.array([value])
    return _stamped(pyarrow.table({"value": column}), more), {"preview": str(value)[:_LONG]}


def _from_arrow(content: bytes) -> Any:
    import pyarrow

    table = pyarrow.ipc.open_stream(content).read_all().combine_chunks()
    told = table.schema.metadata or {}
    source = told.get(_SOURCE, b"")
    match told.get(_SHAPE, b"table"):
        case b"tensor":
            return _tensor(table, told, source)
        case b"scalar":
            found = table.column(0)[0].as_py()
            if told.get(_SCALAR) == b"uuid":
                return uuid.UUID(bytes=found)
            return complex(found["real"], found["imag"]) if told.get(_SCALAR) == b"complex" else found
    if source == b"pyarrow.Table":
        return table
    if source.startswith(b"polars."):
        import polars

        frame = polars.from_arrow(table)
        return frame.to_series(0) if source == b"polars.Series" else frame
    frame = table.to_pandas()
    if source == b"pandas.Series":
        frame = frame.iloc[:, 0]
        frame.name = told.get(_NAME, b"").decode() or None
    return frame


def _tensor(table: Any, told: dict[bytes, bytes], source: bytes) -> Any:
    import numpy

    flat = table.column(0).to_numpy(zero_copy_only=False)
    # A copy: what Arrow hands out cannot be written to.
    array = flat.astype(numpy.dtype(told[_DTYPE].decode())).reshape(tuple(json.loads(told[_DIMENSIONS])))
    if source == b"torch.Tensor":
        import torch

        return torch.from_numpy(array)
    return array


def _same(value: Any, back: Any) -> bool:
    """Tell whether a value came back as it was."""
    if type(value) is not type(back):
        return False
    if type(value).__name__ == "ndarray":
        whole = value.flags.c_contiguous and value.flags.writeable and value.base is None
        return bool(whole and value.dtype == back.dtype and value.tobytes() == back.tobytes())
    if hasattr(value, "dtypes") and hasattr(value, "attrs"):
        alike = str(value.dtypes) == str(back.dtypes) and not value.attrs and type(value.index) is type(back.index)
        if value.ndim == 2:
            alike = alike and value.columns.identical(back.columns)
        else:
            alike = alike and type(value.name) is type(back.name) and value.name == back.name
        return bool(alike and value.index.identical(back.index) and value.equals(back))
    if hasattr(value, "equals"):
        return bool(value.equals(back))
    return repr(value) == repr(back)
