"""Observation and process state, joined to what the engine's host port asks for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any


from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import Fact
from strata_kernel.kernel.observe import active
from strata_kernel.kernel.observe.observed import Observed as Seen
from strata_kernel.kernel.observe.observer import Observer, import_hooks
from strata_kernel.kernel.observe.process import ProcessState
from strata_kernel.ports import Observed
from strata_kernel.world.modules import EXTERNAL, NOWHERE
from strata_kernel.world.world import LocalWorld


class Watch:
    """What the process did while a cell ran, and how its hidden units are set."""

    def __init__(self, world: LocalWorld, ignored: Iterable[str]) -> None:
        self.world = world
        self.observer = Observer(world.files, ignored, world.modules.roots)
        self.process = ProcessState()
        self._before: Any = None
        #: Digests of the local modules that are loaded, as their sources were when they were.
        self._loaded: dict[str, str] = {}

    def install(self) -> None:
        """Wrap what must be wrapped, once per process."""
        self.observer.install()
        self.process.install(import_hooks())

    def exempt(self) -> None:
        """Keep what the calling thread does out of every recording."""
        active.exempt_thread()

    def start(self, namespace: dict[str, Any]) -> None:
        """Begin to record; local modules whose sources changed are unloaded first, so that an import reads them anew."""
        self._unload_outdated()
        self._before = self.process.snapshot()
        self.observer.start(namespace)

    def stop(self, candidates: Iterable[Any]) -> Observed:
        """End the recording; `candidates` are strings and paths in reach that may name files read natively."""
        seen = self.observer.stop().settled(self.world.files)
        after = self.process.snapshot()
        self._note_loaded()
        changes = self.process.changes(self._before, after)
        hidden = {unit: self.process.pack(state) for unit, state in changes.items()}
        drawn = {u for u in changes if u.startswith("rng:") and u not in seen.reseeded}
        reasons = [*seen.reasons, *self.process.effects(self._before, after)]
        if seen.changed:
            reasons.append(Reason("changed", f"{seen.changed[0]} changed while the cell ran"))
        return Observed(
            facts=_unique([*seen.facts, *self._mentioned(candidates, seen)]),
            written=seen.written,
            made=seen.made,
            deleted=(*seen.deleted, *seen.removed),
            modules=seen.modules,
            hidden=hidden,
            drawn=frozenset(drawn),
            reasons=tuple(reasons),
        )

    def _mentioned(self, candidates: Iterable[Any], seen: Seen) -> list[Fact]:
        texts = [os.fspath(c) for c in candidates if isinstance(c, str | PurePath) and len(str(c)) < 1024]
        known = {*seen.reads, *seen.written, *seen.deleted, *seen.made}
        return [f for f in self.observer.mentioned(texts) if f.name not in known and f.kind == "file"]

    def apply(self, unit: str, state: bytes | None) -> None:
        """Set a hidden unit of the process; None is its state at start."""
        with active.exempt():
            self.process.apply(unit, state)

    def _local(self) -> list[str]:
        roots = tuple(root + os.sep for root in self.world.modules.roots)
        return [
            name
            for name, module in list(sys.modules.items())
            if str(getattr(module, "__file__", None) or "").startswith(roots) and name != "__main__"
        ]

    def _note_loaded(self) -> None:
        for name in self._local():
            if name not in self._loaded:
                self._loaded[name] = self.world.modules.observe(name).digest

    def _unload_outdated(self) -> None:
        for name, digest in list(self._loaded.items()):
            if name not in sys.modules:
                del self._loaded[name]
                continue
            now = self.world.modules.observe(name).digest
            if now != digest and digest not in (EXTERNAL, NOWHERE):
                del sys.modules[name]
                del self._loaded[name]


def _unique(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    found: dict[tuple[str, str, str], Fact] = {}
    for fact in facts:
        # Existence is implied by content.
        found.setdefault((fact.kind, fact.name, fact.digest), fact)
    return tuple(found.values())
