"""The user's own modules that this process has loaded, told by their files: once these change, all are read anew."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Set
from types import ModuleType

from strata_kernel.domain.state import VARIABLES
from strata_kernel.kernel.observe import figures, frames
from strata_kernel.kernel.observe.process import ProcessState
from strata_kernel.kernel.observe.variables import probe
from strata_kernel.world.files import Files, Stat, stat_of
from strata_kernel.world.places import is_library

#: Never the user's, wherever it is installed: the notebook itself, this package, and what the kernel stands on.
_APART = frames.SERVING | {
    "__main__", "__mp_main__", "IPython", "ipykernel_launcher", "msgspec", "duckdb", "pyarrow", "cloudpickle",
}  # fmt: skip


class LoadedModules:
    """Implements the `Modules` port."""

    def __init__(self, files: Files, process: ProcessState) -> None:
        self._files, self._process = files, process
        #: Their files, as they were when they were loaded.
        self._local: dict[str, tuple[str, Stat | None, str | None]] = {}
        #: All modules that were looked at, and by what it is told that none came since.
        self._seen: set[str] = set()
        self._newest: tuple[int, str] = (0, "")
        #: Those whose import showed something since a recording began, and how much has been shown by now.
        self.loud: set[str] = set()
        self.shown: Callable[[], int] = lambda: 0

    def are_users(self, module: str) -> bool:
        """Tell whether a module that is loaded is the user's own."""
        return module in self._local

    def users(self) -> Set[str]:
        """Return the names of the user's modules that are loaded."""
        return self._local.keys()

    def can_load(self, module: str) -> bool:
        """Tell whether a module is loaded, or one of a library: the user's own are imported by none but their cells."""
        if module in sys.modules:
            return True
        with contextlib.suppress(Exception):  # whatever finders do
            spec = importlib.util.find_spec(module.partition(".")[0])
            return spec is not None and (spec.origin in ("built-in", "frozen") or is_library(spec.origin or ""))
        return False

    def load(self, module: str) -> None:
        """Import a module by its dotted name, if it can be."""
        if module not in sys.modules:
            with contextlib.suppress(Exception):  # the module's own code, which already ran in an earlier process
                importlib.import_module(module)

    def loading(self) -> int:
        """Return how much had been shown when a module of the user's is about to be executed."""
        return self.shown()

    def loaded(self, module: str, before: int | None) -> None:
        """Note that a module of the user's was just executed, for the first time or again."""
        if self.shown() != before:
            self.loud.add(module)
        if module in self._local:
            self._adopt(module)
        self.note()

    def _adopt(self, name: str) -> None:
        module = sys.modules.get(name)
        if isinstance(module, ModuleType):
            self._process.adopt(probe(module, VARIABLES + name, self.are_users))

    def note(self) -> None:
        """Note the files of the user's modules that are loaded, as they were when they were."""
        # A module that is imported goes to the end of the table.
        newest = (len(sys.modules), next(reversed(sys.modules)))
        if newest == self._newest:
            return
        self._newest = newest
        new = sys.modules.keys() - self._seen
        self._seen |= new
        found = []
        for name in new:
            path = getattr(sys.modules.get(name), "__file__", None)
            if isinstance(path, str) and not is_library(path) and name.partition(".")[0] not in _APART:
                stat = stat_of(path)
                self._local[name] = (path, stat, self._content(path, stat))
                found.append(name)
        for name in found:
            self._adopt(name)

    def changed(self) -> bool:
        """Tell whether a file of the user's modules has changed since the module was loaded."""
        for name, (path, stat, content) in self._local.items():
            if (now := stat_of(path)) == stat:
                continue
            if content is None or self._content(path, now) != content:
                return True
            self._local[name] = (path, now, content)
        return False

    def _content(self, path: str, stat: Stat | None) -> str | None:
        try:
            return self._files.digest(path, stat) if stat is not None else None
        except OSError:
            return None

    def unload(self) -> None:
        """Unload the user's modules, so that an import makes them anew, and close the figures that pyplot keeps."""
        figures.close()
        for name in self._local:
            sys.modules.pop(name, None)
            self._process.forget(VARIABLES + name)
        self._seen -= self._local.keys()
        self._local.clear()
        self._newest = (0, "")
        importlib.invalidate_caches()
