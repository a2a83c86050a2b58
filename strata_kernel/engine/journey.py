"""A cell's way to a worker and back: what it can reach is packed, and its record is taken over."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import msgspec

from strata_kernel.cells.kind import Identity, Reading
from strata_kernel.domain import provenance
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.dispatch import Away, Dispatch, Packer, Producer
from strata_kernel.domain.manifest import Artifact, Dependency, Fact, Manifest, Unit
from strata_kernel.domain.state import Slot, State, closure, hidden, in_reach, referring
from strata_kernel.engine.altered import out_of_reach
from strata_kernel.engine.lookup import Moment, broken
from strata_kernel.engine.publish import Publisher
from strata_kernel.engine.resolve import Resolver
from strata_kernel.engine.session import Session
from strata_kernel.errors import WorkerError
from strata_kernel.ports import Executor, Show

#: Units of the process that mean something on this machine alone.
_HERE = frozenset({"proc:cwd"})

_CURE = "Make it in this cell, pass something that can be saved, or run the cell here (`# @worker local`)."


class Origin(msgspec.Struct, frozen=True):
    """What the notebook's place gives to every dispatch: its folder, what kernels start with, the identity."""

    folder: str = ""
    environ: dict[str, str] = {}
    identity: Identity = Identity("")


class Journey:
    """One run of one cell on a worker; one that is `ahead` of its turn takes values as they stand, and brings none."""

    def __init__(
        self,
        session: Session,
        resolver: Resolver,
        publisher: Publisher,
        reading: Reading,
        state: State,
        *,
        ahead: bool = False,
    ) -> None:
        self.before, self.ahead = state, ahead
        self.session, self.resolver, self.publisher, self.reading = session, resolver, publisher, reading
        self.state = session.with_order(reading, state)
        self.closure = closure(reading.analysis, self.state)
        self._producers: dict[str, Producer] = {}
        self._packer = Packer()
        self._folder = ""
        #: In what its libraries differ where it runs.
        self.differences: tuple[Reason, ...] = ()

    async def ready(self, find: Callable[[Reading], Executor], origin: Origin) -> tuple[Executor, Dispatch]:
        """Return the place and what travels there; raise WorkerError for what cannot."""
        executor = find(self.reading)
        if not self.reading.portable:
            raise self._refusal(f"{self.reading.kind} cells run in the kernel only", "Run it here (`# @worker local`).")
        return executor, await self.pack(origin)

    async def fly(self, executor: Executor, dispatch: Dispatch, show: Show) -> Away:
        """Run it there, telling its states as messages of the kind `state`; what the place cannot do is its error."""
        try:
            show("state", {"state": "dispatching", "reasons": ()})
            self.differences = await executor.differences(self.facts())
            if self.differences:
                show("state", {"state": "dispatching", "reasons": self.differences})
            return await executor.execute(dispatch, show, self.session.store)
        except WorkerError as error:
            return Away(error=("WorkerError", str(error), []))

    async def pack(self, origin: Origin) -> Dispatch:
        """Return what travels; raise WorkerError for what cannot."""
        worker = self.reading.terms.worker
        places = self._packer.pack(await self._slots(self.reading, self.state))
        identity = origin.identity
        recent = [e.manifest for e in self.session.entries.values() if e.manifest is not None]
        twins = (*recent, *self.session.store.entries(self.reading.program))
        self._folder = origin.folder
        return Dispatch(
            id=secrets.token_hex(16),
            cell=self.reading.cell,
            terms=self.reading.terms,
            state=places,
            units=tuple(self._packer.units),
            producers=tuple(self._producers.values()),
            twins=tuple(_bare(m) for m in twins if m.program == self.reading.program),
            folder=origin.folder,
            environ=origin.environ,
            modules=self.session.world.sources_of(self._modules()),
            python=identity.python,
            session=identity.session,
            identity=identity.of_worker(worker),
            defaults=identity.defaults,
        )

    def _modules(self) -> set[str]:
        """Return the modules that the cell imports, or that anything above was made with."""
        made = [
            f.name for e in self.session.entries.values() if e.manifest for f in e.manifest.facts if f.kind == "module"
        ]
        return {*self.reading.analysis.modules, *made}

    def facts(self) -> tuple[Fact, ...]:
        """Return the facts about this machine's libraries that the cell rests on."""
        modules = set(self.reading.analysis.named)
        for name, slot in self.closure.slots.items():
            if slot is not None and slot.unit.kind == "module":
                modules.add(slot.unit.summary.get(name, "").partition(".")[0])
            modules.update(slot.unit.reach.modules if slot is not None else ())
        return self.session.world.facts_of(modules - {""})

    async def _slots(self, reading: Reading, state: State) -> dict[str, Slot]:
        """Return the slots of a state that a cell can reach, each with its value, and the effects in force there."""
        reach = closure(reading.analysis, state)
        wanted = {n: s for n, s in reach.slots.items() if s is not None}
        wanted |= in_reach(reach.slots.values(), state)
        if any(n.startswith("effect:") for n in state):
            # What only an effect can reach, and cannot be saved, is made there by the cell of the effect.
            own = closure(reading.analysis, {n: s for n, s in state.items() if not n.startswith("effect:")}).slots
            wanted = {n: s for n, s in wanted.items() if n in own or hidden(n) or s.unit.reason is None}
        # The path of a mount is made anew where the cell runs.
        wanted = {n: s for n, s in wanted.items() if all(n != m.name for m in reading.terms.mounts)}
        # Drawn from, read and looked at only as the run goes along.
        wanted |= {n: s for n, s in state.items() if hidden(n)}
        if here := sorted(_HERE & wanted.keys()):
            raise self._refusal(f"the notebook changed its {here[0].partition(':')[2]}, which a worker does not have")
        bare = {n for n, s in wanted.items() if not hidden(n) and not self._is_kept(s.unit)}
        if bare and not self.ahead:
            await self.resolver.bring(bare, state)
        elif not all(self.resolver.placement.has(n, state[n].version) for n in bare):
            raise self._refusal("what it needs is not made yet")
        found = {}
        for name, slot in wanted.items():
            if name.startswith("effect:"):
                await self._produce(slot.by)
            unit = slot.unit if hidden(name) else self._kept(slot.unit)
            found[name] = Slot(unit, slot.by)
        return found

    async def _produce(self, cell_id: str) -> None:
        entry = self.session.entries.get(cell_id)
        if cell_id in self._producers or entry is None or entry.manifest is None:
            return
        if not entry.reading.portable:
            raise self._refusal(f"what {entry.reading.label} did to the process can only be made again here")
        manifest = _bare(entry.manifest)
        self._producers[cell_id] = Producer(entry.reading.cell, {}, manifest)
        slots = await self._slots(entry.reading, entry.before)
        before = self._packer.pack(slots)
        # Those that it needs come first.
        del self._producers[cell_id]
        self._producers[cell_id] = Producer(entry.reading.cell, before, manifest)

    def _is_kept(self, unit: Unit) -> bool:
        return unit.artifact is not None or self.publisher.artifact(unit.version) is not None

    def _kept(self, unit: Unit) -> Unit:
        """Return the unit with its value where the store has it, saved now when it was not."""
        artifact = unit.artifact or self.publisher.artifact(unit.version) or self._saved(unit)
        return msgspec.structs.replace(unit, artifact=artifact)

    def _saved(self, unit: Unit) -> Artifact:
        placement = self.resolver.placement
        names = [n for n in unit.names if placement.has(n, unit.version)]
        groups = placement.values.group({n: placement.host.namespace[n] for n in names})
        shown = ", ".join(f"`{n}`" for n in unit.names)
        if len(groups) != 1 or set(groups[0].names) != set(unit.names):
            raise self._refusal(f"{shown} shares its state with what the cell cannot reach")
        group = groups[0]
        if group.reason is not None or not group.stream:
            why = group.reason.text if group.reason else f"{shown} was changed after it was defined"
            raise self._refusal(why)
        store = self.session.store
        return Artifact("pickle", store.put([group.stream]), tuple(store.put([b]) for b in group.buffers))

    def _refusal(self, why: str, cure: str = _CURE) -> WorkerError:
        return WorkerError("travel", f"this cell cannot go to {self.reading.terms.worker}: {why}\n{cure}")

    def adopt(self, manifest: Manifest, worker: str) -> Manifest:
        """Return the record as one of this machine: what was seen there and does not hold here is told apart."""
        strange = broken(manifest, self.state, Moment(self.session.world))
        kept = [f for f in manifest.facts if f not in strange]
        reasons = [*manifest.reasons, *self.differences]
        for fact in strange:
            if fact.kind == "dist":
                kept.append(msgspec.structs.replace(fact, name=f"{fact.name}@{worker}"))
                continue
            text = f"depends on what {worker} has ({fact.kind} {fact.name}), which cannot be checked from here"
            reasons.append(Reason("unobserved", text, name=fact.name))
        files = []
        for file in manifest.files:
            # What a worker wrote comes back only where relative paths start: it must not name other places here.
            if file.path.startswith(self._folder + "/") and ".." not in file.path.split("/"):
                files.append(file)
            else:
                text = f"writes {file.path} on {worker}, which stays there"
                reasons.append(Reason("unobserved", text, name=file.path))
        return self._with_changing(
            msgspec.structs.replace(
                manifest, facts=tuple(kept), files=tuple(files), reasons=tuple(dict.fromkeys(reasons))
            )
        )

    def _with_changing(self, manifest: Manifest) -> Manifest:
        """Add what did not travel and changed with a definition all the same: it is made again here when wanted."""
        left = referring(manifest.alters, self.state) - manifest.reads.keys()
        if not left:
            return manifest
        slots = {n: self.state[n] for n in sorted(left)}
        reads = {**manifest.reads, **{n: Dependency(s.version, s.unit.content) for n, s in slots.items()}}
        versions = {n: d.version for n, d in reads.items()}
        key = provenance.key(program=manifest.program, reads=versions, facts=manifest.facts)
        units = out_of_reach(slots, key)
        return msgspec.structs.replace(manifest, key=key, reads=reads, units=(*manifest.units, *units))


def _bare(manifest: Manifest) -> Manifest:
    """Return a record without what is shown: on the other side it is only compared with."""
    return msgspec.structs.replace(manifest, outputs=[])
