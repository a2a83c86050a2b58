"""Whose code a frame runs: the notebook's, the user's modules', a library's, or the machinery's."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from types import FrameType
from typing import Any

from strata_kernel.world.places import is_library

#: Modules that act on behalf of their caller.
THROUGH = frozenset({
    "os", "posixpath", "ntpath", "genericpath", "pathlib", "pathlib._local", "pathlib._abc", "pathlib._os",
    "glob", "fnmatch",
    "shutil", "io", "_pyio", "codecs", "contextlib", "_collections_abc", "collections.abc", "functools",
    "importlib.metadata._collections",
})  # fmt: skip
#: Modules, by their first part, whose looks at files and variables are no business of the notebook.
MACHINERY = frozenset({
    "importlib", "_frozen_importlib", "_frozen_importlib_external", "zipimport", "linecache", "inspect", "traceback",
    "warnings", "site", "sysconfig", "_sysconfigdata", "pkgutil", "runpy", "threading", "platform", "mimetypes",
    "IPython", "ipykernel", "jupyter_client", "jupyter_core", "jupyter_server", "traitlets", "zmq", "tornado",
    "asyncio", "comm",
    "debugpy", "_pydevd_bundle", "pydevd", "_pydev_bundle", "matplotlib_inline", "stack_data", "executing",
    "asttokens", "jedi",
    "parso", "pygments", "prompt_toolkit", "pdb", "bdb", "strata_kernel", "ctypes", "faulthandler", "gettext",
})  # fmt: skip
#: Packages that the kernel runs on: what they import is theirs.
SERVING = frozenset({
    "ipykernel", "jupyter_client", "jupyter_core", "traitlets", "zmq", "tornado", "comm", "debugpy", "stack_data",
    "executing", "asttokens", "jedi", "parso", "pygments", "prompt_toolkit", "strata_kernel",
})  # fmt: skip
_IMPORTERS = frozenset({"_frozen_importlib", "_frozen_importlib_external", "importlib", "zipimport", "pkgutil"})
#: Modules that read sources to show them.
_SHOWING = frozenset({"linecache", "tokenize", "inspect", "traceback", "debugpy", "pydevd", "_pydevd_bundle"})


def module_of(frame: FrameType) -> str:
    """Return the name of the module whose code the frame runs."""
    name = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else ""


def first_part(name: str) -> str:
    """Return the part of a dotted name before the first dot."""
    return name.partition(".")[0]


def beyond(frame: FrameType | None, modules: Collection[str]) -> FrameType | None:
    """Return the nearest frame, from this one up, that is not of these modules."""
    while frame is not None and module_of(frame) in modules:
        frame = frame.f_back
    return frame


def beyond_packages(frame: FrameType | None, packages: Collection[str]) -> FrameType | None:
    """Return the nearest frame, from this one up, that is not of these top-level packages."""
    while frame is not None and first_part(module_of(frame)) in packages:
        frame = frame.f_back
    return frame


def is_machinery(frame: FrameType | None) -> bool:
    """Tell whether the frame belongs to the import system, the kernel or a debugger."""
    return frame is None or first_part(module_of(frame)) in MACHINERY


def is_kernels_import(frame: FrameType | None, name: str) -> bool:
    """Tell whether the kernel imports the module for itself; IPython also imports what the user's magics name."""
    importer = first_part(module_of(frame)) if frame is not None else ""
    return importer in SERVING or (importer == "IPython" and first_part(name) in MACHINERY)


def is_importing(frame: FrameType | None) -> bool:
    """Tell whether the frame is of the import system."""
    return frame is not None and first_part(module_of(frame)) in _IMPORTERS


def is_showing(frame: FrameType | None) -> bool:
    """Tell whether the frame reads a source in order to show it, directly or through `tokenize.open`."""
    for _ in range(3):
        if frame is None:
            return False
        if first_part(module_of(frame)) in _SHOWING and module_of(frame) != "tokenize":
            return True
        frame = frame.f_back
    return False


@lru_cache(maxsize=4096)
def is_library_code(filename: str) -> bool:
    return is_library(filename)


def is_notebook(frame: FrameType | None, namespace: dict[str, Any]) -> bool:
    """Tell whether the frame runs a cell or a function of the notebook."""
    return frame is not None and frame.f_globals is namespace


def is_users(frame: FrameType | None, namespace: dict[str, Any]) -> bool:
    """Tell whether the frame runs the notebook's code or that of a module of the user's own."""
    if frame is None:
        return False
    if frame.f_globals is namespace:
        return True
    filename = frame.f_code.co_filename
    if filename.startswith("<") or first_part(module_of(frame)) in MACHINERY:
        return False
    return not is_library_code(filename)


def is_machinery_open(frame: FrameType | None, raw: Any) -> bool:
    """Tell whether the import system or a traceback opens a source, or the kernel one of its own files."""
    if frame is None:
        return True
    first = first_part(module_of(frame))
    if first == "IPython" or (first not in MACHINERY and first != "tokenize"):
        # IPython opens files for the user: %run, %load, %%writefile, display.Image.
        return False
    if first in _IMPORTERS:
        name = str(raw)
        return name.endswith((".py", ".pyc", ".pyi", ".so")) or is_library(name)
    return True if first != "tokenize" else is_showing(frame.f_back)
