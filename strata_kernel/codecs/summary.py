"""One short line about a value, for people, without running any of their code."""

from __future__ import annotations

from typing import Any

from strata_kernel.codecs.refuse import shown

#: Their text says all, and is made by no code of users.
_PLAIN = (int, float, bool, complex, type(None))
_LONGEST = 40
_SIZED = (str, bytes, bytearray, list, tuple, dict, set, frozenset)
#: Libraries whose attribute `shape` is known to be cheap and free of side effects.
_SHAPED = frozenset({"numpy", "pandas", "polars", "torch", "pyarrow", "scipy"})


def summarise(value: Any, size: int | None) -> str:
    """Return type, shape and size, e.g. `DataFrame (1000, 3) 24.1 kB`; of a number the number, e.g. `float 0.97`."""
    cls = type(value)
    parts = [shown(cls).rpartition(".")[2]]
    if (text := _number(value)) is not None:
        return f"{parts[0]} {text}"
    if cls in _SIZED:
        parts.append(f"({len(value)})")
    elif str(getattr(cls, "__module__", "")).partition(".")[0] in _SHAPED:
        try:
            shape = getattr(value, "shape", None)
            if shape is not None:
                parts.append(f"({', '.join(map(str, shape))})")
            dtype = getattr(value, "dtype", None)
            if dtype is not None:
                parts.append(str(dtype)[:40])
        except Exception:  # a summary is not worth an error
            parts = parts[:1]
    if size is not None:
        parts.append(_bytes(size))
    return " ".join(parts)


def _number(value: Any) -> str | None:
    """Return a short number as text, None for everything else."""
    if getattr(type(value), "__module__", "") == "numpy" and getattr(value, "shape", None) == ():
        value = value.item() if hasattr(value, "item") else value
    # A long integer would take its time to be written down.
    if type(value) not in _PLAIN or (type(value) is int and value.bit_length() > 4 * _LONGEST):
        return None
    text = repr(value)
    return text if len(text) <= _LONGEST else None


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
