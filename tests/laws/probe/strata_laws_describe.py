"""Describe a namespace canonically, so that two processes can be compared by value and by sharing.

Runs inside the oracle and inside the kernel under test, so it imports nothing but the standard library.
An object with identity is described once, under the path where it was first met; later meetings are ["ref", path].
"""

import builtins
import enum
import functools
import hashlib
import io
import json
import numbers
import os
import re
import sys
import types

ATOMS = (int, float, complex, bool, str, bytes, type(None), type(...), range)
HIDDEN = {"In", "Out", "exit", "quit", "open", "get_ipython"}
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
WARNED = re.compile(r"^\S+:\d+: (?=\w*Warning)", re.MULTILINE)
SKIPPED = {
    "__dict__",
    "__weakref__",
    "__module__",
    "__dataclass_fields__",
    "__dataclass_params__",
    "__firstlineno__",
    "__static_attributes__",
    "__qualname__",
    "__abstractmethods__",
    "_abc_impl",
    "__match_args__",
    "__slotnames__",  # left by copyreg wherever an instance is pickled or copied
}
MUTE = (
    "warnings", "IPython.", "ipykernel.", "contextlib", "itertools", "_asyncio", "asyncio", "threading", "_thread",
    "concurrent.", "ast", "sqlite3", "_duckdb", "duckdb",
)  # fmt: skip


def code_shape(code):
    """Everything of a code object that can change what it does; no file name, no line."""
    consts = [
        code_shape(c)
        if isinstance(c, types.CodeType)
        else [type(c).__name__, repr(sorted(c, key=repr) if isinstance(c, frozenset) else c)]
        for c in code.co_consts
    ]
    return [
        code.co_name,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_names,
        code.co_code.hex(),
        consts,
    ]


def digest(shape):
    return hashlib.sha1(json.dumps(shape).encode()).hexdigest()[:12]


def foreign(file):
    """Say whether a file belongs to Python or to an installed distribution."""
    return "site-packages" in file or os.path.dirname(os.__file__) in file


def is_number(x):
    """Tell whether it is of no account which of several equal objects this is."""
    numpy = sys.modules.get("numpy")
    return isinstance(x, numbers.Number) or (numpy is not None and isinstance(x, numpy.generic))


class Describer:
    """One walk over a namespace."""

    def __init__(self, namespace):
        self.namespace, self.seen, self.alive, self.arrays = namespace, {}, [], []

    def value(self, x, path):
        kind = type(x)
        if kind in ATOMS:
            return [kind.__name__, repr(x)]
        if kind is tuple:
            return ["tuple", [self.value(v, f"{path}[{i}]") for i, v in enumerate(x)]]
        if kind is frozenset:
            return ["frozenset", self.bag(x, path)]
        if isinstance(x, enum.Enum):
            return ["enum", self.value(kind, path + ".__class__"), x.name]
        if id(x) in self.seen and not is_number(x):
            return ["ref", self.seen[id(x)]]
        self.seen[id(x)] = path
        self.alive.append(x)
        try:
            return self.thing(x, kind, path)
        except RecursionError:
            raise
        except Exception as e:
            return ["undescribed", f"{kind.__module__}.{kind.__qualname__}", f"{type(e).__name__}: {e}"]

    def bag(self, items, path):
        return sorted((self.value(v, path + "{}") for v in items), key=json.dumps)

    def pairs(self, mapping, path):
        return [
            [self.value(k, f"{path}.key"), self.value(v, f"{path}[{k!r}]" if type(k) in ATOMS else f"{path}[]")]
            for k, v in mapping.items()
        ]

    def thing(self, x, kind, path):
        where = f"{kind.__module__}.{kind.__qualname__}"
        if kind is list:
            return ["list", [self.value(v, f"{path}[{i}]") for i, v in enumerate(x)]]
        if kind is dict:
            return ["dict", self.pairs(x, path)]
        if kind is set:
            return ["set", self.bag(x, path)]
        if isinstance(x, type):
            return self.klass(x, path)
        if isinstance(x, types.FunctionType):
            return self.function(x, path)
        if isinstance(x, types.MethodType):
            return ["method", self.value(x.__func__, path + ".__func__"), self.value(x.__self__, path + ".__self__")]
        if isinstance(x, types.ModuleType):
            return self.module(x, path)
        if isinstance(x, (staticmethod, classmethod)):
            return [kind.__name__, self.value(x.__func__, path + ".__func__")]
        if isinstance(x, property):
            return ["property", *(self.value(getattr(x, a), f"{path}.{a}") for a in ("fget", "fset", "fdel"))]
        if isinstance(x, functools.partial):
            return [
                "partial",
                self.value(x.func, path + ".func"),
                self.value(x.args, path + ".args"),
                self.value(x.keywords, path + ".keywords"),
            ]
        if where == "functools._lru_cache_wrapper":
            return ["lru_cache", self.value(x.__wrapped__, path + ".__wrapped__"), repr(x.cache_info())]
        if isinstance(x, (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)):
            return [kind.__name__, x.__qualname__]
        if isinstance(x, io.IOBase):
            return self.file(x, where)
        if isinstance(x, BaseException):
            return ["exception", where, self.value(x.args, path + ".args")]
        if kind.__module__.split(".")[0] in ("numpy", "pandas"):
            return self.scientific(x, kind, where, path)
        if kind.__module__.startswith("matplotlib.") and hasattr(x, "get_window_extent"):
            return self.figure(x, where)
        if where == "PIL.Image.Image":
            return [where, x.size, x.tobytes().hex()]
        if where == "random.Random":
            return [where, digest(repr(x.getstate()))]
        if where == "IPython.utils.capture.CapturedIO":
            return [where, x.stdout, WARNED.sub("", x.stderr)]
        if (kind.__module__.startswith(MUTE) and not isinstance(x, list)) or where.endswith("iterator"):
            return ["opaque", where]
        return self.instance(x, kind, where, path)

    def figure(self, x, where):
        """What a figure or its axes show, as far as programs change it."""
        lines = [
            [list(map(float, line.get_xdata())), list(map(float, line.get_ydata()))] for line in getattr(x, "lines", ())
        ]
        axes = [self.figure(ax, "axes") for ax in getattr(x, "axes", ()) if hasattr(x, "add_axes")]
        return [where, getattr(x, "get_title", str)(), [float(n) for n in x.get_window_extent().bounds], lines, axes]

    def instance(self, x, kind, where, path):
        out = ["instance", self.value(kind, path + ".__class__")]
        for base, content in ((list, list.__iter__), (tuple, tuple.__iter__)):
            if isinstance(x, base):
                out.append([self.value(v, f"{path}[{i}]") for i, v in enumerate(content(x))])
        if isinstance(x, dict):
            out.append(self.pairs(x, path))
        elif isinstance(x, (set, frozenset)):
            out.append(self.bag(x, path))
        elif type(x).__module__ == "collections" and type(x).__name__ == "deque":
            out.append([self.value(v, f"{path}[{i}]") for i, v in enumerate(x)])
        elif isinstance(x, (int, float, str, bytes)):
            out.append(type(x).__mro__[-2].__name__ + " " + ADDRESS.sub("", x.__repr__()))
        state = getattr(x, "__dict__", None)
        slots = [
            s
            for c in kind.__mro__
            for s in (
                [c.__dict__.get("__slots__", ())]
                if isinstance(c.__dict__.get("__slots__", ()), str)
                else c.__dict__.get("__slots__", ())
            )
            if hasattr(x, s)
        ]
        if kind.__module__ == "__main__" or (state and kind.__module__ not in ("pathlib", "decimal")):
            out.append([[k, self.value(v, f"{path}.{k}")] for k, v in (state or {}).items()])
            out.append([[k, self.value(getattr(x, k), f"{path}.{k}")] for k in slots if not k.startswith("__")])
        elif len(out) == 2:
            out.append(ADDRESS.sub("at 0x", repr(x)))
        return out

    def function(self, x, path):
        if foreign(x.__code__.co_filename) and x.__module__ != "__main__":
            return ["function", x.__module__, x.__qualname__]
        closure = []
        for name, cell in zip(x.__code__.co_freevars, x.__closure__ or (), strict=True):
            try:
                closure.append([name, self.value(cell.cell_contents, f"{path}.<{name}>")])
            except ValueError:
                closure.append([name, "empty"])
        live = x.__globals__ is self.namespace or x.__module__ != "__main__"
        return [
            "function",
            x.__qualname__,
            x.__module__,
            digest(code_shape(x.__code__)),
            x.__doc__,
            self.value(x.__defaults__, path + ".__defaults__"),
            self.value(x.__kwdefaults__, path + ".__kwdefaults__"),
            closure,
            # What dispatch by type has looked up so far shows only in how long it takes.
            self.value({k: v for k, v in vars(x).items() if k != "_clear_cache"}, path + ".__dict__"),
            "live globals" if live else "foreign globals",
        ]

    def klass(self, x, path):
        if x.__module__ != "__main__":
            return ["class", f"{x.__module__}.{x.__qualname__}"]
        out = ["class", x.__qualname__, [self.value(b, f"{path}.__bases__[{i}]") for i, b in enumerate(x.__bases__)]]
        if issubclass(x, enum.Enum):
            return [*out, [[m, self.value(v.value, f"{path}.{m}")] for m, v in x.__members__.items()]]
        if issubclass(x, tuple) and hasattr(x, "_fields"):
            return [*out, list(x._fields), self.value(dict(x._field_defaults), path + "._field_defaults")]
        generated = (
            {"__init__", "__repr__", "__eq__", "__hash__", "__replace__"}
            if "__dataclass_fields__" in x.__dict__
            else set()
        )
        attributes = {
            k: v
            for k, v in x.__dict__.items()
            if k not in SKIPPED
            and k not in generated
            and not k.startswith(("__pydantic", "__attrs", "model_", "_decl"))
            and not isinstance(v, types.MemberDescriptorType)
        }
        fields = [
            [f.name, str(f.type), repr(f.default)[:40] if type(f.default) in ATOMS else ""]
            for f in x.__dict__.get("__dataclass_fields__", {}).values()
        ]
        return [*out, fields, [[k, self.value(v, f"{path}.{k}")] for k, v in sorted(attributes.items())]]

    def module(self, x, path):
        file = getattr(x, "__file__", None) or ""
        if not file or foreign(file):
            return ["module", x.__name__]
        content = {
            k: v
            for k, v in vars(x).items()
            if not k.startswith("_") and getattr(v, "__module__", None) in (None, x.__name__, "__main__")
        }
        return ["local module", x.__name__, [[k, self.value(v, f"{path}.{k}")] for k, v in sorted(content.items())]]

    def file(self, x, where):
        try:
            position = None if x.closed else x.tell()
        except (OSError, ValueError):
            position = "unknown"
        content = x.getvalue() if isinstance(x, (io.StringIO, io.BytesIO)) and not x.closed else None
        return [
            "file",
            where,
            str(getattr(x, "name", "")),
            str(getattr(x, "mode", "")),
            x.closed,
            position,
            repr(content),
        ]

    def scientific(self, x, kind, where, path):
        numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
        if isinstance(x, numpy.ndarray):
            return self.array(x, where, path, numpy)
        if isinstance(x, (numpy.generic, numpy.dtype)):
            return [where, repr(x)]
        if isinstance(x, numpy.random.Generator):
            return [where, digest(repr(x.bit_generator.state))]
        if isinstance(x, numpy.random.RandomState):
            return [where, digest(repr(x.get_state()))]
        if pandas and isinstance(x, pandas.DataFrame):
            columns = [
                [repr(c), str(t), [repr(v) for v in x.iloc[:, i].tolist()]]
                for i, (c, t) in enumerate(zip(x.columns, x.dtypes, strict=True))
            ]
            return [where, self.index(x.index), self.index(x.columns), columns, repr(x.attrs)]
        if pandas and isinstance(x, pandas.Series):
            return [
                where,
                repr(x.name),
                str(x.dtype),
                self.index(x.index),
                [repr(v) for v in x.tolist()],
                repr(x.attrs),
            ]
        if pandas and isinstance(x, pandas.Index):
            return self.index(x)
        return [where, ADDRESS.sub("at 0x", repr(x))]

    @staticmethod
    def index(x):
        return [type(x).__name__, repr(list(x.names)), str(x.dtype), [repr(v) for v in x.tolist()]]

    def array(self, x, where, path, numpy):
        body = (
            [self.value(v, f"{path}[{i}]") for i, v in enumerate(x.ravel().tolist())]
            if x.dtype.hasobject
            else x.tobytes().hex()
        )
        address = x.__array_interface__["data"][0]
        shared = [
            [p, address - a]
            for p, y, a in self.arrays
            if x.size and numpy.may_share_memory(x, y) and numpy.shares_memory(x, y)
        ]
        self.arrays.append((path, x, address))
        mask = self.value(x.mask, path + ".mask") if where.startswith("numpy.ma") else None
        strides = [step if size > 1 else 0 for size, step in zip(x.shape, x.strides, strict=True)]
        return [where, str(x.dtype), x.shape, strides, x.flags.writeable, x.flags.f_contiguous, body, shared, mask]


def public(namespace):
    return sorted(k for k in namespace if isinstance(k, str) and not k.startswith("_") and k not in HIDDEN)


def describe(namespace, only=None):
    """Names, process state that programs can set, and what a probe of builtins shows."""
    walk = Describer(namespace)
    names = [k for k in public(namespace) if only is None or k in only]
    out = {k: walk.value(namespace[k], k) for k in names}
    added = {k: v for k, v in os.environ.items() if k.startswith("LAW_")}
    return {
        "names": out,
        "cwd": os.getcwd(),
        "env": added,
        "builtins": sorted(k for k in vars(builtins) if k.startswith("law_")),
    }


def render(namespace, only=None):
    """The description as JSON text: what a user expression can carry."""
    return json.dumps(describe(namespace, only))
