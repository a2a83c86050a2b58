"""Facts about the user's own modules: the digests of their sources and of what these import."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import EXTENSION_SUFFIXES

import msgspec
from blake3 import blake3

from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import BESIDE, Fact
from strata_kernel.world.files import Stat, is_young, read_digest, stat_of
from strata_kernel.world.places import editable_modules, is_library, site_folders
from strata_kernel.world.sources import Import, imports_of, targets

#: Digests of module facts about names that are no local modules.
EXTERNAL, NOWHERE = "external", "nowhere"
#: A namespace package is a folder: deeper and wider ones are taken for folders of data.
_MANY = 2000
_CODE = (".py", *EXTENSION_SUFFIXES)


class Source(msgspec.Struct, frozen=True):
    """A local module's file ("" for a namespace package) and what it imports."""

    name: str
    path: str
    package: bool
    content: str
    imports: tuple[Import, ...]


class _Listing(msgspec.Struct):
    stamp: tuple[int, int] | None
    names: frozenset[str]


class LocalModules:
    """Finds and digests modules under the roots; nothing is imported."""

    def __init__(self, roots: Sequence[str], path: Sequence[str] | None = None) -> None:
        self.roots = tuple(os.path.abspath(root) for root in roots)
        self._path = list(sys.path if path is None else path)
        self._listings: dict[str, _Listing] = {}
        self._parsed: dict[str, tuple[Stat, str, tuple[Import, ...]]] = {}
        self._by_content: dict[str, tuple[Import, ...]] = {}
        # Folders looked at in the question under way, each once; and all answers, with the folders behind them.
        self._seen: dict[str, frozenset[str]] = {}
        self._proven: dict[str, tuple[dict[str, frozenset[str]], list[Source]]] = {}
        #: Those that look into another folder first, which a notebook put on its path.
        self._beside: dict[str, LocalModules] = {}

    def is_local(self, name: str) -> bool:
        """Tell whether importing the dotted name would run a file under the roots."""
        self._seen.clear()
        return self._locate(name.partition(".")[0]) is not None

    def is_module(self, name: str) -> bool:
        """Tell whether a dotted name is a module, loaded or under the roots."""
        self._seen.clear()
        return name in sys.modules or self._locate(name) is not None

    def observe(self, name: str) -> Fact:
        """Return the fact about a module, local or not; `name@folder` is one that is found in that folder."""
        module, _, folder = name.partition(BESIDE)
        if folder:
            if folder not in self._beside:
                self._beside[folder] = LocalModules((folder, *self.roots), self._path)
            return Fact("module", name, self._beside[folder].observe(module).digest)
        sources = self.closure(name)
        if sources:
            content = digest("module", name, [(s.name, s.content) for s in sources])
        else:
            content = EXTERNAL if self._is_external(name.partition(".")[0]) else NOWHERE
        return Fact("module", name, content)

    def loaded_as(self, name: str) -> str:
        """Return the name by which a loaded module is observed: with its folder where the roots do not lead to it."""
        top = name.partition(".")[0]
        origin = getattr(sys.modules.get(top), "__file__", None)
        if not isinstance(origin, str) or is_library(origin) or top in sys.stdlib_module_names:
            return name
        self._seen.clear()
        place = self._locate(top)
        if place is not None and os.path.realpath(place[0]) == os.path.realpath(origin):
            return name
        folder = os.path.dirname(os.path.abspath(origin))
        if os.path.basename(origin).partition(".")[0] == "__init__":
            folder = os.path.dirname(folder)
        return name + BESIDE + folder

    def local_modules(self, names: Iterable[str]) -> dict[str, str]:
        """Return the digests of those of the names that are local modules."""
        found = {}
        for name in names:
            fact = self.observe(name)
            if fact.digest not in (EXTERNAL, NOWHERE):
                found[name] = fact.digest
        return found

    def closure(self, name: str) -> list[Source]:
        """Return the module, its parents and all local modules that these import, sorted by name."""
        known = self._proven.get(name)
        if known is not None and self._stands(*known):
            return known[1]
        self._seen.clear()
        sources = self._reachable(name)
        self._proven[name] = (dict(self._seen), sources)
        return sources

    def _stands(self, folders: dict[str, frozenset[str]], sources: list[Source]) -> bool:
        if any(self._listed(folder) != names for folder, names in folders.items()):
            return False
        return all(self._content(source) == source.content for source in sources)

    def _content(self, source: Source) -> str:
        if source.path.endswith(".py"):
            parsed = self._parse(source.path)
            return parsed[0] if parsed is not None else ""
        return "namespace" if source.package else _digest_or_nothing(source.path)

    def _reachable(self, name: str) -> list[Source]:
        found: dict[str, Source] = {}
        pending = list(_with_parents(name))
        seen: set[str] = set()
        while pending:
            item = pending.pop()
            if item in seen:
                continue
            seen.add(item)
            source = self._source(item)
            if source is None:
                continue
            found[item] = source
            wanted = {t for entry in source.imports for t in targets(source.name, source.package, entry)}
            for target in sorted(wanted - seen):
                pending.extend(self._expanded(target))
        return [found[key] for key in sorted(found)]

    def _expanded(self, target: str) -> Iterator[str]:
        if not target.endswith(".*"):
            yield from _with_parents(target)
            return
        base = target[:-2]
        yield from _with_parents(base)
        # A star import of a package loads the submodules that its __all__ names: take them all.
        place = self._locate(base)
        if place is not None and place[1]:
            folder = os.path.dirname(place[0]) if place[0].endswith(".py") else place[0]
            for entry in sorted(self._names(folder)):
                stem, dot, suffix = entry.partition(".")
                if (dot and suffix == "py" and stem != "__init__") or (not dot and stem.isidentifier()):
                    yield f"{base}.{stem}"

    def _source(self, name: str) -> Source | None:
        place = self._locate(name)
        if place is None:
            return None
        path, package = place
        if not path.endswith(".py"):
            return Source(name, path, package, "namespace" if package else _digest_or_nothing(path), ())
        parsed = self._parse(path)
        return None if parsed is None else Source(name, path, package, *parsed)

    def _parse(self, path: str) -> tuple[str, tuple[Import, ...]] | None:
        stat = stat_of(path)
        if stat is None:
            return None
        known = self._parsed.get(path)
        if known is not None and known[0] == stat:
            return known[1:]
        started = time.time_ns()
        try:
            with open(path, "rb") as file:
                text = file.read()
        except OSError:
            return None
        content = str(blake3(text).hexdigest())
        imports = self._by_content.get(content)
        if imports is None:
            imports = self._by_content[content] = imports_of(text)
        if not is_young(stat, started):
            self._parsed[path] = (stat, content, imports)
        return content, imports

    def _locate(self, name: str) -> tuple[str, bool] | None:
        """Return the file of a module, or the folder of a namespace package, and whether it is a package."""
        first, *rest = name.split(".")
        place = self._top(first)
        for part in rest:
            if place is None or not place[1]:
                return None
            folder = os.path.dirname(place[0]) if place[0].endswith(".py") else place[0]
            place = self._within(folder, part)
        return place

    def _top(self, name: str) -> tuple[str, bool] | None:
        spaces: list[tuple[str, bool]] = []
        for root in self.roots:
            found = self._within(root, name)
            if found is not None and (not found[1] or found[0].endswith(".py")):
                return found
            if found is not None:
                spaces.append(found)
        editable = editable_modules().get(name)
        if editable is not None:
            init = os.path.join(editable, "__init__.py")
            return (init, True) if os.path.isfile(init) else (editable, not editable.endswith(".py"))
        # A folder without __init__ counts only where nothing regular has the name.
        return spaces[0] if spaces and not self._is_external(name) else None

    def _within(self, folder: str, name: str) -> tuple[str, bool] | None:
        names = self._names(folder)
        if name in names:
            inner = os.path.join(folder, name)
            if "__init__.py" in self._names(inner):
                return os.path.join(inner, "__init__.py"), True
        for suffix in (*EXTENSION_SUFFIXES, ".py"):
            if name + suffix in names:
                return os.path.join(folder, name + suffix), False
        if name in names and name.isidentifier() and self._holds_code(os.path.join(folder, name)):
            return os.path.join(folder, name), True
        return None

    def _holds_code(self, folder: str) -> bool:
        names = self._names(folder)
        if any(n.endswith((".py", *EXTENSION_SUFFIXES)) for n in names):
            return True
        inner = [n for n in names if n.isidentifier()]
        return len(names) < _MANY and any("__init__.py" in self._names(os.path.join(folder, n)) for n in inner)

    def _names(self, folder: str) -> frozenset[str]:
        names = self._seen.get(folder)
        if names is None:
            names = self._seen[folder] = self._listed(folder)
        return names

    def _listed(self, folder: str) -> frozenset[str]:
        known = self._listings.get(folder)
        try:
            stat = os.stat(folder)
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if known is not None and known.stamp == stamp:
                return known.names
            started = time.time_ns()
            # Data files come and go beside a notebook; only what an import could find counts.
            names = frozenset(n for n in os.listdir(folder) if "." not in n or n.endswith(_CODE))
        except (OSError, ValueError):
            return frozenset()
        young = is_young((0, stat.st_mtime_ns, stat.st_mtime_ns, 0), started)
        self._listings[folder] = _Listing(None if young else stamp, names)
        return names

    def _is_external(self, name: str) -> bool:
        if name in sys.stdlib_module_names or name in sys.builtin_module_names:
            return True
        for folder in site_folders(self._path):
            names = self._names(folder)
            if name in names or any(name + suffix in names for suffix in (".py", *EXTENSION_SUFFIXES)):
                return True
        return False


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])


def _digest_or_nothing(path: str) -> str:
    try:
        return read_digest(path)
    except OSError:
        return ""
