"""Sent along with a cell to an executor of the published protocol, and used here too: it needs Python alone.

Values travel in one pickle, so that they share there what they share here; definitions are told by their names.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import pickle
import random
import re
import sys
import types
from typing import Any

#: Names that IPython gives to what it keeps of the session.
RECORD = re.compile(r"_+|_i+|_i?\d+|_[dio]h|In|Out|_exit_code|strata_\w+|__\w+__")
#: Members that Python itself gives to classes, some of them when an instance is pickled.
_PYTHONS = {"__dict__", "__weakref__", "__module__", "__slotnames__", "__firstlineno__", "__static_attributes__"}
_ATOMS = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))


class Lost(Exception):
    """A value has no form in which it can travel."""


class Packer(pickle.Pickler):
    """Writes values; `names` are definitions by identity, `users` modules that the other side does not have."""

    def __init__(self, out: Any, names: Any, users: Any = ()) -> None:
        super().__init__(out, 5)
        self.names, self.users = names, frozenset(users)
        self.referred: set[str] = set()
        self.spans: list[tuple[int, int, bool]] = []
        self._framed: dict[int, Any] = {}
        self._next: int | None = None

    def persistent_id(self, obj: Any) -> Any:
        """Return the name of a definition; refuse what only this process has."""
        if not isinstance(obj, (type, types.FunctionType)):
            return None
        name = self.names.get(id(obj))
        if name is not None:
            self.referred.add(name)
            return name
        module = obj.__module__
        if module in ("__main__", None) or (
            module == "builtins" and not hasattr(sys.modules[module], obj.__qualname__)
        ):
            raise Lost(f"{obj.__qualname__!r} is made by no `def` or `class` of its own at the top of a cell")
        if module.partition(".")[0] in self.users:
            raise Lost(f"it holds a part of {module}, a module of yours that the executor does not have")
        return None

    def reducer_override(self, obj: Any) -> Any:
        """Note which memory is held: what two values share so, they do not share after the trip."""
        kind = type(obj)
        pandas = kind.__module__.startswith("pandas.")
        if kind.__name__ == "ndarray" and kind.__module__ == "numpy":
            self._span(obj, id(obj) in self._framed or self._next == _address(obj))
            self._next = None
        elif hasattr(kind, "_mgr") or "_mgr" in getattr(obj, "__dict__", ()):
            self._framed.update((id(each), each) for each in getattr(obj._mgr, "arrays", ()))
        elif pandas and isinstance(getattr(obj, "_ndarray", None), sys.modules["numpy"].ndarray):
            self._next = _address(obj._ndarray)  # which it writes next, by another object
        elif pandas and hasattr(obj, "_data"):
            self._framed[id(obj._data)] = obj._data
        elif kind.__module__ == "torch" and hasattr(obj, "untyped_storage"):
            storage = obj.untyped_storage()
            if storage.nbytes():
                self.spans.append((storage.data_ptr(), storage.data_ptr() + storage.nbytes(), False))
        return NotImplemented

    def _span(self, array: Any, framed: bool) -> None:
        if not array.size or array.dtype.hasobject:
            return
        low = high = _address(array)
        for size, stride in zip(array.shape, array.strides, strict=True):
            low, high = min(low, low + (size - 1) * stride), max(high, high + (size - 1) * stride)
        # Tables copy what they share before they write to it, from pandas 3 on.
        pandas = sys.modules.get("pandas")
        safe = framed and pandas is not None and int(pandas.__version__.partition(".")[0]) >= 3
        self.spans.append((low, high + array.itemsize, safe))


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def overlapping(spans: Any) -> set[Any]:
    """Return the owners of spans (low, high, safe, owner) that share memory with another."""
    found: set[Any] = set()
    reach: list[Any] = []
    for low, high, safe, owner in sorted(spans, key=lambda s: s[:2]):
        reach = [r for r in reach if r[1] > low]
        for _, _, other, whose in reach:
            if not (safe and other):
                found |= {owner, whose}
        reach.append((low, high, safe, owner))
    return found


def pack(values: Any, names: Any, users: Any = ()) -> Any:
    """Return the values in one pickle, and by name why those are lost that cannot travel."""
    lost: dict[str, str] = {}
    spans: list[tuple[int, int, bool, str]] = []
    out = io.BytesIO()
    whole = Packer(out, names, users)
    try:
        whole.dump(values)
        if not overlapping((*s, i) for i, s in enumerate(whole.spans)):
            return out.getvalue(), lost
    except Exception:  # told below by name
        pass
    for name, value in values.items():
        alone = Packer(io.BytesIO(), names, users)
        try:
            alone.dump(value)
        except Exception as error:  # whatever a value makes of being pickled
            lost[name] = str(error) or type(error).__name__
        else:
            spans += [(*span, name) for span in alone.spans]
    for name in overlapping(spans):
        lost[name] = "it shares memory with another array"
    out = io.BytesIO()
    Packer(out, names, users).dump({n: v for n, v in values.items() if n not in lost})
    return out.getvalue(), lost


class Unpacker(pickle.Unpickler):
    """Reads what the other side has packed; `namespace` has its definitions."""

    def __init__(self, content: Any, namespace: Any) -> None:
        super().__init__(io.BytesIO(content))
        self.namespace = namespace

    def persistent_load(self, name: Any) -> Any:
        """Return a definition."""
        return self.namespace[name]

    def find_class(self, module: str, name: str) -> Any:
        """Return a global of a library."""
        if module == "__main__":
            raise Lost(f"{name!r} is no definition of the notebook")
        return super().find_class(module, name)


def unpack(content: Any, namespace: Any) -> Any:
    """Return the values by name."""
    return Unpacker(content, namespace).load()


def shape(value: Any) -> Any:
    """Return what tells a function or class from what it may be later, None where that cannot be told."""
    if isinstance(value, types.FunctionType):
        rest = (value.__defaults__, value.__kwdefaults__, value.__dict__, value.__doc__, value.__name__)
        told = _atoms(rest)
        if told is None or value.__closure__:
            return None
        return "function", _code(value.__code__), told
    if type(value) is type and value.__bases__ == (object,):
        members = {}
        for key, each in vars(value).items():
            if key in _PYTHONS:
                continue
            each = getattr(each, "__func__", each) if isinstance(each, (staticmethod, classmethod)) else each
            parts = (each.fget, each.fset, each.fdel) if isinstance(each, property) else (each,)
            told = [shape(p) if isinstance(p, types.FunctionType) else _atoms(p) for p in parts]
            if None in told:
                return None
            members[key] = type(vars(value)[key]).__name__, told
        return "class", value.__qualname__, members
    return None


def _atoms(value: Any) -> Any:
    """Return plain values with their types, None where there is anything else."""
    if type(value) in _ATOMS:
        return type(value).__name__, repr(value)
    if isinstance(value, type):
        return value.__module__, value.__qualname__
    if type(value) in (tuple, dict):
        told = [_atoms(v) for v in (value if type(value) is tuple else [p for i in value.items() for p in i])]
        return None if None in told else (type(value).__name__, told)
    return None


def _code(code: types.CodeType) -> Any:
    constants = [_code(c) if isinstance(c, types.CodeType) else (type(c).__name__, repr(c)) for c in code.co_consts]
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_name)
    return code.co_code, constants, names, code.co_flags, code.co_argcount, code.co_kwonlyargcount


def plain(value: Any) -> Any:
    """Return a state with arrays turned into (dtype, bytes), so that states compare and pickle."""
    if isinstance(value, (int, str, float)):
        return value
    if isinstance(value, dict):
        return tuple([(key, plain(value[key])) for key in sorted(value)])
    if hasattr(value, "tobytes") and hasattr(value, "dtype"):
        return ("array", str(value.dtype), value.tobytes()) if value.shape else value.item()
    return value


def live(value: Any) -> Any:
    """Return what `plain` was given."""
    if isinstance(value, tuple) and value and value[0] == "array":
        import numpy

        return numpy.frombuffer(value[2], dtype=value[1]).copy()
    if isinstance(value, tuple):
        return {key: live(item) for key, item in value}
    return value


def generators() -> dict[str, Any]:
    """Return the states of the global random generators that are loaded."""
    found: dict[str, Any] = {"rng:random": random.getstate()}
    numpy, torch = sys.modules.get("numpy.random"), sys.modules.get("torch")
    if numpy is not None:
        found["rng:numpy"] = plain(numpy.get_state(legacy=False))
    if torch is not None:
        found["rng:torch"] = (torch.get_rng_state().numpy().tobytes(),)
    return found


def seed(states: Any) -> None:
    """Set generators to states of the notebook."""
    for unit, state in states.items():
        if unit == "rng:random":
            random.setstate(state)
        elif unit == "rng:numpy":
            importlib.import_module("numpy.random").set_state(live(state))
        elif unit == "rng:torch":
            torch = importlib.import_module("torch")
            torch.set_rng_state(torch.frombuffer(bytearray(state[0]), dtype=torch.uint8))


class Keeper:
    """What an executor is to give back at the end: all that the cell has left, however it is asked to write it."""

    def __init__(self, namespace: Any, inputs: Any, own: Any) -> None:
        self.namespace, self.inputs, self.own = namespace, inputs, own
        self.before = dict(namespace)
        self.generators = generators()
        self.shapes = {n: shape(namespace[n]) for n in inputs if self._defined(n)}

    def _defined(self, name: str) -> bool:
        value = self.namespace.get(name)
        made = isinstance(value, (type, types.FunctionType)) and value.__module__ == "__main__"
        return made and value.__qualname__ == name

    def told(self) -> bytes:
        """Return the report that the notebook's side reads."""
        space = self.namespace
        left = [n for n in space if not RECORD.fullmatch(n)]
        left = [n for n in left if n in self.inputs or n not in self.before or space[n] is not self.before[n]]
        made = [n for n in self.own if n in left and self._defined(n) and space[n] is not self.before.get(n)]
        known = {id(self.before[n]): n for n in self.shapes if n not in made}
        known.update({id(space[n]): n for n in made})
        kept = [n for n in left if n in self.shapes and space[n] is self.before[n]]
        values = {n: space[n] for n in left if n not in made and n not in kept}
        modules = {n: v.__name__ for n, v in values.items() if isinstance(v, types.ModuleType)}
        payload, lost = pack({n: v for n, v in values.items() if n not in modules}, known)
        altered = [n for n in self.shapes if shape(self.before[n]) != self.shapes[n] or self.shapes[n] is None]
        report = {
            "left": left,
            "made": {n: shape(space[n]) for n in made},
            "altered": altered,
            "modules": modules,
            "lost": lost,
            "payload": payload,
            "generators": {u: s for u, s in generators().items() if u in self.generators and s != self.generators[u]},
        }
        return pickle.dumps(report, 5)

    def __reduce__(self) -> Any:
        return bytes, (self.told(),)


def embark(namespace: Any, given: Any) -> Keeper:
    """Bind what the cell is given: imports, definitions by their sources, and values that are packed; called there."""
    namespace["__name__"] = "__main__"
    for root in given["libraries"]:
        # Loaded now, so that what the cell does to their generators is told from their start.
        if importlib.util.find_spec(root) is not None:
            importlib.import_module(root)
    seed(given["generators"])
    for name, module, attribute in given["imports"]:
        __import__(module)
        found = sys.modules[module]
        if attribute is not None:
            if not hasattr(found, attribute):
                __import__(f"{module}.{attribute}")
            found = getattr(found, attribute)
        namespace[name] = found
    late = list(given["definitions"])
    for again in (True, False):
        waiting = []
        for name, source in late:
            try:
                exec(compile(source, f"<definition of {name}>", "exec", dont_inherit=True), namespace)
            except NameError:
                if not again:
                    raise
                waiting.append((name, source))
        late = waiting
        if again and given["packed"] is not None:
            namespace.update(unpack(namespace.pop(given["packed"]), namespace))
    return Keeper(namespace, given["inputs"], given["own"])
