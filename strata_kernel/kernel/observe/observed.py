"""What one recording saw, as plain facts."""

from __future__ import annotations

import msgspec

from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import Fact
from strata_kernel.world.files import Files, Stat, is_young, stat_of


class Observed(msgspec.Struct, frozen=True):
    """What a cell did to and learned from the world while it ran.

    `reads`: files whose content preceded the cell; a digest "" is still to be computed by `settled`. `exists`: files
    and folders of which only existence, size or times were asked. `written`: files that stand where the cell put
    them; `deleted`: files it took away; `made`, `removed`: folders. `modules`: newly imported, or asked for in vain by
    the user's code. `distributions`: asked for by name. `changed`: files that changed under the cell. `reseeded`:
    generators set before anything was drawn; `set_generators`: those set at any time; `asked`: those whose states
    were read. `reasons`: network, subprocess, threads, clock, entropy, and unobserved for gaps. `relative`: paths
    were used, or the folder was asked for, that depend on where it ran.
    """

    reads: dict[str, Fact] = {}
    absent: tuple[Fact, ...] = ()
    exists: tuple[Fact, ...] = ()
    dirs: tuple[Fact, ...] = ()
    env: tuple[Fact, ...] = ()
    written: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    modules: frozenset[str] = frozenset()
    distributions: frozenset[str] = frozenset()
    changed: tuple[str, ...] = ()
    reseeded: frozenset[str] = frozenset()
    set_generators: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()
    reasons: tuple[Reason, ...] = ()
    pending: dict[str, Stat] = {}
    relative: bool = False

    @property
    def facts(self) -> tuple[Fact, ...]:
        """All facts of the recording."""
        return (*self.reads.values(), *self.absent, *self.exists, *self.dirs, *self.env)

    def settled(self, files: Files) -> Observed:
        """Return the record with the digests of large files filled in; those that changed since go to `changed`."""
        if not self.pending:
            return self
        reads, changed = dict(self.reads), set(self.changed)
        for path, stat in self.pending.items():
            fact = digested(path, stat, files)
            if fact is None:
                changed.add(path)
            else:
                reads[path] = fact
        return msgspec.structs.replace(self, reads=reads, changed=tuple(sorted(changed)), pending={})


def digested(path: str, stat: Stat, files: Files) -> Fact | None:
    """Return the fact about a file that had this stat when it was opened, None when it has another now."""
    if stat_of(path) != stat:
        return None
    try:
        content = files.digest(path, stat)
    except OSError:
        return None
    if stat_of(path) != stat:
        return None
    return Fact("file", path, content, () if is_young(stat) else stat)
