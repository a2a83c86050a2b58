"""One run in another place, at its turn or ahead of it, and whether the latter is what its turn asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from posixpath import dirname
from typing import Any

import msgspec

from strata_kernel.domain.dispatch import Away, Dispatch, unpack
from strata_kernel.domain.manifest import Manifest
from strata_kernel.domain.state import LAST_RESULT, OBSERVED, SUBMODULE
from strata_kernel.engine.journey import Journey
from strata_kernel.engine.lookup import Moment, broken, differences
from strata_kernel.ports import Executor, Show

#: What a run is known to depend on only once it has run: such units may differ, where the record tells that it did not.
_TOLD_LATER = (*OBSERVED, "file:", SUBMODULE, LAST_RESULT)
#: Reasons of runs that did what is not seen, and so may have met what others do unseen.
UNSEEN = frozenset({"subprocess", "threads"})
#: Facts on what other cells may change on a disk, and those that are looked at anew when the run's turn has come.
_ON_DISK, _SHARED = frozenset({"file", "absent", "dir"}), frozenset({"mount", "table"})


class Flight:
    """A dispatch under way; what it tells is kept, so that it can be followed from its beginning.

    `told` gets its states as they come.
    """

    def __init__(
        self, journey: Journey, executor: Executor, dispatch: Dispatch, told: Callable[[Flight, str], None]
    ) -> None:
        self.journey, self.dispatch, self.executor = journey, dispatch, executor
        self.cell = dispatch.cell
        self._told = told
        self._events: list[tuple[str, dict[str, Any]]] = []
        self._news = asyncio.Event()
        self.interrupted = False
        #: What cells that ran since it began did: the paths that they wrote, and whether they did more, unseen.
        self.touched: set[str] = set()
        self.unseen = False
        self.task = asyncio.ensure_future(journey.fly(executor, dispatch, self._note))
        self.task.add_done_callback(self._ended)

    @property
    def worker(self) -> str:
        """The worker that it is on."""
        return self.executor.name

    @property
    def under_way(self) -> bool:
        """Whether it has not ended yet."""
        return not self.task.done()

    @property
    def shown(self) -> bool:
        """Whether anything of it is to be seen."""
        return any(kind not in ("state", "progress") for kind, _ in self._events)

    def _note(self, kind: str, content: dict[str, Any]) -> None:
        self._events.append((kind, content))
        self._news.set()
        if kind == "state":
            self._told(self, content["state"])

    def _ended(self, task: asyncio.Task[Away]) -> None:
        if not task.cancelled():
            task.exception()  # told to who follows it; of one that is given up nobody asks
        self._told(self, "")

    async def follow(self, show: Show) -> Away:
        """Show what it tells as the present request's until it ends; cancelled once, interrupt it and wait for that."""
        place = 0
        while True:
            done = self.task.done()
            self._news.clear()
            while place < len(self._events):
                show(*self._events[place])
                place += 1
            if done:
                return self.task.result()
            news = asyncio.ensure_future(self._news.wait())
            try:
                await asyncio.wait({self.task, news}, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                self.task.cancel()
                if self.interrupted:
                    raise
                self.interrupted = True
            finally:
                news.cancel()

    def past(self, written: Iterable[str], *, unseen: bool) -> None:
        """Note what a cell did that ran meanwhile."""
        self.touched.update(written)
        self.unseen = self.unseen or unseen

    def lacks(self, dispatch: Dispatch) -> frozenset[str] | None:
        """Return in what it differs from what would be sent now and may not have mattered; None: it is another run."""
        mine, now = self.dispatch, dispatch
        if _fixed(mine) != _fixed(now) or any(now.modules.get(p) != c for p, c in mine.modules.items()):
            return None
        here, there = _versions(mine), _versions(now)
        found = {n for n in here.keys() | there.keys() if here.get(n) != there.get(n)}
        if not all(n.startswith(_TOLD_LATER) for n in found):
            return None
        return frozenset(found | {SUBMODULE + path for path in now.modules.keys() - mine.modules.keys()})

    def holds(self, away: Away, journey: Journey, lacking: frozenset[str]) -> bool:
        """Tell whether how it ended is how a run that begins now would: `journey` is that of its turn."""
        if away.manifest is None:
            # What a run looked at that failed is not known.
            return not (lacking or self.unseen or self.touched)
        return self._undisturbed(away.manifest, lacking) and self._unread(away.manifest, journey, lacking)

    def fails(self, journey: Journey, lacking: frozenset[str]) -> bool:
        """Tell whether it has ended already in a way that does not hold."""
        return self.task.done() and not self.holds(self.task.result(), journey, lacking)

    def _undisturbed(self, manifest: Manifest, lacking: frozenset[str]) -> bool:
        touched = self.touched | {n.removeprefix("file:") for n in lacking if n.startswith("file:")}
        looked = {f.name for f in manifest.facts if f.kind in _ON_DISK} | {f.path for f in manifest.files}
        hides = any(r.code in UNSEEN for r in manifest.reasons)
        if (self.unseen and (looked or hides)) or (touched and hides):
            return False
        return looked.isdisjoint(touched | {dirname(path) for path in touched})

    def _unread(self, manifest: Manifest, journey: Journey, lacking: frozenset[str]) -> bool:
        if any(f.kind in _SHARED for f in broken(manifest, journey.state, Moment(journey.session.world))):
            return False
        if not lacking:
            return True
        if journey.closure.opaque:
            return False
        adopted = journey.adopt(manifest, self.worker)
        return not differences(adopted, journey.closure, journey.state)[0]


def _fixed(dispatch: Dispatch) -> tuple[Any, ...]:
    """Return what must be the same in two dispatches of one run, apart from the state and the user's modules."""
    producers = [(p.cell, _of(p.before, dispatch), p.manifest.key, p.manifest.nonce) for p in dispatch.producers]
    twins = frozenset((m.key, m.nonce) for m in dispatch.twins)
    bare = msgspec.structs.replace(dispatch, id="", state={}, units=(), producers=(), twins=(), modules={})
    return bare, producers, twins


def _versions(dispatch: Dispatch) -> dict[str, tuple[Any, ...]]:
    return _of(dispatch.state, dispatch)


def _of(places: dict[str, tuple[int, str]], dispatch: Dispatch) -> dict[str, tuple[Any, ...]]:
    slots = unpack(places, dispatch.units)
    return {n: (s.version, s.unit.names, s.unit.content, s.by) for n, s in slots.items()}
