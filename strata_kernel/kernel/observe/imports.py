"""Hooks that run around the first import of a module."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import CodeType, FunctionType, ModuleType
from typing import Any

from strata_kernel.kernel.observe import active

Hook = Callable[[ModuleType], None]


class ImportHooks:
    """A finder that leaves finding to the others, and lets known modules be looked at once they are executed.

    `around` is a pair of calls before and after each outermost import of a module that is not the user's, `users` one
    around each outermost import of one that is: the second gets the name, and what the first returned.
    """

    def __init__(self, is_users: Callable[[str], bool]) -> None:
        self.hooks: dict[str, list[Hook]] = {}
        self.around: tuple[Callable[[], Any], Callable[[Any], None]] | None = None
        self.users: tuple[Callable[[], Any], Callable[[str, Any], None]] | None = None
        self._is_users = is_users
        self._local = threading.local()

    def install(self) -> None:
        """Become the first finder."""
        sys.meta_path.insert(0, self)

    def after(self, name: str, hook: Hook) -> None:
        """Call the hook with the module: now when it is loaded, else right after its first import."""
        module = sys.modules.get(name)
        spec = getattr(module, "__spec__", None)
        if module is not None and not getattr(spec, "_initializing", False):
            active.attempt(hook, module)
        else:
            self.hooks.setdefault(name, []).append(hook)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return what the next finder finds, its loader made to call the hooks."""
        depth = getattr(self._local, "depth", 0)
        if name not in self.hooks and depth:
            return None
        for finder in list(sys.meta_path):
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                self._attach(name, spec, depth)
                return spec
        return None

    def _attach(self, name: str, spec: ModuleSpec, depth: int) -> None:
        loader: Any = spec.loader
        if loader is None or isinstance(loader, type) or not hasattr(loader, "exec_module"):
            return
        users = spec.origin is not None and self._is_users(spec.origin)
        if depth and name not in self.hooks:
            return
        original = loader.exec_module
        run = self._execute_users if users and name not in self.hooks else self._execute

        def execute(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            run(original, module)

        try:
            loader.exec_module = _in_place(execute)
        except AttributeError:
            return

    def _execute(self, original: Callable[[ModuleType], None], module: ModuleType) -> None:
        outer = getattr(self._local, "depth", 0)
        around = self.around if not outer else None
        before = active.attempt(around[0]) if around is not None else None
        self._local.depth = outer + 1
        try:
            original(module)
        finally:
            self._local.depth = outer
            if around is not None:
                active.attempt(around[1], before)
        for hook in self.hooks.pop(module.__name__, ()):
            active.attempt(hook, module)

    def _execute_users(self, original: Callable[[ModuleType], None], module: ModuleType) -> None:
        outer = getattr(self._local, "users", False)
        around = self.users if not outer else None
        before = active.attempt(around[0]) if around is not None else None
        self._local.users = True
        try:
            original(module)
        finally:
            self._local.users = outer
            if around is not None:
                active.attempt(around[1], module.__name__, before)


def _in_place(function: FunctionType | Callable[..., None]) -> Callable[..., None]:
    """Return the function as if it were the import system's, which takes its own frames out of tracebacks."""
    assert isinstance(function, FunctionType)
    function.__code__ = as_importlib(function.__code__)
    return function


def as_importlib(code: CodeType) -> CodeType:
    """Return the code with the file name of the import system."""
    return code.replace(co_filename="<frozen importlib._bootstrap_external>")


ImportHooks._execute.__code__ = as_importlib(ImportHooks._execute.__code__)
ImportHooks._execute_users.__code__ = as_importlib(ImportHooks._execute_users.__code__)
ImportHooks.find_spec.__code__ = as_importlib(ImportHooks.find_spec.__code__)
