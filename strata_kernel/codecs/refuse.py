"""Values that have no exact stored form, even where some pickler accepts them."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import Any

from strata_kernel.codecs.immutable import qualified
from strata_kernel.domain.state import OPEN_FIGURES
from strata_kernel.errors import CodecError

#: Classes by qualified name; a subclass is refused too. They stand for something outside the value: a running frame,
#: a handle of the operating system, a peer, the event loop, the front end.
_FORBIDDEN = frozenset(
    {
        "builtins.generator", "builtins.coroutine", "builtins.async_generator", "builtins.frame", "builtins.traceback",
        "builtins.memoryview", "builtins.dict_keyiterator", "builtins.dict_valueiterator", "builtins.dict_itemiterator",
        "builtins.dict_reversekeyiterator", "builtins.dict_reversevalueiterator", "builtins.dict_reverseitemiterator",
        "builtins.set_iterator", "builtins.mappingproxy", "builtins.PyCapsule",
        "builtins.callable_iterator", "_io._RawIOBase", "_io._BufferedIOBase", "_io._TextIOBase", "_io._IOBase",
        "io.IOBase", "socket.socket", "_socket.socket", "ssl.SSLSocket", "ssl.SSLContext", "_ssl._SSLContext",
        "_thread.lock", "_thread.RLock", "_thread._local", "threading.Thread", "threading.Event",
        "threading.Condition",
        "threading.Semaphore", "threading.Barrier", "concurrent.futures._base.Executor",
        "concurrent.futures._base.Future",
        "subprocess.Popen", "multiprocessing.process.BaseProcess", "multiprocessing.connection._ConnectionBase",
        "multiprocessing.pool.Pool", "multiprocessing.queues.Queue", "multiprocessing.shared_memory.SharedMemory",
        "multiprocessing.managers.BaseManager", "queue.SimpleQueue", "_queue.SimpleQueue", "queue.Queue",
        "sqlite3.Connection", "sqlite3.Cursor", "sqlite3.Blob", "duckdb.DuckDBPyConnection", "duckdb.DuckDBPyRelation",
        "_duckdb.DuckDBPyConnection", "_duckdb.DuckDBPyRelation", "http.client.HTTPConnection",
        "http.client.HTTPResponse", "urllib3.connectionpool.ConnectionPool", "urllib3.poolmanager.PoolManager",
        "httpx.Client", "httpx.AsyncClient", "httpx._client.BaseClient", "sqlalchemy.engine.base.Engine",
        "sqlalchemy.engine.base.Connection", "sqlalchemy.orm.session.Session", "psycopg2.extensions.connection",
        "psycopg.BaseConnection", "h5py._hl.base.HLObject", "h5py.h5.ObjectID", "zipfile.ZipFile", "tarfile.TarFile",
        "fsspec.implementations.memory.MemoryFileSystem", "fsspec.implementations.memory.MemoryFile",
        "tempfile._TemporaryFileWrapper", "tempfile.TemporaryDirectory", "mmap.mmap", "select.epoll", "select.poll",
        "selectors._BaseSelectorImpl", "weakref.ReferenceType", "builtins.weakref", "weakref.ref", "_weakref.ref",
        "weakref.ProxyType", "weakref.CallableProxyType", "_contextvars.ContextVar", "_contextvars.Context",
        "_contextvars.Token", "builtins.ContextVar", "builtins.Context", "builtins.Token",
        "asyncio.events.AbstractEventLoop",
        "asyncio.queues.Queue", "asyncio.mixins._LoopBoundMixin", "_asyncio.Future", "_asyncio.Task",
        "asyncio.futures.Future", "asyncio.tasks.Task", "asyncio.events.Handle", "tqdm.std.tqdm", "tqdm.std.Comparable",
        "ipywidgets.widgets.widget.Widget", "comm.base_comm.BaseComm", "ipykernel.comm.comm.BaseComm",
        "torch.utils.data.dataloader._BaseDataLoaderIter", "traitlets.config.configurable.SingletonConfigurable",
        "IPython.core.interactiveshell.InteractiveShell",
        "itertools.tee", "itertools._tee", "itertools.cycle", "itertools.groupby", "itertools._grouper",
        "itertools.chain", "itertools.islice", "itertools.accumulate", "itertools.takewhile", "itertools.dropwhile",
        "itertools.starmap", "itertools.compress", "itertools.filterfalse", "itertools.zip_longest",
        "itertools.batched",
        "itertools.pairwise", "itertools.product", "itertools.permutations", "itertools.combinations",
        "itertools.combinations_with_replacement", "numpy.memmap", "numpy.nditer", "numpy.flatiter", "numpy.broadcast",
        "pandas.io.parsers.readers.TextFileReader", "csv.DictReader", "_csv.reader", "_csv.writer", "logging.Handler",
        "_ctypes._SimpleCData", "_ctypes._Pointer", "_ctypes.CFuncPtr", "_ctypes.Structure", "_ctypes.Union",
        "_ctypes.Array", "types.FrameType", "_hashlib.HASH", "xml.sax.expatreader.ExpatParser", "pyexpat.xmlparser",
    }
)  # fmt: skip

#: In-memory files hold all that they are.
_ALLOWED = frozenset({"_io.BytesIO", "_io.StringIO"})


class Refused(CodecError):
    """A value was met that has no exact stored form; the text says which."""


@lru_cache(maxsize=4096)
def refusal(cls: type) -> str | None:
    """Return what stands in the way of storing instances of the class, None when nothing is known to."""
    for base in cls.__mro__:
        name = qualified(base)
        if name in _ALLOWED:
            return None
        if name in _FORBIDDEN:
            return shown(cls)
    return None


def shown(cls: type) -> str:
    """Return the class as people write it."""
    name = qualified(cls).removeprefix("builtins.").removeprefix("__main__.")
    return name.replace("_io.", "io.").replace("_thread.", "threading.")


_PROCESS_WIDE = (
    ("random", "_inst"), ("numpy.random.mtrand", "_rand"), ("os", "environ"), ("os", "environb"),
    ("matplotlib", "rcParams"), ("matplotlib", "colormaps"), ("torch", "default_generator"),
)  # fmt: skip


def process_wide() -> dict[int, tuple[str, str]]:
    """Return the objects that are the process's state rather than a value, by identity: module and attribute path."""
    return _process_wide(len(sys.modules))


def process_types() -> set[type]:
    """Return the types of these objects."""
    return _process_types(len(sys.modules))


# None of them is ever replaced, and more can only come with more modules.
@lru_cache(maxsize=1)
def _process_wide(_: int) -> dict[int, tuple[str, str]]:
    return {id(target): place for target, place in _live()}


@lru_cache(maxsize=1)
def _process_types(_: int) -> set[type]:
    return {type(target) for target, _ in _live()}


def _live() -> Iterator[tuple[Any, tuple[str, str]]]:
    for module, path in _PROCESS_WIDE:
        owner: Any = sys.modules.get(module)
        target = getattr(owner, path, None) if owner is not None else None
        if target is not None:
            yield target, (module, path)


def module_state() -> dict[int, str]:
    """Return what the user's own modules hold as globals and can change, by identity: values may share it."""
    found: dict[int, str] = {}
    modules = _local_modules(len(sys.modules))
    local = frozenset(modules)
    for name in modules:
        for key, value in list(vars(sys.modules[name]).items()) if name in sys.modules else ():
            kind = type(value)
            # Members of an enumeration are never copied.
            own = kind.__module__ in local and not isinstance(value, Enum)
            if (kind in (list, dict, set, bytearray) or own) and not key.startswith("__"):
                found[id(value)] = f"{name}.{key}"
    found.update(dict.fromkeys(map(id, open_figures()), OPEN_FIGURES))
    return found


def open_figures() -> list[Any]:
    """Return the figures that pyplot keeps open, the one that its calls work on last."""
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    return [manager.canvas.figure for manager in helpers.Gcf.figs.values()] if helpers is not None else []


@lru_cache(maxsize=1)
def _local_modules(_: int) -> tuple[str, ...]:
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    library = tuple(folder + os.sep for folder in folders if folder)
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name.partition(".")[0] in ("__main__", "__mp_main__", "strata_kernel"):
            continue
        if not file.startswith(library) and "site-packages" not in file and "dist-packages" not in file:
            found.append(name)
    return tuple(found)


def live_lists() -> dict[int, str]:
    """Return containers of exact builtin type that the interpreter itself uses, by identity."""
    found: dict[int, str] = {}
    for module, path in (
        ("sys", "path"), ("sys", "modules"), ("sys", "argv"), ("sys", "meta_path"), ("sys", "path_hooks"),
        ("warnings", "filters"), ("builtins", "__dict__"),
    ):  # fmt: skip
        target = getattr(sys.modules.get(module), path, None)
        if target is not None:
            found[id(target)] = f"{module}.{path}"
    return found
