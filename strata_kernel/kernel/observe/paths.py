"""Which paths concern a notebook: the interpreter's own, caches and devices do not."""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from typing import Any

from strata_kernel.domain.manifest import Fact
from strata_kernel.world.files import EXISTS, Files
from strata_kernel.world.places import is_site

_SYSTEM = (
    "/proc", "/sys", "/dev", "/usr/lib", "/lib", "/lib64", "/usr/share/zoneinfo", "/usr/share/fonts",
    "/usr/share/fontconfig",
    "/usr/local/share/fonts", "/var/cache/fontconfig", "/etc/fonts", "/etc/ssl", "/etc/alternatives", "/etc/pki",
    "/run/systemd", "/usr/share/ca-certificates", "/usr/share/locale", "/usr/share/mime",
)  # fmt: skip
_ETC = frozenset({
    "/etc/localtime", "/etc/timezone", "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/passwd",
    "/etc/group", "/etc/host.conf", "/etc/services", "/etc/protocols", "/etc/gai.conf", "/etc/ld.so.cache",
    "/etc/os-release", "/etc/debian_version", "/etc/lsb-release", "/etc/mime.types", "/etc/hostname",
    "/etc/machine-id", "/etc/locale.alias",
})  # fmt: skip
_OF_HOME = (
    ".ipython", ".jupyter", ".local/share/jupyter", ".config/matplotlib", ".cache/matplotlib", ".cache/fontconfig",
    ".config/fontconfig", ".fonts", ".local/share/fonts", ".cache/strata", ".local/share/strata", ".config/ipython",
)  # fmt: skip
_BY_VARIABLE = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")


class Relevance:
    """Decides which paths are recorded; `roots` are kept even where they lie inside the interpreter's prefix."""

    def __init__(self, ignored: Iterable[str] = (), roots: Iterable[str] = ()) -> None:
        home = os.path.expanduser("~")
        folders = [*_SYSTEM, *(os.path.join(home, name) for name in _OF_HOME)]
        folders += [os.environ[name] for name in _BY_VARIABLE if os.environ.get(name)]
        folders += [os.path.join(tempfile.gettempdir(), f"ipykernel_{os.getpid()}")]
        folders += [os.path.abspath(path) for path in ignored]
        self._folders = tuple(sorted({f for path in folders for f in (path + os.sep, os.path.realpath(path) + os.sep)}))
        self._prefixes = tuple(sorted(path + os.sep for path in _prefixes()))
        self._roots = tuple(os.path.abspath(root) + os.sep for root in roots)

    def concerns(self, path: str) -> bool:
        """Tell whether an absolute path is recorded."""
        inner = path + os.sep
        if inner.startswith(self._folders) or path in _ETC:
            return False
        if is_site(path) or "__pycache__" in path or path.endswith(".pyc"):
            return False
        if inner.startswith(self._prefixes):
            return inner.startswith(self._roots) and not inner.startswith(_library())
        return path != os.sep

    def place(self, raw: Any, folder: str | None = None) -> str | None:
        """Return the absolute path behind what a program passed, None when it is none or does not concern us."""
        if isinstance(raw, int) or raw is None:
            return None
        try:
            path = os.fsdecode(raw)
        except TypeError:
            return None
        if "\0" in path or not path:
            return None
        if folder is not None and not os.path.isabs(path):
            path = os.path.join(folder, path)
        try:
            path = os.path.abspath(path)
        except OSError:
            return None
        return path if self.concerns(path) else None


def _prefixes() -> set[str]:
    found: set[str] = set()
    for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix):
        own = any(os.path.exists(os.path.join(prefix, name)) for name in ("pyvenv.cfg", "conda-meta"))
        if own or prefix not in ("/", "/usr", "/usr/local"):
            found.update((prefix, os.path.realpath(prefix)))
    for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts", "include"):
        found.add(sysconfig.get_path(name) or "/")
    return {path for path in found if path and path != "/"}


def _library() -> tuple[str, ...]:
    return tuple(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def folder_behind(descriptor: int) -> str | None:
    """Return the directory that a descriptor stands for, where the system tells."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return None


def mentioned(paths: Iterable[str], cwd: str, relevance: Relevance, files: Files) -> list[Fact]:
    """Return facts about those of the strings that name an existing file or directory."""
    found: dict[str, Fact] = {}
    for raw in paths:
        if not raw or len(raw) > 4096 or "\n" in raw:
            continue
        path = relevance.place(os.path.expanduser(raw), cwd)
        if path is None or path in found:
            continue
        fact = files.observe_file(path)
        if fact is None and os.path.isdir(path):
            fact = Fact("dir", path, EXISTS)
        if fact is not None:
            found[path] = fact
    return list(found.values())
