"""The exact form of a unit: one pickle of protocol 5 with one memo, large buffers out of band."""

from __future__ import annotations

import copyreg
import functools
import gc
import io
import pickle
import types
from collections.abc import Callable, Iterable
from typing import Any

from strata_kernel.codecs import arrays, frames, functions, instances, lent, outside, rebuild, tensors
from strata_kernel.codecs.immutable import qualified, reduces_by_default
from strata_kernel.codecs.ordering import refill, reorderings
from strata_kernel.codecs.refuse import Refused, process_types, process_wide, refusal
from strata_kernel.codecs.source import Definitions
from strata_kernel.codecs.trace import FIXED, Region, Trace, components, guarded

#: Buffers of this size and above leave the stream.
OUT_OF_BAND = 32 * 1024

#: How a set begins in the stream; the two bytes may stand for something else too.
_SET = b"\x8f\x94"

Plan = Callable[[Any, Trace], Any]

_EXACT: dict[type, Plan] = {
    types.FunctionType: functions.reduce_function,
    types.CodeType: functions.reduce_code,
    types.CellType: functions.reduce_cell,
    types.MethodType: functions.reduce_method,
    types.ModuleType: functions.reduce_module,
    functions.Frozen: functions.reduce_frozen,
    property: functions.reduce_property,
    staticmethod: functions.reduce_wrapped,
    classmethod: functions.reduce_wrapped,
    Region: arrays.reduce_region,
    **frames.MARKS,
    **tensors.REDUCERS,
}

_BY_NAME: dict[str, Plan] = {
    "numpy.ndarray": arrays.reduce_subclass,
    "numpy.dtype": arrays.reduce_dtype,
    "numpy.void": arrays.reduce_scalar,
    "pandas._libs.internals.Block": frames.reduce_block,
    "pandas.core.internals.blocks.Block": frames.reduce_block,
    "pandas.core.internals.managers.SingleBlockManager": frames.reduce_single,
    "pandas.core.generic.NDFrame": frames.reduce_frame,
    "pandas.Index": frames.reduce_index,
    "pandas.core.indexes.base.Index": frames.reduce_index,
    "pandas._libs.internals.BlockValuesRefs": frames.reduce_family,
    "polars.series.series.Series": lent.reduce_series,
    "polars.dataframe.frame.DataFrame": lent.reduce_frame,
    "pyarrow.lib.Buffer": lent.reduce_buffer,
    "decimal.Context": instances.reduce_context,
    "polars.lazyframe.frame.LazyFrame": outside.reduce_outside,
    "pyarrow._dataset.Dataset": outside.reduce_outside,
    "pyarrow._dataset.Fragment": outside.reduce_outside,
    "PIL.Image.Image": lent.reduce_image,
    "torch.Tensor": tensors.reduce_tensor,
    "torch._tensor.Tensor": tensors.reduce_tensor,
}
_EXTENSION = frozenset({"pandas.api.extensions.ExtensionArray", "pandas.core.arrays.base.ExtensionArray"})


class UnitPickler(pickle.Pickler):
    """Writes one unit; `trace` notes what was met."""

    def __init__(self, definitions: Definitions, regions: Iterable[Region] = ()) -> None:
        self.out = io.BytesIO()
        self.buffers: list[memoryview] = []
        self.trace = Trace(definitions, regions)
        self._plans: dict[type, Plan | None] = dict.fromkeys(process_types(), _checked)
        self._plans.update(dict.fromkeys(definitions.kinds(), _registered))
        self._memo: dict[int, tuple[int, Any]] | None = None
        super().__init__(self.out, 5, buffer_callback=functools.partial(_keep, self.buffers))

    def reducer_override(self, obj: Any) -> Any:
        """Reduce what needs care; the pickler asks for everything but exact builtin atoms and containers."""
        cls: Any = type(obj)
        try:
            plan = self._plans[cls]
        except KeyError:
            plan = self._plans[cls] = _plan(cls)
        return plan(obj, self.trace) if plan is not None else NotImplemented

    def objects(self) -> dict[int, tuple[int, Any]]:
        """Return every object met that could be met twice, by identity."""
        if self._memo is None:
            enabled = gc.isenabled()
            gc.disable()  # a copy of a large memo is a million tuples, none of them garbage
            try:
                self._memo = self.memo.copy()
            finally:
                if enabled:
                    gc.enable()
        return self._memo


def _keep(buffers: list[memoryview], buffer: pickle.PickleBuffer) -> bool:
    """Take a large buffer out of the stream; no method of the pickler, so that it dies with its last user."""
    view = buffer.raw()
    if view.nbytes < OUT_OF_BAND:
        return True
    buffers.append(view)
    return False


def root(values: dict[str, Any]) -> tuple[str, list[Any]]:
    """Return what is pickled for a unit: the names as one text, so that none is one object with a string inside."""
    names = sorted(values)
    return "\n" + "\n".join(names), [values[name] for name in names]


def encode(values: dict[str, Any], definitions: Definitions) -> UnitPickler:
    """Encode the values as one unit; raise Refused, or whatever user code raises."""
    ordered = root(values)
    pickler = UnitPickler(definitions)
    pickler.dump(ordered)
    regions = _regions(pickler.trace)
    if regions:
        first, pickler = pickler, UnitPickler(definitions, regions)
        pickler.dump(ordered)
        pickler.trace.tokens["kept"] = first  # its temporaries must outlive the addresses noted
    if pickler.trace.owners and not pickler.trace.owners.keys().isdisjoint(pickler.objects()):
        raise Refused("an array that shows the memory of a bytearray stored beside it")
    if _SET in pickler.out.getvalue():
        found = reorderings(entry[1] for entry in pickler.objects().values())
        if found:
            pickler.dump(found)  # the same memo: the sets are referred to
    return pickler


def _regions(trace: Trace) -> list[Region]:
    found = []
    for group in components((span, None) for span in trace.spans):
        spans = [span for span, _ in group]
        if all(span.key == FIXED for span in spans):
            continue
        if all(span.windowable for span in spans):
            found.append(Region(spans[0].low, max(span.high for span in spans)))
        elif not guarded(spans):
            raise Refused("views that share memory and have no exact form together")
    return found


def _plan(cls: Any) -> Plan | None:
    if cls in _EXACT:
        return _EXACT[cls]
    if issubclass(cls, type):
        return functions.reduce_class
    refused = refusal(cls)
    if refused is not None:
        return functools.partial(_refuse, refused)
    names = [qualified(base) for base in cls.__mro__]
    if names[0] == "numpy.ndarray":
        return arrays.reduce_array
    for name in names:
        if name in _BY_NAME:
            return _BY_NAME[name]
        if name in _EXTENSION:
            return frames.reduce_extension
    if instances.saves_itself(cls):
        return instances.reduce_instance
    if reduces_by_default(cls):
        return None
    return _checked


def _refuse(text: str, obj: Any, trace: Trace) -> Any:
    raise Refused(text)


def _registered(obj: Any, trace: Trace) -> Any:
    known = functions.referenced(obj, trace)
    if known is not None:
        return known
    cls: Any = type(obj)
    plan = _plan(cls)
    return plan(obj, trace) if plan is not None else NotImplemented


def _checked(obj: Any, trace: Trace) -> Any:
    """Reduce as the type says, and refuse a global of the notebook."""
    singleton = process_wide().get(id(obj))
    if singleton is not None:
        return rebuild.attribute, singleton
    cls: Any = type(obj)
    if reduces_by_default(cls):
        return NotImplemented
    reduce = copyreg.dispatch_table.get(cls)
    reduced = reduce(obj) if reduce is not None else obj.__reduce_ex__(5)
    if isinstance(reduced, str):
        functions.refuse_global(obj, reduced)
    return instances.whole(obj, reduced)


def decode(stream: bytes | memoryview, buffers: Iterable[memoryview], definitions: Definitions) -> dict[str, Any]:
    """Decode a unit; whatever goes wrong is raised as it is."""
    source = io.BytesIO(stream)
    unpickler = pickle.Unpickler(source, buffers=iter(buffers))
    token = rebuild.CURRENT.set(definitions)
    try:
        names, values = unpickler.load()
        if source.tell() < len(stream):
            for target, size, items in unpickler.load():
                refill(target, size, items)
    finally:
        rebuild.CURRENT.reset(token)
    return dict(zip(names[1:].split("\n"), values, strict=True))
