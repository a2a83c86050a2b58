"""Looks a run up: equal versions first, then equal contents, then everything else that the run saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from strata_kernel.cells.kind import Policy
from strata_kernel.domain import fingerprints
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import BESIDE, FOLDER, Dependency, Fact, FileOutput, Manifest
from strata_kernel.domain.state import ABSENT, OBSERVED, Closure, State, in_words, referring
from strata_kernel.ports import Blobs, World

#: A generator's state before anything seeded it: entropy, so a draw from it is not determined.
FRESH = "fresh"
#: Reasons for which a run is not even recorded: its inputs are not what the key says, or a part of it failed.
NOT_PUBLISHED = frozenset({"changed", "tainted", "error"})
#: Reasons for which a run may be published, so that its versions are known, but never served.
NEVER_SERVED = frozenset({"subprocess", "unobserved", "threads", "introspection", "always", "live", "input"})


class Hit(msgspec.Struct, frozen=True):
    """An entry that stands for the run; `stage` is direct or content."""

    manifest: Manifest
    stage: str


class Miss(msgspec.Struct, frozen=True):
    """No entry stands for the run, for these reasons."""

    reasons: tuple[Reason, ...]


class Moment:
    """The world while nothing runs: facts that many cells share are verified once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._held: dict[Fact, bool] = {}
        world.look_anew()

    def holds(self, fact: Fact) -> bool:
        """Tell whether the fact holds, as it did when it was first asked for."""
        held = self._held.get(fact)
        if held is None:
            held = self._held[fact] = self._world.holds(fact)
        return held


def find(
    entries: list[Manifest], closure: Closure, state: State, world: Moment, policy: Policy, now: float
) -> Hit | Miss:
    """Return the newest entry whose dependencies are in place or equal, else what the closest one lacks."""
    if policy.name == "off":
        return Miss((Reason("bypass", "`@cache off`"),))
    nearest: tuple[Reason, ...] | None = None
    for manifest in entries:
        reasons, stage = differences(manifest, closure, state)
        reasons += refusals(manifest, policy, now)
        if not reasons and policy.name != "forever":
            reasons = broken_facts(manifest, state, world)
        if not reasons:
            return Hit(manifest, stage)
        if nearest is None or len(reasons) < len(nearest):
            nearest = tuple(reasons)
    return Miss(nearest or (Reason("new", "never run with this code"),))


def quotes(manifest: Manifest, source: str) -> bool:
    """Tell whether the run showed a line of its source, as warnings do, that is written differently in this one."""
    if manifest.source == source or not isinstance(manifest.outputs, list):
        return False
    now = {line.strip() for line in source.splitlines()}
    gone = {line.strip() for line in manifest.source.splitlines()} - now - {""}
    shown = {line.strip() for o in manifest.outputs for text in _texts(o["content"]) for line in text.splitlines()}
    return not gone.isdisjoint(shown)


def _texts(shown: Any) -> Iterator[str]:
    """Yield every text in the content of a message, however deep."""
    if isinstance(shown, str):
        yield shown
    elif isinstance(shown, dict | list):
        for each in shown.values() if isinstance(shown, dict) else shown:
            yield from _texts(each)


def refusals(manifest: Manifest, policy: Policy, now: float) -> list[Reason]:
    """Return why the policy or the entry's own nature forbids serving it."""
    if policy.ttl is not None and now - manifest.created > policy.ttl:
        return [Reason("expired", "older than its ttl")]
    if policy.name in ("frozen", "forever", "ttl"):
        return []
    return [r for r in manifest.reasons if r.code in NEVER_SERVED]


def differences(manifest: Manifest, closure: Closure, state: State) -> tuple[list[Reason], str]:
    """Return how what a run depended on differs from the state, and whether versions or contents are equal."""
    stage = "direct"
    reasons: list[Reason] = []
    static = {n for n in manifest.reads if not n.startswith(OBSERVED)}
    expected = closure.slots.keys() | referring(manifest.alters, state)
    for name in expected - static:
        reasons.append(Reason("input", f"{in_words(name)} is new among its inputs", name=name))
    for name, wanted in manifest.reads.items():
        if name not in expected and not name.startswith(OBSERVED):
            reasons.append(Reason("input", f"{in_words(name)} is no longer among its inputs", name=name))
            continue
        verdict = _compare(name, wanted, state)
        if verdict == "differs":
            slot = state.get(name)
            where = slot.by if slot else None
            text = f"{in_words(name)} changed" if slot else f"{in_words(name)} is gone"
            reasons.append(Reason("input", text, cell=where, name=name))
        elif verdict == "content":
            stage = "content"
    return reasons, stage


def _compare(name: str, wanted: Dependency, state: State) -> str:
    slot = state.get(name)
    if slot is None:
        here = FRESH if name.startswith(OBSERVED) else ABSENT
        return "direct" if wanted.version == here else "differs"
    same_content = wanted.content is not None and wanted.content == slot.unit.content
    if slot.version == wanted.version:
        # The same provenance with other content: an undetermined run whose record was collected in between.
        known = wanted.content is not None and slot.unit.content is not None
        return "direct" if same_content or not known else "differs"
    return "content" if same_content else "differs"


def broken_facts(manifest: Manifest, state: State, world: Moment) -> list[Reason]:
    """Return in words which of the recorded facts do not hold."""
    return [Reason(fact.kind, _say(fact), name=fact.name) for fact in broken(manifest, state, world)]


def broken(manifest: Manifest, state: State, world: Moment) -> list[Fact]:
    """Return which of the recorded facts do not hold, files that the notebook itself writes taken from the state."""
    return [fact for fact in manifest.facts if not _holds(fact, state, world)]


def _holds(fact: Fact, state: State, world: Moment) -> bool:
    if fact.kind in ("file", "absent", "dir") and (slot := state.get("file:" + fact.name)) is not None:
        if fact.kind == "absent":
            return slot.version == ABSENT
        if fact.digest == "exists":
            return slot.version != ABSENT
        if fact.kind == "file" and len(fact.digest) == len(slot.version):
            return slot.version == fact.digest
    if fact.kind == "env" and "env:" + fact.name in state:
        return True  # set by the notebook itself, so its version is among the reads
    return world.holds(fact)


def _say(fact: Fact) -> str:
    match fact.kind:
        case "file":
            return f"file {fact.name} changed"
        case "absent":
            return f"file {fact.name} appeared"
        case "dir":
            return f"folder {fact.name} changed"
        case "table":
            return f"the tables of {fact.name} changed, or cannot be looked at"
        case "mount":
            return fingerprints.say(fact)
        case "cwd":
            return "its relative paths start from another folder"
        case "env":
            return f"environment variable {fact.name} changed"
        case "module":
            return f"module {fact.name.replace(BESIDE, ' in ')} changed"
        case _:
            return f"{fact.name} is no longer {fact.digest or 'absent'}"


def restorable(manifest: Manifest, blobs: Blobs, in_place: Mapping[str, str | None]) -> list[FileOutput] | None:
    """Return the written files that must be restored, None when one of them cannot be."""
    missing = [f for f in manifest.files if in_place[f.path] != f.digest]
    if any(f.digest not in (None, FOLDER) and (f.blob is None or not blobs.has(f.blob)) for f in missing):
        return None
    return missing
