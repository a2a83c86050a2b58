"""Arrow, polars, Pillow: nobody writes through them, but what they show may be the memory of an array."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pickle import PickleBuffer
from typing import Any

from strata_kernel.codecs import rebuild
from strata_kernel.codecs.arrays import expose, window
from strata_kernel.codecs.trace import Trace


def reduce_buffer(buffer: Any, trace: Trace) -> Any:
    """Reduce a buffer of Arrow's to its bytes, or to its place in memory that is shared with an array."""
    low = buffer.address
    if buffer.size and buffer.is_cpu:
        trace.span(low, low + buffer.size, fixed=True)
        region = trace.region(low)
        if region is not None:
            expose(region, buffer)
            return rebuild.buffer, (region, low - region.low, buffer.size)
    return buffer.__reduce_ex__(5)


def reduce_image(image: Any, trace: Trace) -> Any:
    """Leave an image to Pillow, but note the memory of an array that it shows until it is written itself."""
    if image.readonly:
        shown = importlib.import_module("pyarrow").array(image).buffers()[1]
        trace.span(shown.address, shown.address + shown.size, False, fixed=True)
    return NotImplemented


def reduce_frame(frame: Any, trace: Trace) -> Any:
    """Reduce a polars frame to its columns, and what a cell has set on it."""
    if not frame.width:
        return NotImplemented
    return _with_own(frame, (rebuild.columns, (type(frame), frame.get_columns())))


def reduce_series(series: Any, trace: Trace) -> Any:
    """Reduce a polars series to its own binary form, or to memory of an array where it shows that.

    What a cell has set on it comes along.
    """
    for shown, whole in _shown(series):
        low = shown.__array_interface__["data"][0]
        trace.span(low, low + shown.nbytes, whole, fixed=True)
        region = trace.region(low)
        if region is not None:
            return _with_own(series, (rebuild.lent, (window(shown, region, shown.dtype), series.name)))
    return _with_own(series, (rebuild.series, (PickleBuffer(series.__getstate__()),)))


def _with_own(value: Any, reduced: tuple[Any, Any]) -> Any:
    """Add what a cell has set on a frame or series beside the one that polars works with."""
    own = {name: part for name, part in vars(value).items() if name not in ("_df", "_s")}
    return (*reduced, own, None, None, rebuild.fill_more) if own else reduced


def _shown(series: Any) -> Iterator[tuple[Any, bool]]:
    """Yield the memory of numbers without gaps as arrays, and whether the series is nothing but that."""
    if "numpy" not in sys.modules:
        return
    chunks = series.get_chunks()
    for chunk in chunks:
        try:
            shown = chunk.to_numpy(allow_copy=False)
        except (RuntimeError, TypeError, ValueError):  # bits, text and gaps are in memory of its own
            continue
        if shown.nbytes:
            alone = len(chunks) == 1 and shown.ndim == 1
            yield shown, alone and type(series)(shown).dtype == series.dtype
