"""What stored streams call to become values again; the names here are part of the format."""

from __future__ import annotations

import importlib
import sys
import types
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from strata_kernel.codecs.source import Definitions, recorded, remember
from strata_kernel.errors import CodecError

#: The definitions against which the stream that is being decoded is resolved.
CURRENT: ContextVar[Definitions] = ContextVar("strata_definitions")

#: Arrays below this size are given memory of their own, so that they can be resized like any other.
SMALL = 1 << 15


#: The marks of values that read files, by identity.
MARKS: dict[int, tuple[weakref.ref[Any], str]] = {}


def marked(value: Any, mark: str) -> str:
    """Remember the mark of a value as long as it lives."""
    key = id(value)
    MARKS[key] = weakref.ref(value, lambda _: MARKS.pop(key, None)), mark
    return mark


def outside(mark: str, make: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Return a value that reads files, with its mark."""
    found = make(*args)
    marked(found, mark)
    return found


def definition(name: str, lineage: str, altered: str | None = None) -> object:
    """Return a definition of the notebook, in the state that this is the digest of when it was changed in place."""
    return CURRENT.get().resolve(name, lineage, altered)


def attribute(module: str, path: str) -> Any:
    """Return what lies at the dotted path in an importable module."""
    found: Any = importlib.import_module(module)
    for part in path.split(".") if path else ():
        found = getattr(found, part)
    return found


def code(cell: bool, filename: str, text: str | None, fields: tuple[Any, ...]) -> types.CodeType:
    """Return a code object whose file is where this process keeps its cells."""
    if cell:
        filename = CURRENT.get().locate(filename)
        if text is not None and recorded(filename) is None:
            remember(filename, text)
    (argcount, posonly, kwonly, nlocals, stacksize, flags, body, consts, names, varnames, called, line, lines,
     exceptions, freevars, cellvars) = fields  # fmt: skip
    name, qualname = called.split(" ", 1)
    return types.CodeType(argcount, posonly, kwonly, nlocals, stacksize, flags, body, consts, tuple(names.split()),
                          tuple(varnames.split()), filename, name, qualname, line, lines, exceptions,
                          tuple(freevars.split()), tuple(cellvars.split()))  # fmt: skip


def frozen(items: list[Any]) -> frozenset[Any]:
    """Return a frozen set for the constants of code: where strings are not interned, code makes another of its walk."""
    return frozenset(map(_interned, items))


def _interned(constant: Any) -> Any:
    if type(constant) is str:
        return sys.intern(constant)
    return tuple(map(_interned, constant)) if type(constant) is tuple else constant


def is_plain(cls: type) -> bool:
    """Tell whether instances are nothing but their attributes."""
    try:
        object.__new__(cls)
    except TypeError:  # it has a builtin type among its bases, or is abstract
        return False
    return True


def bare(cls: type) -> Any:
    """Return an instance without attributes, past what the class has to say of it."""
    return object.__new__(cls)


def fill_instance(target: Any, state: Any) -> None:
    """Set attributes and slots, past what the class has to say of it."""
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    if attributes:
        object.__getattribute__(target, "__dict__").update(attributes)
    for name, value in (slots or {}).items():
        object.__setattr__(target, name, value)


def context() -> Any:
    """Return the context in force for decimal numbers."""
    return importlib.import_module("decimal").getcontext()


def cell() -> types.CellType:
    """Return an empty closure cell."""
    return types.CellType()


def fill_cell(target: types.CellType, state: tuple[Any]) -> None:
    """Put the content into a cell."""
    target.cell_contents = state[0]


def function(
    body: types.CodeType, module: str | None, name: str, closure: tuple[types.CellType, ...] | None
) -> types.FunctionType:
    """Return a function over the live namespace, or over the globals of an importable module."""
    scope = CURRENT.get().namespace if module is None else vars(importlib.import_module(module))
    return types.FunctionType(body, scope, name, None, closure)


def fill_function(target: types.FunctionType, state: dict[str, Any]) -> None:
    """Put the attributes onto a function."""
    vars(target).update(state.pop("__dict__"))
    for name, value in state.items():
        setattr(target, name, "__main__" if name == "__module__" and value is None else value)


def region(buffer: Any) -> Any:
    """Return the bytes of a shared region as an array."""
    numpy = _numpy()
    found = numpy.frombuffer(buffer, numpy.uint8)
    return found.copy() if len(found) < SMALL else found


def window(source: Any, offset: int, shape: Any, strides: Any, dtype: Any, writeable: bool) -> Any:
    """Return an array that shows part of a region."""
    if writeable and not source.flags.writeable:
        raise CodecError("the stored buffer is read-only")
    found = _numpy().ndarray(shape, dtype, source, offset, strides)
    found.flags.writeable = writeable
    return found


def array(buffer: Any, shape: Any, dtype: Any, order: str, writeable: bool) -> Any:
    """Return an array over contiguous memory."""
    found = _numpy().ndarray(shape, dtype, buffer, order=order)
    if found.nbytes < SMALL or (writeable and not found.flags.writeable):
        found = found.copy(order="K")
    found.flags.writeable = writeable
    return found


def empty(shape: Any, dtype: Any, order: Any, writeable: bool) -> Any:
    """Return an array that holds no bytes; `order` may be its strides."""
    numpy = _numpy()
    if isinstance(order, str):
        found = numpy.empty(shape, dtype, order)
    else:
        found = numpy.ndarray(shape, dtype, numpy.empty(0, numpy.uint8), 0, order)
    found.flags.writeable = writeable
    return found


def strided(compact: Any, size: int, offset: int, strides: Any, writeable: bool) -> Any:
    """Return an array with gaps between its elements, as the original had."""
    numpy = _numpy()
    found = numpy.ndarray(compact.shape, compact.dtype, numpy.zeros(size, numpy.uint8), offset, strides)
    found[...] = compact
    found.flags.writeable = writeable
    return found


def fill_objects(target: Any, state: tuple[Any, bool]) -> None:
    """Put the elements into an array of objects."""
    target.__setstate__(state[0])
    target.flags.writeable = state[1]


def subclass(plain: Any, cls: type) -> Any:
    """Return the array as an instance of its class."""
    return _numpy().ndarray.view(plain, cls)


def fill_more(target: Any, state: dict[str, Any]) -> None:
    """Add the attributes that the class of an instance does not save."""
    vars(target).update(state)


def fill_attributes(target: Any, state: dict[str, Any]) -> None:
    """Replace the attributes of an instance."""
    vars(target).clear()
    vars(target).update(state)


def record(plain: Any) -> Any:
    """Return the record that a 0-d structured array shows."""
    return plain[()]


def marker(*_: Any) -> None:
    """Stand for a note that only the encoder needed."""


def family() -> Any:
    """Return what links the frames that share memory until one of them is written."""
    return sys.modules["pandas._libs.internals"].BlockValuesRefs()


def block(_enter: None, make: Callable[..., Any], args: tuple[Any, ...], refs: Any, _leave: None) -> Any:
    """Return a block of a frame, linked with those that share its memory."""
    found = make(*args)
    if refs is not None:
        found.refs = refs
        refs.add_reference(found)
    return found


def index(_enter: None, make: Callable[..., Any], args: tuple[Any, ...], refs: Any, _leave: None) -> Any:
    """Return an index, linked with the frames that share its memory."""
    found = make(*args)
    if refs is not None:
        found._references = refs
        refs.add_index_reference(found)
    return found


def buffer(source: Any, offset: int, size: int) -> Any:
    """Return a buffer of Arrow's that shows part of a region."""
    return importlib.import_module("pyarrow").py_buffer(source).slice(offset, size)


def columns(cls: Any, series: list[Any]) -> Any:
    """Return a polars frame of columns."""
    return cls(series)


def lent(array: Any, name: str) -> Any:
    """Return a polars series that shows the memory of an array."""
    found = importlib.import_module("polars").Series(name, array)
    shown = found.to_numpy(allow_copy=False)
    if shown.__array_interface__["data"][0] != array.__array_interface__["data"][0]:
        raise CodecError("polars no longer shows the memory of an array")
    return found


def series(buffer: Any) -> Any:
    """Return a polars series from its own binary form."""
    polars = importlib.import_module("polars")
    found = polars.Series.__new__(polars.Series)
    found.__setstate__(bytes(buffer))
    return found


def storage(content: Any) -> Any:
    """Return the memory that torch tensors show; `content` is an array of bytes."""
    torch = importlib.import_module("torch")
    if not content.size:
        return torch.UntypedStorage(0)
    return torch.from_numpy(content).untyped_storage()


def tensor(source: Any, dtype: Any, size: Any, stride: Any, offset: int, conj: bool, neg: bool) -> Any:
    """Return a tensor over a storage."""
    torch = importlib.import_module("torch")
    found = torch.empty(0, dtype=dtype).set_(source, offset, tuple(size), tuple(stride))
    if conj:
        torch._C._set_conj(found, True)
    if neg:
        torch._C._set_neg(found, True)
    return found


def leaf(plain: Any, cls: Any, requires_grad: bool) -> Any:
    """Return a tensor as a leaf of its class."""
    if cls is type(plain):
        return plain.requires_grad_(requires_grad) if requires_grad else plain
    found = cls.__new__(cls, plain) if cls.__name__ == "Buffer" else cls.__new__(cls, plain, requires_grad)
    return found


def fill_tensor(target: Any, state: tuple[Any, dict[str, Any]]) -> None:
    """Put gradient and attributes onto a tensor."""
    if state[0] is not None:
        target.grad = state[0]
    target.__dict__.update(state[1])


def single(cls: type, block: Any, axis: Any) -> Any:
    """Return what a series keeps its values in."""
    return cls(block, axis)


def _numpy() -> Any:
    return sys.modules.get("numpy") or importlib.import_module("numpy")
