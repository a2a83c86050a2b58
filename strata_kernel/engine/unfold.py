"""Runs a cell that unfolds into several actions: each is looked up by its own key, and all together make its record."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from strata_kernel.cells.expand import Action, Course, Fault, expand
from strata_kernel.cells.kind import Reading
from strata_kernel.domain import provenance
from strata_kernel.domain.cell import Gather, Reason
from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import Dependency, Fact, FileOutput, Manifest, Unit
from strata_kernel.domain.state import ABSENT, AFTER, OBSERVED, RESTORABLE, VERDICT, State, advance, closure, hidden
from strata_kernel.engine.lookup import NOT_PUBLISHED
from strata_kernel.engine.outputs import Outputs, outputs_of
from strata_kernel.engine.passes import Lost, because, seed, take
from strata_kernel.engine.pipeline import Completed, Failed, Outcome, Restored
from strata_kernel.engine.session import Entry
from strata_kernel.errors import StoreError, StrataError

if TYPE_CHECKING:
    from strata_kernel.engine.pipeline import Pipeline

#: Names of errors by which the user ends a cell as a whole.
STOPPED = ("KeyboardInterrupt", "CancelledError")


async def unfold(pipeline: Pipeline, reading: Reading, state: State, audience: str, *, force: bool) -> Outcome:
    """Run the actions that are not in the store, in order, and record them as one run of the cell.

    What an action needs of one before it that cannot be brought back is made again by running all of them.
    """
    pipeline.publisher.catch_up()
    first = _Run(pipeline, reading, state, audience, force)
    try:
        return await first.run()
    except StoreError:
        if not first.served:
            raise
    again = _Run(pipeline, reading, state, audience, True)
    again.hushed = first.told
    return await again.run()


class _Run:
    """One cell on its way through its actions."""

    def __init__(self, pipeline: Pipeline, reading: Reading, state: State, audience: str, force: bool) -> None:
        self.pipeline, self.reading, self.state, self.audience, self.force = pipeline, reading, state, audience, force
        self.session, self.cell = pipeline.session, reading.cell
        self.manifests: list[Manifest] = []
        #: Those of them that leave what they wrote to the cells below.
        self.leaving: list[Manifest] = []
        self.faults: dict[str, Fault] = {}
        self.reasons: list[Reason] = []
        self.outputs: Outputs = []
        #: How many of the outputs the client has seen.
        self.replayed = 0
        #: How many actions were begun, how many of them the client has seen, and how many it had seen before this run.
        self.begun, self.told, self.hushed = 0, 0, 0
        self.served, self.ran = 0, 0
        self.why: tuple[Reason, ...] = ()

    async def run(self) -> Outcome:
        """Go through the actions; the first that fails is how the cell fails."""
        steps = expand(self.reading)
        assert steps is not None
        course = Course(self.session.with_order(self.reading, self.state), self.cell.id)
        loop = self.reading.loop
        if loop is not None and loop.start_from is not None and not seed(self.session, self.reading):
            name, place = loop.start_from
            raise StrataError(f"pass {place} of {name!r} is not there to start from: run that cell so far first")
        action = next(steps)
        self.pipeline.listen(self.cell.id, "running", ())
        while True:
            found = await self._next(action, course)
            if isinstance(found, Failed):
                return self._failed(action, found)
            try:
                action = steps.send(found)
            except StopIteration:
                break
        if self.ran:
            self._replay()
        return self._finished({n: s for n, s in course.now.items() if not n.startswith(AFTER)}, course.parts)

    async def _next(self, action: Action, course: Course) -> Manifest | Fault | Failed:
        """Go one action further; how one fails that may is an answer, too."""
        taken = take(self.session, action, course)
        if isinstance(taken, Lost):
            await self.pipeline.resolver.repeat(taken.cell)
            taken = take(self.session, action, course)
        if isinstance(taken, Fault):
            return taken
        at = course.at(action, taken)
        found = await self._one(action, at)
        if isinstance(found, Failed):
            if not action.apart or found.error[0] in STOPPED:
                return found
            text = f"{action.what} {action.place} of {action.total} failed: {': '.join(found.error[:2])}"
            self.reasons.append(Reason("error", text))
            fault = self.faults[action.reading.part] = Fault(*found.error[:2])
            return fault
        self.manifests.append(found)
        if not action.apart:
            self.leaving.append(found)
        course.past(action, at, found)
        return found

    async def _one(self, action: Action, at: State) -> Manifest | Failed:
        """Return the run that stands for an action, from the store or by running it."""
        self.pipeline.progress(self.cell.id, action.place, action.total)
        self.begun += 1
        if not self.force:
            entry = self.session.look_at(action.reading, at)
            if entry.manifest is not None:
                self.served += not self.ran
                self.outputs += outputs_of(entry.manifest, self.pipeline.store)
                return entry.manifest
            self.why = self.why or because(action, entry.reasons)
        self._replay()
        self.told = self.begun - 1
        self.ran += 1
        shown = self.audience if self.audience == "client" and self.begun > self.hushed else "nobody"
        outcome = await self.pipeline.perform(action.reading, at, shown)
        self.told = self.begun
        if isinstance(outcome, Failed):
            return outcome
        self.outputs += outputs_of(outcome.manifest, self.pipeline.store)
        self.replayed = len(self.outputs)
        return outcome.manifest

    def _replay(self) -> None:
        """Show the client what the actions showed that were served."""
        if self.audience == "client":
            self.pipeline.host.replay(self.outputs[self.replayed :])
        self.replayed = len(self.outputs)

    def _failed(self, action: Action, failed: Failed) -> Failed:
        name, text = failed.error[:2]
        reasons = (Reason("error", f"{action.what} {action.place} of {action.total} failed: {name}: {text}"),)
        inner = failed.entry
        after = self.state if self.session.ordered else inner.after
        reach = closure(self.reading.analysis, self.session.with_order(self.reading, self.state))
        entry = Entry(self.reading, self.state, None, after, reasons, (name, text), reach, inner.facts)
        self.session.enter(entry)
        seconds = sum(m.seconds for m in self.manifests) + failed.seconds
        return Failed(entry, failed.error, self.why, seconds)

    def _finished(self, now: State, parts: dict[str, State]) -> Outcome:
        pipeline = self.pipeline
        reach = closure(self.reading.analysis, self.session.with_order(self.reading, self.state))
        manifest = self._record(now)
        after = advance(self.state, manifest, self.cell.id)
        if _versions(after) != _versions(now):
            text = "its passes leave what one record cannot hold"
            manifest = msgspec.structs.replace(manifest, reasons=(*manifest.reasons, Reason("unobserved", text)))
        entry = Entry(self.reading, self.state, manifest, now, manifest.reasons, closure=reach)
        entry.turn, entry.parts, entry.faults = self.session.turn, parts, self.faults
        self.session.enter(entry)
        if manifest.files:
            self.session.settle(f.path for f in manifest.files)
        if not any(r.code in NOT_PUBLISHED for r in manifest.reasons):
            pipeline.publisher.submit(manifest, {})
        if not self.ran and pipeline.resolver.files.restore(now) & {"file:" + f.path for f in manifest.files}:
            raise StoreError("a file that it wrote cannot be put back")
        pipeline.arrive(now)
        if not self.ran:
            return Restored(entry, manifest, self.outputs)
        if self.audience == "cell" and not isinstance(self.cell, Gather):
            pipeline.show(self.cell.id, self.outputs)
        return Completed(entry, manifest, (*self.why, *manifest.reasons))

    def _record(self, now: State) -> Manifest:
        """Return all runs as one: what they read from before the first, and what stands after the last."""
        reads, facts, reasons = self._reads(), *self._facts()
        files: dict[str, FileOutput] = {}
        for manifest in self.manifests:
            for file in manifest.files:
                files.pop(file.path, None)
                files[file.path] = file
        nonces = [m.nonce for m in self.manifests if m.nonce]
        last = self.manifests[-1]
        return Manifest(
            program=self.reading.program,
            key=provenance.key(
                program=self.reading.program, reads={n: d.version for n, d in reads.items()}, facts=facts
            ),
            reads=reads,
            facts=facts,
            units=self._units(now),
            deletes=tuple(sorted(n for n in self.state if not hidden(n) and n not in now)),
            alters=tuple(sorted({lineage for m in self.leaving for lineage in m.alters})),
            files=tuple(files.values()),
            outputs=_joined(self.outputs),
            reasons=(*reasons, *self.reasons),
            effects=tuple(dict.fromkeys(e for m in self.manifests for e in m.effects)),
            nonce=digest("nonces", nonces) if nonces else "",
            result=last.result,
            seconds=sum(m.seconds for m in self.manifests),
            created=time.time(),
            source=self.cell.source,
        )

    def _reads(self) -> dict[str, Dependency]:
        here = self.session.with_order(self.reading, self.state)
        slots = closure(self.reading.analysis, here).slots
        reads = {n: Dependency(s.version, s.unit.content) if s else Dependency("") for n, s in slots.items()}
        made: set[str] = set()
        for manifest in self.manifests:
            for name, dependency in manifest.reads.items():
                stood = here[name].version if name in here else ABSENT
                outside = name.startswith(OBSERVED) or stood == dependency.version
                if outside and name not in reads and name not in made:
                    reads[name] = dependency
            made.update(n for u in manifest.units for n in u.names if hidden(n))
        return reads

    def _facts(self) -> tuple[tuple[Fact, ...], tuple[Reason, ...]]:
        facts: dict[tuple[str, str], Fact] = {}
        reasons = dict.fromkeys(r for m in self.manifests for r in m.reasons)
        written: set[str] = set()
        for manifest in self.manifests:
            for fact in manifest.facts:
                if fact.name in written and fact.kind in ("file", "absent"):
                    continue
                known = facts.setdefault((fact.kind, fact.name), fact)
                if known.digest != fact.digest:
                    reasons[Reason("changed", f"{fact.name} changed between its passes")] = None
            written.update(f.path for f in manifest.files)
        return tuple(facts.values()), tuple(reasons)

    def _units(self, now: State) -> tuple[Unit, ...]:
        """Return what the passes wrote and still stands, in their order; names that do not stand are left out."""
        units: dict[tuple[str, ...], Unit] = {}
        for manifest in self.leaving:
            for unit in manifest.units:
                if unit.names == (VERDICT,):
                    continue
                standing = tuple(n for n in unit.names if n in now and now[n].version == unit.version)
                if unit.artifact is None and unit.names[0].startswith(RESTORABLE):
                    standing = unit.names
                for each in [k for k in units if not set(k).isdisjoint(unit.names)]:
                    del units[each]
                if standing:
                    units[standing] = msgspec.structs.replace(unit, names=standing)
        return tuple(units.values())


def _joined(outputs: Outputs) -> Outputs:
    """Join streams that follow each other, as one run would have shown them."""
    joined: Outputs = []
    for output in outputs:
        last = joined[-1] if joined else None
        streams = output["msg_type"] == "stream" and last is not None and last["msg_type"] == "stream"
        if streams and last is not None and last["content"]["name"] == output["content"]["name"]:
            text = last["content"]["text"] + output["content"]["text"]
            joined[-1] = {**last, "content": {**last["content"], "text": text}}
        else:
            joined.append(output)
    return joined


def _versions(state: State) -> dict[str, str]:
    return {n: s.version for n, s in state.items()}
