"""One short line about a value, for people, without running any of their code."""

from __future__ import annotations

from typing import Any

from strata_kernel.codecs.refuse import shown

_SIZED = (str, bytes, bytearray, list, tuple, dict, set, frozenset)
#: Libraries whose attribute `shape` is known to be cheap and free of side effects.
_SHAPED = frozenset({"numpy", "pandas", "polars", "torch", "pyarrow", "scipy"})


def summarise(value: Any, size: int | None) -> str:
    """Return type, shape and size, e.g. `DataFrame (1000, 3) 24.1 kB`."""
    cls = type(value)
    parts = [shown(cls).rpartition(".")[2]]
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


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
