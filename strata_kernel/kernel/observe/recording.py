"""The files that a cell reads, looks for, writes and takes away, as they were before it."""

from __future__ import annotations

import os
import stat as modes
from typing import Any

from strata_kernel.codecs.refuse import open_figures
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import Fact
from strata_kernel.kernel.observe.observed import digested
from strata_kernel.kernel.observe.paths import Relevance
from strata_kernel.world.env import observe_env
from strata_kernel.world.files import EXISTS, Files, Stat, files_below, of_stat, stat_of

#: Bytes that are digested before the cell's reply; the rest is left to the background.
AT_ONCE = 4 << 20
#: A folder read as a whole by a native reader, or renamed, is followed to this many files.
MANY = 10_000


class Recording:
    """What happened since the cell began. Every method takes absolute paths that concern the notebook."""

    def __init__(self, namespace: dict[str, Any], files: Files, relevance: Relevance) -> None:
        self.namespace, self.files, self.relevance = namespace, files, relevance
        self.reads: dict[str, Stat] = {}
        #: Facts taken when the cell was about to change the file.
        self.early: dict[str, Fact] = {}
        self.absent: set[str] = set()
        self.exists: dict[tuple[str, str], Fact] = {}
        self.dirs: dict[str, Fact] = {}
        self.env: dict[str, Fact] = {}
        self.env_written: set[str] = set()
        #: Whether the path existed before the cell wrote it.
        self.written: dict[str, bool] = {}
        #: Files and folders that `tempfile` created, under names that nothing else has.
        self.fresh: set[str] = set()
        self.deleted: set[str] = set()
        self.made: set[str] = set()
        #: Those of them that the program would have taken as they were.
        self.granted: set[str] = set()
        self.removed: set[str] = set()
        self.changed: set[str] = set()
        self.modules: set[str] = set()
        self.sought: set[str] = set()
        #: Distributions of which the user's code asked whether and how they are installed.
        self.distributions: set[str] = set()
        #: The generators' states when the cell began, and those that it set before it drew from them.
        self.generators: dict[str, Any] = {}
        self.reseeded: set[str] = set()
        #: Generators that it set at all, be it to the states that they had.
        self.set_generators: set[str] = set()
        #: Generators whose states were read as the cell found them.
        self.asked: set[str] = set()
        #: The figures that pyplot kept open when the cell began, by identity.
        self.figures = frozenset(map(id, open_figures()))
        self.reasons: dict[tuple[str, str | None, int | None], Reason] = {}
        #: Targets of native writers: files, or folders whose files are looked through at the end.
        self.grown: set[str] = set()
        #: Files behind connections that outlive the cell.
        self.held: set[str] = set()
        #: Whether it mapped files into memory, where writes leave no trace.
        self.maps = False
        #: Whether it matters in which folder the cell ran.
        self.relative = False

    def place(self, raw: Any, folder: str | None = None) -> str | None:
        """Return the absolute path of what a program passed, None when it does not concern us."""
        path = self.relevance.place(raw, folder)
        self.relative = self.relative or (path is not None and folder is None and not os.path.isabs(os.fsdecode(raw)))
        return path

    def reason(self, code: str, text: str, name: str | None = None, line: int | None = None) -> None:
        """Note why the run may differ next time."""
        self.reasons.setdefault((code, name, line), Reason(code, text, name=name, line=line))

    def miss(self, text: str) -> None:
        """Note that something was not seen."""
        self.reason("unobserved", text, name=text[:80])

    def is_ours(self, path: str) -> bool:
        """Tell whether the cell itself put the file there, or took it away."""
        return path in self.written or path in self.deleted

    def read(self, path: str) -> None:
        """Note that the content of a file is used; one that is not there is noted as absent."""
        if path in self.reads or self.is_ours(path):
            return
        found = stat_of(path)
        if found is not None:
            self.reads[path] = found
        elif os.path.isdir(path):
            self.look(path)
        elif not os.path.lexists(path):
            self.lack(path)

    def lack(self, path: str) -> None:
        """Note that the path was looked for in vain."""
        if not self.is_ours(path) and _above(path, self.made - self.granted) is None:
            self.absent.add(path)

    def look(self, path: str, stat: os.stat_result | None = None, exact: bool = False) -> None:
        """Note that a path was seen to exist; `exact` when its size or times were looked at."""
        if self.is_ours(path) or path in self.made:
            return
        try:
            found = os.stat(path) if stat is None else stat
        except OSError:
            if not os.path.lexists(path):
                self.lack(path)
            return
        if modes.S_ISDIR(found.st_mode):
            self.exists.setdefault(("dir", path), Fact("dir", path, EXISTS))
            return
        if not modes.S_ISREG(found.st_mode):
            return
        if exact:
            sign = of_stat((found.st_size, found.st_mtime_ns))
            self.exists.setdefault(("stat", path), Fact("file", path, sign))
        self.read(path)

    def names(self, path: str) -> None:
        """Note that the names in a directory were read."""
        if path in self.dirs or (made := _above(path, self.made)) is not None:
            if path not in self.dirs and made in self.granted:
                # Another time the folder may be there, with something in it.
                self.absent.add(made)
            return
        fact = self.files.observe_dir(path)
        if fact is not None:
            self.dirs[path] = fact
        elif not os.path.lexists(path):
            self.lack(path)

    def is_passing(self, path: str) -> bool:
        """Tell whether no other run can find the file, now gone, at its place: of a random name or in such a folder."""
        return any(path == fresh or path.startswith(fresh + os.sep) for fresh in self.fresh)

    def freeze(self, path: str) -> None:
        """Take the digest of a file that was read, before it changes."""
        found = self.reads.get(path)
        if found is None or path in self.early or path in self.changed:
            return
        fact = digested(path, found, self.files)
        if fact is None:
            self.changed.add(path)
        else:
            self.early[path] = fact

    def write(self, path: str, update: bool = False) -> None:
        """Note that a file is about to be written; with `update` what it held before matters."""
        if path not in self.written:
            existed = os.path.lexists(path) or path in self.deleted
            if update:
                self.read(path)
            self.freeze(path)
            self.written[path] = existed
        self.deleted.discard(path)

    def delete(self, path: str) -> None:
        """Note that a file is about to be taken away."""
        if not os.path.lexists(path):
            self.lack(path)
            return
        if path not in self.written:
            self.freeze(path)
            self.exists.setdefault(("file", path), Fact("file", path, EXISTS))
            self.deleted.add(path)
        elif self.written[path]:
            self.deleted.add(path)

    def rename(self, source: str | None, target: str | None) -> None:
        """Note that a file or a folder is about to be moved; an end that does not concern us is None."""
        if source is not None and os.path.isdir(source) and not os.path.islink(source):
            self._rename_folder(source, target)
            return
        if source is not None:
            if not self.is_ours(source):
                self.read(source)
                self.freeze(source)
            self.delete(source)
        if target is not None:
            self.write(target)

    def _rename_folder(self, source: str, target: str | None) -> None:
        for path in self.below(source):
            moved = None if target is None else target + path[len(source) :]
            self.rename(path, moved)
        ours = source in self.made
        self.drop_folder(source)
        if target is not None:
            self.made.add(target)
            self.removed.discard(target)
        if not ours:
            self.dirs.setdefault(source, self.files.observe_dir(source) or Fact("dir", source, EXISTS))

    def below(self, folder: str) -> list[str]:
        """Return the files under a folder; note when there are too many."""
        found = list(files_below(folder, MANY + 1))
        if len(found) > MANY:
            self.miss(f"more than {MANY} files in {folder}")
        return [path for path in found[:MANY] if self.relevance.concerns(path)]

    def make_folder(self, path: str, tolerant: bool) -> None:
        """Note that a folder is about to be made; `tolerant` when the program minds not if it is there."""
        if os.path.lexists(path):
            if not tolerant:
                self.look(path)
            return
        if path not in self.removed:
            if tolerant and path not in self.fresh:
                self.granted.add(path)
            elif not tolerant:
                self.lack(path)
        self.removed.discard(path)
        self.made.add(path)

    def drop_folder(self, path: str) -> None:
        """Note that a folder is about to be removed."""
        if path in self.made:
            self.made.discard(path)
        elif os.path.isdir(path):
            self.exists.setdefault(("dir", path), Fact("dir", path, EXISTS))
            self.removed.add(path)
        else:
            self.lack(path)

    def read_env(self, name: str, value: str | None) -> None:
        """Note that a variable was read."""
        if name not in self.env and name not in self.env_written:
            self.env[name] = observe_env(name, value)


def _above(path: str, folders: set[str]) -> str | None:
    """Return which of the folders is the path or has it below it, the innermost."""
    found = [folder for folder in folders if path == folder or path.startswith(folder + os.sep)]
    return max(found, key=len, default=None)
