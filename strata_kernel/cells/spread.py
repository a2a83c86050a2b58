"""Cells that are run once on each of several lanes, and those that gather what other cells made side by side."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

import msgspec

from strata_kernel.cells.kind import Identity, Path, Policy, Reading, Taken
from strata_kernel.cells.kind import Spread as Plan
from strata_kernel.domain import provenance
from strata_kernel.domain.analyse import analyse
from strata_kernel.domain.analysis import Analysis, Import
from strata_kernel.domain.cell import Cell, Gather, Lane, Spread
from strata_kernel.domain.digest import digest
from strata_kernel.domain.directives import parse

#: Holds what was taken from the lanes so far, by lane and name; IPython takes names like this for its own.
GATHERED = "__gathered__"

Read = Callable[[Cell], Reading]


def spread(cell: Spread, read: Read, identity: Identity) -> Reading:
    """Read a cell that runs on every lane, or that gathers others; never raises."""
    return _gathered(cell, read, identity) if isinstance(cell, Gather) else _fanned(cell, read(cell), identity)


def lane_part(name: str) -> str:
    """Return what the run of a cell on one lane is called."""
    return f"lane {name}"


def _gathered(cell: Gather, read: Read, identity: Identity) -> Reading:
    members = [read(member) for member in cell.members]
    analyses = [m.analysis for m in members]
    paths, bound = [], _bound(analyses)
    for lane, member in zip(cell.lanes, members, strict=True):
        # What only others bind is on this lane what it was above.
        unsure = _unsure(member.analysis) | (bound - _bound([member.analysis]))
        taken = (Taken(member.cell.id, names=bound),)
        paths.append(Path(lane.name, taken, bound, unsure, _imports(member.analysis)))
    plan = _plan(tuple(paths), None, analyses, tuple(m.cell.id for m in members))
    return Reading(
        cell=cell,
        analysis=_analysis(plan, analyses),
        program=_program(plan, identity),
        policy=Policy(),
        directives=parse(cell.source),
        kind="gather",
        spread=plan,
    )


def _fanned(cell: Spread, body: Reading, identity: Identity) -> Reading:
    if body.analysis.error is not None or body.loop is not None:
        return body
    bound, unsure = _bound([body.analysis]), _unsure(body.analysis)
    imports = _imports(body.analysis)
    paths = tuple(Path(lane.name, _sources(lane), bound, unsure, imports) for lane in cell.lanes)
    plan = _plan(paths, msgspec.structs.replace(body, portable=False), [body.analysis])
    return msgspec.structs.replace(
        body,
        program=provenance.part(program=body.program, part=_program(plan, identity)),
        portable=False,
        spread=plan,
    )


def _sources(lane: Lane) -> tuple[Taken, ...]:
    member, place, *fans = lane.cells
    return (Taken(member, instead=place), *(Taken(fan, part=lane_part(lane.name), instead=fan) for fan in fans))


def _bound(analyses: Iterable[Analysis]) -> frozenset[str]:
    return frozenset(n for a in analyses for n in a.stores - a.imports.keys() if ":" not in n)


def _unsure(analysis: Analysis) -> frozenset[str]:
    return analysis.unsure | analysis.deletes


def _plan(paths: tuple[Path, ...], body: Reading | None, analyses: list[Analysis], after: tuple[str, ...] = ()) -> Plan:
    names = sorted(_bound(analyses))
    lines = [f"{n} = {{k: v[{n!r}] for k, v in {GATHERED}.items() if {n!r} in v}}" for n in names]
    return Plan(paths, body, "\n".join(lines), frozenset(names), after)


def _imports(analysis: Analysis) -> tuple[str, ...]:
    return tuple(_statement(found) for found in analysis.imports.values())


def ending(plan: Plan, failed: Container[str] = ()) -> str:
    """Return the statements that bind in the end what stands on the lanes, and what those import that did not fail."""
    imports = dict.fromkeys(line for path in plan.paths if path.name not in failed for line in path.imports)
    return "\n".join([plan.source, *imports, f"del {GATHERED}"])


def _statement(found: Import) -> str:
    if found.attribute is not None:
        return f"from {found.module} import {found.attribute} as {found.name}"
    return f"import {found.module}" + (f" as {found.name}" if found.name != found.module else "")


def taking(path: Path, *, first: bool) -> str:
    """Return the statements that put what stands on a lane beside what was taken from others."""
    lines = [f"{GATHERED} = {{}}"] if first else []
    sure, unsure = sorted(path.names - path.unsure), sorted(path.names & path.unsure)
    lines.append(f"{GATHERED} = {{**{GATHERED}, {path.name!r}: {{{', '.join(f'{n!r}: {n}' for n in sure)}}}}}")
    lines += [f"try: {GATHERED}[{path.name!r}][{n!r}] = {n}\nexcept NameError: pass" for n in unsure]
    return "\n".join(lines)


def failing(path: Path, names: Iterable[str], text: str, *, first: bool) -> str:
    """Return the statements that put an error in the place of what a lane should have made."""
    errors = ", ".join(f"{n!r}: RuntimeError({text!r})" for n in sorted(names))
    lines = [f"{GATHERED} = {{}}"] if first else []
    return "\n".join([*lines, f"{GATHERED} = {{**{GATHERED}, {path.name!r}: {{{errors}}}}}"])


def step(whole: Reading, source: str) -> Reading:
    """Read statements of ours as a part of a cell."""
    analysis = analyse(source)
    return msgspec.structs.replace(
        whole,
        analysis=analysis,
        program=digest("step", whole.program, analysis.code),
        kind="python",
        part="step",
        source=source,
        deps=(),
        loop=None,
        spread=None,
    )


def _analysis(plan: Plan, analyses: list[Analysis]) -> Analysis:
    imports = {i.name: i for a in analyses for i in a.imports.values()}
    return Analysis(
        code=digest("gather", ending(plan), [taking(p, first=False) for p in plan.paths]),
        stores=plan.names | imports.keys(),
        imports=imports,
        modules=frozenset(m for a in analyses for m in a.modules if imports),
        labels=tuple(sorted(plan.names)),
    )


def _program(plan: Plan, identity: Identity) -> str:
    return provenance.program(
        code=digest("spread", ending(plan), [taking(p, first=False) for p in plan.paths]),
        directives={p.name: repr([(t.cell, t.part, t.instead) for t in p.taken]) for p in plan.paths},
        python=identity.python,
        worker="",
    )
