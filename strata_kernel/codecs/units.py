"""Which names share mutable state, and each such unit in its exact stored form."""

from __future__ import annotations

import gc
import pickle
import sys
import types
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from strata_kernel.codecs.content import definition_content, state_of, unit_content
from strata_kernel.codecs.functions import goes_by_reference
from strata_kernel.codecs.held import reachable
from strata_kernel.codecs.immutable import ATOMS, is_immutable, shareable
from strata_kernel.codecs.pickle import UnitPickler, decode, encode, root
from strata_kernel.codecs.reach import Reached
from strata_kernel.codecs.refuse import Refused, live_lists, module_state, process_wide, shown
from strata_kernel.codecs.source import Definitions
from strata_kernel.codecs.summary import summarise
from strata_kernel.codecs.trace import Span, components, guarded
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import Reach, UnitKind
from strata_kernel.domain.state import OPEN_FIGURES
from strata_kernel.errors import CodecError

#: How many objects to walk from a value that cannot be encoded, to find what it shares with others.
_WALKED = 200_000

#: Atoms that the plain pickler encodes without a question.
_PLAIN_ATOMS = ATOMS - {
    types.BuiltinFunctionType, types.CodeType, types.ModuleType, types.MethodType, types.GenericAlias, types.UnionType,
    types.WrapperDescriptorType, types.MethodDescriptorType, types.MemberDescriptorType, types.GetSetDescriptorType,
    types.MethodWrapperType, types.ClassMethodDescriptorType,
}  # fmt: skip


@dataclass
class Group:
    """Names that share mutable state, encoded as one unit; `buffers` still are the live memory.

    Without an exact stored form `reason` says why, `stream` is empty and `content` mostly None. A definition has a
    `content` but no stream: it comes back from its source. `immutable`: nothing in it can be changed.
    """

    names: tuple[str, ...]
    stream: bytes = b""
    buffers: list[memoryview] = field(default_factory=list)
    content: str | None = None
    reach: Reach = field(default_factory=Reach)
    reason: Reason | None = None
    immutable: bool = False
    summary: dict[str, str] = field(default_factory=dict)
    kind: UnitKind = "value"
    lineage: str | None = None


def group(
    values: dict[str, object], definitions: Definitions, held: Callable[[], dict[str, Any]] = dict
) -> list[Group]:
    """Partition the values into units and encode each; never raises for what user code does.

    `held` gives what the process calls or writes to, by the place where it holds it: no value may be a copy of that.
    """
    groups: list[Group] = []
    tries: list[_Try] = []
    known: dict[str, object] = {}
    for name, value in values.items():
        reference = definitions.reference(value)
        if reference is not None:
            known[name] = value
            groups.append(_definition(name, value, reference[1], definitions))
        elif is_immutable(value):
            groups.append(_finish(_Try({name: value}, definitions), definitions, immutable=True))
        else:
            tries.append(_Try({name: value}, definitions))
    tangle = entangled(known, [(a.values, a.objects(definitions)) for a in tries], definitions) if known else set()
    if tangle:
        groups = [g for g in groups if not tangle & set(g.names)]
        caught = {n: v for n, v in values.items() if n in tangle}
        text = f"{', '.join(f'`{n}`' for n in sorted(caught))} share state with a definition"
        attempt = _Try(caught, definitions, Reason("unpicklable", text, name=min(caught)))
        groups.append(_finish(attempt, definitions))
        tries = [a for a in tries if not tangle & a.values.keys()]
    if tries and (owned := module_state() | reachable(held(), definitions)):
        for attempt in tries:
            attempt.refuse_shared(owned, definitions)
    for members in _partition(tries, definitions):
        attempt = members[0]
        if len(members) > 1:
            together = {name: value for member in members for name, value in member.values.items()}
            failed = next((member for member in members if member.reason is not None), None)
            shared = failed.reason if failed is not None and failed.content is not None else None
            attempt = _Try(together, definitions, failed.reason if failed is not None and shared is None else None)
            if shared is not None:
                attempt.refuse(shared)
        groups.append(_finish(attempt, definitions))
    return groups


def fingerprint(values: dict[str, object], definitions: Definitions) -> str | None:
    """Return the content digest of the names encoded as one unit, None when they have no exact form."""
    if len(values) == 1:
        (value,) = values.values()
        if definitions.reference(value) is not None:
            return _definition("", value, "", definitions).content
    attempt = _Try(dict(values), definitions)
    return unit_content(attempt.stream, attempt.buffers) if attempt.reason is None else None


def load(
    names: Iterable[str], stream: bytes | memoryview, buffers: Iterable[memoryview], definitions: Definitions
) -> dict[str, object]:
    """Decode a unit; raise CodecError on anything."""
    try:
        values = decode(stream, buffers, definitions)
        return {name: values[name] for name in names}
    except CodecError:
        raise
    except Exception as error:  # whatever a stored value raises, it does not load
        raise CodecError(f"a stored value does not load: {_told(error)}", code="unloadable") from error


def unchanged(
    values: dict[str, object],
    content: str,
    stream: bytes | memoryview,
    buffers: Iterable[memoryview],
    definitions: Definitions,
) -> bool:
    """Tell whether live values still are what the stored unit holds.

    Some libraries come back equal but written otherwise (attributes in another order, strings no longer one object):
    when the digests differ, a second copy is loaded and the live values are compared with that.
    """
    now = fingerprint(values, definitions)
    if now is None or now == content:
        return now == content
    try:
        return fingerprint(load(values, stream, buffers, definitions), definitions) == now
    except CodecError:
        return False


class _Try:
    """One attempt to encode some names as a unit: the stream, or the reason why there is none."""

    def __init__(self, values: dict[str, Any], definitions: Definitions, reason: Reason | None = None) -> None:
        self.values = values
        self.stream, self.buffers = b"", list[memoryview]()
        self.reason = reason
        #: What is known of the values although they have no stored form.
        self.content: str | None = None
        self.pickler: UnitPickler | None = None
        if reason is not None:
            return
        if all(type(value) in _PLAIN_ATOMS for value in values.values()):
            self.stream = pickle.dumps(root(values), 5)
            return
        try:
            for value in values.values():
                if type(value) in (list, dict) and id(value) in (own := live_lists()):
                    raise Refused(own[id(value)])
            self.pickler = encode(values, definitions)
        except Exception as error:  # user code: whatever it raises is the reason
            names = ", ".join(f"`{name}`" for name in sorted(values))
            self.reason = Reason("unpicklable", f"unpicklable {names}: {_culprit(error, values)}", name=min(values))
            return
        self.stream, self.buffers = self.pickler.out.getvalue(), self.pickler.buffers

    def objects(self, definitions: Definitions) -> dict[int, tuple[int, Any]]:
        """Return what the names reach, by identity."""
        if self.pickler is not None:
            found = self.pickler.objects()
            if self.pickler.trace.owners:
                found = {**found, **{key: (0, owner) for key, owner in self.pickler.trace.owners.items()}}
            return found
        return _walk(list(self.values.values()), definitions) if self.reason is not None else {}

    def refuse_shared(self, owned: dict[int, str], definitions: Definitions) -> None:
        """Give up the stored form where the names share what a module holds and can change: it would be a copy."""
        if self.pickler is not None or OPEN_FIGURES in owned.values():
            shared = self.objects(definitions).keys() & owned.keys()
        else:
            shared = set()
        if shared:
            place = owned[min(shared)]
            names = ", ".join(f"`{name}`" for name in sorted(self.values))
            self.refuse(Reason("module state", f"{names} shares {place}", name=place))

    def refuse(self, reason: Reason) -> None:
        """Give up the stored form, but for its digest."""
        if self.reason is None:
            self.content = unit_content(self.stream, self.buffers)
            self.reason, self.stream, self.buffers = reason, b"", []

    @property
    def spans(self) -> list[Span]:
        """Return the memory that its arrays show."""
        return self.pickler.trace.spans if self.pickler is not None else []

    @property
    def inside(self) -> set[int]:
        """Return the extension arrays that are met inside frames only."""
        return self.pickler.trace.inside if self.pickler is not None else set()


def _finish(attempt: _Try, definitions: Definitions, immutable: bool = False) -> Group:
    names = tuple(sorted(attempt.values))
    size = len(attempt.stream) + sum(view.nbytes for view in attempt.buffers)
    summary = {name: summarise(attempt.values[name], size if len(names) == 1 else None) for name in names}
    if attempt.reason is not None:
        reach = _reach(list(attempt.values.values()), definitions)
        return Group(names, content=attempt.content, reason=attempt.reason, summary=summary, reach=reach)
    return Group(
        names,
        attempt.stream,
        attempt.buffers,
        unit_content(attempt.stream, attempt.buffers),
        attempt.pickler.trace.reach.frozen() if attempt.pickler is not None else Reach(),
        immutable=immutable,
        summary=summary,
        kind="module" if all(isinstance(value, types.ModuleType) for value in attempt.values.values()) else "value",
    )


def _definition(name: str, value: object, lineage: str, definitions: Definitions) -> Group:
    content, reach = definition_content(value, definitions)
    known = definitions.reference(value)
    if known is not None:
        reach.definitions.add(known)
    summary = {name: summarise(value, None)}
    return Group((name,), content=content, reach=reach.frozen(), kind="definition", lineage=lineage, summary=summary)


def _partition(tries: list[_Try], definitions: Definitions) -> list[list[_Try]]:
    """Put together the names that share an object that can change, or memory."""
    if len(tries) < 2:
        return [[attempt] for attempt in tries]
    leader = list(range(len(tries)))

    def find(item: int) -> int:
        while leader[item] != item:
            leader[item] = item = leader[leader[item]]
        return item

    tries = sorted(tries, key=lambda attempt: len(attempt.stream))  # the largest is only looked up in, never copied
    seen: dict[int, int] = {}
    extensions: dict[int, list[tuple[int, bool]]] = {}
    ndarray = getattr(sys.modules.get("numpy"), "ndarray", None)
    for position, attempt in enumerate(tries):
        objects = attempt.objects(definitions)
        for key in objects.keys() & seen.keys():
            value = objects[key][1]
            if type(value) is ndarray or shareable(value) or _by_reference(value, definitions):
                continue  # arrays are told by their memory: frames may share them harmlessly
            extensions.setdefault(key, [(seen[key], key in tries[seen[key]].inside)])
            extensions[key].append((position, key in attempt.inside))
        if position + 1 < len(tries):
            seen.update(dict.fromkeys(objects.keys() - seen.keys(), position))
    for holders in extensions.values():
        if not all(inside for _, inside in holders):
            for position, _ in holders:
                leader[find(position)] = find(holders[0][0])
    spans = [(span, position) for position, attempt in enumerate(tries) for span in attempt.spans]
    for overlapping in components(spans):
        if not guarded(span for span, _ in overlapping):
            for _, position in overlapping:
                leader[find(position)] = find(overlapping[0][1])
    found: dict[int, list[_Try]] = {}
    for position, attempt in enumerate(tries):
        found.setdefault(find(position), []).append(attempt)
    return list(found.values())


def entangled(
    known: dict[str, object], others: list[tuple[dict[str, Any], dict[int, Any]]], definitions: Definitions
) -> set[str]:
    """Return the definitions and names that share mutable state, such as a list that is also a default argument.

    They are put into one unit however many separate tangles there are: it is coarse, but it is rare.
    """
    found: set[str] = set()
    # With the parts themselves: an identity must not come to mean another object while they are compared.
    seen: dict[int, tuple[str, Any]] = {}
    for name, value in known.items():
        for key, (_, part) in _walk(state_of(value), definitions).items():
            if shareable(part) or _by_reference(part, definitions):
                continue
            if key in seen:
                found |= {name, seen[key][0]}
            seen[key] = name, part
    for values, objects in others if seen else ():
        for key in objects.keys() & seen.keys():
            found |= {*values, seen[key][0]}
    return found


def _by_reference(value: object, definitions: Definitions) -> bool:
    """Tell that the object is a definition or a global of a module, found again rather than stored."""
    if definitions.reference(value) is not None:
        return True
    if not isinstance(value, types.FunctionType):
        return id(value) in process_wide()
    return goes_by_reference(value, definitions)


def _walk(roots: list[Any], definitions: Definitions) -> dict[int, tuple[int, Any]]:
    """Return what the garbage collector sees from the roots, short of modules, classes and global namespaces."""
    found: dict[int, tuple[int, Any]] = {}
    pending = roots
    while pending and len(found) < _WALKED:
        fresh = []
        for value in map(_behind, pending):
            if id(value) in found or isinstance(value, (type, types.ModuleType)) or value is definitions.namespace:
                continue
            if (type(value) is dict and "__builtins__" in value) or definitions.reference(value) is not None:
                continue
            found[id(value)] = (0, value)
            if not isinstance(value, types.FunctionType):
                fresh.append(value)
            else:
                fresh.extend(value.__closure__ or ())
        # Nobody holds on to an object through a weak reference, but who follows one sees what others do to it.
        weak = (value() for value in fresh if isinstance(value, weakref.ReferenceType))
        pending = [*gc.get_referents(*fresh), *weak]
    return found


def _behind(value: Any) -> Any:
    """Return what a weak proxy stands for, None once it is gone; any other object as it is."""
    if type(value) not in weakref.ProxyTypes:
        return value
    try:
        return value.__sizeof__.__self__
    except (ReferenceError, AttributeError):
        return None


def _reach(roots: list[Any], definitions: Definitions) -> Reach:
    """Return what code in values that have no stored form can touch, as the garbage collector shows them."""
    reach, seen, pending = Reached(), set[int](), roots
    while pending:
        fresh = []
        for value in map(_behind, pending):
            if id(value) in seen or isinstance(value, types.ModuleType) or value is definitions.namespace:
                continue
            seen.add(id(value))
            known = definitions.reference(value) or definitions.reference(type(value))
            if known is not None:
                reach.definitions.add(known)
            if definitions.reference(value) is not None or (type(value) is dict and "__builtins__" in value):
                continue
            code = None
            if isinstance(value, types.GeneratorType):
                code = value.gi_code
            elif isinstance(value, types.CoroutineType):
                code = value.cr_code
            elif isinstance(value, types.AsyncGeneratorType):
                code = value.ag_code
            elif isinstance(value, types.FunctionType):
                if value.__globals__ is not definitions.namespace:
                    continue
                code = value.__code__
            if isinstance(code, types.CodeType):
                reach.code(code)
            if not isinstance(value, type) or value.__module__ == "__main__":
                fresh.append(value)
        if len(seen) > _WALKED:
            return msgspec.structs.replace(reach.frozen(), opaque=True)
        pending = gc.get_referents(*fresh)
    return reach.frozen()


def _culprit(error: Exception, values: dict[str, Any]) -> str:
    if isinstance(error, CodecError):
        return str(error)
    if isinstance(error, RecursionError):
        return "nested too deeply"
    kinds = ", ".join(sorted({shown(type(value)) for value in values.values()}))
    return f"{kinds} ({_told(error)})"


def _told(error: Exception) -> str:
    try:
        text = " ".join(str(error).split())[:200]
    except Exception:  # an exception's own text may raise
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


__all__ = ["Group", "fingerprint", "group", "is_immutable", "load", "unchanged"]
