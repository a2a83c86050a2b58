"""Functions, classes, code, modules and closures: by reference where there is a definition, by value where not."""

from __future__ import annotations

import builtins
import importlib
import sys
import types
from typing import Any

from strata_kernel.codecs import rebuild
from strata_kernel.codecs.ordering import frozen_order
from strata_kernel.codecs.refuse import Refused, shown
from strata_kernel.codecs.source import Definitions, recorded
from strata_kernel.codecs.trace import Trace

_MISSING = object()
_HAS_DOCSTRING = 0x4000000


def reduce_function(func: types.FunctionType, trace: Trace) -> Any:
    """Reduce to a reference, to a global of a module, or to code and what it is bound to."""
    known = referenced(func, trace)
    if known is not None:
        return known
    home = nested(func, trace)
    if home is not None:
        return home
    if func.__module__ != "__main__" and found_at(func.__module__, func.__qualname__) is func:
        return NotImplemented
    return function_by_value(func, trace)


def goes_by_reference(func: types.FunctionType, definitions: Definitions) -> bool:
    """Tell that the function is not stored by value."""
    trace = Trace(definitions)
    if referenced(func, trace) is not None or nested(func, trace) is not None:
        return True
    return func.__module__ != "__main__" and found_at(func.__module__, func.__qualname__) is func


def function_by_value(func: types.FunctionType, trace: Trace) -> Any:
    """Reduce to code and what it is bound to; raise Refused when its globals can be found nowhere later."""
    scope = func.__globals__
    module: str | None = None
    main = sys.modules.get("__main__")
    if scope is not trace.definitions.namespace and (main is None or scope is not vars(main)):
        module = scope.get("__name__")
        live = sys.modules.get(module) if isinstance(module, str) else None
        if module == "__main__" or live is None or vars(live) is not scope:
            raise Refused(f"function {func.__qualname__} with globals of its own")
    if module is None:
        trace.reach.code(func.__code__)
    state = {
        "__dict__": dict(vars(func)),
        "__qualname__": func.__qualname__,
        "__module__": None if func.__module__ == "__main__" else func.__module__,
        "__doc__": func.__doc__,
        "__defaults__": func.__defaults__,
        "__kwdefaults__": func.__kwdefaults__,
        "__annotations__": func.__annotations__,
    }
    if module is not None and func.__module__ == module:
        del state["__module__"]
    if func.__doc__ == _docstring(func.__code__):
        del state["__doc__"]
    parameters = getattr(func, "__type_params__", ())
    if parameters:
        state["__type_params__"] = parameters
    return (
        rebuild.function,
        (func.__code__, module, func.__name__, func.__closure__),
        state,
        None,
        None,
        rebuild.fill_function,
    )


def reduce_code(code: types.CodeType, trace: Trace) -> Any:
    """Reduce to the fields: marshal would let reference counts into the bytes."""
    cell, filename = trace.definitions.portable(code.co_filename)
    line, table = code.co_firstlineno, code.co_linetable
    if trace.owner is not None:
        # What a definition may change about itself is asked for; where its text stands is no part of that.
        cell, filename, line, table = False, "", 0, b""
    fields = (
        code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_nlocals, code.co_stacksize,
        code.co_flags, code.co_code, _unshared(code.co_consts), " ".join(code.co_names), " ".join(code.co_varnames),
        " ".join((code.co_name, code.co_qualname)), line, table, code.co_exceptiontable,
        " ".join(code.co_freevars), " ".join(code.co_cellvars),
    )  # fmt: skip
    text = trace.tokens.setdefault(code.co_filename, recorded(code.co_filename)) if cell else None
    # One string object per file, so that the stream does not depend on which code objects share theirs.
    filename = trace.tokens.setdefault(("file", filename), sys.intern(filename))
    return rebuild.code, (cell, filename, text, fields)


def _unshared(constant: Any) -> Any:
    # The interpreter interns constants when code is made, so which of them are one object says nothing.
    if type(constant) is str:
        return constant.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass")
    if type(constant) is tuple:
        return tuple(map(_unshared, constant))
    if type(constant) is frozenset:
        return Frozen(list(map(_unshared, frozen_order(constant))))
    return constant


class Frozen:
    """A frozen set among the constants of code, by the order of its making."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items


def reduce_frozen(frozen: Frozen, trace: Trace) -> Any:
    """Reduce to the making of the set: the pickler's own way may change the order in which a loop walks it."""
    return rebuild.frozen, (frozen.items,)


def _docstring(code: types.CodeType) -> str | None:
    """Return what a new function over the code has as its docstring."""
    first = code.co_consts[0] if code.co_consts else None
    if sys.version_info >= (3, 13) and not code.co_flags & _HAS_DOCSTRING:
        return None
    return first if isinstance(first, str) else None


def reduce_cell(cell: types.CellType, trace: Trace) -> Any:
    """Reduce to an empty cell that is filled afterwards: closures may hold themselves."""
    try:
        content = cell.cell_contents
    except ValueError:
        return rebuild.cell, ()
    return rebuild.cell, (), (content,), None, None, rebuild.fill_cell


def reduce_class(cls: type, trace: Trace) -> Any:
    """Reduce to a reference or to a global of a module."""
    known = referenced(cls, trace)
    if known is not None:
        return known
    if cls.__module__ == "builtins":
        if getattr(builtins, cls.__name__, None) is cls or cls in (type(None), type(Ellipsis), type(NotImplemented)):
            return NotImplemented
        for name, value in vars(types).items():
            if value is cls:
                return rebuild.attribute, ("types", name)
        raise Refused(f"class {cls.__qualname__}")
    if cls.__module__ != "__main__" and found_at(cls.__module__, cls.__qualname__) is cls:
        return NotImplemented
    home = nested(cls, trace)
    if home is not None:
        return home
    raise Refused(f"class {cls.__qualname__}, made inside a function or a call")


def reduce_method(method: types.MethodType, trace: Trace) -> Any:
    """Reduce to the attribute of the object where that gives the same, else to the pair of function and object."""
    if getattr(method.__self__, method.__name__, None) == method:
        return getattr, (method.__self__, method.__name__)
    return types.MethodType, (method.__func__, method.__self__)


def reduce_module(module: types.ModuleType, trace: Trace) -> Any:
    """Reduce to an import."""
    name = module.__name__
    if name == "__main__" or sys.modules.get(name) is not module:
        raise Refused(f"module {name}")
    return importlib.import_module, (name,)


def reduce_property(value: property, trace: Trace) -> Any:
    """Reduce to its functions."""
    return property, (value.fget, value.fset, value.fdel, value.__doc__)


def reduce_wrapped(value: Any, trace: Trace) -> Any:
    """Reduce a static or class method to the function."""
    return type(value), (value.__func__,)


def referenced(obj: object, trace: Trace) -> Any:
    """Return the reduction of a registered definition, None for another object."""
    known = trace.definitions.reference(obj)
    if known is None or obj is trace.owner:
        return None
    trace.reach.definitions.add(known)
    # What definitions hold may refer to others, and these to them: there the names must do.
    altered = trace.definitions.altered(*known) if trace.owner is None else None
    return rebuild.definition, (*known, altered) if altered else known


def nested(obj: Any, trace: Trace) -> Any:
    """Return the reduction of what is found inside a registered class by its qualified name, None when it is not."""
    root, *path = obj.__qualname__.split(".")
    if not path or "<locals>" in path or path[-1] == "<lambda>":
        return None
    outer = trace.definitions.namespace.get(root)
    if not isinstance(outer, type) or trace.definitions.reference(outer) is None:
        return None
    found: Any = outer
    for part in path:
        holder, found = found, vars(found).get(part, _MISSING) if isinstance(found, type) else _MISSING
    if isinstance(found, (staticmethod, classmethod)):
        found = found.__func__
    if found is not obj or (outer is trace.owner and not isinstance(obj, type)):
        return None
    if getattr(holder, path[-1], None) is not obj:
        return None
    return getattr, (holder, path[-1])


def found_at(module: str | None, path: str) -> object:
    """Return what an importable module holds at the dotted path, nothing when it cannot be told without importing."""
    found: Any = sys.modules.get(module or "")
    if found is None:
        return _MISSING
    for part in path.split("."):
        found = getattr(found, part, _MISSING)
    return found


def refuse_global(obj: object, name: str) -> None:
    """Raise Refused when an object that pickles as a global by this name would be looked up in the notebook."""
    module = getattr(obj, "__module__", None)
    if module is None or module == "__main__":
        module = _home(obj, name)
    if module == "__main__":
        raise Refused(f"{shown(type(obj))} {name}")


def _home(obj: object, name: str) -> str | None:
    # The same search as pickle's: the first module that holds the object under the name.
    for module_name, module in list(sys.modules.items()):
        if module_name not in ("__main__", "__mp_main__") and module is not None:
            try:
                if found_at(module_name, name) is obj:
                    return module_name
            except Exception:  # modules may answer an attribute with any error
                continue
    return "__main__"
