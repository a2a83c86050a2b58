"""Turns what a run left in the process into a manifest: units, their versions, deletions, files, effects."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from strata_kernel.domain import provenance
from strata_kernel.domain.analysis import Definition
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import (
    DECORATES,
    Artifact,
    Chain,
    Dependency,
    Fact,
    FileOutput,
    Manifest,
    Reach,
    Unit,
)
from strata_kernel.domain.state import BUILTIN, FIGURES, LAST_RESULT, OPEN_FIGURES, SUBMODULE, holders, referring
from strata_kernel.engine.altered import altered, out_of_reach
from strata_kernel.engine.apart import key_of, own_lineage
from strata_kernel.engine.before import Before, undoable
from strata_kernel.engine.changes import Made, left_behind, outdated, reloads
from strata_kernel.engine.effects import lasting
from strata_kernel.engine.lookup import FRESH
from strata_kernel.engine.resident import resident
from strata_kernel.engine.restore import Source, of_state
from strata_kernel.engine.twins import as_other, first, role, same_inputs, same_results, with_nonce
from strata_kernel.ports import Group, Host, Observed, Patch, Ran, Values

UNDETERMINED = frozenset({"clock", "entropy", "introspection", "network", "random", "subprocess", "threads", "live"})


class Captured(msgspec.Struct):
    """The record of a run and, by index into its units, the groups whose values are to be saved."""

    manifest: Manifest
    groups: dict[int, Group]
    patches: list[Patch | None]
    outputs: list[dict[str, Any]]
    #: Definitions, by name and lineage, for which another object stood before the run.
    replaced: frozenset[tuple[str, str]] = frozenset()
    #: Definitions that the run changed where they stood.
    altered: frozenset[tuple[str, str]] = frozenset()
    #: Whether all that the run did to the process was done to the user's own modules; None when nothing was.
    reloads: bool | None = None


class Capture:
    """One run being captured."""

    def __init__(self, before: Before, ran: Ran, seen: Observed, made: Made, host: Host, values: Values) -> None:
        self.before, self.ran, self.seen, self.made, self.host, self.values = before, ran, seen, made, host, values
        self.analysis, self.state = before.reading.analysis, before.state
        self.left = host.names()
        self.reasons = self._reasons()
        self.altered = altered(before.definitions, values)
        #: The variables that change with them.
        self.changing = referring((lineage for _, lineage in self.altered), self.state) | self._drawn_on()
        self.reads = self._reads()
        self.key = provenance.key(
            program=before.reading.program,
            reads={n: d.version for n, d in self.reads.items()},
            facts=seen.facts,
        )
        self.nonce = ""
        self.units: list[Unit] = []
        self.groups: dict[int, Group] = {}
        self.replaced: set[tuple[str, str]] = set()
        #: How many definitions of the text of the run's own stand above it.
        self.above = 0

    def _reasons(self) -> tuple[Reason, ...]:
        always = (*self.analysis.always, *self.before.closure.always)
        found = {(r.code, r.text): r for r in (*self.analysis.frozen, *always, *self.seen.reasons)}
        if self.ran.live:
            found["live", ""] = Reason("live", "opens a connection to the page (widgets)")
        for name in self.host.given & self.before.closure.slots.keys() - self.state.keys():
            found["introspection", name] = Reason("introspection", f"`{name}` was bound before all cells", name=name)
        for unit in self.seen.drawn:
            if unit not in self.state:
                found["random", unit] = Reason("random", f"unseeded random numbers ({unit.removeprefix('rng:')})")
        return tuple(found.values())

    def _drawn_on(self) -> frozenset[str]:
        """Return the variables that share a figure with pyplot, which the run worked on there."""
        if all(r.name != FIGURES for r in self.seen.reasons if r.code == "introspection"):
            return frozenset()
        shared = {n: s.unit.reason for n, s in self.state.items() if s.unit.reason is not None}
        return frozenset(n for n, reason in shared.items() if reason.name == OPEN_FIGURES)

    def _reads(self) -> dict[str, Dependency]:
        reads = {}
        for name, slot in (*self.before.closure.slots.items(), *((n, self.state[n]) for n in self.changing)):
            reads[name] = Dependency(slot.version, slot.unit.content) if slot else Dependency("")
        for unit in self.seen.drawn:
            slot = self.state.get(unit)
            reads[unit] = Dependency(slot.version, slot.unit.content) if slot else Dependency(FRESH)
        return reads

    def collect(self) -> tuple[list[Unit], dict[int, Group]]:
        """Find the units that the run wrote; versions carry no nonce yet."""
        written = self._written()
        rest = dict(written)
        imports = {n: v for n, v in written.items() if self._imported(n, v)}
        for name in imports:
            self.units.append(self._import_unit(name))
            del rest[name]
        for name, definition in sorted(self.analysis.definitions.items(), key=lambda d: d[1].line):
            if name in rest and self._defined(name, rest[name]):
                self._definition_unit(definition, rest, written)
        self._value_units(rest)
        taken = {*self.before.present, *self.left, *self.deletes()}
        self.units += out_of_reach({n: self.state[n] for n in sorted(self.changing - taken)}, self.key)
        self.units += left_behind(self.before, self.host, self.key, {n for u in self.units for n in u.names})
        self._hidden_units()
        return self.units, self.groups

    def _written(self) -> dict[str, Any]:
        """Return the names that the run bound, and those that change with a definition, with their values."""
        namespace, before = self.host.namespace, self.before
        certain = (self.analysis.stores - self.analysis.unsure) | self.changing
        return {
            n: namespace[n]
            for n in self.left
            if n in certain or n not in before.bound or namespace[n] is not before.bound[n]
        }

    def deletes(self) -> tuple[str, ...]:
        """Return the names that stood before and are gone."""
        here = set(self.left)
        gone = self.before.present - here
        # A name that stood only virtually is gone when the run could not have left it alone.
        certain = self.analysis.stores - self.analysis.unsure
        gone |= {n for n in self.analysis.deletes | certain if n in self.state and n not in here}
        return tuple(sorted(gone))

    def _imported(self, name: str, value: Any) -> bool:
        found = self.analysis.imports.get(name)
        if found is None:
            return False
        if isinstance(value, types.ModuleType):
            return True
        module = getattr(value, "__module__", None)
        return isinstance(value, type | types.FunctionType | types.BuiltinFunctionType) and module != "__main__"

    def _import_unit(self, name: str) -> Unit:
        found = self.analysis.imports[name]
        root = found.module.partition(".")[0]
        facts = facts_of(root, self.seen.facts)
        version = provenance.imported(module=found.module, attribute=found.attribute, facts=facts)
        inline = msgspec.json.encode({"module": found.module, "attribute": found.attribute, "name": name})
        if found.attribute is None:
            self._submodule_units(found.module, version)
        summary = {name: found.module + ("." + found.attribute if found.attribute else "")}
        if found.attribute is not None and outdated(self.host, found.module, found.attribute, name):
            return Unit((name,), provenance.version(key=self.key, names=[name]), "module", summary=summary)
        return Unit((name,), version, "module", artifact=Artifact("import", inline=inline), summary=summary)

    def _submodule_units(self, package: str, version: str) -> None:
        for module in sorted(self.analysis.modules):
            name = SUBMODULE + module
            if module.startswith(package + ".") and all(name not in u.names for u in self.units):
                self.units.append(Unit((name,), digest(version, module), "hidden"))

    def _defined(self, name: str, value: Any) -> bool:
        own = getattr(value, "__module__", None) == "__main__" and getattr(value, "__qualname__", None) == name
        return own and isinstance(value, type | types.FunctionType)

    def _definition_unit(self, definition: Definition, rest: dict[str, Any], written: dict[str, Any]) -> None:
        name = definition.name
        done = {n: u for u in self.units for n in u.names}
        evaluates: dict[str, str] | None = {}
        for each in definition.evaluates:
            if each in written:
                unit = done.get(each)
                evaluates = None if unit is None or evaluates is None else {**evaluates, each: unit.version}
            elif (slot := self.state.get(each)) is not None and evaluates is not None:
                evaluates[each] = slot.version
            elif each not in BUILTIN and evaluates is not None:
                evaluates[each] = ""
        artifact, version = None, provenance.version(key=self.key, names=[name])
        lineage = version
        if evaluates is not None:
            lineage = provenance.defined(code=definition.digest, evaluates=evaluates)
            lineage, above = own_lineage(name, lineage, self.key, self.state, written)
            self.above = max(self.above, above)
            source = Source(definition.source, definition.line, {n: v for n, v in evaluates.items() if v})
            # Its statement makes it as it was then: not with what the rest of the cell did to it.
            if not self.made.changed(name, rest[name]):
                artifact, version = Artifact("source", inline=msgspec.json.encode(source)), lineage
        register(self, rest[name], name, lineage)
        groups = self.values.group({name: rest.pop(name)})
        reach = Reach(
            names=tuple(sorted(definition.free | definition.evaluates)),
            mentions=tuple(sorted(definition.mentions)),
            effects=definition.effects,
            definitions=tuple(d for g in groups for d in g.reach.definitions if d != (name, lineage)),
            opaque=definition.opaque,
            modules=tuple(sorted(definition.modules)),
        )
        content = groups[0].content if groups else None
        self.units.append(
            Unit((name,), version, "definition", content, artifact, None, reach, lineage, groups[0].summary)
        )

    def _value_units(self, rest: dict[str, Any]) -> None:
        namespace = self.host.namespace
        reached = {n for names in self.before.reference for n in names if n in namespace and n not in rest}
        for name in [n for n, v in rest.items() if isinstance(v, types.ModuleType)]:
            self.units.append(module_unit(self.key, name, rest.pop(name)))
        for name, value in rest.items():
            # A class that is no statement of its own still is referred to, never copied.
            own = isinstance(value, type) and getattr(value, "__module__", None) == "__main__"
            if own and self.values.lineage(value) is None:
                register(self, value, name, provenance.version(key=self.key, names=[name]))
        # Definitions of this run take part, for what they share with values.
        made = {u.names for u in self.units if u.kind == "definition"}
        values = {n: namespace[n] for n in (*rest, *reached, *(n for names in made for n in names)) if n in namespace}
        installed = {f"`{p.name}`": p.standing() for p in undoable(self.before, self.seen) if p is not None}
        for group in self.values.group(values, installed):
            if group.names in made or self._untouched(group, set(rest)):
                continue
            self._drop_definitions(set(group.names))
            if group.stream or group.reason is not None:
                self.groups[len(self.units)] = group
            self.units.append(self._value_unit(group))

    def _drop_definitions(self, names: set[str]) -> None:
        """Take out definitions that turned out to share state with what is captured now."""
        if any(u.kind == "definition" and names & set(u.names) for u in self.units):
            self.units = [u for u in self.units if u.kind != "definition" or not names & set(u.names)]
            self.groups = {}

    def _value_unit(self, group: Group) -> Unit:
        version = provenance.version(key=self.key, names=group.names)
        lineages = [x for x in (self.values.lineage(self.host.namespace[n]) for n in group.names) if x]
        return Unit(
            group.names,
            version,
            "value",
            group.content,
            None,
            group.reason,
            self._with_definitions(group.reach),
            lineages[0] if len(lineages) == 1 else None,
            summary=group.summary,
        )

    def _with_definitions(self, reach: Reach) -> Reach:
        """Add what the definitions that a value refers to can reach: they may be redefined while the value lives on."""
        names, mentions, effects, opaque = set(reach.names), set(reach.mentions), list(reach.effects), reach.opaque
        definitions, modules = set(reach.definitions), set(reach.modules)
        mine = {(n, u.lineage): u for u in self.units for n in u.names}
        for name, lineage in reach.definitions:
            unit = mine.get((name, lineage))
            if unit is None:
                unit = next((self.state[n].unit for n in holders(name, lineage, self.state)), None)
            if unit is not None:
                names |= set(unit.reach.names)
                mentions |= set(unit.reach.mentions)
                effects += unit.reach.effects
                definitions |= set(unit.reach.definitions)
                opaque = opaque or unit.reach.opaque
                modules |= set(unit.reach.modules)
        found = tuple(sorted(names)), tuple(sorted(mentions)), tuple(dict.fromkeys(effects))
        return Reach(*found, tuple(sorted(definitions)), opaque, tuple(sorted(modules)))

    def _untouched(self, group: Group, written: set[str]) -> bool:
        if written & set(group.names):
            return False
        found = self.before.reference.get(group.names)
        return found is not None and found[1] is not None and found[1] == group.content

    def _hidden_units(self) -> None:
        for name, state in sorted(self.seen.hidden.items()):
            unit = of_state(name, state)
            if name.startswith("rng:"):
                version = provenance.version(key=self.key, names=[name])
                unit = msgspec.structs.replace(unit, version=version)
            self.units.append(unit)
        if self.effects():
            # Named by the key: the cell's own earlier versions are other effects.
            name = "effect:" + self.key[:16]
            version, reach = provenance.version(key=self.key, names=[name]), resident(self, self._lasting())
            self.units.append(Unit((name,), version, "hidden", reach=reach))
        if self.ran.result:
            version = provenance.version(key=self.key, names=[LAST_RESULT])
            self.units.append(Unit((LAST_RESULT,), version, "hidden"))

    def _lasting(self) -> list[Chain]:
        """Return the calls and stores in reach that may change the process."""
        found = []
        roots = {n: u for u in self.units if u.kind == "module" for n in u.names}
        for chain in self.before.closure.effects:
            slot = self.before.closure.slots.get(chain.root)
            unit = roots.get(chain.root) or (slot.unit if slot else None)
            if lasting(chain, unit):
                found.append(chain)
        return found

    def effects(self) -> tuple[str, ...]:
        """Return what the run may have done to the process that cannot simply be set again, in words."""
        found = [r.text for r in self.seen.reasons if r.code == "effect"]
        found += map(_written, self._lasting())
        stores = self.analysis.stores
        for unit in self.units:
            if unit.reason is not None and unit.reason.code == "module state" and not stores.issuperset(unit.names):
                found.append(f"changes what {unit.reason.name} may share with its names")
        return tuple(dict.fromkeys(found))


def module_unit(key: str, name: str, value: types.ModuleType) -> Unit:
    """Return the unit of a module that came into the name by more than a plain import."""
    record = {"module": value.__name__, "attribute": None, "name": name}
    artifact = Artifact("import", inline=msgspec.json.encode(record))
    version = provenance.version(key=key, names=[name])
    return Unit((name,), version, "module", artifact=artifact, summary={name: value.__name__})


def register(capture: Capture, value: Any, name: str, lineage: str) -> None:
    """Make a definition of the run known, and note when another object stood for it."""
    former = capture.values.live(name, lineage)
    if former is not None and former is not value:
        capture.replaced.add((name, lineage))
    capture.values.register(value, name, lineage)


def _written(chain: Chain) -> str:
    return f"{chain.root}.{chain.path}".rstrip(DECORATES).rstrip(".") + f" at line {chain.line}"


def facts_of(root: str, facts: Iterable[Fact]) -> list[Fact]:
    """Return the facts behind one top-level module among those of a run."""
    mine = [f for f in facts if f.kind == "module" and f.package == root]
    return mine or [f for f in facts if f.kind == "dist"]


def finish(
    capture: Capture,
    files: tuple[FileOutput, ...],
    recorded: Callable[[str], Manifest | None],
    beside: Callable[[Iterable[Reason]], int],
    nonce: str,
) -> Captured:
    """Settle the versions: an equal earlier run under the same key keeps its own, a different one gets a nonce.

    `recorded` finds the run that is recorded under a key, `beside` how many answers of other cells stand above.
    """
    units, groups = capture.collect()
    key = key_of(capture.key, max(capture.above, beside(capture.reasons)))
    facts = capture.seen.facts
    # Another run of the same key may give something else.
    undetermined = any(r.code in UNDETERMINED for r in capture.reasons)
    twin = recorded(key)
    repeated = (
        twin is not None
        and same_results(units, twin.units, undetermined=undetermined)
        and (key == twin.key or same_inputs(twin, capture.reads, facts))
    )
    if twin is not None and repeated:
        # Facts about libraries depend on who imports them first in a process: the run that is repeated keeps its own.
        key, facts = twin.key, twin.facts
        theirs = {role(u): u for u in twin.units}
        units = [as_other(u, theirs[role(u)]) if role(u) in theirs else u for u in units]
        units += [u for u in twin.units if first(u) and u not in units]
        groups = {i: g for i, g in groups.items() if units[i].artifact is None}
        nonce = twin.nonce
    elif twin is not None or undetermined:
        units = [with_nonce(u, key, nonce) for u in units]
    else:
        nonce = ""
        units = [with_nonce(u, key, nonce) for u in units] if capture.above else units
    manifest = Manifest(
        program=capture.before.reading.program,
        key=key,
        reads=capture.reads,
        facts=facts,
        units=tuple(units),
        deletes=capture.deletes(),
        alters=tuple(sorted({lineage for _, lineage in capture.altered})),
        files=files,
        outputs=capture.ran.outputs,
        reasons=capture.reasons,
        effects=capture.effects(),
        nonce=nonce,
        result=capture.ran.result,
        seconds=capture.ran.seconds,
        source=capture.before.reading.cell.source,
    )
    safe = reloads(capture.before, capture.seen, units, capture.host)
    patches, replaced = undoable(capture.before, capture.seen), frozenset(capture.replaced)
    return Captured(manifest, groups, patches, capture.ran.outputs, replaced, capture.altered, safe)
