"""The variables of the user's own modules: state of the process, which functions of theirs may change."""

from __future__ import annotations

import enum
import io
import pickle
import sys
from collections.abc import Callable, Iterator
from operator import is_
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import IO, Any

from strata_kernel.kernel.observe.packing import Packer
from strata_kernel.kernel.observe.probes import ABSENT, Probe, Values

#: Bytes of a variable from which on what changes inside it is not seen.
LIMIT = 1 << 20
#: Says that the object still stands that stood there at the start, and that nothing inside it is known to differ.
_SAME = "same"
_ATOMS = (type(None), bool, int, float, complex, str, bytes)
_NAMED = (FunctionType, BuiltinFunctionType, type, ModuleType)
_FIXED = (*_NAMED, *_ATOMS)
_MEMBERS = (FunctionType, staticmethod, classmethod, property)
#: Packages whose instances hold nothing but values, and pickle to all that they are.
_PLAIN = frozenset({
    "builtins", "collections", "datetime", "decimal", "fractions", "uuid", "pathlib", "types", "numpy", "pandas", "re",
})  # fmt: skip


class Kept:
    """What stands in a variable and cannot be saved: the same only as itself."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kept) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)

    def __reduce__(self) -> Any:
        raise pickle.PicklingError("cannot be saved")


class Variables:
    """What stands in one module, in its classes and on its functions, by dotted name.

    Told of each is whether it is, as an object, the one of the start, and its pickle: it is set again in place.
    """

    def __init__(self, module: ModuleType, is_users: Callable[[str], bool]) -> None:
        self._module, self._is_users = module, is_users
        #: Where the variables are kept, with the names and values that were found there last.
        self._holders: list[tuple[Any, list[str], list[Any]]] = []
        #: Functions on which nothing was found.
        self._bare: list[FunctionType] = []
        self._fixed: Values = {}
        self._open: dict[str, Any] = {}
        self._start: dict[str, Any] = dict(self._found())
        plain = {key: value for key, value in self._start.items() if not isinstance(value, _NAMED)}
        self._savable = {key for key, value in plain.items() if self._packed(value) is not None}
        self._list()

    def read(self) -> Values:
        """Return what is told of each variable."""
        if any(map(vars, self._bare)) or not all(_stands(*holder) for holder in self._holders):
            self._list()
        return self._fixed | {key: self._tell(key, value) for key, value in self._open.items()}

    def write(self, values: Values) -> None:
        """Set variables to what was told of them."""
        for key, told in values.items():
            way, _, name = key.rpartition(".")
            holder = self._holder(way)
            if told == ABSENT:
                if name in vars(holder):
                    delattr(holder, name)
                continue
            value = self._start.get(key)
            if told != _SAME:
                own, packed = told
                made = pickle.loads(packed)
                value = value if own and _refill(value, made) else made
            if getattr(holder, name, ABSENT) is not value:
                setattr(holder, name, value)

    def _holder(self, way: str) -> Any:
        return getattr(self._module, way) if way else self._module

    def _found(self) -> Iterator[tuple[str, Any]]:
        """Yield every variable, and note where it is kept."""
        self._holders, self._bare = [], []
        for name, value in self._noted("", self._module):
            yield name, value
            if getattr(value, "__module__", None) != self._module.__name__:
                continue
            if isinstance(value, type) and not issubclass(value, enum.Enum):
                for attribute, held in self._noted(name, value):
                    if not isinstance(held, _MEMBERS):
                        yield f"{name}.{attribute}", held
            elif isinstance(value, FunctionType):
                if not vars(value):
                    self._bare.append(value)
                for attribute, held in self._noted(name, value) if vars(value) else ():
                    yield f"{name}.{attribute}", held
                if not all(isinstance(default, _FIXED) for default in value.__defaults__ or ()):
                    yield f"{name}.__defaults__", value.__defaults__

    def _noted(self, name: str, holder: Any) -> list[tuple[str, Any]]:
        found = dict(vars(holder))
        self._holders.append((holder, list(found), list(found.values())))
        return [
            (n, v)
            for n, v in found.items()
            # A submodule is put there by its import: a cell changes nothing by it.
            if not (n.startswith("__") and n.endswith("__"))
            and sys.modules.get(f"{self._module.__name__}.{n}") is not v
        ]

    def _list(self) -> None:
        self._fixed, self._open = {}, {}
        for key, value in list(self._found()):
            if isinstance(value, _FIXED):
                self._fixed[key] = self._tell(key, value)
            else:
                self._open[key] = value

    def _tell(self, key: str, value: Any) -> Any:
        same = self._start.get(key, self) is value
        if same and key not in self._savable:
            return _SAME
        packed = self._packed(value)
        if packed is None:
            # What could be saved at the start and no longer can has changed.
            return Kept(value)
        return same and not isinstance(value, _ATOMS), packed

    def _packed(self, value: Any) -> bytes | None:
        bounded = _Bounded()
        try:
            _Packer(bounded, self._is_users).dump(value)
        except Exception:  # whatever the user's objects do when they are pickled
            return None
        return bounded.getvalue()


def probe(module: ModuleType, unit: str, is_users: Callable[[str], bool]) -> Probe:
    """Return the variables of a module as a hidden unit; `is_users` tells which modules are the user's."""
    variables = Variables(module, is_users)
    return Probe(unit, module.__name__, variables.read, variables.write)


def _stands(holder: Any, names: list[str], values: list[Any]) -> bool:
    now = vars(holder)
    return len(now) == len(names) and list(now) == names and all(map(is_, now.values(), values))


def _refill(old: Any, new: Any) -> bool:
    """Make an object what another is, where it can be done in place."""
    if old is new or type(old) is not type(new):
        return old is new
    if isinstance(old, dict):
        old.clear()
        old.update(new)
    elif isinstance(old, set):
        old.clear()
        old |= new
    elif isinstance(old, list | bytearray):
        old[:] = new
    elif isinstance(old, tuple):
        return len(old) == len(new) and all(
            _refill(a, b) for a, b in zip(old, new, strict=True) if not isinstance(a, _FIXED)
        )
    elif hasattr(old, "__dict__"):
        vars(old).clear()
        vars(old).update(vars(new))
    else:
        return False
    return True


class _Bounded(io.BytesIO):
    def write(self, chunk: Any, /) -> int:
        if self.tell() + len(chunk) > LIMIT:
            raise pickle.PicklingError("too large")
        return super().write(chunk)


class _Packer(Packer):
    def __init__(self, out: IO[bytes], is_users: Callable[[str], bool]) -> None:
        super().__init__(out)
        self._is_users = is_users

    def reducer_override(self, obj: Any) -> Any:
        """Refuse also what may be more than its pickle."""
        if isinstance(obj, type | FunctionType):
            return super().reducer_override(obj)
        kind = type(obj)
        module = getattr(kind, "__module__", None) or ""
        if module.partition(".")[0] in _PLAIN or (self._is_users(module) and _is_open(kind)):
            return NotImplemented
        raise pickle.PicklingError(f"{kind!r} may hold more than it tells")


def _is_open(kind: Any) -> bool:
    """Tell whether the instances of a class are what stands in their `__dict__`, or members of an enumeration."""
    if issubclass(kind, enum.Enum):
        return True
    own = (kind.__reduce_ex__, kind.__reduce__, kind.__getstate__)
    return own == (object.__reduce_ex__, object.__reduce__, object.__getstate__) and not any(
        vars(base).get("__slots__") for base in kind.__mro__
    )
