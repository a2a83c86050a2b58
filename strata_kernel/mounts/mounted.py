"""One mount as a run sees it: listed once, fetched file by file, and what was looked at remembered as facts."""

from __future__ import annotations

import contextlib
import errno
import os
import stat as modes
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from strata_kernel.domain import fingerprints
from strata_kernel.domain.directive_values import Mount
from strata_kernel.domain.manifest import Fact
from strata_kernel.errors import MountError
from strata_kernel.mounts.cache import Cache, Kept
from strata_kernel.mounts.places import Found, Place, identity, stat_behind

#: Files below a folder up to which each is a fact of its own, so that the one that changed can be named.
EACH = 1000


def inside(path: str, folder: str) -> str:
    """Return a path as its folder has it: from where in a mount somebody looks at the folder is no part of a fact."""
    return path[len(folder) + 1 :] if folder else path


class Mounted:
    """A mount that is read. What it saw first in a run holds for all of the run."""

    def __init__(
        self,
        mount: Mount,
        key: str,
        place: Callable[[], Place],
        cache: Cache,
        apart: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.mount, self.key, self.cache = mount, key, cache
        self._place, self._apart = place, apart
        self.options = identity(mount)
        self.root = cache.tree(key)
        #: It is a folder of this machine; and the cell may write it.
        self.near, self.writable = mount.uri.lower().startswith("file:"), mount.mode == "rw"
        self.lock = threading.RLock()
        self.facts: dict[tuple[str, str], Fact] = {}
        #: What went wrong: a cell may catch it, and what it made of that holds only as long as it goes wrong.
        self.trouble = ""
        self._looked: dict[str, Found | None] = {}
        self._listed: dict[str, dict[str, Found]] = {}
        self._whole: set[str] = set()
        self._shown: dict[str, tuple[int, int]] = {}
        #: A path of it was used.
        self.used = False

    def begin(self) -> None:
        """Forget what an earlier run saw."""
        self.facts, self.trouble, self.used = {}, "", False
        self._looked, self._listed, self._whole, self._shown = {}, {}, set(), {}

    def address(self, path: str) -> str:
        """Return where a path is, for people and for facts."""
        return f"{self.mount.uri.rstrip('/')}/{path}" if path else self.mount.uri

    @contextlib.contextmanager
    def at_work(self) -> Iterator[Place]:
        """Do something of ours in the midst of the user's code."""
        with self.lock, self._apart():
            self.used = True
            try:
                yield self._place()
            except MountError as error:
                self.trouble = str(error)
                raise

    def _note(self, fact: Fact) -> None:
        if self.mount.pin is None:
            self.facts[fact.name, fact.digest.partition(":")[0]] = fact

    # Looking

    def seen(self, path: str) -> Found | None:
        """Return what stands at a path as this run saw it first; nothing is remembered as a fact."""
        with self.at_work() as place:
            if path not in self._looked:
                parent, _, name = path.rpartition("/")
                if parent in self._listed and path:
                    self._looked[path] = self._listed[parent].get(name)
                else:
                    self._looked[path] = place.look(path)
            return self._looked[path]

    def look(self, path: str) -> Found | None:
        """Return what stands at a path, and remember that it was asked for."""
        found = self.seen(path)
        if found is None:
            self._note(Fact("mount", self.address(path), fingerprints.ABSENT))
        elif found.folder:
            self._note(Fact("mount", self.address(path), fingerprints.FOLDER))
        elif self._at(path, fingerprints.CONTENT) not in self.facts:
            self._note(fingerprints.object_fact(self.address(path), self.options, found.sign))
        return found

    def _at(self, path: str, begin: str) -> tuple[str, str]:
        return self.address(path), begin.partition(":")[0]

    def knows(self, path: str) -> bool:
        """Tell whether this run remembers what the file was."""
        return not self.facts.keys().isdisjoint(
            {self._at(path, fingerprints.CONTENT), self._at(path, fingerprints.SIGN)}
        )

    def names(self, folder: str) -> dict[str, Found]:
        """Return what stands in a folder, and remember the names."""
        with self.at_work() as place:
            if folder not in self._listed:
                self._listed[folder] = place.names(folder)
            listed = self._listed[folder]
        pairs = [(name, found.folder) for name, found in listed.items()]
        self._note(fingerprints.names_fact(self.address(folder), self.options, pairs))
        return listed

    def below(self, folder: str) -> dict[str, Found]:
        """Return all files below a folder by their paths, and remember these."""
        with self.at_work() as place:
            found = place.below(folder)
            for path in found:
                # What was seen first holds.
                if path in self._looked and self._looked[path] is not None:
                    found[path] = self._looked[path] or found[path]
                self._looked[path] = found[path]
        pairs = [(inside(path, folder), False) for path in found]
        self._note(fingerprints.names_fact(self.address(folder) + "/**", self.options, pairs, fingerprints.BELOW))
        return found

    def _note_bytes(self, path: str, found: Found, kept: Kept) -> None:
        """Remember that a file's bytes were had: where they are at hand, they are what tells it apart."""
        if self.near:
            self.facts.pop(self._at(path, fingerprints.SIGN), None)
        content = kept.content if self.near else ""
        self._note(
            fingerprints.object_fact(self.address(path), self.options, found.sign, content, stat_behind(found.sign))
        )

    # Fetching

    def leave(self, path: str) -> None:
        """Have here what a path stands for, before its text goes to someone who knows nothing of mounts."""
        found = self.look(path)
        if found is None:
            magic = next((n for n, part in enumerate(path.split("/")) if any(c in part for c in "*?[{")), None)
            if magic is not None:
                self.leave("/".join(path.split("/")[:magic]))
        elif found.folder:
            self._leave_all(path)
        else:
            self.place(path)

    def _leave_all(self, folder: str) -> None:
        if folder in self._whole or any(folder.startswith(w + "/") or w == "" for w in self._whole):
            return
        files = self.below(folder)
        with self.at_work():
            os.makedirs(os.path.join(self.root, folder), exist_ok=True)
            self._show_all(folder, files)
        self._whole.add(folder)
        if len(files) > EACH and self.mount.pin is None:
            signs = [(inside(p, folder), f.sign) for p, f in files.items()]
            self._note(fingerprints.all_fact(self.address(folder) + "/**", self.options, signs))

    def _show_all(self, folder: str, files: dict[str, Found]) -> None:
        for path, kept in self._bring(files).items():
            self._shown[path] = self.cache.show(self.key, kept)
            if len(files) <= EACH:
                self._note_bytes(path, files[path], kept)
        self.cache.prune(self.key, folder, set(files))

    def _bring(self, files: dict[str, Found]) -> dict[str, Kept]:
        return self.cache.bring(self.key, self._place(), list(files.items()))

    def place(self, path: str) -> str:
        """Return the path of a file here that has its bytes; raise FileNotFoundError."""
        found = self.look(path)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.address(path))
        text = os.path.join(self.root, path)
        with self.at_work():
            if not found.folder and not (path in self._shown and self.cache.stands(self.key, path, self._shown[path])):
                kept = self._bring({path: found})[path]
                self._shown[path] = self.cache.show(self.key, kept)
                self._note_bytes(path, found, kept)
        return text

    def shows(self, path: str) -> bool:
        """Tell whether this run was given the file."""
        return path in self._shown

    def stat(self, path: str) -> os.stat_result:
        """Return what `os.stat` would say; raise FileNotFoundError."""
        found = self.look(path)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.address(path))
        mode = modes.S_IFDIR | 0o755 if found.folder else modes.S_IFREG | (0o644 if self.writable else 0o444)
        moment = int(found.time)
        return os.stat_result((mode, 0, 0, 1, os.getuid(), os.getgid(), found.size, moment, moment, moment))

    def disturbed(self) -> str | None:
        """Return the path of a file that is no longer the one that this run was given, None when there is none."""
        with self._apart():
            return next((p for p, shown in self._shown.items() if not self.cache.stands(self.key, p, shown)), None)
