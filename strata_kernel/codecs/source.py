"""The notebook's live definitions, and how one comes to life from its source."""

from __future__ import annotations

import linecache
import ntpath
import os
import re
import tempfile
import types
from collections.abc import Callable, Iterable
from typing import Any

from strata_kernel.errors import CodecError

_KERNEL_FOLDER = re.compile(r"ipykernel_\d+$")
#: Containers and atoms that pickle never asks us about: they cannot travel as references.
_PLAIN: frozenset[type] = frozenset(
    {type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset}
)


class Definitions:
    """The functions and classes that the notebook's cells define, by identity and by (name, lineage).

    `namespace` is the live user namespace; `cell_directory` the folder in which this process places the code of its
    cells; `loader` brings a definition that is not live; `flags` are the compiler flags of the notebook's `__future__`
    imports.
    """

    def __init__(self, namespace: dict[str, Any], cell_directory: str | None = None, flags: int = 0) -> None:
        self.namespace = namespace
        self.cell_directory = cell_directory or os.path.join(tempfile.gettempdir(), f"ipykernel_{os.getpid()}")
        self.flags = flags
        self.loader: Callable[[str, str], object] | None = None
        # Strong references: an identity must not come to mean another object.
        self._by_id: dict[int, tuple[object, str, str]] = {}
        self._by_key: dict[tuple[str, str], object] = {}
        #: What those hold that were changed where they stand, as digests.
        self._altered: dict[tuple[str, str], str] = {}

    def register(self, obj: object, name: str, lineage: str) -> None:
        """Make the object known as the definition; an exact builtin container is a value and is left out."""
        if type(obj) in _PLAIN:
            return
        self._by_id[id(obj)] = (obj, name, lineage)
        self._by_key[name, lineage] = obj
        self._altered.pop((name, lineage), None)

    def reference(self, obj: object) -> tuple[str, str] | None:
        """Return (name, lineage) of a registered object."""
        known = self._by_id.get(id(obj))
        return known[1:] if known is not None else None

    def altered(self, name: str, lineage: str) -> str | None:
        """Return the digest of what a definition holds that was changed in place; None for one as it was made."""
        return self._altered.get((name, lineage))

    def resolve(self, name: str, lineage: str, altered: str | None) -> object:
        """Return the definition, first as the loader brings it to its place in the document; raise CodecError.

        Where no variable holds it, only an object will do that was left as it was made or altered to just this.
        """
        found = self.loader(name, lineage) if self.loader is not None else None
        if found is None and self.altered(name, lineage) == altered:
            found = self._by_key.get((name, lineage))
        if found is not None:
            return found
        raise CodecError(f"the definition of `{name}` is not available", code="definition")

    def live(self, name: str, lineage: str) -> object | None:
        """Return the object that stands for the definition."""
        return self._by_key.get((name, lineage))

    def alter(self, name: str, lineage: str, content: str) -> None:
        """Note that the object no longer is as it was made, and the digest of what it holds now."""
        self._altered[name, lineage] = content

    def retire(self, name: str, lineage: str) -> None:
        """Let no object stand for the definition any more; the one that did is still known for what it was."""
        self._by_key.pop((name, lineage), None)

    def forget(self, keep: Iterable[tuple[str, str]]) -> None:
        """Drop the definitions other than these, e.g. after a reset of the namespace."""
        wanted = set(keep)
        self._by_id = {key: known for key, known in self._by_id.items() if known[1:] in wanted}
        self._by_key = {key: obj for key, obj in self._by_key.items() if key in wanted}

    def kinds(self) -> set[type]:
        """Return the types of the registered objects that are neither functions nor classes."""
        return {
            type(known[0]) for known in self._by_id.values() if not isinstance(known[0], (type, types.FunctionType))
        }

    def execute(self, source: str, name: str, filename: str, line: int = 1) -> object:
        """Run one def or class statement in the live namespace and return what it binds, leaving the name unbound.

        `filename` may be a bare name: the cell folder is put before it. `line` is where the statement starts in it.
        """
        filename = self.locate(filename)
        remember(filename, source, line)
        code = compile("\n" * (line - 1) + source, filename, "exec", self.flags, dont_inherit=True)
        # Separate locals: the statement binds there, so the namespace is never touched, yet globals stay live.
        bound: dict[str, object] = {}
        exec(code, self.namespace, bound)
        if name not in bound:
            raise CodecError(f"the source of `{name}` does not define it", code="definition")
        return bound[name]

    def portable(self, filename: str) -> tuple[bool, str]:
        """Return whether the file is a cell's, and its name without what is particular to this process."""
        folder, base = os.path.split(filename)
        if not folder or folder == self.cell_directory or _KERNEL_FOLDER.search(ntpath.basename(folder)):
            return True, base
        return False, filename

    def locate(self, filename: str) -> str:
        """Return where this process keeps the code of a cell."""
        if filename.startswith("<") or os.path.dirname(filename):
            return filename
        return os.path.join(self.cell_directory, filename)


def remember(filename: str, source: str, line: int = 1) -> None:
    """Put the text where `inspect` and tracebacks look for it, beside what is known of the file already."""
    known = linecache.cache.get(filename)
    lines = list(known[2]) if known is not None and len(known) == 4 else []
    fresh = source.splitlines(keepends=True)
    if fresh and not fresh[-1].endswith("\n"):
        fresh[-1] += "\n"
    start, end = line - 1, line - 1 + len(fresh)
    if lines[start:end] == fresh:
        return
    lines += ["\n"] * (end - len(lines))
    lines[start:end] = fresh
    # No modification time: linecache never drops the entry as outdated.
    linecache.cache[filename] = (sum(map(len, lines)), None, lines, filename)


def recorded(filename: str) -> str | None:
    """Return the text of a cell as it was remembered, without looking at any file."""
    known = linecache.cache.get(filename)
    return "".join(known[2]) if known is not None and len(known) == 4 else None
