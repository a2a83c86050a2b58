"""Observation and process state, joined to what the engine's host port asks for."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

from strata_kernel.codecs.outside import sources
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import Fact
from strata_kernel.domain.state import IMPORTED
from strata_kernel.kernel.observe import active, lasting
from strata_kernel.kernel.observe.generators import GENERATORS
from strata_kernel.kernel.observe.loaded import LoadedModules
from strata_kernel.kernel.observe.observed import Observed as Seen
from strata_kernel.kernel.observe.observer import Observer, import_hooks
from strata_kernel.kernel.observe.process import ProcessState
from strata_kernel.ports import Observed
from strata_kernel.world.world import LocalWorld


class Watch:
    """What the process did while a cell ran, and how its hidden units are set."""

    def __init__(self, world: LocalWorld, ignored: Iterable[str]) -> None:
        self.world = world
        self.observer = Observer(world.files, ignored, world.modules.roots)
        self.process = ProcessState()
        self._before: Any = None
        self.modules = LoadedModules(world.files, self.process)

    def install(self) -> None:
        """Wrap what must be wrapped, once per process."""
        self.observer.install()
        hooks = import_hooks()
        self.process.install(hooks)
        hooks.users = self.modules.loading, self.modules.loaded

    def exempt(self) -> None:
        """Keep what the calling thread does out of every recording."""
        active.exempt_thread()

    def start(self, namespace: dict[str, Any]) -> None:
        """Begin to record."""
        self._before = self.process.snapshot()
        self.modules.loud.clear()
        self.observer.start(namespace, {u: s for u, s in self._before.items() if u in GENERATORS})

    def stop(self, candidates: Iterable[Any]) -> Observed:
        """End the recording; `candidates` are strings and paths in reach that may name files read natively."""
        seen = self.observer.stop().settled(self.world.files)
        after = self.process.snapshot()
        self.modules.note()
        changes = self.process.changes(self._before, after)
        # A state that the cell set is its own even where it happens to be the one that it found.
        changes |= {unit: after[unit] for unit in seen.set_generators if unit in after}
        hidden = {unit: self.process.pack(state) for unit, state in changes.items()}
        hidden |= {IMPORTED + module: b"1" for module in self.modules.loud}
        drawn = {u for u in changes if u.startswith("rng:") and u not in seen.reseeded} | seen.asked
        reasons = [*seen.reasons, *self.process.effects(self._before, after)]
        if seen.changed:
            reasons.append(Reason("changed", f"{seen.changed[0]} changed while the cell ran"))
        mentioned = self._mentioned(candidates, seen)
        # A folder that the notebook went to is state of the process; the one it started in is known only here.
        place = [Fact("cwd", "start", self.world.start)] if seen.relative or mentioned else []
        asked = [fact for name in sorted(seen.distributions) if (fact := self.world.observe("dist", name)) is not None]
        return Observed(
            facts=_unique([*seen.facts, *mentioned, *asked, *place]),
            written=seen.written,
            made=seen.made,
            deleted=(*seen.deleted, *seen.removed),
            modules=seen.modules,
            hidden=hidden,
            drawn=frozenset(drawn),
            reasons=tuple(reasons),
            undo=lasting.undo(self._before.seen, reasons),
        )

    def _mentioned(self, candidates: Iterable[Any], seen: Seen) -> list[Fact]:
        texts: list[str] = []
        for candidate in candidates:
            if not isinstance(candidate, str | PurePath):
                texts += _found(sources(candidate) or ())
            elif len(str(candidate)) < 1024:
                texts.append(os.fspath(candidate))
        known = {*seen.reads, *seen.written, *seen.deleted, *seen.made}
        return [f for f in self.observer.mentioned(texts) if f.name not in known and f.kind == "file"]

    def apply(self, unit: str, state: bytes | None) -> None:
        """Set a hidden unit of the process; None is its state at start."""
        with active.exempt():
            if not unit.startswith(IMPORTED):
                self.process.apply(unit, state)
            elif state is not None:
                self.modules.load(unit.removeprefix(IMPORTED))
                self.modules.note()


def _found(paths: Iterable[str]) -> Iterator[str]:
    """Yield the files behind paths that may be folders or patterns."""
    for path in paths:
        for match in glob.glob(path, recursive=True):
            if os.path.isdir(match):
                yield from (os.path.join(folder, name) for folder, _, names in os.walk(match) for name in names)
            else:
                yield match


def _unique(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    found: dict[tuple[str, str, str], Fact] = {}
    for fact in facts:
        # Existence is implied by content.
        found.setdefault((fact.kind, fact.name, fact.digest), fact)
    return tuple(found.values())
