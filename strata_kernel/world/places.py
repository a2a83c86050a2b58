"""Where code of this interpreter lives: the standard library, site-packages, and everything else."""

from __future__ import annotations

import ast
import os
import sys
import sysconfig
from collections.abc import Iterable
from functools import cache

_SITE = ("site-packages", "dist-packages")


def is_site(path: str) -> bool:
    """Tell whether a path lies in a directory that a package installer owns."""
    return any(f"{os.sep}{name}" in path for name in _SITE)


@cache
def library_folders() -> tuple[str, ...]:
    """Return the directories of the standard library, and of packages installed beside it, each with its separator."""
    found = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found.add(os.path.dirname(os.__file__))
    real = {os.path.realpath(path) for path in found if path}
    return tuple(sorted(path + os.sep for path in real | {p for p in found if p}))


def is_library(path: str) -> bool:
    """Tell whether a file belongs to the standard library or to an installed distribution."""
    return path.startswith(library_folders()) or is_site(path) or path.startswith("<frozen")


@cache
def _beside() -> tuple[str, ...]:
    found = (sysconfig.get_path(name) for name in ("purelib", "platlib"))
    return tuple(path for path in found if path)


def site_folders(path: Iterable[str]) -> list[str]:
    """Return the entries of an import path that hold installed distributions."""
    found = [entry for entry in path if entry and is_site(entry)]
    for entry in _beside():
        if entry not in found and os.path.isdir(entry):
            found.append(entry)
    return found


def local_roots(folder: str, path: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return where local modules are looked for: the notebook's folder, then what is on the path by the user's will."""
    roots = [os.path.abspath(folder)]
    for entry in sys.path if path is None else path:
        place = os.path.abspath(entry) if entry else roots[0]
        if place not in roots and not is_library(place + os.sep) and os.path.isdir(place):
            roots.append(place)
    return tuple(roots)


@cache
def editable_modules() -> dict[str, str]:
    """Return the packages that setuptools maps to their sources by an import hook instead of a path entry."""
    found: dict[str, str] = {}
    for folder in site_folders(sys.path):
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            if name.startswith("__editable___") and name.endswith("_finder.py"):
                found.update(_mapping(os.path.join(folder, name)))
    return found


def _mapping(path: str) -> dict[str, str]:
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
        for node in tree.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "MAPPING":
                value = ast.literal_eval(node.value) if node.value is not None else {}
                return {str(k): str(v) for k, v in value.items()}
    except (OSError, SyntaxError, ValueError, AttributeError):
        pass
    return {}
