"""Which values nobody can change, so that sharing one of them is not sharing state."""

from __future__ import annotations

import builtins
import copyreg
import enum
import types
from functools import lru_cache
from typing import Any

#: Exact types whose instances hold nothing that can change.
ATOMS: frozenset[type] = frozenset(
    {
        type(None), bool, int, float, complex, str, bytes, range, type(Ellipsis), type(NotImplemented),
        types.BuiltinFunctionType, types.CodeType, types.ModuleType, types.MethodType, types.GenericAlias,
        types.UnionType, types.WrapperDescriptorType, types.MethodDescriptorType, types.MemberDescriptorType,
        types.GetSetDescriptorType, types.MethodWrapperType, types.ClassMethodDescriptorType, slice,
    }
)  # fmt: skip

#: Exact containers that are as immutable as what they hold; their parts are looked at one by one.
FROZEN: frozenset[type] = frozenset({tuple, frozenset})

#: Classes by qualified name: their instances, and those of their subclasses, are shared freely by libraries.
_SHARED = frozenset(
    {
        "datetime.date", "datetime.time", "datetime.timedelta", "datetime.tzinfo", "decimal.Decimal", "uuid.UUID",
        "fractions.Fraction", "pathlib.PurePath", "pathlib._local.PurePath", "re.Pattern", "zoneinfo.ZoneInfo",
        "ipaddress._IPAddressBase", "logging.Logger", "numpy.dtype", "numpy.generic", "numpy.ufunc",
        "pandas.core.dtypes.base.ExtensionDtype", "pandas.api.extensions.ExtensionDtype", "pandas.Index",
        "pandas.core.indexes.base.Index", "pandas.Timestamp", "pandas.Timedelta", "pandas.Period", "pandas.Interval",
        "pandas._libs.tslibs.period._Period", "pandas._libs.tslibs.nattype._NaT",
        "pandas._libs.tslibs.offsets.BaseOffset",
        "pandas._libs.interval.IntervalMixin", "pandas._libs.missing.NAType",
        "operator.attrgetter", "polars.datatypes.classes.DataType", "torch.dtype",
        "torch.device",
        "torch.layout", "torch.memory_format", "torch.Size", "typing.TypeVar", "typing._Final", "typing.ParamSpec",
        "pandas._libs.internals.BlockValuesRefs", "pyarrow.lib.DataType", "pyarrow.lib.Field", "pyarrow.lib.Schema",
        "pyarrow.lib.Scalar", "pyarrow.lib.KeyValueMetadata",
    }
)  # fmt: skip

#: Of these, the ones that cannot even be renamed or re-attributed: they need no second look after a run.
_FIXED = _SHARED - {"logging.Logger", "pandas.Index", "pandas.core.indexes.base.Index", "numpy.ufunc"}

#: Of these, the plain values: what others make of them may carry attributes of its own, which can change.
_VALUES = frozenset(
    {
        "datetime.date", "datetime.time", "datetime.timedelta", "datetime.tzinfo", "decimal.Decimal", "uuid.UUID",
        "fractions.Fraction", "pathlib.PurePath", "pathlib._local.PurePath", "ipaddress._IPAddressBase",
    }
)  # fmt: skip
#: The packages whose own subclasses of them carry none.
_TRUSTED = frozenset({*(name.split(".")[0] for name in _SHARED), "pytz", "dateutil"})

_DEPTH = 4
_WIDTH = 256


def qualified(cls: type) -> str:
    """Return `module.qualname`."""
    return f"{getattr(cls, '__module__', '')}.{getattr(cls, '__qualname__', cls.__name__)}"


@lru_cache(maxsize=4096)
def _named(cls: type, fixed: bool) -> bool:
    if issubclass(cls, enum.Enum):
        return not fixed
    names = {qualified(base) for base in cls.__mro__}
    if "numpy.void" in names:  # a record is a view of its array
        return False
    root, known = cls.__module__.split(".")[0], names & (_FIXED if fixed else _SHARED)
    if cls.__dictoffset__ and root not in _TRUSTED:
        known -= _VALUES
    return bool(known) and not (fixed and root == "__main__")


def is_immutable(value: object, depth: int = _DEPTH) -> bool:
    """Tell, cheaply, that nothing in the value can be changed; False when that would take long to find out."""
    cls: Any = type(value)
    if cls in ATOMS:
        return cls not in (types.MethodType, types.BuiltinFunctionType) or _module_level(value)
    if cls in FROZEN:
        if not depth or len(value) > _WIDTH:  # type: ignore[arg-type]
            return False
        return all(is_immutable(item, depth - 1) for item in value)  # type: ignore[attr-defined]
    return _named(cls, True)


def _module_level(value: object) -> bool:
    return isinstance(getattr(value, "__self__", None), types.ModuleType)


def shareable(value: object) -> bool:
    """Tell that two names that both reach this object do not share state by that alone."""
    cls: Any = type(value)
    if cls in ATOMS or cls in FROZEN or isinstance(value, type) or _named(cls, False):
        return True
    if cls is types.FunctionType:
        return False
    return _is_global(cls, value)


@lru_cache(maxsize=4096)
def reduces_by_default(cls: type) -> bool:
    """Tell that the type leaves its pickling to `object`, which never answers with the name of a global."""
    if cls in copyreg.dispatch_table:
        return False
    found: Any = cls
    return bool(found.__reduce_ex__ is object.__reduce_ex__ and found.__reduce__ is object.__reduce__)


def _is_global(cls: type, value: Any) -> bool:
    if reduces_by_default(cls) or cls.__module__ == "__main__":
        return False
    if getattr(builtins, cls.__name__, None) is cls:
        return False
    try:
        reduce = copyreg.dispatch_table.get(cls)
        return isinstance(reduce(value) if reduce else value.__reduce_ex__(5), str)
    except Exception:  # user code: what does not reduce is no global
        return False
