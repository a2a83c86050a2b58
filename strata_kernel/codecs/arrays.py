"""NumPy arrays: contiguous ones are their memory, gapped ones keep their strides, overlapping ones stay aliases."""

from __future__ import annotations

import sys
from pickle import PickleBuffer
from typing import Any

from strata_kernel.codecs import rebuild
from strata_kernel.codecs.refuse import Refused
from strata_kernel.codecs.trace import Region, Trace

_SIMPLE = frozenset("biufcSUMmV?")


class _Memory:
    """Shows a stretch of memory through the array protocol and keeps its owner alive."""

    def __init__(self, low: int, size: int, owner: Any) -> None:
        self.owner = owner
        self.__array_interface__ = {"data": (low, False), "shape": (size,), "typestr": "|u1", "version": 3}


def reduce_array(array: Any, trace: Trace) -> Any:
    """Reduce an exact ndarray."""
    dtype = array.dtype
    if dtype.hasobject or dtype.kind == "T":
        return _reduce_objects(array, trace)
    flags = array.flags
    writeable, code = bool(flags.writeable), _dtype_code(dtype)
    if not array.nbytes:
        if not array.size and flags.c_contiguous:
            # A view of no elements keeps the strides of what it is a view of.
            usual = array.strides == sys.modules["numpy"].empty(array.shape, dtype).strides
            return rebuild.empty, (array.shape, code, "C" if usual else array.strides, writeable)
        return _reduce_objects(array, trace)
    fixed = array.base is not None and _check_owner(array, trace)
    start = array.__array_interface__["data"][0]
    low, high = start, start + array.nbytes
    if not (flags.c_contiguous or flags.f_contiguous):
        low, high = sys.modules["numpy"].lib.array_utils.byte_bounds(array)
    trace.span(low, high, fixed=fixed)
    shared = trace.region(low)
    if shared is not None:
        return window(array, shared, code)
    if flags.c_contiguous or flags.f_contiguous:
        order = "C" if flags.c_contiguous else "F"
        flat = (array if order == "C" else array.T).reshape(-1).view("u1")
        return rebuild.array, (PickleBuffer(flat), array.shape, code, order, writeable)
    if high - low <= array.nbytes:
        # Permuted, reversed or repeating: the memory as it lies is the smallest exact form.
        return window(array, Region(low, high), code)
    compact = sys.modules["numpy"].ascontiguousarray(array)
    return rebuild.strided, (compact, high - low, start - low, array.strides, writeable)


def reduce_region(region: Region, trace: Trace) -> Any:
    """Reduce a region to its bytes."""
    return rebuild.region, (PickleBuffer(region.bytes),)


def reduce_subclass(array: Any, trace: Trace) -> Any:
    """Reduce an instance of an ndarray subclass: pickle's own way loses attributes and aliasing."""
    numpy = sys.modules["numpy"]
    cls: Any = type(array)
    masked = "numpy.ma" in sys.modules and isinstance(array, numpy.ma.MaskedArray)
    own = (cls.__reduce__, cls.__setstate__) != (numpy.ndarray.__reduce__, numpy.ndarray.__setstate__)
    if own and not masked:
        if array.nbytes:
            low, high = numpy.lib.array_utils.byte_bounds(array)
            trace.span(low, high, False)
        return array.__reduce_ex__(5)
    plain = numpy.ndarray.view(array, numpy.ndarray)
    state = getattr(array, "__dict__", None)
    if not state:
        return rebuild.subclass, (plain, cls)
    return rebuild.subclass, (plain, cls), dict(state), None, None, rebuild.fill_attributes


def reduce_dtype(dtype: Any, trace: Trace) -> Any:
    """Reduce to text where that says all: the interpreter then has one object for it, as before."""
    code = "O" if dtype.char == "O" and not dtype.metadata else _dtype_code(dtype)
    return dtype.__reduce_ex__(5) if code is dtype else (sys.modules["numpy"].dtype, (code,))


def reduce_scalar(scalar: Any, trace: Trace) -> Any:
    """Reduce a NumPy scalar; a record that shows part of an array stays a part of it."""
    if not getattr(scalar.dtype, "names", None) or scalar.base is None or scalar.dtype.hasobject:
        return NotImplemented
    numpy = sys.modules["numpy"]
    low = scalar.__array_interface__["data"][0]
    memory = numpy.asarray(_Memory(low, scalar.nbytes, scalar))
    plain = numpy.ndarray((), scalar.dtype, memory)
    plain.flags.writeable = bool(scalar.flags.writeable)
    return rebuild.record, (plain,)


def expose(region: Region, owner: Any) -> Any:
    """Return the memory of a region as an array of bytes, which keeps `owner` alive."""
    if region.bytes is None:
        region.bytes = sys.modules["numpy"].asarray(_Memory(region.low, region.high - region.low, owner))
    return region.bytes


def window(array: Any, region: Region, code: Any) -> Any:
    """Reduce an array to its place in a region; `code` stands for its dtype."""
    expose(region, array)
    offset = array.__array_interface__["data"][0] - region.low
    return rebuild.window, (region, offset, array.shape, array.strides, code, bool(array.flags.writeable))


def _reduce_objects(array: Any, trace: Trace) -> Any:
    if array.nbytes:
        low, high = sys.modules["numpy"].lib.array_utils.byte_bounds(array)
        trace.span(low, high, False)
    make, args, state = array.__reduce__()
    return make, args, (state, bool(array.flags.writeable)), None, None, rebuild.fill_objects


def _dtype_code(dtype: Any) -> Any:
    # As text where that says all: dtype objects come in equal copies, which would make equal arrays differ.
    if dtype.kind not in _SIMPLE or dtype.names is not None or dtype.subdtype is not None or dtype.metadata:
        return dtype
    text = dtype.str
    if sys.modules["numpy"].dtype(text).char == dtype.char:
        return text
    return dtype.char if dtype.isnative and dtype.kind in "iu" else dtype  # two C types of one size


def _check_owner(array: Any, trace: Trace) -> bool:
    """Note what else shows the memory; tell whether it is that of a library through which nobody writes."""
    numpy = sys.modules["numpy"]
    owner = array.base
    while isinstance(owner, numpy.ndarray):
        if isinstance(owner, numpy.memmap):
            raise Refused("numpy.memmap")
        if owner.base is None:
            return False
        owner = owner.base
    if isinstance(owner, memoryview):
        owner = owner.obj
    kind: Any = type(owner)
    if kind is bytearray or kind.__name__ == "array" or type(kind).__module__ == "_ctypes":
        trace.owners[id(owner)] = owner
    return not array.flags.writeable and (kind.__name__ == "PySeries" or kind.__module__ == "pyarrow.lib")
