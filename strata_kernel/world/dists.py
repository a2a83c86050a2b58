"""Facts about installed distributions: name to version, and which of them a set of imports rests on."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable
from functools import lru_cache

from strata_kernel.domain.manifest import Fact
from strata_kernel.world.files import YOUNG_NS
from strata_kernel.world.places import site_folders

_INFO = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+?)(?:-py[\d.]+(?:-.+)?)?\.(?:dist|egg)-info\Z")
_SUFFIX = re.compile(r"\.(?:py|pyc|[^.]*\.so|so|pyd|[^.]*\.pyd)\Z")
_REQUIRES = re.compile(
    r"^Requires-Dist:\s*([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?\s*([^;\n]*)(?:;\s*(.*))?$", re.MULTILINE
)


@lru_cache(maxsize=4096)
def normalized(name: str) -> str:
    """Return the name of a distribution as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


class _Folder:
    """One site-packages directory as it was listed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.stamp: tuple[int, int] | None = None
        self.found: dict[str, tuple[str, str]] = {}

    def refresh(self) -> bool:
        """List the directory again when it changed; tell whether it did."""
        try:
            stat = os.stat(self.path)
        except OSError:
            changed, self.stamp, self.found = bool(self.found), None, {}
            return changed
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if stamp == self.stamp:
            return False
        before = self.found
        self.found = {}
        for entry in sorted(os.listdir(self.path)):
            if entry.endswith("-info") and (match := _INFO.match(entry)):
                self.found[normalized(match["name"])] = (match["version"], os.path.join(self.path, entry))
        # A directory that changed a moment ago may change again under the same time.
        self.stamp = stamp if time.time_ns() - stat.st_mtime_ns > YOUNG_NS else None
        return self.found != before


class Distributions:
    """The distributions on the path; a look-up costs one stat per site-packages directory."""

    def __init__(self, path: Iterable[str] | None = None) -> None:
        self._folders = [_Folder(folder) for folder in site_folders(sys.path if path is None else path)]
        self._installed: dict[str, tuple[str, str]] | None = None
        self._tops: dict[str, set[str]] | None = None
        self._requires: dict[str, list[tuple[str, str, str]]] = {}

    def _current(self) -> dict[str, tuple[str, str]]:
        changed = [folder.refresh() for folder in self._folders]
        if self._installed is None or any(changed):
            self._installed = {}
            for folder in reversed(self._folders):
                self._installed.update(folder.found)
            self._tops = None
        return self._installed

    def version(self, name: str) -> str:
        """Return the installed version, "" when there is none."""
        return self._current().get(normalized(name), ("", ""))[0]

    def observe(self, name: str) -> Fact:
        """Return the fact about the distribution; one that is not installed has the digest ""."""
        return Fact("dist", name, self.version(name))

    def distributions_of(self, modules: Iterable[str]) -> dict[str, str]:
        """Return name and version of the distributions that provide these modules, and of what they require."""
        installed = self._current()
        tops = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
        # To know what each provides takes a look into all of them.
        providers = self._providers(installed) if tops else {}
        pending = [(name, frozenset[str]()) for top in tops for name in providers.get(top, ())]
        seen: set[tuple[str, frozenset[str]]] = set()
        result: dict[str, str] = {}
        while pending:
            item = pending.pop()
            if item in seen or item[0] not in installed:
                continue
            seen.add(item)
            result[item[0]] = installed[item[0]][0]
            pending.extend(self._needs(installed[item[0]][1], item[1]))
        return dict(sorted(result.items()))

    def _providers(self, installed: dict[str, tuple[str, str]]) -> dict[str, set[str]]:
        if self._tops is None:
            self._tops = {}
            for name, (_, folder) in installed.items():
                for top in top_level_names(folder):
                    self._tops.setdefault(top, set()).add(name)
        return self._tops

    def _needs(self, folder: str, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
        if folder not in self._requires:
            self._requires[folder] = _requirements(folder)
        wanted = []
        for name, inner, marker in self._requires[folder]:
            if not marker or _applies(marker, extras):
                wanted.append((name, frozenset(e.strip() for e in inner.split(",") if e.strip())))
        return wanted


def top_level_names(folder: str) -> set[str]:
    """Return the import names that a dist-info directory records."""
    try:
        with open(os.path.join(folder, "RECORD"), "rb") as file:
            record = file.read()
    except OSError:
        return _from_top_level(folder)
    names = set()
    for first in {line.partition(b"/")[0] for line in record.splitlines()}:
        # Up to the first slash stands a folder; a file at the top has its digest behind a comma.
        name, is_file, _ = first.decode("utf-8", "replace").lstrip('"').partition(",")
        stem = _SUFFIX.sub("", name.rstrip('"')) if is_file else name
        if stem.isidentifier() and stem != "__pycache__" and (stem != name or not is_file):
            names.add(stem)
    # An editable install records no modules of its own but may still name them.
    return names | _from_top_level(folder)


def _from_top_level(folder: str) -> set[str]:
    try:
        with open(os.path.join(folder, "top_level.txt"), encoding="utf-8") as file:
            return {line.strip().replace("/", ".").partition(".")[0] for line in file if line.strip()}
    except OSError:
        return set()


def _requirements(folder: str) -> list[tuple[str, str, str]]:
    for name in ("METADATA", "PKG-INFO"):
        try:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                header = file.read().partition("\n\n")[0]
        except OSError:
            continue
        return [(normalized(m[1]), m[2] or "", (m[4] or "").strip()) for m in _REQUIRES.finditer(header)]
    return []


def _applies(marker: str, extras: frozenset[str]) -> bool:
    try:
        from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
    except ImportError:
        return "extra" not in marker
    try:
        parsed = Marker(marker)
        return any(parsed.evaluate({"extra": extra}) for extra in (extras or {""}))
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName):
        return "extra" not in marker
