"""What a run put into the process can reach when it is called later: cells below may run or change it unnamed."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from strata_kernel.domain.manifest import Chain, Reach, Unit

if TYPE_CHECKING:
    from strata_kernel.engine.capture import Capture


def resident(capture: Capture, chains: Iterable[Chain]) -> Reach:
    """Return what the effects of a run can reach: `chains` are those of its code; others were only seen.

    Handlers, hooks, callbacks and patches hold values and code of the notebook by more than their names.
    """
    units = {n: s.unit for n, s in capture.state.items()} | {n: u for u in capture.units for n in u.names}
    found, pending = set[str](), _given(capture, list(chains))
    mentions, definitions, opaque = set[str](), set[tuple[str, str]](), False
    while pending:
        name = pending.pop()
        unit = units.get(name)
        if name in found or unit is None or not _can_matter(capture, name, unit):
            continue
        found.add(name)
        # A name may come to stand for another value while the one that it stood for stays where it was put.
        pending |= {*unit.reach.names, *unit.reach.mentions} & units.keys()
        mentions |= set(unit.reach.mentions)
        definitions |= set(unit.reach.definitions)
        opaque = opaque or unit.reach.opaque
    names = sorted(found)
    return Reach(tuple(names), tuple(sorted(mentions)), definitions=tuple(sorted(definitions)), opaque=opaque)


def _given(capture: Capture, chains: list[Chain]) -> set[str]:
    """Return the names that the run may have handed over: those in its statements, or all where none can be told."""
    analysis = capture.analysis
    everything = {*analysis.reads, *analysis.stores, *capture.before.closure.slots}
    own = [c for c in chains if c in analysis.effects]
    seen = any(r.code == "effect" for r in capture.seen.reasons)
    if seen or len(own) < len(chains):
        return everything
    named = _named(capture.before.reading.cell.source, own)
    return everything if named is None else named


def _named(source: str, chains: list[Chain]) -> set[str] | None:
    """Return the names in the statements that hold the chains, None when these are not to be found."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found: set[str] = set()
    for chain in chains:
        held = [s for s in body if _start(s) <= chain.line <= (s.end_lineno or s.lineno)]
        if not held:
            return None
        for node in (n for s in held for n in ast.walk(s)):
            if isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(node.name)
    return found


def _start(statement: ast.stmt) -> int:
    decorators = getattr(statement, "decorator_list", ())
    return int(min([statement.lineno, *(d.lineno for d in decorators)]))


def _can_matter(capture: Capture, name: str, unit: Unit) -> bool:
    """Tell whether a value can change, or is code: what is neither comes to nothing in another's hands."""
    if unit.kind in ("module", "hidden"):
        return False
    namespace: Mapping[str, Any] = capture.host.namespace
    if name not in namespace:
        return True
    value = namespace[name]
    return not isinstance(value, types.ModuleType) and (
        unit.kind == "definition" or not capture.values.immutable(value)
    )
