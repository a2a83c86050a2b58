"""The document as frontends see it: looked up beside the session that runs cells, so neither waits for the other."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping

from strata_kernel.domain.analysis import Analysis
from strata_kernel.domain.cell import Gather, Reason
from strata_kernel.domain.state import State, hidden
from strata_kernel.engine import report
from strata_kernel.engine.passes import Pass, missing, passes
from strata_kernel.engine.pipeline import Completed, Failed, Outcome, Restored
from strata_kernel.engine.session import Entry, Session
from strata_kernel.kernel.interrupt import NAMES
from strata_kernel.kernel.observe import active
from strata_kernel.kernel.order import Order
from strata_kernel.protocol import Node


class View:
    """A second session over the same store, fed with what the first one has run; for any thread."""

    def __init__(self, session: Session, main: Session, order: Order, last: Mapping[str, Outcome]) -> None:
        self._session, self._main, self._order, self.last = session, main, order, last
        self._lock = threading.RLock()
        #: The last analysis of each cell that could be read: half-typed code keeps its place in the graph.
        self._sound: dict[str, Analysis] = {}
        self._blocked: dict[str, list[Reason]] = {}
        #: Cells whose runs were removed from the store and that have not run since.
        self.forgotten: set[str] = set()
        self._anew = False
        #: The passes that were walked last, by the key of the run that they are of.
        self._walked: tuple[str | None, list[Pass]] = (None, [])

    def reread(self) -> None:
        """Look all cells up anew the next time: they may be read in another way now."""
        self._anew = True

    def entries(self, pause: Callable[[], None] = lambda: None) -> list[Entry]:
        """Return what stands for each cell now; `pause` is called between two of them."""
        with self._lock, active.exempt():
            with self._order.lock:
                cells = self._order.choice().standing
            session, live = self._session, dict(self._main.entries)
            if self._anew:
                self._anew = False
                session.entries.clear()
            for cell_id in set(self.forgotten):
                live.pop(cell_id, None)
                session.entries.pop(cell_id, None)
            # Copies: the session adjusts entries in place while it walks.
            ran = {i: copy.copy(e) for i, e in live.items() if e.manifest is not None or e.error is not None}
            session.entries = {c.id: e for c in cells if (e := ran.get(c.id) or session.entries.get(c.id))}
            session.cells, session.ordered = cells, True
            session.look_anew()
            found: list[Entry] = []
            state: State = {}
            for cell in cells:
                pause()
                found.append(session.current(cell, state))
                state = found[-1].below
            self._note(found)
            return found

    def _note(self, entries: list[Entry]) -> None:
        readings = [e.reading for e in entries]
        kept = {r.cell.id: self._sound.get(r.cell.id) if r.analysis.error else r.analysis for r in readings}
        self._sound = {i: a for i, a in kept.items() if a is not None}
        self._blocked = report.blocked(entries, self._sound)

    def graph(self, entries: list[Entry]) -> list[Node]:
        """Return the nodes of the graph of these entries."""
        return report.graph(entries, self._sound)

    def standing(self, entry: Entry) -> tuple[str, tuple[Reason, ...]]:
        """Return the state of a cell among the others, as they were last looked at, and the reasons."""
        lacking = self._blocked.get(entry.reading.cell.id)
        return ("blocked", tuple(lacking)) if lacking else self.state(entry)

    def state(self, entry: Entry) -> tuple[str, tuple[Reason, ...]]:
        """Return the state of a cell by itself, and the reasons."""
        if entry.error is not None and entry.error[0] in NAMES:
            return "interrupted", entry.reasons
        return report.state(entry, self.last.get(entry.reading.cell.id))

    def find(self, target: str) -> Entry | None:
        """Return the entry of a cell by its id, its label or its place (from 1), else of the cell that wrote a name."""
        entries = self.entries()
        for entry in entries:
            if target in (entry.reading.cell.id, entry.reading.label):
                return entry
        if target.isdecimal() and 0 < int(target) <= len(entries):
            return entries[int(target) - 1]
        slot = entries[-1].below.get(target) if entries and not hidden(target) else None
        return next((e for e in entries if slot is not None and e.reading.cell.id == slot.by), None)

    def passes(self, entry: Entry) -> list[Pass]:
        """Return the passes of a loop that are kept, in order."""
        key = entry.manifest.key if entry.manifest is not None else None
        with self._lock, active.exempt():
            if key is None or self._walked[0] != key:
                # Whoever steps through thousands of passes asks for them again and again.
                self._walked = (key, [found for found in passes(self._session, entry) if isinstance(found, Pass)])
            return self._walked[1]

    def estimate(self, entry: Entry) -> float | None:
        """Return how many seconds the cell took before, also before its last edit; None when it never ran."""
        known = self._session.estimate(entry)
        last = self.last.get(entry.reading.cell.id)
        if known or last is None:
            return known or None
        return last.seconds if isinstance(last, Failed) else last.manifest.seconds

    def why(self, entry: Entry) -> str:
        """Explain the last decision on a cell in words."""
        cell_id, label = entry.reading.cell.id, entry.reading.label
        last = self.last.get(cell_id)
        lines = [f"cell {label}" + (f" ({cell_id})" if label != cell_id else "")]
        lines += report.why(entry, last, self._blocked.get(cell_id, ())).splitlines()
        if entry.manifest is None:
            with self._lock, active.exempt():
                lines += [f"  - {reason.text}" for reason in missing(self._session, entry)]
        if isinstance(last, Completed | Failed):
            # What made it run stands behind the line that says it did.
            lines[2:2] = ["  - " + r.text + (f" (in {r.cell})" if r.cell else "") for r in last.reasons]
        return "\n".join(dict.fromkeys(lines))

    def describe(self, name: str) -> str:
        """Say where a name's value comes from."""
        entries = self.entries()
        slot = entries[-1].below.get(name) if entries else None
        if slot is None:
            return f"`{name}` stands nowhere in the document"
        unit = slot.unit
        lines = [f"`{name}`: {unit.summary.get(name, unit.kind)}", f"written by cell {slot.by}"]
        if len(unit.names) > 1:
            lines.append("shares state with " + ", ".join(n for n in unit.names if n != name))
        if unit.reason is not None:
            lines.append(f"recomputed when needed: {unit.reason.text}")
        return "\n".join(lines)

    def table(self) -> str:
        """Return one line for each cell, and what the cache saved."""
        lines = []
        entries = [e for e in self.entries() if not isinstance(e.reading.cell, Gather)]
        for place, entry in enumerate(entries, 1):
            state, reasons = self.standing(entry)
            text = reasons[0].text if reasons else ""
            lines.append(f"{place:4}  {entry.reading.label[:24]:24}  {state:11}  {text}".rstrip())
        outcomes = list(self.last.values())
        served = [o for o in outcomes if isinstance(o, Restored)]
        saved = sum(o.manifest.seconds for o in served)
        lines.append(f"{len(served)} of {len(outcomes)} cells run here were served, {saved:.3g} s saved")
        return "\n".join(lines)
